"""Image and mask files: found, read and written.

Every image arrives as RGB uint8 `[H, W, 3]`, upright; a mask is written so that it can
be read back exactly.  What is drawn into a picture is `pictures.py`'s business.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image, ImageOps
from PIL.TiffImagePlugin import TiffImageFile

from jaxseg.data.files import open_image, too_large
from jaxseg.data.labels import LabelSet
from jaxseg.errors import UserError

Value = TypeVar("Value")

_ORIENTATION = 0x0112  # the EXIF tag; 5 to 8 turn by a quarter

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


def file_names(names: Iterable[str]) -> list[str]:
    """Turn names of samples into names of files: no folders, no controls, none twice.

    They are to be used with an ending and are at most 200 bytes long.
    """
    found: dict[str, None] = {}
    for name in names:
        plain = (letter if letter.isprintable() else "_" for letter in name)
        plain = "".join("_" if letter in "/\\" else letter for letter in plain)
        plain = plain.encode()[:190].decode(errors="ignore").lstrip(".") or "_"
        count = 1
        while (unique := plain if count == 1 else f"{plain}_{count}") in found:
            count += 1
        found[unique] = None
    return list(found)


def save_mask(path: str | Path, mask: np.ndarray, labels: LabelSet) -> None:
    """Write a mask as a palette PNG: class indices that show in their colours.

    Args:
      path: ends in `.png`; missing folders are made.
      mask: int `[H, W]`, the class or `IGNORE`.
      labels: their colours become the palette.

    Raises:
      UserError: another ending, values outside 0..255, or the file cannot be written.
    """
    if Path(path).suffix.lower() != ".png":
        raise UserError(f"{path}: a mask is written as .png, which keeps it exact")
    if mask.ndim != 2 or (mask.size and not 0 <= mask.min() <= mask.max() <= 255):
        raise UserError(f"{path}: a mask is [H, W] with values 0..255")
    image = Image.fromarray(mask.astype(np.uint8))
    image.putpalette(labels.colour_table().tobytes())
    _save(Path(path), image)


def save_picture(path: str | Path, picture: np.ndarray) -> None:
    """Write an RGB uint8 `[H, W, 3]` picture in the format of the file's ending.

    Raises:
      UserError: an unknown ending, or the file cannot be written.
    """
    _save(Path(path), Image.fromarray(np.ascontiguousarray(picture)))


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


def _save(path: Path, image: Image.Image) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path, quality=92)  # of JPEG and WebP; other formats pass it over
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be written: {error}") from error
