"""Bytes of broken images, and of small files that claim to be huge."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from bad_input import pixels
from PIL import Image

HUGE = 60_000
"""Width and height that bombs claim, pixels."""


def encoded(kind: str, mode: str = "RGB", **options: object) -> bytes:
    """Return a sound image."""
    file = io.BytesIO()
    Image.fromarray(pixels()).convert(mode).save(file, kind, **options)
    return file.getvalue()


def encoded_array(kind: str, array: np.ndarray, **options: object) -> bytes:
    """Return an array as an image."""
    file = io.BytesIO()
    Image.fromarray(array).save(file, kind, **options)
    return file.getvalue()


def chunk(name: bytes, content: bytes = b"", crc: int | None = None) -> bytes:
    """Return a chunk of a PNG."""
    crc = zlib.crc32(name + content) if crc is None else crc
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", crc)


def header(
    width: int = 56, height: int = 48, depth: int = 8, colour: int = 2, *rest: int
) -> bytes:
    """Return the first chunk of a PNG."""
    rest = rest or (0, 0, 0)
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, *rest))


def png(*chunks: bytes) -> bytes:
    """Return a PNG of chunks."""
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def data(rows: bytes = b"") -> bytes:
    """Return the pixels of a PNG, rows of zeros unless they are given."""
    return chunk(b"IDAT", zlib.compress(rows or bytes(48 * (1 + 56 * 3))))


END = chunk(b"IEND")


def tiff(*entries: tuple[int, int, int, int], following: int = 0) -> bytes:
    """Return a TIFF of one directory: (tag, type, count, value)."""
    directory = b"".join(struct.pack("<HHII", *entry) for entry in sorted(entries))
    count = struct.pack("<H", len(entries))
    return b"II*\0\x08\0\0\0" + count + directory + struct.pack("<I", following)


def tiff_of(width: int, height: int, **changed: int) -> bytes:
    """Return a grey TIFF that claims a size."""
    values = {
        "256": width, "257": height, "258": 8, "259": 1, "262": 1, "273": 8,
        "277": 1, "278": height, "279": width * height % 2**32,
    }  # fmt: skip
    values |= {name.removeprefix("tag"): value for name, value in changed.items()}
    return tiff(*((int(tag), 4, 1, value) for tag, value in values.items()))


def jpeg(*segments: bytes) -> bytes:
    """Return a JPEG of segments."""
    return b"\xff\xd8" + b"".join(segments)


def jpeg_size(width: int, height: int) -> bytes:
    """Return a sound JPEG whose header claims another size."""
    sound = encoded("JPEG")
    place = sound.index(b"\xff\xc0") + 5
    return sound[:place] + struct.pack(">HH", height, width) + sound[place + 4 :]


def bmp_size(width: int, height: int) -> bytes:
    """Return a BMP that claims a size."""
    sound = encoded("BMP")
    return sound[:18] + struct.pack("<ii", width, height) + sound[26:]


def gif_size(width: int, height: int) -> bytes:
    """Return a GIF that claims a size, of the screen and of its picture."""
    sound = bytearray(encoded("GIF"))
    sound[6:10] = struct.pack("<HH", width, height)
    return bytes(sound)


def gif_frame_size(width: int, height: int) -> bytes:
    """Return a small GIF whose picture is larger than its screen."""
    sound = bytearray(encoded("GIF"))
    place = sound.index(struct.pack("<BHHHH", 0x2C, 0, 0, 56, 48))
    sound[place + 5 : place + 9] = struct.pack("<HH", width, height)
    return bytes(sound)


def webp_size(width: int, height: int) -> bytes:
    """Return a WebP whose canvas claims a size."""
    canvas = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    extended = b"VP8X" + struct.pack("<I", 10) + bytes(4) + canvas
    inner = b"WEBP" + extended + encoded("WEBP")[12:]
    return b"RIFF" + struct.pack("<I", len(inner)) + inner


def jpeg2000_size(width: int, height: int) -> bytes:
    """Return a JPEG 2000 codestream that claims a size."""
    sound = bytearray(encoded("JPEG2000", no_jp2=True))
    sound[8:16] = struct.pack(">II", width, height)
    return bytes(sound)


def pages(count: int, kind: str) -> bytes:
    """Return an image of several pages."""
    images = [Image.fromarray(pixels(seed)).convert("L") for seed in range(count)]
    file = io.BytesIO()
    images[0].save(file, kind, save_all=True, append_images=images[1:])
    return file.getvalue()


def changed(content: bytes, place: int, new: bytes) -> bytes:
    """Return `content` with other bytes at a place."""
    return content[:place] + new + content[place + len(new) :]
