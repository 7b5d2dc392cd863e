from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxseg.data.labels import IGNORE, LabelSet, voc_palette
from jaxseg.errors import UserError

raw_values = st.lists(st.integers(0, 65535), min_size=1, max_size=40, unique=True)


@given(raw_values, st.integers(0, 65535), st.integers(0, 2**32 - 1))
@settings(deadline=None)
def test_encoding_raw_values_gives_their_class_or_ignored(values, ignored, seed):
    names = tuple(f"class {value}" for value in values)
    labels = LabelSet(names, raw_values=tuple(values), raw_ignore=(ignored,))
    choices = [*range(len(values)), *([] if ignored in values else [IGNORE])]
    expected = np.random.default_rng(seed).choice(choices, (3, 5))
    table = dict(enumerate(values)) | {IGNORE: ignored}
    encoded = labels.encode(np.vectorize(table.__getitem__)(expected))
    assert encoded.dtype == np.uint8
    np.testing.assert_array_equal(encoded, expected)


@given(st.integers(1, 255), st.integers(0, 2**32 - 1))
@settings(deadline=None)
def test_encoding_painted_labels_gives_the_labels_back(count, seed):
    labels = LabelSet(names=tuple(map(str, range(count))))
    label = np.random.default_rng(seed).integers(0, count, (4, 6), np.uint8)
    np.testing.assert_array_equal(labels.encode(labels.colours(label)), label)


def test_labels_encode_to_themselves():
    labels = LabelSet(names=("a", "b", "c"))
    label = np.array([[0, 1, 2, IGNORE]], np.uint8)
    np.testing.assert_array_equal(labels.encode(label), label)


def test_a_raw_value_that_is_a_class_is_not_ignored():
    labels = LabelSet(names=("a", "b"), raw_values=(0, 255), raw_ignore=(255,))
    np.testing.assert_array_equal(labels.encode(np.array([[0, 255]])), [[0, 1]])


def test_an_unknown_value_is_an_error_that_names_value_and_source():
    labels = LabelSet(names=("a", "b", "c"))
    with pytest.raises(UserError, match=r"m\.png: mask value 7 .* 3 classes.*0\.\.2"):
        labels.encode(np.array([[0, 7]], np.uint8), "m.png")


@pytest.mark.parametrize("value", [-1, 65536])
def test_values_beyond_16_bits_are_an_error(value):
    with pytest.raises(UserError, match="mask values must lie in 0..65535"):
        LabelSet(names=("a",)).encode(np.array([[value]]))


def test_unknown_values_can_be_ignored():
    labels = LabelSet(names=("a",), raw_values=(7,), unknown_is_ignored=True)
    np.testing.assert_array_equal(
        labels.encode(np.array([[7, 8, 0]])), [[0, IGNORE, IGNORE]]
    )


def test_an_unknown_colour_is_an_error_that_names_it():
    labels = LabelSet(names=("a",), palette=((1, 2, 3),))
    with pytest.raises(UserError, match=r"mask colour \(9, 9, 9\)"):
        labels.encode(np.full((2, 2, 3), 9, np.uint8))


def test_an_unknown_colour_can_be_ignored():
    labels = LabelSet(names=("a",), palette=((1, 2, 3),), unknown_is_ignored=True)
    raw = np.array([[[1, 2, 3], [9, 9, 9]]], np.uint8)
    np.testing.assert_array_equal(labels.encode(raw), [[0, IGNORE]])


def test_an_empty_mask_encodes_to_an_empty_label():
    label = LabelSet(names=("a",)).encode(np.zeros((0, 4), np.uint8))
    assert label.shape == (0, 4)


def test_the_voc_palette_is_the_development_kits():
    assert voc_palette(22)[:4] == ((0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0))
    assert voc_palette(22)[20:] == ((0, 64, 128), (128, 64, 128))


def test_ignored_pixels_are_painted_in_a_colour_of_no_class():
    labels = LabelSet(names=("a", "b"))
    painted = labels.colours(np.array([[0, 1, IGNORE]]))
    assert painted.dtype == np.uint8
    assert painted[0, 2].tolist() not in [list(colour) for colour in labels.palette]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"names": ()}, "0 classes"),
        ({"names": ("x",) * 256}, "256 classes"),
        ({"palette": ((0, 0, 0),)}, "1 palette colours for 2 classes"),
        ({"raw_values": (0, 1, 2)}, "3 raw mask values for 2 classes"),
        ({"raw_values": (4, 4)}, "share one of the raw mask values"),
        ({"palette": ((1, 1, 1), (1, 1, 1))}, "share one of the palette colours"),
    ],
)
def test_counts_and_duplicates_are_checked(fields, message):
    with pytest.raises(UserError, match=message):
        LabelSet(**({"names": ("a", "b")} | fields))
