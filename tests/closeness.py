"""The comparison of float32 tensors that were computed in two ways."""

import numpy as np

EPSILON = float(np.finfo(np.float32).eps)


def assert_close(found, expected, epsilons=64, magnitude=0.0):
    """Fail where two tensors differ by more than float32 rounds off at their magnitude.

    An element is a sum, whose rounding error follows the size of its terms: near zero
    it is as large as elsewhere in the tensor.  So every element may be off by so many
    epsilons of the tensor's largest.  Random errors of n terms grow with the root of n:
    64 epsilons (7.6e-6 of the largest) are those of 4096 terms, a large convolution's.

    Args:
      found: the tensor to be tested.
      expected: what it should be; not a number is equal to not a number.
      epsilons: the error that is allowed, in float32's epsilons (1.2e-7).
      magnitude: of the terms, where they may cancel to less in every element.
    """
    found, expected = (np.asarray(x, np.float64) for x in (found, expected))
    largest = np.abs(expected[np.isfinite(expected)]).max(initial=magnitude)
    allowed = epsilons * EPSILON * largest
    np.testing.assert_allclose(found, expected, rtol=0, atol=allowed)
