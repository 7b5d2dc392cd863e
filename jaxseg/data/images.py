"""Image files: found, checked and read, once for training and for prediction.

Every image arrives as RGB uint8 `[H, W, 3]`, upright.  Masks are read by
`jaxseg.data.masks`; which files belong together is `jaxseg.data.layout`'s business.
"""

from __future__ import annotations

import contextlib
import io
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image, ImageOps
from PIL.TiffImagePlugin import TiffImageFile

from jaxseg.errors import UserError

Value = TypeVar("Value")

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
    with decoded(path) as image:
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


@contextlib.contextmanager
def decoded(path: Path) -> Iterator[Image.Image]:
    """Open an image and decode its pixels.

    Raises:
      UserError: it cannot be read, or is too large.
    """
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


IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")
"""Names of the image files that `find_images` takes from a folder."""


def load_image(path: str | Path) -> np.ndarray:
    """Read an image file upright, whatever its mode.

    Transparent pixels lie on white; 16-bit values are scaled by 255 / 65535, floating
    ones in 0..1 by 255; of an animation the first picture is taken.

    Returns:
      RGB uint8 `[H, W, 3]`.

    Raises:
      UserError: the file is missing, no image, broken, or of more than
        `files.LARGEST` pixels.
    """
    return _read(path, lambda file: _rgb(_upright(file)))


def image_size(path: str | Path) -> tuple[int, int]:
    """Read height and width of the upright image; pixels are not decoded.

    Raises:
      UserError: as `load_image`.
    """

    def read(file: Image.Image) -> tuple[int, int]:
        try:
            turned = file.getexif().get(_ORIENTATION, 1) in (5, 6, 7, 8)
        except (SyntaxError, ValueError, TypeError, KeyError):
            turned = False
        width, height = file.size
        if isinstance(file, TiffImageFile):  # Pillow 11.1 and later turn its size
            width, height = int(file.tag_v2[256]), int(file.tag_v2[257])
        return (width, height) if turned else (height, width)

    return _read(path, read)


def _read(path: str | Path, read: Callable[[Image.Image], Value]) -> Value:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # odd metadata, large but allowed sizes
        try:
            with open_image(Path(path), str(path)) as file:
                return read(file)
        except UserError:
            raise
        except FileNotFoundError as error:
            raise UserError(f"{path}: no such image") from error
        except Image.DecompressionBombError as error:  # of a later frame or tile
            raise too_large(str(path)) from error
        except Exception as error:  # a broken file breaks its decoder in any way
            raise UserError(f"{path}: cannot be read as an image: {error}") from error


def find_images(paths: Iterable[str | Path]) -> list[Path]:
    """List image files.

    Args:
      paths: files, taken whatever their ending, and folders, searched at all depths for
        `IMAGE_SUFFIXES`; hidden files are passed over.

    Returns:
      The files in the order of `paths`, sorted within a folder, each once.

    Raises:
      UserError: a path does not exist, or there is no image in all of them.
    """
    paths = [paths] if isinstance(paths, str) else list(paths)
    found: dict[Path, None] = {}
    for path in map(Path, paths):
        try:
            there, is_folder = path.exists(), path.is_dir()
        except OSError as error:  # too long for a name, ...
            raise UserError(f"{path}: {error.strerror}") from error
        if is_folder:
            found |= dict.fromkeys(
                file for file in sorted(path.rglob("*")) if _is_image(file)
            )
        elif there:
            found[path] = None
        else:
            raise UserError(f"{path}: no such file or folder")
    if not found:
        where = ", ".join(map(str, paths)) or "nothing"
        raise UserError(f"{where}: no image ({' '.join(IMAGE_SUFFIXES)}) found")
    return list(found)


def _is_image(path: Path) -> bool:
    hidden = path.name.startswith(".")
    return path.suffix.lower() in IMAGE_SUFFIXES and not hidden and path.is_file()


def _upright(file: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(file)
    except (SyntaxError, ValueError, TypeError, KeyError):  # broken EXIF, sound image
        return file


def _rgb(image: Image.Image) -> np.ndarray:
    if image.mode == "F" or image.mode.startswith("I"):
        values = np.asarray(image).astype(np.float64)
        unit = image.mode == "F" and values.max() <= 1
        values = values * 255 if unit else values
        values = values / 257 if image.mode != "F" else values
        grey = np.rint(np.clip(values, 0, 255)).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return np.array(image.convert("RGB"))
