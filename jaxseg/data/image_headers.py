"""Reads an image's channels and pages from its header, and refuses unsupported ones.

Pillow silently converts some images of more bits to 8 bits, drops bands that its modes
do not have, and shows only the first of several pages.  So the headers are read here
again, before any pixel is decoded.
"""

from __future__ import annotations

import struct
from typing import Any, BinaryIO, NamedTuple

from PIL.ImageFile import ImageFile
from PIL.TiffImagePlugin import ImageFileDirectory_v2, TiffImageFile

from jaxseg.errors import UserError

_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr")
"""Pillow's modes that can be converted to RGB."""

_BANDS, _BITS, _FORMAT, _PHOTOMETRIC, _EXTRA, _SUBFILE = 277, 258, 339, 262, 338, 254
_COMPRESSION, _SUBSAMPLING, _DEPTH = 259, 530, 32997
"""TIFF tags; the last is the number of slices of a volume in one page."""

_RGB, _CMYK, _YCBCR, _LAB = 2, 5, 6, 8
"""Photometric interpretations of several bands."""

_VALUES = {1: "integers", 2: "signed integers", 3: "floating-point numbers"}
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # the last two are BigTIFF


class Channels(NamedTuple):
    """The values of each pixel of an image.

    Attributes:
      bands: number of values.
      bits: number of bits of the widest value.
      values: type of the values: integers, signed integers, floating-point or other
        numbers.
      alpha: whether one of them is marked as transparency.
      colours: number of values that make the colour.
    """

    bands: int
    bits: int = 8
    values: str = _VALUES[1]
    alpha: bool = False
    colours: int = 3


def check_header(image: ImageFile, name: str) -> None:
    """Refuse an image that cannot be converted to RGB of 8 bits without loss or doubt.

    Args:
      image: opened, but not decoded.
      name: name of the image, for the message.

    Raises:
      UserError: it has more than 8 bits per channel, more bands than RGB, pixels that
        cannot be converted to RGB, or several pages or frames.
    """
    check_channels(_channels(image), name)
    subsampled = isinstance(image, TiffImageFile) and _is_subsampled(image.tag_v2)
    if image.mode not in _MODES or subsampled:
        what = f"{'subsampled ' if subsampled else ''}{image.mode}"
        raise UserError(f"{name}: pixels of {what}; convert it to RGB")
    if (pages := _pages(image)) > 1:
        raise UserError(
            f"{name}: several pages or frames ({pages}); save each in a file of its own"
        )


def check_channels(channels: Channels, name: str) -> None:
    """Refuse channels that are neither grey nor RGB of 8 bits.

    Raises:
      UserError: they are not; the message names the numbers of bands and bits.
    """
    bands, bits, values, alpha, colours = channels
    if bands > colours + (alpha and bands == 2):
        marked = ", one marked as transparency, as near infrared often is"
        raise UserError(
            f"{name}: {bands} bands{marked if alpha else ''}; channels other than RGB"
            " are not supported yet: save one of them as a grey image, or three as RGB"
        )
    if bits > 8 or values != _VALUES[1]:
        what = f"{bits} bits per channel"
        if values != _VALUES[1]:
            what = f"{values} of {bits} bits per channel"
        raise UserError(
            f"{name}: {what}; images are read at 8 bits: convert all of them to 8 bits"
            " per channel, with the same factor"
        )


def tiff_channels(file: BinaryIO) -> Channels | None:
    """Read the channels of a TIFF that Pillow does not know; None if it is broken."""
    try:
        file.seek(0)
        head = file.read(8)
        if head[:4] not in _TIFF:
            return None
        head += file.read(8) if b"+" in head[:4] else b""
        tags = ImageFileDirectory_v2(head)
        file.seek(tags.next)
        tags.load(file)
        channels = _of_tiff(tags)
    except Exception:  # broken bytes lead to errors of many kinds
        return None
    known = channels.bands > 0 and channels.bits in (1, 2, 4, 8, 12, 16, 32, 64)
    return channels if known else None


def _channels(image: ImageFile) -> Channels:
    if isinstance(image, TiffImageFile):
        return _of_tiff(image.tag_v2)
    if image.format == "JPEG2000":
        return _of_jpeg2000(image)
    bands = len(image.getbands())
    packing: Any = image.tile[0][3] if image.tile else ""
    if image.mode == "F":
        return Channels(bands, 32, _VALUES[3])
    if image.format == "PPM" and isinstance(packing, tuple) and len(packing) == 2:
        return Channels(bands, packing[1].bit_length())  # the largest value
    deep = image.mode[0] == "I" or (isinstance(packing, str) and ";16" in packing)
    return Channels(bands, 16 if deep else 8, colours=bands)


def _of_tiff(tags: Any) -> Channels:
    bands = int(tags.get(_BANDS, 1))
    bits = max(int(value) for value in _several(tags.get(_BITS, 1)))
    types = {int(value) for value in _several(tags.get(_FORMAT, 1))}
    values = _VALUES.get(max(types), "numbers of another kind")
    alpha = any(value in (1, 2) for value in _several(tags.get(_EXTRA, ())))
    photometric = tags.get(_PHOTOMETRIC)
    colours = {_RGB: 3, _CMYK: 4, _YCBCR: 3, _LAB: 3}.get(photometric, 1)
    return Channels(bands, bits, values, alpha, colours)


def _is_subsampled(tags: Any) -> bool:
    """Whether Pillow would read subsampled YCbCr blocks as if they were pixels."""
    raw = tags.get(_PHOTOMETRIC) == _YCBCR and tags.get(_COMPRESSION, 1) == 1
    return raw and _several(tags.get(_SUBSAMPLING, (2, 2))) != (1, 1)


def _several(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, tuple | list) else (value,)


def _of_jpeg2000(image: ImageFile) -> Channels:
    """Read the channels from the SIZ marker, the first of the codestream."""
    file: Any = image.fp
    place = file.tell()
    file.seek(0)
    content = file.read()
    file.seek(place)
    start = content.index(b"\xff\x4f\xff\x51")
    (bands,) = struct.unpack_from(">H", content, start + 40)
    depths = content[start + 42 : start + 42 + 3 * bands : 3]
    signed = any(depth & 128 for depth in depths)
    bits = max((depth & 127) + 1 for depth in depths)
    colours = 4 if image.mode == "CMYK" else 3
    return Channels(bands, bits, _VALUES[1 + signed], colours=colours)


def _pages(image: ImageFile) -> int:
    """Count pages or frames without a TIFF's smaller copies and an MPO's extras."""
    count = getattr(image, "n_frames", 1)
    if image.format == "MPO":  # a photograph with a preview or a second view
        return 1
    if not isinstance(image, TiffImageFile):
        return count
    pages = int(image.tag_v2.get(_DEPTH, 1))
    for index in range(1, count):
        image.seek(index)
        pages += not int(image.tag_v2.get(_SUBFILE, 0)) & 1
    if count > 1:
        image.seek(0)
    return pages
