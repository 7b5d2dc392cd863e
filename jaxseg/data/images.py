"""Image files, read by one set of rules for training, evaluation and prediction.

Every image becomes upright RGB uint8 `[H, W, 3]`, or is refused with the same message
everywhere.  `jaxseg.data.image_headers` checks the headers, and `jaxseg.data.masks`
reads masks.
"""

from __future__ import annotations

import contextlib
import io
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError
from PIL.Image import Transpose
from PIL.ImageFile import ImageFile
from PIL.TiffImagePlugin import TiffImageFile

from jaxseg.data.image_headers import check_channels, check_header, tiff_channels
from jaxseg.errors import UserError

LARGEST = 178_956_970
"""Largest number of pixels of an image, which is Pillow's limit: 0.5 GB in RGB."""

SIDE = 1_000_000
"""Largest side of an image, pixels, which is libpng's limit for the records."""

FORMATS = ("BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
"""Formats that are read, whatever the file's name.  EPS is not among them, since Pillow
would start another program for it."""

_JPEG_SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo")

IMAGE_SUFFIXES = (
    *_JPEG_SUFFIXES,
    *(".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".jp2", ".j2k"),
    *(".ppm", ".pgm", ".pbm", ".pnm"),
)
"""Endings, in lower case, of the files in a folder that are read as images."""

_ORIENTATION = 0x0112  # EXIF tag
_UPRIGHT = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}
"""EXIF orientation -> the transposition that makes the image upright."""

TRANSPOSED = (5, 6, 7, 8)
"""EXIF orientations of images whose upright height is their stored width."""

_lock = threading.Lock()  # `catch_warnings` is not thread-safe


def is_jpeg(path: Path) -> bool:
    """Whether a file's suffix is that of a JPEG; masks rarely are JPEGs."""
    return path.suffix.lower() in _JPEG_SUFFIXES


def load_image(path: str | Path) -> np.ndarray:
    """Read an image file upright, as training, evaluation and prediction do.

    - Transparent pixels (an alpha channel, a palette with transparency, a transparent
      colour) are blended with white.
    - Grey, palette, 1-bit, CMYK and YCbCr images are converted to RGB.
    - The EXIF orientation is undone.
    - More than 8 bits per channel, floating-point and signed values, TIFF and JPEG 2000
      files of more bands than RGB (even if the fourth is marked as transparency), and
      files of several pages or frames are refused.  A TIFF's smaller copies of its page
      do not count as pages, nor do the previews in a camera's MPO.

    Returns:
      RGB uint8 `[H, W, 3]`.

    Raises:
      UserError: the file is missing, is no image, is broken or refused as above, or has
        more than `LARGEST` pixels or a side of more than `SIDE`.
    """
    with _opened(Path(path)) as image:
        return np.array(_upright(image))


def read_image(path: Path) -> tuple[bytes, tuple[int, int]]:
    """Read an image and return it encoded for the records, with its (height, width).

    `decode_image` returns the same pixels as `load_image`.  The file is kept byte for
    byte if it can be decoded so; otherwise it is encoded as an RGB PNG.

    Raises:
      UserError: as for `load_image`.
    """
    with _opened(path) as image:
        upright = _upright(image)
        size = (upright.height, upright.width)
        if _plain(image):
            encoded = read_bytes(path)
            if _decodes_to(encoded, np.asarray(upright)):
                return encoded, size
        file = io.BytesIO()
        upright.save(file, "PNG")
        return file.getvalue(), size


def decode_image(encoded: bytes, name: str) -> np.ndarray:
    """Decode an image of the records; its EXIF orientation is ignored.

    Args:
      encoded: the content of an image file.
      name: name of the image, for the message.

    Returns:
      RGB uint8 `[H, W, 3]`.

    Raises:
      UserError: the image is too large.
      Exception: errors of the decoders on bad bytes.
    """
    with open_image(io.BytesIO(encoded), name) as image:
        if not (_plain(image) and _chunks_end(encoded)):
            return np.array(_rgb(image))
    # OpenCV takes half of Pillow's time, but allocates the size that a header claims.
    mode = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    return cv2.cvtColor(_imdecode(encoded, mode), cv2.COLOR_BGR2RGB)


def decode_stored(encoded: bytes, name: str) -> np.ndarray:
    """Decode an image of the records to the values that it stores.

    Args:
      encoded: the content of an image file.
      name: name of the image, for the message.

    Returns:
      uint8 or uint16 `[H, W]` or `[H, W, channels]`; colours are BGR, and indices of a
      palette become its colours.

    Raises:
      UserError: the image is too large.
      Exception: errors of the decoders on bad bytes.
    """
    open_image(io.BytesIO(encoded), name)
    if not _chunks_end(encoded):
        raise ValueError("a chunk goes on after the end")
    return _imdecode(encoded, cv2.IMREAD_UNCHANGED)


def image_size(path: str | Path) -> tuple[int, int]:
    """Read height and width of the upright image; pixels are not decoded.

    Raises:
      UserError: as for `load_image`, as far as the header shows it.
    """
    (height, width), orientation = stored_frame(path)
    return (width, height) if orientation in TRANSPOSED else (height, width)


def stored_frame(path: str | Path) -> tuple[tuple[int, int], int]:
    """Read height and width of the image as it is stored, and its EXIF orientation.

    Raises:
      UserError: as `image_size`.
    """
    with _opened(Path(path)) as image:
        width, height = image.size
        if isinstance(image, TiffImageFile):  # Pillow 11.1 and later turn its size
            width, height = int(image.tag_v2[256]), int(image.tag_v2[257])
        orientation = _orientation(image)
        return (height, width), orientation if orientation in _UPRIGHT else 1


def turned_upright(mask: np.ndarray, orientation: int) -> np.ndarray:
    """Turn a mask of an image's stored pixels as its EXIF orientation turns the image.

    Args:
      mask: uint8 `[H, W]`.
      orientation: as `stored_frame` returns it.
    """
    if orientation not in _UPRIGHT:
        return mask
    return np.asarray(Image.fromarray(mask).transpose(_UPRIGHT[orientation]))


@contextlib.contextmanager
def decoded(path: Path) -> Iterator[ImageFile]:
    """Open a file of any bits and bands, such as a mask, and decode its pixels.

    Raises:
      UserError: the file cannot be read, or is too large.
    """
    with _readable(path), open_image(path, str(path)) as image:
        image.load()
        yield image


def open_image(source: Path | io.BytesIO, name: str) -> ImageFile:
    """Open an image of which only the header is read, so that its size is known.

    Args:
      source: a file, or its content.
      name: name of the image, for the message.

    Raises:
      UserError: the header claims more than `LARGEST` pixels or a side of more than
        `SIDE`; or the source is a pipe, a folder, ..., or a TIFF whose channels are not
        supported.
      Exception: errors of Pillow if the source is no image.
    """
    if isinstance(source, Path) and source.exists() and not source.is_file():
        raise UserError(f"{name}: not a plain file")  # reading a pipe may never end
    try:
        with _lock, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns from half of its limit
            image = Image.open(source, formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise too_large(name) from error
    except UnidentifiedImageError:
        _check_tiff(source, name)
        raise
    if image.width * image.height > LARGEST or max(image.size) > SIDE:
        image.close()
        raise too_large(name)
    image.filename = ""  # otherwise Pillow 13 may map a turned TIFF at the wrong width
    return image


def too_large(name: str) -> UserError:
    """Return the error of an image of more than `LARGEST` pixels or `SIDE` a side."""
    return UserError(
        f"{name}: too large, more than {LARGEST:,} pixels or a side of more than"
        f" {SIDE:,}; cut it into tiles, or for predict --window save it as a tiled TIFF"
    )


def read_bytes(path: Path) -> bytes:
    """Read a file whole.

    Raises:
      UserError: the file cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[ImageFile]:
    """Open an image and check that its header is supported."""
    with _readable(path), open_image(path, str(path)) as image:
        check_header(image, str(path))
        yield image


@contextlib.contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn any error of the decoders into a `UserError`."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd metadata
            yield
    except UserError:
        raise
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such image file") from error
    except Image.DecompressionBombError as error:  # of a later frame or tile
        raise too_large(str(path)) from error
    except UnidentifiedImageError as error:
        raise UserError(
            f"{path}: cannot be read as an image: damaged, or none of"
            f" {', '.join(FORMATS)}; convert it to PNG, repair or remove it"
        ) from error
    except Exception as error:  # Pillow raises many kinds on bad bytes
        raise UserError(
            f"{path}: cannot be read as an image ({error}); repair or remove the file"
        ) from error


def _check_tiff(source: Path | io.BytesIO, name: str) -> None:
    """Refuse a TIFF that Pillow does not know, with the reason."""
    with open(source, "rb") if isinstance(source, Path) else source as file:
        channels = tiff_channels(file)
    if channels:
        check_channels(channels, name)
        raise UserError(
            f"{name}: cannot be read as an image: a TIFF of unknown compression or"
            " colours; save it as an RGB or grey PNG"
        )


def _plain(image: ImageFile) -> bool:
    """Whether OpenCV decodes the image to the same pixels, apart from orientation."""
    modes = ("1", "L", "P", "RGB")
    known = image.format in ("JPEG", "MPO", "PNG") and image.mode in modes
    return known and not image.has_transparency_data


def _chunks_end(encoded: bytes) -> bool:
    """Whether every chunk of a PNG ends within the file.

    OpenCV allocates the size that a chunk claims; Pillow reads only what is there.
    """
    offset = 8 if encoded.startswith(b"\x89PNG") else len(encoded)
    while offset < len(encoded) and encoded[offset + 4 : offset + 8] != b"IEND":
        offset += 12 + int.from_bytes(encoded[offset : offset + 4])
    return offset <= len(encoded)


def _imdecode(encoded: bytes, mode: int) -> np.ndarray:
    pixels = cv2.imdecode(np.frombuffer(encoded, np.uint8), mode)
    if pixels is None:
        raise ValueError("not decoded")
    return pixels


def _decodes_to(encoded: bytes, pixels: np.ndarray) -> bool:
    try:
        return np.array_equal(decode_image(encoded, "image"), pixels)
    except Exception:  # the records' decoder reads fewer formats than Pillow
        return False


def _orientation(image: ImageFile) -> int:
    try:
        return image.getexif().get(_ORIENTATION, 1)
    except Exception:  # the EXIF data is broken, but the image is not
        return 1


def _upright(image: ImageFile) -> Image.Image:
    """Decode an image to RGB and undo its orientation; a TIFF is turned by `load`."""
    rgb, orientation = _rgb(image), _orientation(image)
    return rgb.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else rgb


def _rgb(image: ImageFile) -> Image.Image:
    _rescale_transparency(image)
    image.load()
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _rescale_transparency(image: ImageFile) -> None:
    """Scale the transparent grey of a PNG of 2 or 4 bits like its pixels."""
    packing = image.tile[0][3] if image.format == "PNG" and image.tile else ""
    for bits, factor in ((2, 85), (4, 17)):
        value = image.info.get("transparency")
        if packing == f"L;{bits}" and isinstance(value, int) and value < 2**bits:
            image.info["transparency"] = value * factor
