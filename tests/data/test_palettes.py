"""Masks in colours, by palette or not."""

from __future__ import annotations

import numpy as np
import pytest
from mask_files import (
    BLACK_RED_GREEN,
    COLOURS,
    LABEL,
    Masks,
    disc,
    indexed,
)
from PIL import Image


@pytest.fixture
def masks(tmp_path):
    return lambda *masks: Masks(tmp_path, *masks)


def test_colours_without_a_palette_are_refused_with_those_found(masks):
    found = masks(COLOURS[LABEL])
    said = found.refused()
    palette = "--data.palette 0 0 0 0 255 0 255 0 0"
    assert (
        f"a mask in colours; give data.palette, the RGB of each class: {palette}"
        in said
    )
    np.testing.assert_array_equal(found.labels(palette)[0], np.array([0, 2, 1])[LABEL])


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 0, 2)])
def test_an_indexed_mask_is_read_by_the_colours_that_are_given(masks, order):
    coded = masks(indexed(LABEL, order), COLOURS[LABEL], LABEL[:, :1] * 0)
    labels = coded.labels(f"--data.palette {BLACK_RED_GREEN}")
    np.testing.assert_array_equal(labels[0], LABEL)
    np.testing.assert_array_equal(labels[1], LABEL)
    np.testing.assert_array_equal(labels[2], [[0], [0]])


def test_grey_is_a_colour_beside_masks_in_colours(masks):
    found = masks(LABEL * 0, COLOURS[LABEL])
    red_black_green = "--data.palette 255 0 0 0 0 0 0 255 0"
    np.testing.assert_array_equal(found.labels(red_black_green)[0], LABEL * 0 + 1)


def test_grey_values_that_only_fit_as_colours_are_read_so(masks):
    label = masks(disc()).labels("--data.palette 255 255 255 0 0 0")[0]
    np.testing.assert_array_equal(label, disc() == 0)


def test_a_palette_only_paints_grey_masks_of_classes(masks):
    label = masks(LABEL).labels("--data.palette 9 0 0 0 0 0 1 1 1")[0]
    np.testing.assert_array_equal(label, LABEL)


def test_a_palette_of_other_colours_only_paints_indexed_masks(masks):
    label = masks(indexed(LABEL, (0, 1, 2))).labels("--data.palette 7 7 7 8 8 8 9 9 9")
    np.testing.assert_array_equal(label[0], LABEL)


def test_indices_are_meant_where_their_values_are_given(masks):
    found = masks(indexed(LABEL, (2, 0, 1)))
    indices = np.asarray(indexed(LABEL, (2, 0, 1)))
    words = f"--data.palette {BLACK_RED_GREEN} --data.mask_values 0 1 2"
    np.testing.assert_array_equal(found.labels(words)[0], indices)


def test_a_palette_with_some_of_the_masks_colours_is_refused_with_two_remedies(masks):
    found = masks(indexed(LABEL, (0, 1, 2)))
    palette = "--data.palette 0 0 0 7 7 7 8 8 8"
    said = found.refused(palette)
    assert "--data.palette 0 0 0 0 255 0 255 0 0 (" in said
    assert "pass --data.mask_values 0 1 2 as well" in said
    np.testing.assert_array_equal(
        found.labels(f"{palette} --data.mask_values 0 1 2")[0], LABEL
    )


def test_an_ignored_index_stays_ignored_among_colours(masks):
    pixels = np.array([[0, 1, 2, 255]], np.uint8)
    image = Image.frombytes("P", (4, 1), pixels.tobytes())
    palette = np.full((256, 3), 200, np.uint8)
    palette[:3] = COLOURS
    image.putpalette(palette.tobytes())
    label = masks(image).labels(f"--data.palette {BLACK_RED_GREEN}")[0]
    np.testing.assert_array_equal(label, pixels)


def test_palettes_that_differ_are_refused_with_two_remedies(masks):
    found = masks(indexed(LABEL, (0, 1, 2)), indexed(LABEL, (2, 0, 1)))
    for words in ("", "--data.num_classes 3"):
        said = found.refused(words)
        assert "index 0 is (0, 0, 0) in " in said and "(0, 255, 0) in " in said
        assert "--data.palette 0 0 0 0 255 0 255 0 0 (" in said
        assert "if the numbers are, pass --data.mask_values 0 1 2" in said
    by_colour = found.labels("--data.palette 0 0 0 0 255 0 255 0 0")
    np.testing.assert_array_equal(by_colour[0], np.array([0, 2, 1])[LABEL])
    np.testing.assert_array_equal(*by_colour)
    by_number = found.labels("--data.mask_values 0 1 2")
    np.testing.assert_array_equal(by_number[0], LABEL)


def test_palettes_that_differ_where_no_pixel_is_are_equal(masks):
    one, two = (indexed(LABEL, (0, 1, 2)) for _ in range(2))
    one.putpalette(COLOURS.tobytes() + b"\1\2\3")
    two.putpalette(COLOURS.tobytes() + b"\7\7\7\7\7\7")
    for label in masks(one, two).labels():
        np.testing.assert_array_equal(label, LABEL)


def test_1_bit_masks_beside_0_and_255_are_refused_with_two_remedies(masks):
    found = masks(disc(), disc(radius=9) > 0)
    said = found.refused()
    assert "(255, 255, 255) is value 255 in the former and index 1" in said
    palette = "--data.palette 0 0 0 255 255 255"
    assert f"pass {palette} (" in said
    assert said.endswith("or --data.mask_values 0 1 255 if it is a class")
    labels = found.labels(palette)
    np.testing.assert_array_equal(labels[0], disc() > 0)
    np.testing.assert_array_equal(labels[1], disc(radius=9) > 0)


def test_1_bit_masks_are_two_classes(masks):
    label = masks(disc() > 0).labels()[0]
    np.testing.assert_array_equal(label, disc() > 0)


def test_the_message_lists_a_class_of_few_pixels(masks):
    mask = np.zeros((100, 100), np.uint8)
    mask[0, 0], mask[50:, :] = 3, 200
    said = masks(mask).refused()
    assert "0 (50 %, 1 file), 3 (0.01 %, 1 file), 200 (50 %, 1 file)" in said
