"""Masks of a file a class, of which a pixel has one class."""

import dataclasses
from typing import Any

import numpy as np
import pytest
from PIL import Image

from jaxseg.config import DataConfig
from jaxseg.data.catalog import open_dataset
from jaxseg.data.class_stacks import are_names
from jaxseg.data.labels import IGNORE
from jaxseg.data.tasks import held
from jaxseg.errors import UserError

CAT = np.array([[0, 1, 1, 0], [0, 0, 0, 0]], np.uint8)
DOG = np.array([[0, 0, 1, 1], [0, 0, 0, 1]], np.uint8)
BOTH = np.array([[0, 1, 2, 2], [0, 0, 0, 2]], np.uint8)
"""The dog lies on the cat."""


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def lay_out(root, pattern, cat=CAT, dog=DOG):
    for seed, (split, name) in enumerate(
        (("train", "a"), ("train", "b"), ("val", "c"))
    ):
        pixels = np.random.default_rng(seed).integers(0, 256, (2, 4, 3), np.uint8)
        save(root / split / "images" / f"{name}.png", pixels)
        for class_name, mask in (("cat", cat), ("dog", dog)):
            place = pattern.format(split=split, name=name, of=class_name)
            save(root / place, mask)
    return root


@pytest.fixture
def config(tmp_path):
    root, cache = str(tmp_path / "raw"), str(tmp_path / "cache")
    return DataConfig(name="folder", root=root, cache=cache)


@pytest.fixture
def root(tmp_path):
    return lay_out(tmp_path / "raw", "{split}/masks/{of}/{name}.png")


def opened(config, **options) -> Any:
    return open_dataset(dataclasses.replace(config, **options))


def label(dataset, name="a"):
    return next(s["label"] for s in dataset.samples("train") if s["name"] == name)


@pytest.mark.parametrize(
    "pattern", ["{split}/masks/{of}/{name}.png", "{split}/masks/{name}_{of}.png"]
)
@pytest.mark.parametrize("value", [1, 255])
def test_the_files_of_the_classes_become_one_mask(pattern, value, tmp_path, config):
    lay_out(tmp_path / "raw", pattern, CAT * value, DOG * value)
    dataset = opened(config)
    assert dataset.labels.names == ("background", "cat", "dog")
    np.testing.assert_array_equal(label(dataset), BOTH)
    assert "2 pixels in 2 images are in shapes" in held(dataset, ("train",))[0]
    assert "masks of a file a class: background, cat, dog" in dataset.notes


@pytest.mark.usefixtures("root")
def test_names_order_the_classes_and_so_which_lies_on_top(config):
    found = label(opened(config, class_names=("background", "dog", "cat")))
    np.testing.assert_array_equal(found, [[0, 2, 2, 1], [0, 0, 0, 1]])


def test_ignored_pixels_of_a_file_are_ignored_below_later_classes(tmp_path, config):
    cat = np.where([[1, 0, 1, 0], [0] * 4], 255, CAT).astype(np.uint8)
    lay_out(tmp_path / "raw", "{split}/masks/{of}/{name}.png", cat)
    expected = BOTH.copy()
    expected[0, 0] = IGNORE
    np.testing.assert_array_equal(label(opened(config)), expected)


def test_an_absent_file_is_of_a_class_that_the_image_has_not(root, config):
    (root / "train" / "masks" / "dog" / "a.png").unlink()
    with pytest.raises(
        UserError, match="1 of 6 mask files .* --data.absent_masks True"
    ):
        opened(config)
    np.testing.assert_array_equal(label(opened(config, absent_masks=True)), CAT)


def test_files_of_other_sizes_are_refused(root, config):
    save(root / "train" / "masks" / "dog" / "a.png", np.zeros((3, 4), np.uint8))
    with pytest.raises(
        UserError, match=r"dog/a.png: 4x3 pixels, and .*cat/a.png has 4x2"
    ):
        opened(config)


@pytest.mark.parametrize(
    "names, can_be",
    [
        (("cat", "dog"), True),
        (("0", "1"), False),
        (("rater1", "rater2"), False),
        (("1st", "2nd"), False),
        (("class_a", "class_b"), True),
    ],
)
def test_numbers_are_no_names_of_classes(names, can_be):
    assert are_names(names) is can_be
