"""Masks and pictures written to files, and read back."""

import numpy as np
import pytest
from PIL import Image

from jaxseg.data.image_search import is_result
from jaxseg.data.images import load_image
from jaxseg.data.labels import LabelSet
from jaxseg.errors import UserError
from jaxseg.report.image_files import (
    save_mask,
    save_picture,
    save_probabilities,
    save_shares,
    save_values,
)

LABELS = LabelSet(
    ("background", "cell", "wall"), ((0, 0, 0), (200, 0, 0), (0, 100, 250))
)


def test_a_saved_mask_reads_back_exactly_with_the_palette(tmp_path, mask):
    path = tmp_path / "new" / "mask.png"
    save_mask(path, mask, LABELS)
    with Image.open(path) as file:
        assert file.mode == "P"
        np.testing.assert_array_equal(np.asarray(file), mask)
        np.testing.assert_array_equal(
            np.asarray(file.convert("RGB")), LABELS.colours(mask)
        )


def test_every_value_survives_in_a_saved_mask(tmp_path):
    mask = np.arange(256).reshape(16, 16)
    save_mask(tmp_path / "mask.png", mask, LABELS)
    with Image.open(tmp_path / "mask.png") as file:
        np.testing.assert_array_equal(np.asarray(file), mask)


def test_a_mask_is_not_written_as_jpeg(tmp_path, mask):
    with pytest.raises(UserError, match="written as .png"):
        save_mask(tmp_path / "mask.jpg", mask, LABELS)


@pytest.mark.parametrize("mask", [np.full((2, 2), 256), np.zeros((2, 2, 1), int)])
def test_a_mask_that_no_png_can_hold_is_refused(tmp_path, mask):
    with pytest.raises(UserError, match="values 0..255"):
        save_mask(tmp_path / "mask.png", mask, LABELS)


def test_a_saved_picture_reads_back(tmp_path, image):
    save_picture(tmp_path / "deep" / "er" / "a.png", image)
    np.testing.assert_array_equal(load_image(tmp_path / "deep" / "er" / "a.png"), image)


def test_a_picture_of_unknown_format_is_refused(tmp_path, image):
    with pytest.raises(UserError, match=r"a\.nothing: cannot be written"):
        save_picture(tmp_path / "a.nothing", image)


@pytest.mark.parametrize(
    ("values", "mode"), [((0, 128, 255), "L"), ((7, 1000, 60000), "I;16")]
)
def test_a_mask_of_other_values_is_grey_and_of_as_many_bits_as_it_needs(
    tmp_path, mask, values, mode
):
    mask[:5] = 0
    save_values(tmp_path / "mask.png", mask, values)
    with Image.open(tmp_path / "mask.png") as file:
        assert file.mode == mode
        np.testing.assert_array_equal(np.asarray(file), np.array(values)[mask])


def test_a_class_without_a_value_is_refused(tmp_path, mask):
    with pytest.raises(UserError, match=r"mask.png: a mask is .* values 0..2"):
        save_values(tmp_path / "mask.png", mask, (0, 128, 255))


def test_written_files_are_recognised_as_results(tmp_path, image, mask):
    save_mask(tmp_path / "mask.png", mask, LABELS)
    save_picture(tmp_path / "picture.png", image)
    shares = np.zeros((4, 5), np.float32)
    save_shares(tmp_path / "shares.png", shares)
    save_shares(tmp_path / "shares.tiff", shares)
    save_probabilities(tmp_path / "shares.npz", shares, ["cell"])
    for name in ("other.png", "other.tiff"):
        Image.fromarray(image).save(tmp_path / name)
    np.savez(tmp_path / "other.npz", shares=shares)
    (tmp_path / "broken.npz").write_bytes(b"PK")
    known = {path.name for path in tmp_path.iterdir() if is_result(path)}
    assert known == {
        *("mask.png", "picture.png"),
        *("shares.png", "shares.tiff", "shares.npz"),
    }


def test_probabilities_are_written_exactly_or_to_16_bits(tmp_path):
    shares = np.array([[0, 1, 0.5], [1 / 65535, 1e-9, 0.999999]], np.float32)
    save_shares(tmp_path / "a.png", shares)
    save_shares(tmp_path / "a.tiff", shares)
    png = np.asarray(Image.open(tmp_path / "a.png"))
    # 0.5 lies halfway, and is rounded to the even number.
    np.testing.assert_array_equal(png, [[0, 65535, 32768], [1, 0, 65535]])
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "a.tiff")), shares)
    three = np.stack([shares] * 3, -1)
    save_probabilities(tmp_path / "new" / "a.npz", three, ["a", "b", "\u00e4"])
    with np.load(tmp_path / "new" / "a.npz") as file:
        np.testing.assert_array_equal(file["probabilities"], three)
        assert file["classes"].tolist() == ["a", "b", "\u00e4"]


def test_probabilities_have_no_other_endings(tmp_path):
    shares = np.zeros((4, 5), np.float32)
    with pytest.raises(UserError, match=r"a\.jpg: probabilities are written as"):
        save_shares(tmp_path / "a.jpg", shares)
    with pytest.raises(UserError, match=r"a\.npy: arrays are written as .npz"):
        save_probabilities(tmp_path / "a.npy", shares, ["cell"])
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"a\.npz: cannot be written"):
        save_probabilities(tmp_path / "file" / "a.npz", shares, ["cell"])
