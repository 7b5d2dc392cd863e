"""Masks of one foreground class: which values become 0, 1 and ignored."""

from __future__ import annotations

import numpy as np
import pytest
from mask_files import Masks, disc, jpeg, objects

from jaxseg.data.labels import IGNORE

ROWS = [[0, 1, 1], [1, 0, 0]]
BINARY = "--data.task binary"


@pytest.fixture
def masks(tmp_path):
    return lambda *masks: Masks(tmp_path, *masks)


def mask(zero, one, extra=None):
    """A mask of two values, whose last pixel may have a third."""
    values = np.array([zero, one])[np.array(ROWS)]
    if extra is not None:
        values[-1, -1] = extra
    return values.astype(np.uint16 if values.max() > 255 else np.uint8)


def label(last=0):
    expected = np.array(ROWS, np.uint8)
    expected[-1, -1] = last
    return expected


@pytest.mark.parametrize(
    ("pixels", "words", "expected"),
    [
        (mask(0, 1), "", label()),
        (mask(0, 255), "", label()),
        (mask(0, 255), "--data.num_classes 1", label()),
        (mask(0, 255), "--data.num_classes 2 --data.class_names a b", label()),
        (mask(0, 255), "--data.class_names nucleus", label()),
        (mask(0, 1, 255), "", label(IGNORE)),
        (mask(0, 255, 7), "--data.mask_map 0:0 255:1 7:ignore", label(IGNORE)),
        (mask(0, 1, 7), "--data.ignore_values 255 7", label(IGNORE)),
        (mask(0, 900), "--data.mask_map 0:0 1-65535:1", label()),
        (mask(3, 8), "--data.mask_values 3 8", label()),
        (mask(255, 0), "--data.mask_values 255 0", label()),
        (mask(0, 255, 3), "--data.mask_map 0-127:0 128-255:1", label()),
    ],
)
def test_values_become_background_and_foreground(masks, pixels, words, expected):
    found = masks(pixels)
    np.testing.assert_array_equal(found.labels(f"{BINARY} {words}")[0], expected)
    labels = found.coding(f"{BINARY} {words}").labels
    assert labels.task == "binary"
    assert labels.num_logits == 1


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("", ("background", "foreground")),
        ("--data.class_names nucleus", ("background", "nucleus")),
        ("--data.class_names rest cell", ("rest", "cell")),
    ],
)
def test_the_foreground_alone_may_be_named(masks, words, names):
    assert masks(mask(0, 1)).coding(f"{BINARY} {words}").labels.names == names


def test_colours_may_say_the_classes(masks):
    colours = np.array([[0, 0, 0], [255, 0, 0]], np.uint8)[np.array(ROWS)]
    found = masks(colours).labels(f"{BINARY} --data.palette 0 0 0 255 0 0")
    np.testing.assert_array_equal(found[0], label())


@pytest.mark.parametrize(
    ("pixels", "words", "remedy"),
    [
        ([mask(0, 128)], "", "--data.mask_values 0 128"),
        ([mask(1, 2)], "", "--data.mask_values 1 2"),
        ([mask(0, 1, 2)], "", "--data.mask_map 0:0 1-65535:1"),
        ([mask(0, 1, 2)], "", "--data.ignore_values 255 2"),
        ([mask(0, 1, 2)], "--data.mask_values 0 1", "--data.mask_map 0:0 1-65535:1"),
        ([objects(1), objects(2)], "", "--data.mask_map 0:0 1-65535:1"),
        ([jpeg(disc())], "", "--data.mask_map 0-127:0 128-255:1"),
    ],
)
def test_other_values_are_refused_with_a_remedy_that_works(
    masks, pixels, words, remedy
):
    found = masks(*pixels)
    assert remedy in found.refused(f"{BINARY} {words}")
    values = np.unique(found.labels(f"{BINARY} {remedy}"))
    assert set(values) <= {0, 1, IGNORE}


@pytest.mark.parametrize("words", ["--data.num_classes 3", "--data.class_names a b c"])
def test_more_than_two_classes_are_not_binary(masks, words):
    said = masks(mask(0, 1)).refused(f"{BINARY} {words}")
    assert "gives 3 classes" in said and "--data.task multiclass" in said


@pytest.mark.parametrize(
    "words", ["--data.num_classes 1", "--data.class_names nucleus"]
)
@pytest.mark.parametrize("one", [1, 255])
def test_one_class_of_a_multiclass_task_is_refused_and_binary_works(masks, words, one):
    found = masks(mask(0, one))
    assert "pass --data.task binary as well" in found.refused(words)
    np.testing.assert_array_equal(found.labels(f"{words} {BINARY}")[0], label())
