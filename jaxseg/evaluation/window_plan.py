"""Positions of the windows of an image, and the rows of a view that a block needs.

Everything here is a function of sizes alone, so that all processes agree on it.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxseg.data.padding import Size
from jaxseg.evaluation.inference import View, fitted

PIXELS_AT_ONCE = 512 * 512
"""Largest number of pixels in windows scored together, unless one window has more."""


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

    def row_counts(self, top: int) -> np.ndarray:
        """Return for each row that a block needs the number of windows over it."""
        row = self.first_row(top) + np.arange(self.needed)
        return counts(row, self.tops, self.window[0])

    @property
    def column_counts(self) -> np.ndarray:
        """Number of windows over each column of the padded view, `[columns, 1]`."""
        column = np.arange(self.outer[1])
        return counts(column, self.lefts, self.window[1])[:, None]


def plan_view(
    view: View, size: Size, window: int, multiple: int, most: int, parts: int = 1
) -> Plan:
    """Return the positions of the windows of a view of an image.

    Args:
      view: scale, mirrored or not.
      size: height and width of the image.
      window: side of a window, a multiple of `multiple`.
      multiple: the view's sides are padded to multiples of it.
      most: windows at a time on a device.
      parts: devices that share an image.
    """
    inner = view.size(size)
    outer = fitted(inner, multiple)
    shape = (min(outer[0], window), min(outer[1], window))
    tops, lefts = starts(outer[0], shape[0]), starts(outer[1], shape[1])
    # Do not score more windows together than a row has; the rest would be wasted.
    together = min(most, PIXELS_AT_ONCE // math.prod(shape), -(-len(lefts) // parts))
    together = parts * max(1, together)
    block = min(size[0], max(1, window * 2 // 3))
    return Plan(view, size, inner, outer, shape, tops, lefts, together, block)


def positions(index: Any, source: int, target: int) -> Any:
    """Return where lines of an axis resized to `target` lie among the source's."""
    return np.clip((index + 0.5) * (source / target) - 0.5, 0, source - 1)


def counts(index: np.ndarray, begins: Sequence[int], window: int) -> np.ndarray:
    """Return in how many windows each line lies, at least 1; float32."""
    start = np.array(begins)
    inside = (index[:, None] >= start) & (index[:, None] < start + window)
    return np.maximum(1, inside.sum(1)).astype(np.float32)


@functools.cache
def starts(size: int, window: int) -> tuple[int, ...]:
    """Return one axis' windows: a stride of two thirds, the last flush at the end."""
    if size <= window:
        return (0,)
    return (*range(0, size - window, max(1, window * 2 // 3)), size - window)


def smaller_window(window: int) -> int:
    """Return the side of a window that takes less memory; 0 if there is none.

    Args:
      window: the one that takes too much; 0 is the whole image.
    """
    half = (window or 1024) // 2
    return half if half >= 64 else 0
