"""Several runs on one page."""

import json
import re

import pytest

from jaxseg.errors import UserError
from jaxseg.report.comparison import write_comparison
from jaxseg.report.events import MetricLog


def make_run(folder, losses, miou=None):
    folder.mkdir(parents=True)
    with MetricLog(folder, 0) as log:
        for step, loss in enumerate(losses, start=1):
            log.write(step, "train", {"loss": loss})
        if miou is not None:
            log.write(len(losses), "val", {"miou": miou, "pixel_accuracy": 0.9})
    if miou is not None:
        results = {"miou": miou, "pixel_accuracy": 0.9, "step": 3, "parameters": 2e6}
        (folder / "results.json").write_text(json.dumps(results))
    return folder


def test_every_run_has_its_colour_its_curve_and_its_metrics(tmp_path):
    one = make_run(tmp_path / "plain<18>", [3.0, 2.0, 1.0], 0.625)
    two = make_run(tmp_path / "plain34", [3.0, 2.5, 2.0])  # still under way
    page = write_comparison([one, two], tmp_path / "out.html").read_text()
    assert "plain&lt;18&gt;" in page and "plain<18>" not in page
    assert "62.50" in page and page.count("<td>–</td>") == 6  # five metrics, one Dice
    assert page.count('<g class="k0">') == 3  # loss, mean IoU, accuracy
    assert page.count('<g class="k1">') == 1
    for title in ("Training loss", "Mean IoU, val", "Pixel accuracy, val"):
        assert title in page


def test_runs_of_one_name_show_their_parents(tmp_path):
    runs = [make_run(tmp_path / name / "run", [1.0]) for name in "ab"]
    page = write_comparison(runs, tmp_path / "out.html").read_text()
    assert "a/run" in page and "b/run" in page


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(UserError, match="not a run folder"):
        write_comparison([tmp_path], tmp_path / "out.html")


def test_more_runs_than_colours_are_refused(tmp_path):
    with pytest.raises(UserError, match="9 runs"):
        write_comparison([tmp_path] * 9, tmp_path / "out.html")


def test_the_same_run_twice_is_refused(tmp_path):
    run = make_run(tmp_path / "run", [1.0])
    with pytest.raises(UserError, match="twice"):
        write_comparison([run, run], tmp_path / "out.html")


def test_runs_show_their_model_and_data_if_results_hold_them(tmp_path):
    old, new = (make_run(tmp_path / name, [1.0], 0.5) for name in ("old", "new"))
    results = json.loads((new / "results.json").read_text())
    results["model"] = {"head": "unet", "backbone": "resnet34"}
    results["data"] = {"name": "folder", "root": "nuclei"}
    (new / "results.json").write_text(json.dumps(results))
    page = write_comparison([old, new], tmp_path / "out.html").read_text()
    assert page.count("U-Net on ResNet-34, nuclei") == 1
    assert "2 runs compared" in page


def test_a_metric_over_one_class_says_so(tmp_path):
    run = make_run(tmp_path / "run", [1.0], 1.0)
    results = {"miou": 1.0, "per_class_iou": {"a": 1.0, "b": None}}
    (run / "results.json").write_text(json.dumps(results))
    page = write_comparison([run], tmp_path / "out.html").read_text()
    assert "one class only" in page
    assert "Only one class, a, occurs" in page


def test_eight_runs_differ_by_colour_or_dashes(tmp_path):
    runs = [make_run(tmp_path / f"run{index}", [2.0, 1.0]) for index in range(8)]
    page = write_comparison(runs, tmp_path / "out.html").read_text()
    assert [f'<g class="k{index}">' in page for index in range(8)] == [True] * 8
    style = page.split("</style>")[0]
    hues = re.findall(r"\.k(\d), \.k(\d) { --accent", style)
    dashed = re.search(r"((?:\.k\d \.line,? ?)+){ stroke-dasharray", style)
    assert dashed
    for plain, other in hues:
        assert f".k{other} .line" in dashed[1] and f".k{plain} .line" not in dashed[1]
    assert sorted(sum(hues, ())) == list("01234567")


def test_losses_that_begin_high_leave_the_rest_to_be_seen(tmp_path):
    run = make_run(tmp_path / "run", [1e6] + [1.0 - step / 400 for step in range(200)])
    page = write_comparison([run], tmp_path / "out.html").read_text()
    levels = re.findall(r'class="y"[^>]*>([^<]*)<', page)
    assert max(map(float, levels)) <= 1


def test_a_run_that_has_logged_nothing_yet_has_no_curves(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run/metrics.jsonl").touch()
    page = write_comparison([tmp_path / "run"], tmp_path / "out.html").read_text()
    assert "Curves" not in page


def test_boundaries_have_columns_where_a_run_has_measured_them(tmp_path):
    runs = [make_run(tmp_path / name, [1.0], 0.5) for name in "ab"]
    page = write_comparison(runs, tmp_path / "out.html").read_text()
    assert "Boundary" not in page
    path = runs[1] / "results.json"
    measured = {"boundary_iou": 0.25, "hausdorff95": 12.3456}
    path.write_text(json.dumps(json.loads(path.read_text()) | measured))
    page = write_comparison(runs, tmp_path / "out.html").read_text()
    assert "Boundary IoU, %" in page and "Hausdorff 95 %, px" in page
    assert "<td>25.00</td>" in page and "<td>12.35</td>" in page
    assert "Surface distance" not in page
