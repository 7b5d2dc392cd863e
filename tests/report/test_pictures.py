"""Pictures: what is painted, and what is left alone."""

import numpy as np
import pytest

from jaxseg.data.labels import IGNORE, LabelSet
from jaxseg.errors import UserError
from jaxseg.report import pictures

LABELS = LabelSet(
    ("background", "cell", "wall"), ((0, 0, 0), (200, 0, 0), (0, 100, 250))
)


# --- overlay -----------------------------------------------------------------------


def test_the_inside_of_a_class_is_blended_with_its_colour(image, mask):
    picture = pictures.overlay(image, mask, LABELS, alpha=0.25)
    expected = np.rint(0.75 * image[12:28, 12:28] + 0.25 * np.array([200, 0, 0]))
    np.testing.assert_array_equal(picture[12:28, 12:28], expected)


def test_ignored_pixels_show_the_image(image, mask):
    mask[5:10] = 1  # a class right beside them
    picture = pictures.overlay(image, mask, LABELS)
    np.testing.assert_array_equal(picture[:5], image[:5])


def test_a_black_class_shows_the_image(image, mask):
    picture = pictures.overlay(image, mask, LABELS)
    np.testing.assert_array_equal(picture[mask == 0], image[mask == 0])


def test_a_first_class_with_a_colour_is_painted(image):
    labels = LabelSet(("sky",), ((128, 128, 128),))
    picture = pictures.overlay(image, np.zeros((40, 60), int), labels, alpha=1.0)
    assert (picture == 128).all()


def test_the_border_of_a_class_has_one_colour_unlike_its_inside(image, mask):
    picture = pictures.overlay(image, mask, LABELS, alpha=1.0)
    border = {tuple(pixel) for pixel in picture[10, 10:30].tolist()}
    assert len(border) == 1
    assert border != {(200, 0, 0)}


def test_the_image_given_is_not_changed(image, mask):
    before = image.copy()
    pictures.overlay(image, mask, LABELS, alpha=1.0)
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("size", [(96, 96), (20, 300), (300, 20)])
def test_a_legend_stands_below_a_picture_of_at_least_256_pixels(size):
    image = np.full((*size, 3), 7, np.uint8)
    mask = np.ones(size, np.int64)
    picture = pictures.overlay(image, mask, LABELS, legend=True)
    plain = pictures.overlay(image, mask, LABELS)
    factor = -(-256 // max(size))
    assert picture.shape[0] > factor * size[0]
    assert picture.shape[1] == max(factor * size[1], 256)
    np.testing.assert_array_equal(
        picture[: factor * size[0] : factor, : factor * size[1] : factor], plain
    )


def test_a_legend_names_only_the_classes_present(image, mask):
    def colours(picture):
        below = picture[200:].reshape(-1, 3)
        return {tuple(pixel) for pixel in below.tolist()}

    with_both = colours(pictures.overlay(image, mask, LABELS, legend=True))
    with_one = colours(pictures.overlay(image, mask * (mask == 1), LABELS, legend=True))
    assert {(200, 0, 0), (0, 100, 250)} <= with_both
    assert (200, 0, 0) in with_one
    assert (0, 100, 250) not in with_one


def test_a_legend_says_of_what_is_not_painted_that_it_is_ignored(image, mask):
    whole = mask.copy()
    whole[mask == IGNORE] = 0
    with_ignored = pictures.overlay(image, mask, LABELS, legend=True)
    without = pictures.overlay(image, whole, LABELS, legend=True)
    assert with_ignored.shape == without.shape
    inked = [(sheet[200:] < 128).all(axis=2).sum() for sheet in (with_ignored, without)]
    assert inked[0] > inked[1]


def test_the_text_of_a_legend_grows_with_the_picture():
    mask = np.ones((300, 4000), np.uint8)
    picture = pictures.overlay(np.zeros((300, 4000, 3), np.uint8), mask, LABELS)
    legend = pictures.overlay(
        np.zeros((300, 4000, 3), np.uint8), mask, LABELS, legend=True
    )[len(picture) :]
    rows = np.flatnonzero((legend[:, 90:] < 255).any(axis=(1, 2)))
    assert np.ptp(rows) >= 36, "1 per cent of the width"


def test_a_long_or_foreign_name_keeps_the_legend_within_the_picture(image):
    labels = LabelSet(("x" * 500, "Straßenbelag"), ((9, 9, 9), (1, 2, 3)))
    mask = np.arange(2400).reshape(40, 60) % 2
    picture = pictures.overlay(image, mask, labels, legend=True)
    assert picture.shape[1] == 300
    assert (picture[200:, -6:] == 255).all()


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.zeros((40, 61), int), r"mask \(40, 61\) does not fit image \(40, 60\)"),
        (np.full((40, 60), 3), "mask values 3..3 exceed the 3 classes"),
        (np.full((40, 60), -1), "mask values -1..-1 exceed the 3 classes"),
    ],
)
def test_a_mask_that_does_not_fit_is_a_user_error(image, mask, message):
    with pytest.raises(UserError, match=message):
        pictures.overlay(image, mask, LABELS)


def test_a_picture_of_floats_is_refused(mask):
    with pytest.raises(UserError, match=r"uint8 \[H, W, 3\], not float64"):
        pictures.overlay(np.zeros((40, 60, 3)), mask, LABELS)
