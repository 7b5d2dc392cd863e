"""The positions of windows along an axis, and the weights of their pixels."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

from jaxseg.evaluation.window_plan import Grid, profile, starts, weight_sums


def test_the_stride_is_two_thirds_of_a_window_unless_said_otherwise():
    sides = range(33, 16385)
    assert [Grid(side).stride for side in sides] == [side * 2 // 3 for side in sides]


@pytest.mark.parametrize(
    "overlap, expected",
    [(0.0, (0, 40, 60)), (0.25, (0, 30, 60)), (0.5, (0, 20, 40, 60))],
)
def test_windows_overlap_by_a_share_and_the_last_is_flush(overlap, expected):
    assert starts(100, Grid(40, overlap)) == expected


@pytest.mark.parametrize("size", [1, 39, 40])
def test_one_window_holds_an_image_of_its_size(size):
    assert starts(size, Grid(40)) == (0,)


@pytest.mark.parametrize("window", [33, 65, 513])
def test_gaussian_weights_are_those_of_a_filtered_point(window):
    point = np.zeros(window)
    point[window // 2] = 1
    expected = gaussian_filter1d(point, window / 8, mode="constant")
    found = profile(window, (0, 1), "gaussian")
    np.testing.assert_allclose(found, expected / expected.max(), rtol=1e-5)


def test_gaussian_weights_are_symmetric_and_never_zero():
    found = profile(64, (0, 1), "gaussian")
    np.testing.assert_array_equal(found, found[::-1])
    assert found.min() > 3e-4


@pytest.mark.parametrize("weights", ["uniform", "gaussian"])
def test_a_single_window_has_equal_weights(weights):
    np.testing.assert_array_equal(profile(40, (0,), weights), np.ones(40))


def test_weights_are_summed_over_the_windows_of_a_line():
    weights = np.array([1, 2, 4], np.float32)
    found = weight_sums(np.arange(-1, 8), (0, 2, 3), weights)
    np.testing.assert_array_equal(found, [1, 1, 2, 5, 3, 6, 4, 1, 1])
