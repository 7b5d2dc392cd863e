"""Gridding: lattices by hand, and the pattern against gradients."""

import itertools

import flax.linen as nn
import jax
import numpy as np
import pytest

from jaxseg.analysis.gridding import coverage, largest_gap, paths
from jaxseg.analysis.receptive_field import effective
from jaxseg.nn.convolution import Conv


@pytest.mark.parametrize(
    ("rates", "share"),
    [
        ((1,), 1.0),
        ((2,), 9 / 25),
        ((2, 2, 2), 49 / 169),  # every second row and column of 13
        ((1, 2, 3), 1.0),
        ((1, 2, 5), 1.0),
        ((1, 2, 9), (21 / 25) ** 2),
    ],
)
def test_coverage_is_that_counted_by_hand(rates, share):
    assert coverage(rates) == pytest.approx(share)


def test_paths_are_those_counted_by_hand():
    line = np.array([1, 0, 2, 0, 1])  # rates 1 and 1 of kernel 2 would be 1 2 1
    np.testing.assert_array_equal(paths((2, 2), 2), np.outer(line, line))
    assert paths((1, 2, 5), 3).sum() == 3**6


@pytest.mark.parametrize("rates", [(2, 2), (1, 2)])
def test_the_gradient_reaches_the_pixels_that_paths_lead_to(rates):
    class Stack(nn.Module):
        @nn.compact
        def __call__(self, x):
            for index, rate in enumerate(rates):
                x = Conv(3, 3, rate=rate, name=f"conv{index}")(x)
            return x

    pattern = paths(rates) > 0
    side = len(pattern)
    seen = effective(Stack(), (side, side), jax.random.key(0), count=1)
    np.testing.assert_array_equal(seen.influence > 0, pattern)


def test_the_papers_examples_of_gaps():
    assert largest_gap((1, 2, 5)) == 2
    assert largest_gap((1, 2, 9)) == 5
    assert largest_gap((1, 4)) == 4


def test_a_gap_no_wider_than_the_kernel_leaves_no_holes():
    found = 0
    for rest in itertools.product(range(1, 7), repeat=3):
        if largest_gap((1, *rest)) <= 3:
            assert coverage((1, *rest), 3) == 1.0
            found += 1
    assert found > 20
