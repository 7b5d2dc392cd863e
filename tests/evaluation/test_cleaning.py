"""Small components and holes: values by hand, and scipy as the reference."""

import math
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from jaxseg.data.labels import LabelSet
from jaxseg.errors import UserError
from jaxseg.evaluation.cleaning import clean_mask

BINARY = LabelSet(("background", "cell"), task="binary")
MULTICLASS = LabelSet(("background", "cell", "wall"))
MULTILABEL = LabelSet(("cell", "wall"), task="multilabel")
EIGHT = np.ones((3, 3))


def mask_of(*rows: str) -> np.ndarray:
    return np.array([[int(value) for value in row] for row in rows], np.int32)


def blobs(seed, classes=2, size=(40, 57), smooth=1.0):
    noise = np.random.default_rng(seed).normal(size=(classes, *size))
    return (
        ndimage.gaussian_filter(noise, (0, smooth, smooth)).argmax(0).astype(np.int32)
    )


def labelled(there) -> tuple[np.ndarray, int]:
    found: Any = ndimage.label(there, EIGHT)
    return found


def without_small(there, least):
    """Drop components by scipy."""
    ids, count = labelled(there)
    sizes = np.bincount(ids.ravel(), minlength=count + 1)
    return there & (sizes[ids] >= least)


def test_components_of_fewer_pixels_are_dropped_and_diagonals_connect():
    mask = mask_of("1000", "0100", "0001", "0000", "1110")
    expected = mask_of("0000", "0000", "0000", "0000", "1110")
    np.testing.assert_array_equal(clean_mask(mask, BINARY, components=3), expected)
    np.testing.assert_array_equal(
        clean_mask(mask, BINARY, components=2),
        mask_of("1000", "0100", "0000", "0000", "1110"),
    )


@pytest.mark.parametrize("least", [0, 1, 2, 5, 30, 10_000])
def test_dropped_components_are_scipys(least):
    for seed in range(5):
        mask = blobs(seed)
        expected = without_small(mask == 1, least)
        found = clean_mask(mask, BINARY, components=least)
        assert found.dtype == mask.dtype
        np.testing.assert_array_equal(found, expected)


def test_filled_holes_are_scipys():
    for seed in range(5):
        mask = blobs(seed)
        expected = ndimage.binary_fill_holes(mask == 1)
        found = clean_mask(mask, BINARY, fill_holes=math.inf)
        np.testing.assert_array_equal(found, expected)
        assert (found != mask).any()


def test_holes_up_to_a_size_are_filled_and_those_at_the_edge_are_none():
    mask = mask_of("111111110", "101100111", "111111101", "111111111")
    np.testing.assert_array_equal(
        clean_mask(mask, BINARY, fill_holes=1),
        mask_of("111111110", "111100111", "111111111", "111111111"),
    )
    np.testing.assert_array_equal(
        clean_mask(mask, BINARY, fill_holes=2),
        mask_of("111111110", "111111111", "111111111", "111111111"),
    )
    everywhere = np.zeros((3, 4), np.int32)
    np.testing.assert_array_equal(
        clean_mask(everywhere, BINARY, fill_holes=math.inf), everywhere
    )


def test_a_hole_that_leaves_by_a_corner_only_is_one():
    mask = mask_of("11100", "10100", "11011")  # its pixels touch at corners
    assert clean_mask(mask, BINARY, fill_holes=math.inf)[1, 1] == 1


def test_a_ring_counts_with_its_hole():
    ring = mask_of("00000", "01110", "01010", "01110", "00000")
    found = clean_mask(ring, BINARY, components=9, fill_holes=math.inf)
    assert found.sum() == 9
    assert clean_mask(ring, BINARY, components=9).sum() == 0


def test_each_class_that_may_overlap_is_cleaned_alone():
    planes = np.stack([blobs(1), blobs(2)], -1).astype(np.uint8)
    found = clean_mask(planes, MULTILABEL, components=9, fill_holes=4)
    assert found.dtype == np.uint8
    for index in range(2):
        alone = clean_mask(planes[..., index], BINARY, components=9, fill_holes=4)
        np.testing.assert_array_equal(found[..., index], alone)


def test_a_dropped_component_takes_the_class_of_most_pixels_around_it():
    mask = mask_of("000222", "001222", "000222", "000222")
    # Five of the eight pixels around it are of class 0, three of class 2.
    expected = mask_of("000222", "000222", "000222", "000222")
    np.testing.assert_array_equal(clean_mask(mask, MULTICLASS, components=2), expected)
    # At the edge of the image there are five: two of class 0, three of class 2.
    mask = mask_of("001222", "000222", "000222")
    mask[0, :2], mask[1, 2] = 0, 2
    found = clean_mask(mask, MULTICLASS, components=2)
    np.testing.assert_array_equal(found, mask_of("002222", "002222", "000222"))


def test_a_pixel_that_touches_twice_counts_once():
    # Six pixels of class 0 touch one of the two of class 2, four of class 1 both.
    mask = mask_of("0110", "0110", "0220", "0110", "0110")
    found = clean_mask(mask, MULTICLASS, components=3)
    np.testing.assert_array_equal(found[2], [0, 0, 0, 0])


def test_equal_numbers_of_pixels_give_the_lower_class():
    mask = mask_of("11122", "11122", "11022", "11122")
    mask[1:4, 2] = 1, 0, 2  # around it are four of class 1 and four of class 2
    assert clean_mask(mask, MULTICLASS, components=2)[2, 2] == 1


def test_small_components_beside_each_other_do_not_count_until_they_are_settled():
    mask = np.zeros((7, 7), np.int32)
    mask[2:5, 2:5] = 1  # eight pixels around one of class 2
    mask[3, 3] = 2
    np.testing.assert_array_equal(clean_mask(mask, MULTICLASS, components=9), 0 * mask)


def test_in_a_multiclass_mask_class_0_has_components_too():
    mask = np.full((6, 6), 2, np.int32)
    mask[2:4, 2:4] = 0
    np.testing.assert_array_equal(
        clean_mask(mask, MULTICLASS, components=5), np.full((6, 6), 2)
    )


def test_if_all_components_are_small_the_largest_stays():
    mask = mask_of("110", "112", "222")
    found = clean_mask(mask, MULTICLASS, components=100)
    np.testing.assert_array_equal(found, np.full((3, 3), 1))


def settled(mask, least):
    """Drop small components of a multiclass mask, pixel by pixel."""
    components = []
    for value in np.unique(mask):
        ids, count = labelled(mask == value)
        components += [ids == index for index in range(1, count + 1)]
    small = [each for each in components if each.sum() < least]
    mask, left = mask.copy(), np.any([*small, np.zeros(mask.shape, bool)], axis=0)
    while small:
        new = {}
        for index, each in enumerate(small):
            around = ndimage.binary_dilation(each, EIGHT) & ~left
            if around.any():
                new[index] = np.bincount(mask[around]).argmax()
        for index, value in new.items():
            mask[small[index]] = value
            left &= ~small[index]
        small = [each for index, each in enumerate(small) if index not in new]
    return mask


@pytest.mark.parametrize("least", [2, 6, 25])
def test_multiclass_masks_are_those_of_a_plain_loop(least):
    for seed, smooth in ((0, 1.0), (1, 1.0), (2, 0.5)):
        mask = blobs(seed, classes=3, smooth=smooth)
        found = clean_mask(mask, MULTICLASS, components=least)
        np.testing.assert_array_equal(found, settled(mask, least))
        for value in range(3):
            np.testing.assert_array_equal(
                without_small(found == value, least), found == value
            )


def test_a_mirrored_mask_is_cleaned_to_the_mirrored_result():
    mask = blobs(3, classes=3, smooth=0.6)
    found = clean_mask(mask, MULTICLASS, components=12)
    mirrored = clean_mask(mask[:, ::-1], MULTICLASS, components=12)
    np.testing.assert_array_equal(mirrored, found[:, ::-1])


@pytest.mark.parametrize("labels", [BINARY, MULTICLASS])
def test_nothing_asked_for_changes_nothing(labels):
    mask = blobs(4)
    found = clean_mask(mask, labels)
    np.testing.assert_array_equal(found, mask)
    assert found is not mask


@pytest.mark.parametrize(
    ("labels", "options", "said"),
    [
        (MULTICLASS, {"fill_holes": 3}, "fill_holes: .* give components N"),
        (BINARY, {"components": -1}, "components -1: a number of pixels"),
        (BINARY, {"fill_holes": math.nan}, "fill_holes nan: a number of pixels"),
    ],
)
def test_wrong_options_of_cleaning_are_refused(labels, options, said):
    with pytest.raises(UserError, match=said):
        clean_mask(blobs(0), labels, **options)
