"""A run scored on data that differs from what it was trained on."""

import dataclasses
import shutil

import numpy as np
import pytest
from PIL import Image

from jaxseg.commands.evaluate import evaluate_run
from jaxseg.commands.train import train
from jaxseg.errors import UserError


@pytest.fixture
def run(tiny_config, with_train, tmp_path):
    short = with_train(tiny_config, steps=2, eval_every=2, checkpoint_every=2)
    train(short, tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture
def data(shapes_folder, tmp_path):
    """A copy of the data that the run is of, to change."""
    return shutil.copytree(shapes_folder, tmp_path / "data")


@pytest.mark.slow
def test_masks_that_lack_a_class_are_scored_with_the_classes_of_the_run(run, data):
    for path in data.glob("*/masks/*.png"):
        mask = np.asarray(Image.open(path)).copy()
        mask[mask == 2] = 0
        Image.fromarray(mask).save(path)
    results = evaluate_run(run, root=str(data))
    counted = np.array(results["confusion"])
    assert counted.shape == (3, 3)
    assert counted[:2].sum(1).all() and not counted[2].any()


def test_masks_with_a_further_class_are_refused(run, data):
    path = data / "val" / "masks" / "0.png"
    mask = np.asarray(Image.open(path)).copy()
    mask[:9] = 3
    Image.fromarray(mask).save(path)
    with pytest.raises(
        UserError, match="was trained on classes class 0, class 1, class 2"
    ):
        evaluate_run(run, root=str(data))


@pytest.mark.slow
def test_a_table_of_fewer_classes_is_refused_by_its_names(
    tiny_config, with_train, data, tmp_path
):
    short = with_train(tiny_config, steps=2, eval_every=2, checkpoint_every=2)
    named = dataclasses.replace(short.data, root=str(data))
    table = data / "labelmap.txt"
    colours = np.array([[0, 0, 0], [255, 0, 0], [0, 255, 0]], np.uint8)
    for path in data.glob("*/masks/*.png"):
        Image.fromarray(colours[np.asarray(Image.open(path))]).save(path)
    table.write_text("ground:0,0,0::\nsquare:255,0,0::\ndisc:0,255,0::\n")
    train(dataclasses.replace(short, data=named), tmp_path / "run")
    table.write_text("ground:0,0,0::\nsquare:255,0,0::\n")
    with pytest.raises(UserError, match=r"mask colour \(0, 255, 0\)"):
        evaluate_run(tmp_path / "run")
    for path in data.glob("*/masks/*.png"):
        pixels = np.asarray(Image.open(path)).copy()
        pixels[..., 1] = 0
        Image.fromarray(pixels).save(path)
    with pytest.raises(UserError, match="ground, square, disc; folder has ground"):
        evaluate_run(tmp_path / "run")


def test_images_that_lie_in_two_splits_are_noted(run, data, capsys):
    for kind in ("images", "masks"):
        shutil.copy(data / "train" / kind / "0.png", data / "val" / kind / "0.png")
    assert evaluate_run(run, root=str(data))["images"] == 5
    assert "an image is in two splits" in capsys.readouterr().err


@pytest.mark.slow
def test_a_run_resumes_if_the_number_of_classes_is_given_now(
    run, tiny_config, with_train
):
    longer = with_train(tiny_config, steps=4, eval_every=2, checkpoint_every=2)
    data = dataclasses.replace(longer.data, num_classes=3, allow_leakage=True)
    result = train(dataclasses.replace(longer, data=data), run)
    assert result.results["trained_steps"] == 4
