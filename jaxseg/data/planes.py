"""Labels of classes that may overlap: a plane per class, uint8 `[H, W, classes]`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from jaxseg.data.images import LARGEST, SIDE
from jaxseg.errors import UserError


def each_plane(
    change: Callable[[np.ndarray], np.ndarray], label: np.ndarray
) -> np.ndarray:
    """Change every plane of a label alike, since OpenCV takes four channels at most.

    Args:
      change: a function of uint8 `[H, W]` that returns uint8 `[h, w]`.
      label: uint8 `[H, W]` or `[H, W, classes]`.

    Returns:
      uint8 `[h, w]` or `[h, w, classes]`.
    """
    if label.ndim == 2:
        return change(label)
    planes = np.ascontiguousarray(label.transpose(2, 0, 1))
    return np.stack([change(plane) for plane in planes], axis=-1)


def stacked(label: np.ndarray, name: str) -> np.ndarray:
    """Put planes one below the other, `[classes * H, W]`, as one image.

    Args:
      label: `[H, W, classes]`.
      name: name of the sample, for the message.

    Raises:
      UserError: that image would be too large to be read.
    """
    height, width, classes = label.shape
    if classes * height * width > LARGEST or classes * height > SIDE:
        raise UserError(
            f"{name}: {classes} masks of {width}x{height} pixels are too large, more"
            f" than {LARGEST:,} pixels together or {SIDE:,} rows; cut the image into"
            " tiles"
        )
    return label.transpose(2, 0, 1).reshape(classes * height, width)


def unstacked(rows: np.ndarray, classes: int) -> np.ndarray:
    """Return the planes `[H, W, classes]` that `stacked` put together."""
    height = len(rows) // classes
    planes = rows[: classes * height].reshape(classes, height, *rows.shape[1:])
    return np.ascontiguousarray(planes.transpose(1, 2, 0))
