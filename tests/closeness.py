"""The comparison of float32 tensors that were computed in two ways."""

import numpy as np

EPSILON = float(np.finfo(np.float32).eps)


def assert_close(found, expected, epsilons=64, magnitude=0.0):
    """Fail if two tensors differ by more than float32 rounding at their magnitude.

    An element is a sum, whose rounding error depends on the size of its terms, so that
    near zero it is as large as elsewhere in the tensor.  The allowed error of every
    element is therefore a number of epsilons of the tensor's largest element.  Random
    errors of n terms grow with the square root of n: 64 epsilons (7.6e-6 of the
    largest) are those of 4096 terms, as in a large convolution.

    Args:
      found: the tensor to be tested.
      expected: its right value; NaN is equal to NaN.
      epsilons: the allowed error, in float32's epsilons (1.2e-7).
      magnitude: magnitude of the terms, if they may cancel in every element.
    """
    found, expected = (np.asarray(x, np.float64) for x in (found, expected))
    largest = np.abs(expected[np.isfinite(expected)]).max(initial=magnitude)
    allowed = epsilons * EPSILON * largest
    np.testing.assert_allclose(found, expected, rtol=0, atol=allowed)
