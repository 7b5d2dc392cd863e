"""Masks and pictures written to files, and read back."""

import numpy as np
import pytest
from PIL import Image

from jaxseg.data.image_search import is_result
from jaxseg.data.images import load_image
from jaxseg.data.labels import LabelSet
from jaxseg.errors import UserError
from jaxseg.report.image_files import save_mask, save_picture, save_values

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


def test_what_is_written_is_known_as_a_result(tmp_path, image, mask):
    save_mask(tmp_path / "mask.png", mask, LABELS)
    save_picture(tmp_path / "picture.png", image)
    Image.fromarray(image).save(tmp_path / "other.png")
    known = {path.name for path in tmp_path.iterdir() if is_result(path)}
    assert known == {"mask.png", "picture.png"}
