"""Pictures of masks whose classes may overlap: stripes show where several do."""

from __future__ import annotations

import numpy as np

from jaxseg.data.labels import IGNORE, LabelSet


def striped(planes: np.ndarray, width: int) -> np.ndarray:
    """Return one class for each pixel; several classes alternate in diagonal stripes.

    Args:
      planes: uint8 `[H, W, classes]` of 0, 1 and `IGNORE`.
      width: width of a stripe, pixels.

    Returns:
      int `[H, W]`: the index of the class, or -1 where there is none.
    """
    has = planes == 1
    count = has.sum(axis=2)
    rows, columns = (np.arange(side) for side in planes.shape[:2])
    turn = (rows[:, None] + columns) // width % np.maximum(count, 1)
    # The stripe's number, modulo the pixel's classes, counts those before the chosen.
    chosen = has & (np.cumsum(has, axis=2) == turn[..., None] + 1)
    return np.where(count > 0, chosen.argmax(axis=2), -1)


def ignored(planes: np.ndarray) -> np.ndarray:
    """Return bool `[H, W]`, true where every class is ignored."""
    return (planes == IGNORE).all(axis=2)


def colours(
    planes: np.ndarray, labels: LabelSet, nothing: np.ndarray, width: int
) -> tuple[np.ndarray, np.ndarray]:
    """Paint planes; stripes show where several classes overlap.

    Args:
      planes: uint8 `[H, W, classes]`.
      labels: the colours.
      nothing: RGB uint8 `[H, W, 3]`, shown where there is no class.
      width: width of a stripe, pixels.

    Returns:
      RGB uint8 `[H, W, 3]`, and bool `[H, W]`, true where there is a class.
    """
    place = striped(planes, width)
    painted = place >= 0
    picture = nothing.copy()
    picture[painted] = np.array(labels.palette, np.uint8)[place[painted]]
    return picture, painted


def stripe(shape: tuple[int, ...]) -> int:
    """Return the width of a stripe, pixels, in a picture of this height and width."""
    return max(3, round(min(shape[:2]) / 40))
