"""The comparison that other tests rely on accepts rounding and nothing else."""

import numpy as np
import pytest
from closeness import EPSILON, assert_close

SIZES = (1e-6, 1.0, 200.0, 1e6)


@pytest.mark.parametrize("size", SIZES)
def test_rounding_at_the_tensors_magnitude_is_accepted_even_near_zero(size):
    expected = size * np.asarray([1.0, 0.5, 0.0], np.float32)
    assert_close(expected + 32 * EPSILON * size, expected)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("index", [0, 1, 2])
def test_an_error_of_one_in_ten_thousand_is_refused_at_any_magnitude(size, index):
    expected = size * np.asarray([1.0, 0.5, 0.0], np.float32)
    found = expected.copy()
    found[index] += 1e-4 * size
    with pytest.raises(AssertionError):
        assert_close(found, expected)


def test_zeros_are_exact_unless_their_terms_magnitude_is_given():
    assert_close([1e-6, 0.0], [0.0, 0.0], magnitude=1)
    with pytest.raises(AssertionError):
        assert_close([1e-6, 0.0], [0.0, 0.0])


@pytest.mark.parametrize("odd", [np.nan, np.inf])
def test_what_is_not_finite_is_expected_where_it_is(odd):
    assert_close([odd, 1.0], [odd, 1.0])
    for found in ([1.0, 1.0], [odd, odd]):
        with pytest.raises(AssertionError):
            assert_close(found, [odd, 1.0])
