"""The images that a predictor takes: arrays, or paths of files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from jaxseg.data.images import image_size, load_image
from jaxseg.data.padding import Size
from jaxseg.errors import UserError

Image = np.ndarray | str | Path
"""uint8 `[H, W, 3]` RGB, or the path of an image file."""


def size_of(image: Image) -> Size:
    """Return height and width; only the header of a file is read.

    Raises:
      UserError: the array has another shape or dtype, or the file is missing or no
        image.
    """
    if isinstance(image, str | Path):
        return image_size(image)
    _check(image)
    return image.shape[0], image.shape[1]


def pixels_of(image: Image) -> np.ndarray:
    """Return uint8 `[H, W, 3]` RGB, read from the file if it is a path.

    Raises:
      UserError: the file cannot be read.
    """
    return load_image(image) if isinstance(image, str | Path) else image


def _check(image: np.ndarray) -> None:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise UserError(
            f"an image must be uint8 [H, W, 3] RGB, not {image.dtype}"
            f" {list(image.shape)}; give the path of a file, or read it with"
            " jaxseg.load_image"
        )
    if min(image.shape[:2]) < 1:
        raise UserError(
            f"an image of {image.shape[0]}x{image.shape[1]} pixels is empty"
        )
