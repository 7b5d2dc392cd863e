"""Masks of classes that may overlap, as pictures: where several meet, in stripes."""

from __future__ import annotations

import numpy as np

from jaxseg.data.labels import IGNORE, LabelSet


def striped(planes: np.ndarray, width: int) -> np.ndarray:
    """Return one class of each pixel; where several meet they alternate diagonally.

    Args:
      planes: uint8 `[H, W, classes]` of 0, 1 and `IGNORE`.
      width: of a stripe, pixels.

    Returns:
      int `[H, W]`: the place of the class, or -1 where there is none.
    """
    has = planes == 1
    count = has.sum(axis=2)
    rows, columns = (np.arange(side) for side in planes.shape[:2])
    turn = (rows[:, None] + columns) // width % np.maximum(count, 1)
    # The class whose turn it is has as many others before it.
    chosen = has & (np.cumsum(has, axis=2) == turn[..., None] + 1)
    return np.where(count > 0, chosen.argmax(axis=2), -1)


def ignored(planes: np.ndarray) -> np.ndarray:
    """Return bool `[H, W]`, where no class counts."""
    return (planes == IGNORE).all(axis=2)


def colours(
    planes: np.ndarray, labels: LabelSet, nothing: np.ndarray, width: int
) -> tuple[np.ndarray, np.ndarray]:
    """Paint planes, where several classes meet in stripes.

    Args:
      planes: uint8 `[H, W, classes]`.
      labels: the colours.
      nothing: RGB uint8 `[H, W, 3]` that shows where no class is.
      width: of a stripe, pixels.

    Returns:
      RGB uint8 `[H, W, 3]`, and bool `[H, W]`, where a class is.
    """
    place = striped(planes, width)
    painted = place >= 0
    picture = nothing.copy()
    picture[painted] = np.array(labels.palette, np.uint8)[place[painted]]
    return picture, painted


def stripe(shape: tuple[int, ...]) -> int:
    """Return how wide a stripe is in a picture of a height and width, pixels."""
    return max(3, round(min(shape[:2]) / 40))
