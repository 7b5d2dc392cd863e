"""The sizes that whole images are padded to, and the padding.

The padded size of an image depends only on its own size, never on the images that are
read with it.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

Size = tuple[int, int]
"""Height and width, pixels."""


def padded_size(size: Size, multiple: int, smallest: int) -> Size:
    """Round both sides up to multiples of `multiple`, and to at least `smallest`."""
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
