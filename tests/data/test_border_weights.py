"""The border weights of the U-Net paper, by hand and by brute force."""

import numpy as np
import pytest

from jaxseg.data.border_weights import (
    BorderWeights,
    border_weights,
    connected_instances,
)
from jaxseg.data.labels import IGNORE


def two_bars(gap):
    """Two cells a number of columns apart."""
    instances = np.zeros((12, 20), np.int32)
    instances[:, :5] = 1
    instances[:, 5 + gap :] = 7
    return instances


def test_a_pixel_between_two_cells_by_hand():
    weights = border_weights(two_bars(3), balance=False)
    # Columns 5, 6, 7: distances 1 + 3, 2 + 2, 3 + 1.
    expected = 1 + 10 * np.exp(-16 / 50)
    np.testing.assert_allclose(weights[:, 5:8], expected, rtol=1e-6)
    assert (weights[:, :5] == 1).all()
    assert (weights[:, 8:] == 1).all()
    assert weights.dtype == np.float32


def test_a_narrower_border_weighs_more():
    narrow, wide = (
        border_weights(two_bars(gap), balance=False)[:, 5] for gap in (1, 6)
    )
    assert (narrow > wide).all()


def test_weight_and_reach_are_the_callers():
    weights = border_weights(two_bars(2), w0=3, sigma=2, balance=False)
    expected = 1 + 3 * np.exp(-9 / 8)
    np.testing.assert_allclose(weights[:, 5:7], expected, rtol=1e-6)


def test_distances_are_those_to_the_nearest_two_of_many_cells():
    rng = np.random.default_rng(0)
    instances = np.zeros((24, 30), np.int32)
    for cell in range(1, 7):
        top, left = rng.integers(0, 20, 2)
        instances[top : top + 3, left : left + 4] = cell
    rows, columns = np.mgrid[:24, :30]
    expected = np.ones((24, 30))
    for row, column in zip(*np.nonzero(instances == 0), strict=True):
        distances = [
            np.hypot(rows - row, columns - column)[instances == cell].min()
            for cell in np.unique(instances[instances > 0])
        ]
        nearest = sorted(distances)[:2]
        expected[row, column] += 10 * np.exp(-(sum(nearest) ** 2) / 50)
    found = border_weights(instances, balance=False)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_one_cell_has_no_border():
    instances = np.zeros((8, 8), np.int32)
    instances[2:4, 2:4] = 1
    assert (border_weights(instances, balance=False) == 1).all()


@pytest.mark.parametrize("value", [0, 3])
def test_an_image_of_one_kind_weighs_one(value):
    weights = border_weights(np.full((5, 6), value, np.int32))
    np.testing.assert_array_equal(weights, np.ones((5, 6), np.float32))


def test_classes_balance():
    instances = np.zeros((10, 10), np.int32)
    instances[:2, :5] = 1
    weights = border_weights(instances)
    cell = instances == 1
    np.testing.assert_allclose(weights[cell], 5, rtol=1e-6)
    np.testing.assert_allclose(weights[cell].sum(), weights[~cell].sum(), rtol=1e-6)
    np.testing.assert_allclose(weights.mean(), 1, rtol=1e-6)


def test_ignored_pixels_weigh_nothing_and_leave_the_balance_alone():
    instances = two_bars(3)
    ignored = np.zeros(instances.shape, bool)
    ignored[:, 15:] = True
    weights = border_weights(instances, ignored=ignored)
    np.testing.assert_allclose(
        weights[:, :13], border_weights(instances[:, :15])[:, :13], rtol=1e-6
    )
    assert (weights[ignored] == 0).all()


def test_cells_that_meet_in_a_corner_are_two():
    mask = np.zeros((6, 6), bool)
    mask[1:3, 1:3] = mask[3:5, 3:5] = True
    instances = connected_instances(mask)
    assert instances.max() == 2
    assert ((instances > 0) == mask).all()
    assert instances[1, 1] != instances[3, 3]


def test_the_transform_weighs_the_label_and_not_what_is_ignored():
    label = (two_bars(3) > 0).astype(np.uint8) * 2
    label[:2] = IGNORE
    sample = {"image": np.zeros((12, 20, 3), np.uint8), "label": label, "name": ""}
    out = BorderWeights(foreground=2)(sample, np.random.default_rng(0))
    assert out["weight"].shape == label.shape
    assert (out["weight"][:2] == 0).all()
    assert (out["weight"][2:, 5:8] > 5).all()
    assert (out["weight"][2:, 0] < 2).all()
    assert out["label"] is label
    assert "weight" not in sample
