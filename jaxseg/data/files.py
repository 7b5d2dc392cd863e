"""A user's image and mask files, read one at a time.

An image is checked and handed on encoded; a mask is read as the numbers it holds, the
index and never the colour of a palette.  Which files belong together is
`jaxseg.data.layout`; what mask values mean, `jaxseg.data.labels`.
"""

from __future__ import annotations

import contextlib
import io
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from jaxseg.errors import UserError

LARGEST = 178_956_970
"""Pixels of the largest image that is read, as Pillow has it: 0.5 GB in RGB."""

SIDE = 1_000_000
"""Pixels of its longer side, as libpng has it, which reads the records."""

FORMATS = ("BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
"""What an image may be, whatever its name; for an EPS Pillow would start a program."""

_ORIENTATION = 0x0112  # EXIF tag
_lock = threading.Lock()  # `catch_warnings` is not for several threads at once


def read_bytes(path: Path) -> bytes:
    """Read a file whole.

    Raises:
      UserError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error


def open_image(source: Path | io.BytesIO, name: str) -> Image.Image:
    """Open an image of which only the header is read, so that its size is known.

    Args:
      source: a file, or its content.
      name: of the image, for the message.

    Raises:
      UserError: the header claims more than `LARGEST` pixels or a side of more than
        `SIDE`, or it is a pipe, a folder, ...
      Exception: whatever Pillow raises where it is no image.
    """
    if isinstance(source, Path) and source.exists() and not source.is_file():
        raise UserError(f"{name}: not a plain file")  # reading a pipe may never end
    try:
        with _lock, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns from half of its limit
            image = Image.open(source, formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise too_large(name) from error
    if image.width * image.height > LARGEST or max(image.size) > SIDE:
        image.close()
        raise too_large(name)
    image.filename = ""  # else Pillow 13 may map a turned TIFF at the wrong width
    return image


def too_large(name: str) -> UserError:
    """Return what to say of an image of more than `LARGEST` pixels or `SIDE` a side."""
    return UserError(
        f"{name}: too large, more than {LARGEST:,} pixels or {SIDE:,} a side; cut it"
        " into tiles"
    )


def read_image(path: Path) -> tuple[bytes, tuple[int, int]]:
    """Check an image and return it encoded and upright, with its (height, width).

    An upright JPEG or PNG is returned byte for byte, anything else as RGB in PNG.

    Raises:
      UserError: unreadable, truncated, too large, of several pages, or of more than 8
        bits.
    """
    with _decoded(path) as image:
        if image.format == "TIFF" and getattr(image, "n_frames", 1) > 1:
            raise UserError(f"{path}: a TIFF of several pages; save one image a file")
        if image.mode[0] in "IF":
            raise UserError(f"{path}: more than 8 bits a channel; convert it to 8 bits")
        upright = image.getexif().get(_ORIENTATION, 1) == 1
        plain = image.mode in ("1", "L", "LA", "P", "RGB", "RGBA")
        if image.format in ("JPEG", "MPO", "PNG") and upright and plain:
            return read_bytes(path), (image.height, image.width)
        turned = ImageOps.exif_transpose(image).convert("RGB")
        encoded = io.BytesIO()
        turned.save(encoded, "PNG")
        return encoded.getvalue(), (turned.height, turned.width)


def read_mask(path: Path, colours: bool) -> np.ndarray:
    """Read a mask's numbers: grey values, or the indices of a palette image.

    Args:
      path: PNG, TIFF, BMP or GIF.
      colours: whether an RGB mask is meant by colour; otherwise its channels must
        agree and it is read as grey.

    Returns:
      Integers `[H, W]`, or with `colours` perhaps uint8 `[H, W, 3]`.

    Raises:
      UserError: unreadable, truncated, too large, lossy, of several pages, or of
        colours without a palette.
    """
    with _decoded(path) as image:
        if image.format in ("JPEG", "MPO", "WEBP"):
            raise UserError(f"{path}: {image.format} changes mask values; save as PNG")
        if getattr(image, "n_frames", 1) > 1:
            raise UserError(f"{path}: a mask of several pages; save one mask a file")
        pixels = np.asarray(image)
        if image.mode in ("1", "L", "P") or image.mode[0] == "I":
            return pixels.astype(np.uint8) if image.mode == "1" else pixels
        if image.mode in ("LA", "PA"):
            return pixels[..., 0]
        if image.mode in ("RGB", "RGBA"):
            pixels = pixels[..., :3]
            if colours:
                return pixels
            if (pixels == pixels[..., :1]).all():
                return pixels[..., 0]
            raise UserError(
                f"{path}: a mask in colours; give data.palette, the RGB of each class"
            )
        raise UserError(f"{path}: a mask of {image.mode} pixels; save as 8-bit PNG")


@contextlib.contextmanager
def _decoded(path: Path) -> Iterator[Image.Image]:
    try:
        with open_image(path, str(path)) as image, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd metadata
            image.load()
            yield image
    except UserError:
        raise
    except Image.DecompressionBombError as error:  # of a later frame or tile
        raise too_large(str(path)) from error
    except Exception as error:  # Pillow raises many kinds on bad bytes
        raise UserError(
            f"{path}: cannot be read as an image ({error}); mend or remove the file"
        ) from error
