"""The page docs/extending.md: its blocks are run, trained, evaluated and predicted."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from registries import restored

from jaxseg import cli
from jaxseg.errors import UserError
from jaxseg.evaluation.metrics import METRICS, RESERVED, check_metrics
from jaxseg.predictor import Predictor

ROOT = Path(__file__).parents[1]
BLOCKS = re.findall(
    r"```python\n# (\S+)\n(.*?)```", (ROOT / "docs/extending.md").read_text(), re.S
)
MAIN = [sys.executable, str(ROOT / "main.py")]


def blocks_of(name):
    return "\n\n".join(text for title, text in BLOCKS if title == name)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The experiment of the page, a run of it, and an image, in a folder."""
    root = tmp_path_factory.mktemp("extending")
    experiment = root / "my_experiment.py"
    experiment.write_text(blocks_of("my_experiment.py"))
    image = np.random.default_rng(0).integers(0, 255, (40, 50, 3), np.uint8)
    Image.fromarray(image).save(root / "image.png")
    words = ["--config", str(experiment), "--workdir", str(root / "run")]
    with restored():
        assert cli.main(words) == 0
        yield root


def test_the_page_has_an_example_of_each_kind():
    text = blocks_of("my_experiment.py")
    for kind in ("loss", "head", "backbone", "dataset", "transform", "metric"):
        assert f"@jaxseg.register_{kind}(" in text, kind
    assert all(len(block.splitlines()) <= 27 for _, block in BLOCKS)
    assert {title for title, _ in BLOCKS} == {
        "my_experiment.py",
        "jaxseg/commands/classes.py",
    }


def test_a_users_own_metric_is_logged_and_in_the_results(folder):
    results = json.loads((folder / "run/results.json").read_text())
    lines = (folder / "run/metrics.jsonl").read_text().splitlines()
    logged = [json.loads(line) for line in lines]
    logged = [line for line in logged if line["split"] == "val"]
    worst = min(results["per_class_iou"].values())
    assert results["worst_iou"] == pytest.approx(worst)
    assert logged[-1]["step"] == 6 and 0 <= logged[-1]["worst_iou"] <= 1
    assert "worst_iou" in (folder / "run/report.html").read_text()


def test_no_metric_can_have_the_name_of_another_result(folder):
    results = json.loads((folder / "run/results.json").read_text())
    assert set(results) - set(METRICS) <= RESERVED
    lines = (folder / "run/metrics.jsonl").read_text().splitlines()
    assert all(set(json.loads(line)) - set(METRICS) <= RESERVED for line in lines)


def test_a_loss_that_is_no_sum_is_not_split(folder, capsys):
    words = ["--config", str(folder / "my_experiment.py"), "--train.accumulate", "2"]
    assert cli.main(words) == 2
    assert "does not follow from sums over its parts" in capsys.readouterr().err


def test_a_run_is_not_resumed_on_other_data(folder, tmp_path, capsys):
    text = (folder / "my_experiment.py").read_text()
    other = tmp_path / "my_experiment.py"
    other.write_text(text.replace("+= 120", "+= 110"))
    words = ["--config", str(other), "--workdir", str(folder / "run")]
    done = subprocess.run([*MAIN, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "other data (train has 16 images as before, but others" in done.stderr


def test_a_new_process_evaluates_and_predicts_with_the_import(folder):
    own = ["--run", "run", "--import", "my_experiment.py"]
    for words in (
        ["evaluate", *own, "--out", "scores.json"],
        ["predict", *own, "image.png", "--out", "out"],
    ):
        done = subprocess.run(
            [*MAIN, *words], cwd=folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    scores = json.loads((folder / "scores.json").read_text())
    results = json.loads((folder / "run/results.json").read_text())
    assert scores["confusion"] == results["confusion"]
    assert scores["worst_iou"] == results["worst_iou"]
    with Image.open(folder / "out/masks/image.png") as mask:
        assert mask.size == (50, 40)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["evaluate", "--run", "run"], "run: unknown data set 'squares'"),
        (
            ["predict", "--run", "run", "image.png", "--out", "new"],
            "run: unknown head 'two_levels'",
        ),
    ],
)
def test_a_new_process_without_the_import_gets_the_remedy(folder, words, said):
    done = subprocess.run(
        [*MAIN, *words], cwd=folder, capture_output=True, text=True, check=False
    )
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert done.returncode == 2 and said in line and "--import FILE" in line
    assert not (folder / "new").exists()


def test_a_config_json_with_registered_names_needs_the_experiment(folder):
    words = ["--config", "run/config.json", "--workdir", "again"]
    done = subprocess.run(
        [*MAIN, *words], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "give the experiment that registers it in place" in done.stderr


def test_a_predictor_knows_what_a_loaded_experiment_registers(folder):
    predictor = Predictor.from_run(folder / "run")
    mask = predictor(np.zeros((40, 50, 3), np.uint8))
    assert mask.shape == (40, 50) and mask.dtype == np.int32


def test_a_command_is_a_file_and_an_entry(folder, tmp_path, monkeypatch, capsys):
    (tmp_path / "classes_of_a_run.py").write_text(
        blocks_of("jaxseg/commands/classes.py")
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(cli.COMMANDS, "classes", "classes_of_a_run")
    assert cli.main(["classes", "--run", str(folder / "run")]) == 0
    assert "square" in capsys.readouterr().out
    assert cli.main(["classes", "--help"]) == 0
    assert "List the classes of a run" in capsys.readouterr().out


def test_a_metric_that_fails_on_the_classes_is_refused_before_a_run():
    metrics = dict(METRICS)
    try:
        for value, said in (
            (lambda confusion: confusion.iou[2], "IndexError"),
            (lambda confusion: confusion.iou, r"returned an array \[2\]"),
            (lambda confusion: None, "returned None; it must return one number"),
            (lambda confusion: "a", "returned 'a'; it must return one number"),
        ):
            METRICS["third_iou"] = value
            with pytest.raises(UserError, match=f"metric 'third_iou'.*{said}"):
                check_metrics(2)
        METRICS["third_iou"] = lambda confusion: float("nan")
        check_metrics(2)
    finally:
        METRICS.clear()
        METRICS.update(metrics)
