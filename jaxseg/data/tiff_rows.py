"""TIFFs that are too large to be decoded at once, read a few rows at a time.

A TIFF stores its pixels in tiles or strips, each of which can be decoded by itself.
The needed ones are passed as small TIFFs of one tile to the decoder of all other
images, so that the pixels are the same, whatever the compression.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
from PIL.TiffImagePlugin import ImageFileDirectory_v2, TiffImageFile

from jaxseg.data.image_headers import check_header
from jaxseg.data.images import LARGEST, SIDE, decode_image
from jaxseg.data.padding import Size
from jaxseg.errors import UserError

PART = 2**26
"""Largest number of pixels of a tile or strip."""

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _BANDS, _PLANES = 256, 257, 258, 259, 277, 284
_STRIPS, _ROWS, _STRIP_BYTES, _ORIENTATION = 273, 278, 279, 274
_TILE_WIDTH, _TILE_HEIGHT, _TILES, _TILE_BYTES = 322, 323, 324, 325
_KEPT = (_BITS, _COMPRESSION, 262, 266, _BANDS, _PLANES, 317, 320, 338, 339, 347)
_KEPT += (292, 293, 529, 530, 532)
"""TIFF tags; the kept ones describe the coding (colours, predictor, tables, ...)."""

_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def is_large_tiff(path: Path) -> bool:
    """Whether a file is a TIFF of more pixels than `load_image` reads."""
    if not path.is_file():  # opening a pipe would wait for its writer
        return False
    try:
        with path.open("rb") as file:
            if file.read(4) not in _MAGIC:
                return False
        with TiffImageFile(path) as image:
            width, height = (
                _number(image.tag_v2, _WIDTH),
                _number(image.tag_v2, _HEIGHT),
            )
    except Exception:  # missing, damaged, ...: `load_image` says what is wrong
        return False
    return width * height > LARGEST or max(width, height) > SIDE


class TiffRows:
    """The rows of a TIFF, decoded when they are read.

    The tiles or strips of the rows that were read last are kept.

    Attributes:
      size: height and width.
    """

    def __init__(self, path: Path):
        """Read the header.

        Raises:
          UserError: the file is no TIFF; its bands, bits or pages are refused as by
            `load_image`; it is turned; or its tiles or strips cannot be read one by
            one.
        """
        self._path = path
        try:
            image = TiffImageFile(path)
        except Exception as error:  # broken bytes lead to errors of many kinds
            raise UserError(f"{path}: cannot be read as a TIFF ({error})") from error
        with image:
            check_header(image, str(path))
            tags = image.tag_v2
            self.size: Size = (_number(tags, _HEIGHT), _number(tags, _WIDTH))
            self._part, self._offsets, self._bytes = _parts(tags, self.size, path)
            self._strips = _TILE_WIDTH not in tags
            self._tags = {tag: tags[tag] for tag in _KEPT if tag in tags}
            self._types = dict(tags.tagtype)
        self._kept: dict[int, np.ndarray] = {}

    def rows(self, index: np.ndarray) -> np.ndarray:
        """Return rows of the image, RGB uint8 `[len(index), W, 3]`.

        Args:
          index: int, indices of rows of the image.

        Raises:
          UserError: the file is damaged.
        """
        tall = self._part[0]
        band, row = index // tall, index % tall
        needed = np.unique(band).tolist()
        self._kept = {each: self._kept[each] for each in needed if each in self._kept}
        found = np.empty((len(index), self.size[1], 3), np.uint8)
        for each in needed:
            if each not in self._kept:
                self._kept[each] = self._band(each)
            inside = band == each
            found[inside] = self._kept[each][row[inside]]
        return found

    def _band(self, band: int) -> np.ndarray:
        """Decode a row of tiles, or a strip."""
        (tall, wide), (height, width) = self._part, self.size
        across = -(-width // wide)
        found = np.empty((min(tall, height - band * tall), width, 3), np.uint8)
        with self._path.open("rb") as file:
            for column in range(across):
                place = band * across + column
                file.seek(self._offsets[place])
                content = file.read(self._bytes[place])
                pixels = self._decode(content, self._rows_of(band))
                left = column * wide
                found[:, left : left + wide] = pixels[: len(found), : width - left]
        return found

    def _rows_of(self, band: int) -> int:
        """Return the number of coded rows; the last strip ends with the image."""
        tall = self._part[0]
        return min(tall, self.size[0] - band * tall) if self._strips else tall

    def _decode(self, content: bytes, rows: int) -> np.ndarray:
        if not content:
            raise self._damaged("a tile is missing")
        try:
            return decode_image(self._one_tile(content, rows), str(self._path))
        except Exception as error:  # Pillow raises many kinds on bad bytes
            raise self._damaged(error) from error

    def _damaged(self, error: Any) -> UserError:
        return UserError(
            f"{self._path}: cannot be read as an image ({error}); repair or remove the"
            " file"
        )

    def _one_tile(self, content: bytes, rows: int) -> bytes:
        """Return a TIFF of one tile with this coded content."""
        content += b"\0" * (len(content) % 2)
        wide = self._part[1]
        tags = ImageFileDirectory_v2(b"II*\0\0\0\0\0")
        tags.tagtype.update(self._types)
        for tag, value in self._tags.items():
            tags[tag] = value
        for tag, value in (
            (_WIDTH, wide),
            (_HEIGHT, rows),
            (_TILE_WIDTH, wide),
            (_TILE_HEIGHT, rows),
            (_TILES, 8),
            (_TILE_BYTES, len(content)),
        ):
            tags.tagtype[tag] = 4  # 32 bits
            tags[tag] = value
        start = 8 + len(content)
        return b"II*\0" + struct.pack("<I", start) + content + tags.tobytes(start)


def _parts(
    tags: Any, size: Size, path: Path
) -> tuple[Size, tuple[int, ...], tuple[int, ...]]:
    """Return height and width of the tiles or strips, their offsets and lengths.

    Raises:
      UserError: they cannot be read one by one.
    """
    height, width = size
    remedy = "save it as an upright, tiled TIFF of interleaved RGB or grey"
    if _number(tags, _ORIENTATION, 1) != 1:
        raise UserError(f"{path}: a turned image of this size; {remedy}")
    if _number(tags, _BANDS, 1) > 1 and _number(tags, _PLANES, 1) != 1:
        raise UserError(f"{path}: an image of this size in planes; {remedy}")
    if _TILE_WIDTH in tags:
        part = (_number(tags, _TILE_HEIGHT), _number(tags, _TILE_WIDTH))
        places, lengths = _all(tags, _TILES), _all(tags, _TILE_BYTES)
    else:
        part = (min(height, _number(tags, _ROWS, height)), width)
        places, lengths = _all(tags, _STRIPS), _all(tags, _STRIP_BYTES)
        bits, coded = _all(tags, _BITS), _number(tags, _COMPRESSION, 1)
        if len(places) == 1 and coded == 1 and max(bits) == min(bits) == 8:
            # A single strip without compression can be cut anywhere.
            row, part = width * _number(tags, _BANDS, 1), (min(height, 256), width)
            starts = range(0, height, part[0])
            places = tuple(places[0] + start * row for start in starts)
            lengths = tuple(min(part[0], height - start) * row for start in starts)
    if part[0] * part[1] > PART:
        raise UserError(
            f"{path}: strips or tiles of {part[0]}x{part[1]} pixels, which are decoded"
            f" whole; {remedy}"
        )
    across, down = -(-width // max(1, part[1])), -(-height // max(1, part[0]))
    if min(part) < 1 or not len(places) == len(lengths) == across * down:
        raise UserError(f"{path}: {len(places)} tiles or strips; {remedy}")
    return part, places, lengths


def _number(tags: Any, tag: int, default: int = 0) -> int:
    value = tags.get(tag, default)
    return int(value[0] if isinstance(value, tuple) else value)


def _all(tags: Any, tag: int) -> tuple[int, ...]:
    value = tags.get(tag, ())
    return tuple(map(int, value)) if isinstance(value, tuple) else (int(value),)
