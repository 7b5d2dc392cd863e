"""Writes masks of images that are too large for the memory, row by row.

They are tiled TIFFs, so that viewers and libraries can read the parts that they need.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import tifffile

from jaxseg.data.image_search import WRITER
from jaxseg.data.padding import Size
from jaxseg.errors import UserError

TILE = 512
"""Side of a tile, pixels."""

PREVIEW = 2048
"""Largest number of pixels of a preview's longer side."""


def save_rows(
    path: Path,
    rows: Iterator[np.ndarray],
    size: Size,
    palette: np.ndarray | None = None,
) -> None:
    """Write a mask as a TIFF of compressed tiles, while its rows are computed.

    The file gets its name when it is complete.

    Args:
      path: ends in `.tif`.
      rows: the rows from the top down, uint8 or uint16 `[n, W]`, or RGB uint8 `[n, W,
        3]`.
      size: height and width.
      palette: uint8 `[256, 3]`, the colour of each value; None writes grey or RGB.

    Raises:
      UserError: the file cannot be written.
    """
    strips = _strips(rows)
    first = next(strips)
    shape, kind = (*size, *first.shape[2:]), first.dtype
    options: dict[str, Any] = {
        "photometric": "rgb" if first.ndim == 3 else "minisblack"
    }
    if palette is not None:
        colours = palette.T.astype(np.uint16) * 257
        options = {"photometric": "palette", "colormap": colours}
    unfinished = path.with_name(f".{path.name}.unfinished")
    large = np.prod(shape) * kind.itemsize > 2**32 - 2**25  # too large for plain TIFF
    try:
        with tifffile.TiffWriter(unfinished, bigtiff=bool(large)) as file:
            file.write(
                _tiles(first, strips),
                shape=shape,
                dtype=kind,
                tile=(TILE, TILE),
                compression="zlib",
                software=WRITER,
                metadata=None,
                **options,
            )
        os.replace(unfinished, path)
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error}") from error
    finally:
        unfinished.unlink(missing_ok=True)


def _strips(rows: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """Yield the rows `TILE` at a time; the last may be fewer."""
    waiting: list[np.ndarray] = []
    count = 0
    for part in rows:
        waiting.append(part)
        count += len(part)
        while count >= TILE:
            joined = np.concatenate(waiting)
            yield joined[:TILE]
            waiting, count = [joined[TILE:]], count - TILE
    if count:
        yield np.concatenate(waiting)


def _tiles(first: np.ndarray, strips: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    strip: np.ndarray | None = first
    while strip is not None:
        for left in range(0, strip.shape[1], TILE):
            tile = np.zeros((TILE, TILE, *strip.shape[2:]), strip.dtype)
            part = strip[:, left : left + TILE]
            tile[: part.shape[0], : part.shape[1]] = part
            yield tile
        strip = next(strips, None)


def reduction(size: Size) -> int:
    """Return the power of two by which an image is reduced for its preview."""
    factor = 1
    while max(size) > PREVIEW * factor:
        factor *= 2
    return factor


def reduced_image(
    read: Callable[[np.ndarray], np.ndarray], size: Size, factor: int
) -> np.ndarray:
    """Return an image reduced by the mean of squares of pixels.

    Args:
      read: indices of rows -> uint8 `[n, W, 3]`.
      size: height and width of the image.
      factor: side of a square.

    Returns:
      uint8 `[H // factor, W // factor, 3]`, at least one pixel by one.
    """
    height, width = (max(1, side // factor) for side in size)
    found, step = np.empty((height, width, 3), np.uint8), max(1, TILE // factor)
    for top in range(0, height, step):
        count = min(step, height - top)
        rows = np.arange(top * factor, min((top + count) * factor, size[0]))
        part = read(rows)[:, : width * factor]
        found[top : top + count] = cv2.resize(
            part, (width, count), interpolation=cv2.INTER_AREA
        )
    return found


class ReducedMask:
    """Collects the classes in the middle of the squares of `reduced_image`, by rows."""

    def __init__(self, size: Size, factor: int):
        """Begin at the top of a mask.

        Args:
          size: height and width of the mask.
          factor: side of a square.
        """
        height, width = (max(1, side // factor) for side in size)
        self.classes = np.zeros((height, width), np.int32)
        self._factor, self._next = factor, 0

    def passed(self, rows: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        """Yield the rows of the mask, int `[n, W]`, unchanged."""
        factor = self._factor
        for part in rows:
            inside = np.arange(self._next, self._next + len(part))
            chosen = inside % factor == factor // 2
            place = inside[chosen] // factor
            kept = place < len(self.classes)
            columns = part[chosen][kept][:, factor // 2 :: factor]
            self.classes[place[kept]] = columns[:, : self.classes.shape[1]]
            self._next += len(part)
            yield part
