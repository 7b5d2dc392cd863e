"""Image sizes for whole-image inference: exact, or padded to be fewer.

Each distinct size is a program of its own to compile, so where sizes are many they are
rounded up.  What an image is padded to depends on its own size alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from jaxseg.errors import UserError

Size = tuple[int, int]
"""Height and width, pixels."""

MANY_SIZES = 16
"""More distinct sizes than this are padded to be fewer."""

MANY_SIZES_MULTIPLE = 64
"""What they are then padded to a multiple of, pixels."""


def size_multiple(sizes: Sequence[Size], asked: int = 0) -> int:
    """Return the multiple that image sizes are padded to.

    Args:
      sizes: of all images.
      asked: what the user set; 0 keeps sizes exact unless they are many.

    Raises:
      UserError: `asked` is negative.
    """
    if asked < 0:
        raise UserError(f"evaluation.size_multiple {asked}: it must not be negative")
    if asked:
        return asked
    return MANY_SIZES_MULTIPLE if len(set(sizes)) > MANY_SIZES else 1


def padded_size(size: Size, multiple: int, smallest: int) -> Size:
    """Round a size up to `multiple`, and to no less than `smallest` a side."""
    height, width = (-(-max(side, smallest) // multiple) * multiple for side in size)
    return height, width


def group_by_size(
    sizes: Sequence[Size], multiple: int, smallest: int
) -> dict[Size, list[int]]:
    """Return the indices of images that are padded to the same size, by that size."""
    groups: dict[Size, list[int]] = {}
    for index, size in enumerate(sizes):
        groups.setdefault(padded_size(size, multiple, smallest), []).append(index)
    return groups


def pad_image(image: np.ndarray, size: Size) -> np.ndarray:
    """Pad uint8 `[h, w, 3]` to `size` at the bottom and right by reflection."""
    bottom, right = size[0] - image.shape[0], size[1] - image.shape[1]
    if not bottom and not right:
        return image
    mirrors = min(image.shape[:2]) > 1
    border = cv2.BORDER_REFLECT_101 if mirrors else cv2.BORDER_REPLICATE
    return cv2.copyMakeBorder(image, 0, bottom, 0, right, border)
