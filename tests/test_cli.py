"""The command line end to end, in process; start-up in a process of its own."""

import errno
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import jaxseg
from jaxseg import cli
from jaxseg.backbones import BACKBONES
from jaxseg.commands.metrics_table import print_metrics
from jaxseg.heads import HEADS
from jaxseg.report.events import MetricLog

ROOT = Path(__file__).parents[1]


@pytest.fixture
def experiment(tmp_path, shapes_folder):
    """An experiment file like a user's own."""
    path = tmp_path / "shapes.py"
    path.write_text(f"""
from jaxseg import *

def get_config():
    return Config(
        data=DataConfig(name="folder", root={str(shapes_folder)!r},
                        cache={str(tmp_path / "cache")!r}, threads=2),
        augment=AugmentConfig(crop=(33, 33), max_class_share=1.0),
        model=ModelConfig(head="fcn8s", backbone="resnet18", width=0.125,
                          max_channels=16),
        train=TrainConfig(steps=2, batch_size=8, log_every=1, eval_every=2),
        evaluation=EvaluationConfig(batch_size=8),
    )
""")
    return path


def test_train_evaluate_predict(experiment, shapes_folder, tmp_path, capsys):
    run = tmp_path / "run"
    assert cli.main(["--config", str(experiment), "--workdir", str(run)]) == 0
    printed = capsys.readouterr()
    assert "class 2" in printed.out and "mean IoU" in printed.out
    trained = json.loads((run / "results.json").read_text())

    out = tmp_path / "figures.json"
    assert cli.main(["evaluate", "--run", str(run), "--out", str(out)]) == 0
    figures = json.loads(out.read_text())
    assert figures["confusion"] == trained["confusion"]
    words = ["evaluate", "--run", str(run), "--split", "train", "--flip"]
    words += ["--scales", "1", "1.5", "--window", "40"]
    assert cli.main(words) == 0
    printed = capsys.readouterr()
    assert "12 train images" in printed.out
    assert "image 12/12" in printed.err

    images, result = shapes_folder / "val" / "images", tmp_path / "out"
    words = ["predict", "--run", str(run), str(images), "--out", str(result)]
    assert cli.main(words) == 0
    masks = sorted((result / "masks").iterdir())
    assert [mask.name for mask in masks] == [f"{i}.png" for i in range(5)]
    mask = Image.open(masks[0])
    assert mask.mode == "P" and mask.size == (56, 48)
    predictor = jaxseg.Predictor.from_run(run)
    image = jaxseg.load_image(images / "0.png")
    np.testing.assert_array_equal(np.asarray(mask), predictor(image))
    with Image.open(result / "overlays" / "0.png") as overlay:
        assert overlay.mode == "RGB"


def test_predict_tells_equal_names_apart(experiment, shapes_folder, tmp_path):
    run = tmp_path / "run"
    cli.main(["--config", str(experiment), "--workdir", str(run)])
    folders = [str(shapes_folder / split / "images") for split in ("train", "val")]
    words = ["predict", "--run", str(run), *folders, "--out", str(tmp_path / "out")]
    assert cli.main(words) == 0
    assert len(list((tmp_path / "out" / "masks").iterdir())) == 17


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--config", "nowhere.py"], "nowhere.py: no such experiment file"),
        (["--confg", "x.py"], "Did you mean --config?"),
        (["--config"], "--config"),
        (["trian"], "Did you mean 'train'?"),
        (["evaluate"], "--run"),
        (["evaluate", "--run", "nowhere"], "nowhere: not a run folder"),
        (["predict", "--run", "nowhere", "x.png", "--out", "o"], "nowhere: not a run"),
        (["predict", "--run", "nowhere"], "images"),
    ],
)
def test_what_the_user_can_fix_is_one_line_and_exit_code_2(
    words, said, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert cli.main(words) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("error: ") and said in printed.err
    assert printed.err.count("\n") == 1 and printed.out == ""
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_one_line(experiment, tmp_path, capsys, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device", "metrics.jsonl")

    monkeypatch.setattr("jaxseg.report.events.MetricLog.write", full)
    run = str(tmp_path / "run")
    assert cli.main(["--config", str(experiment), "--workdir", run]) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("error: metrics.jsonl: No space left on device; earlier")


def test_debug_shows_the_traceback():
    with pytest.raises(jaxseg.UserError):
        cli.main(["--config", "nowhere.py", "--debug"])


def test_models_lists_each_with_parameters_and_paper(capsys):
    assert cli.main(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for name, entry in {**BACKBONES, **HEADS}.items():
        (line,) = [line for line in lines if line.split()[:1] == [name]]
        assert entry.paper in line
        assert re.search(r"\d+\.\d\d", line)
    (line,) = [line for line in lines if line.startswith("resnet50 ")]
    assert "25.56" in line
    (line,) = [line for line in lines if line.startswith("unet_original ")]
    assert "own" in line


def test_inspect_needs_as_many_sizes_as_axes(experiment, capsys):
    words = ["inspect", "--config", str(experiment), "--size", "64"]
    assert cli.main(words) == 2
    assert "--size takes 2 positive numbers" in capsys.readouterr().err


def test_inspect_shows_layers_and_field(experiment, capsys):
    words = ["inspect", "--config", str(experiment), "--size", "64", "96"]
    assert cli.main([*words, "--classes", "5"]) == 0
    printed = capsys.readouterr().out
    (line,) = [line for line in printed.splitlines() if "head/score8 " in line]
    assert "8x12x5" in line
    assert "435 pixels" in printed


def test_compare_writes_a_page(tmp_path, capsys):
    run, page = tmp_path / "run", tmp_path / "pages" / "page.html"
    run.mkdir()
    with MetricLog(run, 0) as log:
        log.write(1, "train", {"loss": 1.0})
    assert cli.main(["compare", str(run), "--out", str(page)]) == 0
    assert "Training loss" in page.read_text()
    assert cli.main(["compare", str(tmp_path), "--out", str(page)]) == 2


@pytest.mark.parametrize("other", [None, 0.5])
def test_a_mean_over_one_class_is_said_to_be_one(other, capsys):
    shares = {"ground": 1.0, "road": other}
    names = ("miou", "mean_dice", "frequency_weighted_iou", "pixel_accuracy")
    results = dict.fromkeys(names, 1.0)
    results |= {"per_class_iou": shares, "per_class_dice": shares}
    print_metrics(results | {"images": 2, "split": "val", "step": 4})
    said = (
        "warning: only class ground occurs in the labels and predictions of split val"
    )
    printed = capsys.readouterr()
    assert (said in printed.err) == (other is None)
    assert ("mean IoU 100.00 %" in printed.out) == (other is not None)


def test_boundaries_and_single_images_are_printed_where_they_were_measured(capsys):
    shares = {"ground": 0.5, "road": 0.25}
    names = ("miou", "mean_dice", "frequency_weighted_iou", "pixel_accuracy")
    kinds = ("boundary_iou", "boundary_f1", "hausdorff95", "average_surface_distance")
    results = dict.fromkeys((*names, *kinds), 0.5)
    results |= {"per_class_iou": shares, "per_class_dice": shares}
    results |= {f"per_class_{kind}": {"ground": None, "road": 0.125} for kind in kinds}
    alone = {"both": 0, "label_only": 2, "prediction_only": 1}
    both = {"both": 3, "label_only": 0, "prediction_only": 0}
    results["surface_images"] = {"ground": alone, "road": both}
    results["per_image"] = {"mean_iou": {"mean": 0.5, "median": 0.25}}
    results["worst_images"] = [{"name": "x", "score": 0.125}]
    print_metrics(results | {"images": 3, "split": "val", "step": 4})
    printed = capsys.readouterr().out
    said = "Mean over the images: mean IoU 50.0 % (median 25.0 %). Worst: x 12.50 %."
    assert said in printed
    assert ["road", "12.50", "12.50", "0.12", "0.12"] in [
        line.split() for line in printed.splitlines()
    ]
    assert printed.splitlines()[-1].endswith("have no distance: ground 2 and 1")


def test_datasets_lists_the_catalog(capsys):
    assert cli.main(["datasets"]) == 0
    printed = capsys.readouterr().out
    for name in ("digit_scenes", "folder", "camvid", "oxford_iiit_pet", "cityscapes"):
        assert name in printed


def test_help_of_an_experiment_lists_every_override(experiment, capsys):
    assert cli.main(["--config", str(experiment), "--help"]) == 0
    printed = capsys.readouterr().out
    assert "--train.steps" in printed and "--workdir" in printed


@pytest.mark.parametrize("start", [["main.py"], ["-m", "jaxseg"]])
def test_a_start_without_arguments_shows_help_and_imports_no_jax(start):
    code = (
        "import runpy, sys; sys.argv = {argv!r}\n"
        "try: runpy.{how}({what!r}, run_name='__main__')\n"
        "except SystemExit as stop: assert not stop.code\n"
        "assert not {{'jax', 'tensorflow', 'numpy.f2py'}} & set(sys.modules)"
    )
    how, what = ("run_path", "main.py") if len(start) == 1 else ("run_module", "jaxseg")
    code = code.format(argv=[what], how=how, what=what)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "python main.py --config" in done.stdout


@pytest.mark.slow
def test_a_whole_run_imports_no_tensorflow(experiment, tmp_path):
    code = (
        "import sys; from jaxseg import cli\n"
        f"assert cli.main(['--config', {str(experiment)!r}, '--train.steps', '1',"
        f" '--workdir', {str(tmp_path / 'run')!r}]) == 0\n"
        "assert 'tensorflow' not in sys.modules"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_public_names_exist():
    for name in jaxseg.__all__:
        assert getattr(jaxseg, name) is not None
    with pytest.raises(AttributeError, match="no_such_name"):
        getattr(jaxseg, "no_such_name")  # noqa: B009
