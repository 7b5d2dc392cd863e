"""Values that do not look like classes, and remedies that work."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from mask_files import (
    Masks,
    disc,
    jpeg,
    objects,
)

from jaxseg.data.labels import IGNORE


@pytest.fixture
def masks(tmp_path):
    return lambda *masks: Masks(tmp_path, *masks)


SMOOTHED = {
    "blurred": lambda: cv2.GaussianBlur(disc(), (0, 0), 1.5),
    "resized larger": lambda: cv2.resize(
        disc(size=27, radius=6, centre=(13, 13)), (64, 64)
    ),
    "once JPEG": lambda: jpeg(disc()),
    "once poor JPEG": lambda: jpeg(disc(), 30),
    "drawn with soft edges": lambda: cv2.circle(disc(0), (30, 30), 15, 255, -1, 16),
}


@pytest.mark.parametrize("words", ["", "--data.num_classes 2"])
@pytest.mark.parametrize("kind", SMOOTHED)
def test_smoothed_black_and_white_is_refused_and_can_be_thresholded(masks, kind, words):
    mask = SMOOTHED[kind]()
    found = masks(mask)
    said = found.refused(words)
    assert "black-and-white masks that were smoothed, resized or JPEG once" in said
    assert "pass --data.mask_map 0-127:0 128-255:1" in said
    label = found.labels(f"{words} --data.mask_map 0-127:0 128-255:1")[0]
    np.testing.assert_array_equal(label, mask > 127)


def test_values_near_those_given_are_refused_and_can_be_thresholded(masks):
    found = masks(jpeg(disc()))
    said = found.refused("--data.mask_values 0 255")
    assert "at row" in said and "1 of 1 masks hold such values" in said
    assert "--data.mask_map 0-127:0 128-255:1 in place of data.mask_values" in said


def test_three_smoothed_levels_keep_their_third(masks):
    mask = disc(128, 128, 40, (50, 50))
    mask = jpeg(cv2.circle(mask, (50, 50), 15, 255, -1))
    found = masks(mask)
    remedy = "--data.mask_map 0-64:0 65-191:1 192-255:2"
    said = found.refused()
    assert "3-level masks that were smoothed" in said and f"pass {remedy}" in said
    label = found.labels(remedy)[0]
    np.testing.assert_array_equal(label, np.digitize(mask, [65, 192]))


def test_classes_with_a_wide_ignored_border_are_not_taken_for_smoothed(masks):
    mask = np.zeros((100, 100), np.uint8)
    mask[:20] = IGNORE
    mask[-21:] = np.arange(21)[:, None]
    assert masks(mask).coding().labels.num_classes == 21


def test_levels_without_strays_are_not_taken_for_smoothed(masks):
    said = masks(np.array([range(0, 256, 51)], np.uint8)).refused()
    assert "smoothed" not in said and "--data.mask_values 0 51 102 153 204 255" in said


@pytest.mark.parametrize("continued", [False, True])
def test_numbers_of_objects_are_refused_and_can_be_one_class(masks, continued):
    drawn, first = [], 1
    for seed in range(6):
        drawn.append(objects(seed, first))
        first = int(drawn[-1].max()) + 1 if continued else 1
    found = masks(*drawn)
    said = found.refused()
    assert "look like numbers of objects" in said
    remedy = "--data.mask_map 0:0 1-65535:1"
    assert f"pass {remedy};" in said
    for label, mask in zip(found.labels(remedy), drawn, strict=True):
        np.testing.assert_array_equal(label, mask > 0)


def test_more_than_254_objects_are_recognised_too(masks):
    rows = np.arange(24 * 24).reshape(24, 24)
    few, many = rows * (rows < 200), rows * (rows < 400)
    drawn = [np.kron(mask, np.ones((3, 3))).astype(np.uint16) for mask in (few, many)]
    assert "look like numbers of objects" in masks(*drawn).refused()


def test_many_classes_are_taken_if_their_number_is_given(masks):
    found = masks(*(objects(seed) for seed in range(6)))
    number = found.refused().rpartition("pass ")[2]
    assert found.coding(number).labels.num_classes == int(number.split()[1])


def test_many_classes_in_pieces_here_and_there_are_inferred(masks):
    rng = np.random.default_rng(0)
    drawn = [rng.permutation(30)[: 8 + seed].astype(np.uint8) for seed in range(12)]
    drawn = [np.resize(values, (20, 20)) for values in drawn]
    assert masks(*drawn).coding().labels.num_classes == 30


def test_pictures_in_place_of_masks_are_refused(masks):
    rng = np.random.default_rng(0)
    picture = cv2.GaussianBlur(rng.integers(0, 256, (64, 64), np.uint8), (0, 0), 1)
    assert "look like pictures, measurements" in masks(picture).refused()
