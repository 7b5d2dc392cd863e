"""Planes go through images of one channel and through transforms alike."""

import numpy as np
import pytest

from jaxseg.data.planes import each_plane, stacked, unstacked
from jaxseg.errors import UserError


def drawn(classes, size=(5, 7)):
    rng = np.random.default_rng(0)
    return rng.integers(0, 2, (*size, classes)).astype(np.uint8)


@pytest.mark.parametrize("classes", [2, 5, 40])
def test_unstacking_restores_stacked_planes(classes):
    label = drawn(classes)
    rows = stacked(label, "a")
    assert rows.shape == (5 * classes, 7)
    np.testing.assert_array_equal(unstacked(rows, classes), label)


def test_planes_of_too_many_pixels_are_refused():
    label = np.broadcast_to(np.zeros((), np.uint8), (20_000, 2_000, 5))
    with pytest.raises(UserError, match="5 masks of 2000x20000 .* too large"):
        stacked(label, "a")


@pytest.mark.parametrize("classes", [1, 3, 40])
def test_each_plane_is_changed_alike(classes):
    label = drawn(classes)
    np.testing.assert_array_equal(
        each_plane(lambda plane: plane[::-1, 1:], label), label[::-1, 1:]
    )
