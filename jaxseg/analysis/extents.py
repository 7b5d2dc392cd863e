"""Extents: for each element of an array, which stretch of the image it depends on.

One image axis at a time: an element's extent is the smallest interval of pixels along
that axis that holds everything it depends on.  Here is the arithmetic that carries
extents through slices, windows, sums and reshapes; which operation does which is
`dependence.py`'s business.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

NONE_LOW, NONE_HIGH = 2**31 - 1, -1
"""The bounds of an element that does not depend on the image."""


@dataclass(frozen=True)
class Extent:
    """The extents of an array's elements.

    Attributes:
      low: int32, first pixel; as many axes as the array, and each of the array's size,
        or 1 where all positions along it are alike.
      high: int32, last pixel, shaped as `low`; below `low` where there is none.
    """

    low: np.ndarray
    high: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        """Size along each axis, 1 where all positions are alike."""
        return self.low.shape

    def reshape(self, *shape: int) -> Extent:
        """Reshape the bounds themselves."""
        return Extent(self.low.reshape(shape), self.high.reshape(shape))

    def transpose(self, axes: Sequence[int]) -> Extent:
        """Permute the axes."""
        return Extent(self.low.transpose(axes), self.high.transpose(axes))

    def expand(self, shape: Sequence[int]) -> Extent:
        """Write out axes along which all positions are alike."""
        return Extent(
            np.broadcast_to(self.low, shape), np.broadcast_to(self.high, shape)
        )


def nothing(rank: int) -> Extent:
    """Return the extent of what does not depend on the image."""
    shape = (1,) * rank
    return Extent(
        np.full(shape, NONE_LOW, np.int32), np.full(shape, NONE_HIGH, np.int32)
    )


def along(axis: int, rank: int, size: int) -> Extent:
    """Return the extent of an image, each of whose pixels depends on itself."""
    shape = [size if index == axis else 1 for index in range(rank)]
    pixels = np.arange(size, dtype=np.int32).reshape(shape)
    return Extent(pixels, pixels)


def union(extents: Iterable[Extent]) -> Extent:
    """Return the extent of elements that depend on one element of every operand."""
    first, *rest = extents
    low, high = first.low, first.high
    for other in rest:
        low, high = np.minimum(low, other.low), np.maximum(high, other.high)
    return Extent(np.asarray(low), np.asarray(high))


def hull(extent: Extent, axes: Sequence[int], keep: bool = False) -> Extent:
    """Return the extent of sums over some axes.

    Args:
      extent: of the summands.
      axes: summed over.
      keep: keep these axes with size 1.
    """
    axes = tuple(axes)
    low = np.asarray(extent.low.min(axes, keepdims=keep))
    return Extent(low, np.asarray(extent.high.max(axes, keepdims=keep)))


def combine(
    extent: Extent, axis: int, index: np.ndarray, used: np.ndarray | None = None
) -> Extent:
    """Return the extent where position i along an axis reads the positions index[i].

    Slices, padding, pooling, convolution and interpolation all are this.

    Args:
      extent: of the operand.
      axis: along which is read.  Nothing changes if all positions along it are alike.
      index: int `[out, taps]`, positions of the operand.
      used: bool `[out, taps]`, where a tap is left out; None uses all.
    """
    if extent.shape[axis] == 1:
        return extent
    low, high = np.take(extent.low, index, axis), np.take(extent.high, index, axis)
    if used is not None:
        used = used.reshape(used.shape + (1,) * (low.ndim - axis - 2))
        low = np.where(used, low, np.int32(NONE_LOW))
        high = np.where(used, high, np.int32(NONE_HIGH))
    return Extent(low.min(axis + 1), high.max(axis + 1))


def window(
    extent: Extent,
    axis: int,
    size: int,
    out: int,
    taps: int,
    stride: int = 1,
    before: int = 0,
    dilation: int = 1,
    rate: int = 1,
) -> Extent:
    """Return the extent of a convolution's or a pooling's output along one axis.

    Args:
      extent: of the operand.
      axis: along which the window slides.
      size: of the operand along it.
      out: size of the output.
      taps: of the window.
      stride: of the window.
      before: padding in front; negative cuts.
      dilation: of the operand; `dilation - 1` zeros are put between its elements.
      rate: distance of the taps.
    """
    start = np.arange(out)[:, None] * stride - before
    position = start + np.arange(taps) * rate
    used = (position >= 0) & (position < size * dilation) & (position % dilation == 0)
    return combine(extent, axis, np.clip(position // dilation, 0, size - 1), used)


def regroup(extent: Extent, old: Sequence[int], new: Sequence[int]) -> Extent:
    """Return the extent of an array reshaped from `old` to `new`.

    Axes are written out only where they are split or joined and their positions differ.
    """
    sizes: list[int] = []
    shape: list[int] = []
    for source, target in _matched(old, new):
        varies = any(extent.shape[axis] > 1 for axis in source)
        sizes += [old[axis] if varies else 1 for axis in source]
        shape += [new[axis] if varies else 1 for axis in target]
    return extent.expand(sizes).reshape(*shape)


def condense(extent: Extent) -> Extent:
    """Return the same extent with size 1 along axes whose positions are all alike."""
    low, high = extent.low, extent.high
    for axis in range(low.ndim):
        if low.shape[axis] > 1:
            first = [np.take(bound, [0], axis) for bound in (low, high)]
            if (low == first[0]).all() and (high == first[1]).all():
                low, high = first
    return Extent(low, high)


def _matched(old: Sequence[int], new: Sequence[int]) -> list[tuple[range, range]]:
    """Pair the shortest runs of axes that have the same number of elements."""
    runs, i, j = [], 0, 0
    while i < len(old) or j < len(new):
        first, second, before, after = i, j, 1, 1
        if i < len(old):
            before, i = old[i], i + 1
        if j < len(new):
            after, j = new[j], j + 1
        while before != after:
            if before < after:
                before, i = before * old[i], i + 1
            else:
                after, j = after * new[j], j + 1
        runs.append((range(first, i), range(second, j)))
    return runs
