"""A user's image and mask files, read one at a time.

An image is checked and handed on encoded; a mask is read as the numbers it holds, the
index and never the colour of a palette.  Which files belong together is
`jaxseg.data.layout`; what mask values mean, `jaxseg.data.labels`.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from jaxseg.errors import UserError

_ORIENTATION = 0x0112  # EXIF tag


def read_bytes(path: Path) -> bytes:
    """Read a file whole.

    Raises:
      UserError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error


def read_image(path: Path) -> tuple[bytes, tuple[int, int]]:
    """Check an image and return it encoded and upright, with its (height, width).

    An upright JPEG or PNG is returned byte for byte, anything else as RGB in PNG.

    Raises:
      UserError: unreadable, truncated, of several pages, or of more than 8 bits.
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
      UserError: unreadable, truncated, lossy, or of colours without a palette.
    """
    with _decoded(path) as image:
        if image.format in ("JPEG", "MPO", "WEBP"):
            raise UserError(f"{path}: {image.format} changes mask values; save as PNG")
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
        with Image.open(path) as image:
            image.load()
            yield image
    except UserError:
        raise
    except Exception as error:  # Pillow raises many kinds on bad bytes
        raise UserError(
            f"{path}: cannot be read as an image ({error}); mend or remove the file"
        ) from error
