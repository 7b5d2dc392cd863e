"""Binary and multilabel runs by the command line: train, evaluate, predict, resume."""

import json
import math
import shutil

import jax
import numpy as np
import pytest
from PIL import Image
from slow_cases import slow

from jaxseg import cli
from jaxseg.commands.train import train
from jaxseg.config import EvaluationConfig
from jaxseg.evaluation.cleaning import clean_mask
from jaxseg.experiment import load_config
from jaxseg.parallel.mesh import create_mesh
from jaxseg.predictor import Predictor
from jaxseg.report.events import read_metrics
from jaxseg.run import Run

SIZE = (48, 56)
NAMES = ("disc", "square")

EXPERIMENT = """
from jaxseg import *

def get_config():
    return Config(
        name="tiny",
        data=DataConfig(name="folder", root={root!r}, cache={cache!r}, task={task!r},
                        threads=1),
        augment=AugmentConfig(crop=(33, 33), max_class_share=1.0),
        model=ModelConfig(head="fcn8s", backbone="resnet18", width=0.125,
                          max_channels=16),
        optimizer=OptimizerConfig(name="adamw", learning_rate=3e-3),
        train=TrainConfig(steps=2, batch_size=8, log_every=1, eval_every=1),
        evaluation=EvaluationConfig(batch_size=8, threshold="best"),
    )
"""


def shapes(seed):
    """Draw an image of a square and a disc that overlap, and a mask of each."""
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 60, (*SIZE, 3), dtype=np.uint8)
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    disc = (rows - 28) ** 2 + (columns - 30) ** 2 < 150
    top, left = rng.integers(4, 20, 2)
    square = np.zeros(SIZE, bool)
    square[top : top + 20, left : left + 20] = True
    image[disc] += np.array([20, 20, 150], np.uint8)
    image[square] += np.array([150, 20, 20], np.uint8)
    return image, disc, square


def write(root, task):
    for split, count in (("train", 8), ("val", 3)):
        for index in range(count):
            image, *masks = shapes(index + 100 * (split == "val"))
            named = dict(zip(NAMES, masks, strict=True))
            files = {f"images/{index}.png": image}
            if task == "binary":
                files[f"masks/{index}.png"] = named["square"]
            else:
                files |= {f"masks/{n}/{index}.png": m for n, m in named.items()}
            for name, pixels in files.items():
                path = root / split / name
                path.parent.mkdir(parents=True, exist_ok=True)
                if pixels.dtype == bool:
                    pixels = pixels * np.uint8(255)
                Image.fromarray(pixels).save(path)


@pytest.fixture(scope="module", params=["binary", "multilabel"])
def trained(request, tmp_path_factory):
    """A run of two steps, made once a task by the command line."""
    folder = tmp_path_factory.mktemp(request.param)
    write(folder / "data", request.param)
    values = {
        "root": str(folder / "data"),
        "cache": str(folder / "cache"),
        "task": request.param,
    }
    (folder / "tiny.py").write_text(EXPERIMENT.format(**values))
    assert cli.main(command(folder)) == 0
    return request.param, folder


def command(folder, *options):
    words = ["--config", str(folder / "tiny.py"), "--workdir", str(folder / "run")]
    return [*words, *options]


def results_of(folder):
    return json.loads((folder / "run" / "results.json").read_text())


def images(folder):
    paths = sorted((folder / "data" / "val" / "images").iterdir())
    return [np.asarray(Image.open(path)) for path in paths]


def test_results_hold_what_the_task_is_measured_by(trained):
    task, folder = trained
    results = results_of(folder)
    assert results["task"] == task
    classes = ["background", "foreground"] if task == "binary" else list(NAMES)
    assert list(results["per_class_iou"]) == classes
    assert 0 <= results["roc_auc"] <= 1 and 0 <= results["average_precision"] <= 1
    assert 0 <= results["expected_calibration_error"] <= 1
    assert results["threshold"] == results["best_threshold"]
    shares = results["per_class_iou"].values()
    if task == "binary":
        assert results["iou"] == results["best_iou"] == list(shares)[1]
        assert np.sum(results["confusion"]) == 3 * SIZE[0] * SIZE[1]
    else:
        assert results["miou"] == pytest.approx(np.mean(list(shares)))
        assert np.shape(results["confusion"]) == (2, 2, 2)


@pytest.mark.slow
def test_one_device_trains_as_eight_do(trained):
    _, folder = trained
    words = ["--train.eval_every", "2"]
    config = load_config(folder / "tiny.py", words)
    mesh = create_mesh(jax.devices()[:1])
    alone = train(config, folder / "alone", mesh=mesh).results
    losses = [
        [
            line["loss"]
            for line in read_metrics(folder / run)
            if line["split"] == "train"
        ]
        for run in ("run", "alone")
    ]
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-4)
    assert alone["roc_auc"] == pytest.approx(results_of(folder)["roc_auc"], abs=0.01)


def test_the_best_thresholds_are_stored_with_the_best_checkpoint(trained):
    task, folder = trained
    threshold = results_of(folder)["threshold"]
    kept = [threshold] if task == "binary" else list(threshold.values())
    assert list(Run.open(folder / "run").best().thresholds) == kept
    assert list(Predictor.from_run(folder / "run").thresholds) == kept


def test_evaluating_again_gives_the_same_metrics(trained):
    _, folder = trained
    out = folder / "again.json"
    options = ["--run", str(folder / "run"), "--out", str(out)]
    assert cli.main(["evaluate", *options]) == 0
    again, results = json.loads(out.read_text()), results_of(folder)
    for name in ("confusion", "threshold", "roc_auc", "miou", "reliability"):
        assert again[name] == results[name]


def test_a_given_threshold_replaces_the_best(trained):
    task, folder = trained
    out = folder / "half.json"
    options = ["--run", str(folder / "run"), "--out", str(out), "--threshold", "0.5"]
    assert cli.main(["evaluate", *options]) == 0
    half, results = json.loads(out.read_text()), results_of(folder)
    assert half["best_iou"] == results["best_iou"]
    assert half["threshold"] == (0.5 if task == "binary" else dict.fromkeys(NAMES, 0.5))


@pytest.mark.parametrize("window", [0, 40])
def test_predictions_are_the_probabilities_from_the_threshold_on(trained, window):
    task, folder = trained
    evaluation = EvaluationConfig(batch_size=8, threshold="best", window=window)
    predictor = Predictor.from_run(folder / "run", evaluation)
    given = images(folder)
    masks, shares = predictor(given), predictor.probabilities(given)
    bounds = np.array(predictor.thresholds, np.float32)
    for mask, share in zip(masks, shares, strict=True):
        planes = () if task == "binary" else (2,)
        assert share.shape == mask.shape == (*SIZE, *planes)
        assert share.dtype == np.float32
        assert 0 <= share.min() < share.max() <= 1
        np.testing.assert_array_equal(mask, share >= (bounds if planes else bounds[0]))


@pytest.mark.parametrize("values", ["classes", "masks"])
def test_masks_are_written_and_read_back(trained, values):
    task, folder = trained
    out = folder / f"out_{values}"
    paths = [str(folder / "data" / "val" / "images"), "--values", values]
    options = ["--run", str(folder / "run"), "--out", str(out)]
    assert cli.main(["predict", *paths, *options]) == 0
    expected = Predictor.from_run(folder / "run")(images(folder))
    factor = 255 if values == "masks" else 1
    for index, mask in enumerate(expected):
        assert (out / "overlays" / f"{index}.png").is_file()
        planes = {"": mask}
        if task == "multilabel":
            planes = {name: mask[..., place] for place, name in enumerate(NAMES)}
        for name, plane in planes.items():
            found = np.asarray(Image.open(out / "masks" / name / f"{index}.png"))
            np.testing.assert_array_equal(found, plane * factor)


@pytest.mark.parametrize("window", ["0", "40"])
def test_probabilities_and_cleaned_masks_are_written(trained, window):
    task, folder = trained
    run, out = folder / "run", folder / f"out_clean_{window}"
    words = [str(folder / "data" / "val" / "images"), "--window", window]
    words += ["--components", "30", "--fill-holes", "--probabilities", "png"]
    assert cli.main(["predict", "--run", str(run), "--out", str(out), *words]) == 0
    evaluation = EvaluationConfig(batch_size=8, threshold="best", window=int(window))
    predictor = Predictor.from_run(run, evaluation)
    given = images(folder)
    masks, shares = predictor(given), predictor.probabilities(given)
    for index, (mask, share) in enumerate(zip(masks, shares, strict=True)):
        cleaned = clean_mask(mask, predictor.labels, 30, math.inf)
        for place, name in enumerate(("",) if task == "binary" else NAMES):
            found = np.asarray(Image.open(out / "masks" / name / f"{index}.png"))
            np.testing.assert_array_equal(found, np.atleast_3d(cleaned)[..., place])
            path = out / "probabilities" / name / f"{index}.png"
            found = np.asarray(Image.open(path))
            plane = np.atleast_3d(share)[..., place].astype(float)
            np.testing.assert_array_equal(found, np.rint(plane * 65535))


def test_masks_of_bits_are_written_as_bits(trained):
    task, folder = trained
    if task == "binary":
        pytest.skip("its masks have no bits of classes")
    run, out = folder / "run_of_bits", folder / "out_bits"
    shutil.copytree(folder / "run", run)
    labels = json.loads((run / "labels.json").read_text())
    (run / "labels.json").write_text(json.dumps(labels | {"mask_bits": True}))
    paths = [str(folder / "data" / "val" / "images"), "--values", "masks"]
    assert cli.main(["predict", *paths, "--run", str(run), "--out", str(out)]) == 0
    for index, mask in enumerate(Predictor.from_run(run)(images(folder))):
        found = np.asarray(Image.open(out / "masks" / f"{index}.png"))
        np.testing.assert_array_equal(found, mask[..., 0] + 2 * mask[..., 1])


@pytest.mark.slow
def test_a_finished_run_continues_to_more_steps(trained):
    _, folder = trained
    before = results_of(folder)
    assert cli.main(command(folder, "--train.steps", "3")) == 0
    after = results_of(folder)
    assert (before["trained_steps"], after["trained_steps"]) == (2, 3)
    assert cli.main(command(folder, "--train.steps", "3")) == 0
    assert results_of(folder)["threshold"] == after["threshold"]


def test_another_threshold_is_measured_and_kept_without_more_steps(trained):
    task, folder = trained
    steps = str(results_of(folder)["trained_steps"])
    words = ("--train.steps", steps, "--evaluation.threshold", "0.25")
    assert cli.main(command(folder, *words)) == 0
    bounds = (0.25,) * (1 if task == "binary" else 2)
    assert Predictor.from_run(folder / "run").thresholds == bounds
    best = ("--train.steps", steps, "--evaluation.threshold", "best")
    assert cli.main(command(folder, *best)) == 0
    assert Predictor.from_run(folder / "run").thresholds != bounds


def test_a_run_of_another_task_is_not_resumed(trained, capsys):
    task, folder = trained
    before = (folder / "run" / "config.json").read_bytes()
    words = ("--data.task", "multiclass", "--data.mask_values", "0", "255")
    assert cli.main(command(folder, *words)) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert "data.task binary, not multiclass" in said or task == "multilabel"
    assert (folder / "run" / "config.json").read_bytes() == before


def test_images_are_measured_at_the_best_thresholds(trained):
    task, folder = trained
    results = results_of(folder)
    assert len(results["worst_images"]) == 3
    named = {each["name"] for each in results["worst_images"]}
    assert named == {"0", "1", "2"}
    scores = [each["score"] for each in results["worst_images"]]
    assert scores == sorted(scores)
    key = "iou" if task == "binary" else "mean_iou"
    assert np.mean(scores) == pytest.approx(results["per_image"][key]["mean"])
    assert "boundary_iou" not in results
    assert "Worst images" in (folder / "run" / "report.html").read_text()


@pytest.mark.parametrize("window", ["0", *slow("40")])
def test_boundaries_are_measured_if_asked_for(trained, window, capsys):
    task, folder = trained
    out = folder / "surfaces.json"
    words = ["--surfaces", "--boundary_tolerance", "1", "--window", window]
    options = ["--run", str(folder / "run"), "--out", str(out), *words]
    assert cli.main(["evaluate", *options]) == 0
    found = json.loads(out.read_text())
    classes = ["foreground"] if task == "binary" else list(NAMES)
    predictor = Predictor.from_run(
        folder / "run",
        EvaluationConfig(batch_size=8, threshold="best", window=int(window)),
    )
    masks = predictor(images(folder))
    for place, name in enumerate(classes):
        counts = found["surface_images"][name]
        planes = [mask if task == "binary" else mask[..., place] for mask in masks]
        assert counts["both"] == sum(plane.any() for plane in planes)
        assert sum(counts.values()) == 3
        assert list(found["per_class_boundary_f1"]) == classes
    assert found["evaluation"]["boundary_tolerance"] == 1.0
    assert "Hausdorff 95 %, px" in capsys.readouterr().out


def test_a_training_measures_boundaries_once_at_its_end(trained):
    _, folder = trained
    steps = str(results_of(folder)["trained_steps"])
    words = ("--train.steps", steps, "--evaluation.surfaces", "True")
    assert cli.main(command(folder, *words)) == 0
    found = results_of(folder)
    assert 0 <= found["boundary_iou"] <= 1 and 0 <= found["boundary_f1"] <= 1
    assert "<h2>Boundaries</h2>" in (folder / "run" / "report.html").read_text()
    records = read_metrics(folder / "run")
    assert not any("boundary_iou" in record for record in records)
