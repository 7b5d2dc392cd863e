"""Positions and weights of the windows of an image, and which rows a block needs.

Everything here depends on sizes only, so that all processes agree on it.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from jaxseg.data.padding import Size
from jaxseg.evaluation.inference import View, fitted

PIXELS_AT_ONCE = 512 * 512
"""Largest number of pixels in windows scored together, unless one window has more."""

PIXELS_FINISHED = 2**21
"""Largest number of pixels whose scores are finished at a time, unless `ROWS` are more.

The sums have this many rows in addition to those of a window, so this bounds their
memory too.  But the fewer rows are finished at a time, the more often the sums are
moved.
"""

ROWS = 64
"""See `PIXELS_FINISHED`."""

Weights = Literal["uniform", "gaussian"]
"""How the scores of windows that overlap are averaged."""


@dataclass(frozen=True)
class Grid:
    """How windows cover an image.

    Attributes:
      window: side of a window, pixels.
      overlap: share of a window's side that the next window covers too.
      weights: of the pixels of a window in the mean over the windows.
    """

    window: int
    overlap: float = 1 / 3
    weights: Weights = "uniform"

    @property
    def stride(self) -> int:
        """Distance from the start of a window to that of the next, pixels."""
        return max(1, int(self.window * (1 - self.overlap) + 1e-6))


@dataclass(frozen=True)
class Plan:
    """Positions of the windows of one view.

    Attributes:
      view: scale, mirrored or not.
      image: height and width of the image.
      inner: height and width of the view.
      outer: height and width of the padded view.
      window: height and width of a window.
      tops: first rows of the windows.
      lefts: first columns.
      together: windows at a time.
      block: rows of the image that are finished at a time.
      weights: of the pixels of a window.
    """

    view: View
    image: Size
    inner: Size
    outer: Size
    window: Size
    tops: tuple[int, ...]
    lefts: tuple[int, ...]
    together: int
    block: int
    weights: Weights = "uniform"

    @property
    def needed(self) -> int:
        """Rows of the view that a block needs."""
        if self.inner[0] == self.image[0]:
            return self.block
        return math.ceil(self.block * self.inner[0] / self.image[0]) + 2

    def groups(self) -> list[tuple[int, ...]]:
        """Return the first columns of the windows that are scored together."""
        starts = range(0, len(self.lefts), self.together)
        return [self.lefts[start : start + self.together] for start in starts]

    def first_row(self, top: int) -> int:
        """Return the first row of the view that the block at `top` needs."""
        return int(positions(top, self.inner[0], self.image[0]))

    def row_weights(self, top: int) -> np.ndarray | None:
        """Return the matrix that interpolates a block from its rows, or None."""
        if self.inner[0] == self.image[0]:
            return None
        index = np.arange(top, top + self.block)
        position = positions(index, self.inner[0], self.image[0])
        row = self.first_row(top) + np.arange(self.needed)
        weights = np.maximum(0, 1 - abs(position[:, None] - row))
        return weights.astype(np.float32)

    @property
    def profiles(self) -> tuple[np.ndarray, np.ndarray]:
        """Weights of a window's rows and columns, whose products are the pixels'."""
        tall, wide = self.window
        return (
            profile(tall, self.tops, self.weights),
            profile(wide, self.lefts, self.weights),
        )

    def row_sums(self, top: int) -> np.ndarray:
        """Return for each row that a block needs the sum of the windows' weights."""
        row = self.first_row(top) + np.arange(self.needed)
        return weight_sums(row, self.tops, self.profiles[0])

    @property
    def column_sums(self) -> np.ndarray:
        """Sum of the weights in each column of the padded view, `[columns, 1]`."""
        column = np.arange(self.outer[1])
        return weight_sums(column, self.lefts, self.profiles[1])[:, None]


def plan_view(
    view: View, size: Size, grid: Grid, multiple: int, most: int, parts: int = 1
) -> Plan:
    """Return the positions of the windows of a view of an image.

    Args:
      view: scale, mirrored or not, turned or not; the windows of a turned view are
        those of the unturned one, each turned by itself.
      size: height and width of the image.
      grid: how the windows lie; their side is a multiple of `multiple`.
      multiple: the view's sides are padded to multiples of it.
      most: largest number of windows at a time on a device.
      parts: devices that share an image.
    """
    inner = view.size(size)
    outer = fitted(inner, multiple)
    shape = (min(outer[0], grid.window), min(outer[1], grid.window))
    tops, lefts = (starts(side, grid) for side in outer)
    # Do not score more windows together than a row has; the others would be padding.
    together = min(most, PIXELS_AT_ONCE // math.prod(shape), -(-len(lefts) // parts))
    together = parts * max(1, together)
    few = max(ROWS, PIXELS_FINISHED // size[1])
    block = min(size[0], few, max(1, grid.window * 2 // 3))
    cells = (tops, lefts, together, block)
    return Plan(view, size, inner, outer, shape, *cells, grid.weights)


def positions(index: Any, source: int, target: int) -> Any:
    """Return the positions in the source of lines of an axis resized to `target`."""
    return np.clip((index + 0.5) * (source / target) - 0.5, 0, source - 1)


def profile(window: int, begins: Sequence[int], weights: Weights) -> np.ndarray:
    """Return the weights of a window along an axis, float32 `[window]`, at most 1.

    "gaussian" is the importance map of nnU-Net (Isensee et al. 2021,
    doi:10.1038/s41592-020-01008-z): a Gaussian whose standard deviation is an eighth of
    the window.  nnU-Net's is centred on a pixel, half a pixel off the middle of an even
    window; here it is centred on the middle, so that mirrored and turned windows have
    the same weights.  It is nowhere zero: at the edge it is exp(-8) or more.

    Args:
      window: pixels.
      begins: first lines of the windows along the axis; the weights of a single window
        are all 1, since they would cancel.
      weights: "uniform" or "gaussian".
    """
    if weights == "uniform" or len(begins) == 1:
        return np.ones(window, np.float32)
    distance = (np.arange(window) - (window - 1) / 2) / (window / 8)
    return np.exp(-(distance**2) / 2).astype(np.float32)


def weight_sums(
    index: np.ndarray, begins: Sequence[int], weights: np.ndarray
) -> np.ndarray:
    """Return the sum of the windows' weights in each line; 1 where there is no window.

    Args:
      index: int `[lines]`.
      begins: first lines of the windows.
      weights: of a window along the axis, float32 `[window]`.

    Returns:
      float32 `[lines]`.
    """
    place = index[:, None] - np.array(begins)
    inside = (place >= 0) & (place < len(weights))
    found = np.where(inside, weights[place.clip(0, len(weights) - 1)], 0)
    total = found.sum(1, dtype=np.float64)
    return np.where(inside.any(1), total, 1).astype(np.float32)


@functools.cache
def starts(size: int, grid: Grid) -> tuple[int, ...]:
    """Return where the windows of one axis start, the last flush with its end."""
    if size <= grid.window:
        return (0,)
    return (*range(0, size - grid.window, grid.stride), size - grid.window)


def smaller_window(window: int) -> int:
    """Return the side of a window that takes less memory; 0 if there is none.

    Args:
      window: the one that takes too much; 0 is the whole image.
    """
    half = (window or 1024) // 2
    return half if half >= 64 else 0
