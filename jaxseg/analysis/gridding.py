"""Gridding: the pixels that a stack of dilated convolutions never reads.

Convolutions of equal atrous rate read a lattice and leave the pixels between them out
(Wang et al. 2018, arXiv:1702.08502, sec. 3.2); rates without a common factor fill the
field.  Stride is 1 and the kernel's side odd throughout.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def paths(rates: Sequence[int], kernel: int = 3) -> np.ndarray:
    """Count the ways from each pixel of the receptive field to the output pixel.

    Args:
      rates: atrous rate of each convolution.
      kernel: side of all kernels.

    Returns:
      int64 `[n, n]`, n the field's side: how many products of weights connect a pixel
      to the output (paper, fig. 2); 0 where none does.
    """
    line = np.ones(1, np.int64)
    for rate in rates:
        taps = np.zeros((kernel - 1) * rate + 1, np.int64)
        taps[::rate] = 1
        line = np.convolve(line, taps)
    return np.outer(line, line)


def coverage(rates: Sequence[int], kernel: int = 3) -> float:
    """Return the share of the receptive field's pixels that bear on the output, 0..1.

    Args:
      rates: atrous rate of each convolution.
      kernel: side of all kernels.
    """
    return float((paths(rates, kernel) > 0).mean())


def largest_gap(rates: Sequence[int]) -> int:
    """Return M_2, the largest distance of the pixels that the second layer's taps read.

    If it is no more than the kernel's side and the first rate is 1, there are no holes:
    the paper's rule for choosing rates (eq. 2).  It is enough, but with falling rates
    not needed.

    Args:
      rates: atrous rate of each convolution, from the first on; two at least.
    """
    gap = rates[-1]
    for rate in rates[-2:0:-1]:
        gap = max(gap - 2 * rate, 2 * rate - gap, rate)
    return gap
