from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jaxseg.config import DataConfig
from jaxseg.data import leakage
from jaxseg.data.catalog import open_dataset
from jaxseg.errors import UserError


def picture(seed):
    return np.random.default_rng(seed).integers(0, 256, (4, 6, 3), np.uint8)


def add(root, split, name, image, mask=0):
    """Write an image and a mask of two classes; the ending says how it is encoded."""
    for kind in ("images", "masks"):
        (root / split / kind).mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(root / split / "images" / name)
    label = np.zeros(image.shape[:2], np.uint8)
    label[:, mask:3] = 1
    Image.fromarray(label).save(root / split / "masks" / f"{Path(name).stem}.png")


@pytest.fixture
def root(tmp_path):
    for number in range(3):
        add(tmp_path / "raw", "train", f"{number}.png", picture(number))
    add(tmp_path / "raw", "val", "a.png", picture(10))
    return tmp_path / "raw"


@pytest.fixture
def config(root, tmp_path):
    return DataConfig(name="folder", root=str(root), cache=str(tmp_path / "cache"))


def refused(config, message):
    with pytest.raises(UserError, match=message) as error:
        open_dataset(config)
    assert "\n" not in str(error.value)


def test_different_images_are_no_leak(config):
    assert open_dataset(config).splits == {"train": 3, "val": 1}


def test_a_copied_file_is_refused_with_both_places(root, config):
    add(root, "val", "b.png", picture(1))
    message = (
        "raw: an image is in two splits, with the same pixels: train/images/1.png ="
        " val/images/b.png; take .* --data.allow_leakage True"
    )
    refused(config, message)


@pytest.mark.parametrize("name", ["b.bmp", "b.tiff", "b.webp"])
def test_the_same_pixels_in_another_encoding_are_refused(root, config, name):
    options = {"lossless": True} if name == "b.webp" else {}
    add(root, "val", "c.png", picture(1))
    (root / "val/images/c.png").unlink()
    (root / "val/masks/c.png").rename(root / "val/masks/b.png")
    Image.fromarray(picture(1)).save(root / "val/images" / name, **options)
    refused(config, f"train/images/1.png = val/images/{name}")


def test_a_turned_copy_is_the_same_image(root, config):
    add(root, "val", "b.png", picture(1))
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = np.rot90(picture(1)).copy()
    Image.fromarray(turned).save(root / "val/images/b.png", exif=exif)
    refused(config, "train/images/1.png = val/images/b.png")


def test_the_same_image_with_another_mask_is_refused(root, config):
    add(root, "test", "b.png", picture(1), mask=2)
    refused(config, "train/images/1.png = test/images/b.png")


def test_three_pairs_are_named_and_all_are_counted(root, config):
    for number in range(3):
        add(root, "val", f"v{number}.png", picture(number))
    add(root, "test", "t.png", picture(2))
    refused(config, "4 images are in two splits.*v0.png, .*v1.png, .* and 1 more;")


def test_the_named_option_allows_leakage(root, config):
    add(root, "val", "b.png", picture(1))
    allowed = dataclasses.replace(config, allow_leakage=True)
    assert open_dataset(allowed).splits == {"train": 3, "val": 2}


def test_what_was_prepared_with_leave_is_refused_without(root, config):
    add(root, "val", "b.png", picture(1))
    open_dataset(dataclasses.replace(config, allow_leakage=True))
    for _ in range(2):
        refused(config, "train/images/1.png = val/images/b.png")


def test_taking_the_image_out_of_one_split_is_enough(root, config):
    add(root, "val", "b.png", picture(1))
    refused(config, "an image is")
    (root / "val/images/b.png").unlink()
    (root / "val/masks/b.png").unlink()
    assert open_dataset(config).splits == {"train": 3, "val": 1}


def test_images_are_compared_once(config, monkeypatch):
    open_dataset(config)
    monkeypatch.setattr(leakage, "_compare", None)
    assert open_dataset(config).splits == {"train": 3, "val": 1}


@pytest.mark.parametrize(
    "content", ["", "{}x", "3", "null", "[[1]]", '[["a", "b", "c", "d"]]', "[" * 99_999]
)
def test_images_are_compared_again_if_the_stored_result_is_damaged(
    root, config, content
):
    add(root, "val", "b.png", picture(1))
    refused(config, "an image is")
    (known,) = Path(config.cache).rglob("leakage.json")
    known.write_text(content)
    refused(config, "train/images/1.png = val/images/b.png")


def test_the_message_names_the_new_place_of_a_moved_folder(root, config, tmp_path):
    add(root, "val", "b.png", picture(1))
    refused(config, "raw: an image")
    root.rename(tmp_path / "moved")
    config = dataclasses.replace(config, root=str(tmp_path / "moved"))
    refused(config, "moved: an image is .* train/images/1.png")


def test_an_image_twice_in_one_split_is_no_leak(root, config):
    add(root, "train", "again.png", picture(1))
    assert open_dataset(config).splits == {"train": 4, "val": 1}


def test_images_of_one_colour_are_no_leak(root, config):
    for split in ("train", "val"):
        add(root, split, "empty.png", np.zeros((4, 6, 3), np.uint8))
    assert open_dataset(config).splits == {"train": 4, "val": 2}


def test_other_shapes_of_the_same_bytes_are_no_leak(root, config):
    add(root, "val", "b.png", picture(1).reshape(6, 4, 3))
    assert open_dataset(config).splits == {"train": 3, "val": 2}


def test_a_test_split_without_masks_is_not_compared(root, config):
    add(root, "test", "t.png", picture(1))
    shutil.rmtree(root / "test/masks")
    dataset = open_dataset(config)
    assert dataset.splits == {"train": 3, "val": 1}
    assert any("split 'test' has images but no masks" in n for n in dataset.notes)
