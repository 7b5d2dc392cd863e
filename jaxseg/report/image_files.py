"""Writes pictures, masks and probabilities to files.

A mask is written so that it can be read back exactly.  `pictures.py` draws, and
`jaxseg.data.images` reads images.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from jaxseg.data.image_search import SOFTWARE, WRITER
from jaxseg.data.labels import LabelSet
from jaxseg.errors import UserError


def file_names(names: Iterable[str]) -> list[str]:
    """Turn names of samples into different names of files, without their endings.

    They have no folders and no control characters, and are at most 200 bytes long.
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
      labels: the classes, whose colours become the palette.

    Raises:
      UserError: another ending, values outside 0..255, or the file cannot be written.
    """
    _check_mask(path, mask, 255)
    image = Image.fromarray(mask.astype(np.uint8))
    image.putpalette(labels.colour_table().tobytes())
    _save(Path(path), image)


def save_values(path: str | Path, mask: np.ndarray, values: Sequence[int]) -> None:
    """Write a mask as a grey PNG with the user's own values.

    Args:
      path: ends in `.png`; missing folders are made.
      mask: int `[H, W]`, the class.
      values: grey value of each class, 0..65535; beyond 255 the PNG has 16 bits.

    Raises:
      UserError: another ending, a class without a value, or the file cannot be written.
    """
    _check_mask(path, mask, len(values) - 1)
    _save(Path(path), Image.fromarray(value_table(values)[mask]))


def value_table(values: Sequence[int]) -> np.ndarray:
    """Return the grey values of the classes `[classes]`: uint8, or uint16 above 255."""
    return np.array(values, np.uint8 if max(values) < 256 else np.uint16)


def save_probabilities(
    path: str | Path, probabilities: np.ndarray, names: Sequence[str]
) -> None:
    """Write the probabilities of an image as the arrays of a NumPy file.

    Args:
      path: ends in `.npz`; missing folders are made.
      probabilities: float32 `[H, W, classes]`, or `[H, W]` of the foreground, stored
        exactly as the array `probabilities`.
      names: names of the classes, or of the foreground only, stored as the array
        `classes`.

    Raises:
      UserError: another ending, or the file cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() != ".npz":
        raise UserError(f"{path}: arrays are written as .npz; choose that ending")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, probabilities=probabilities, classes=np.array(names, np.str_))
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error}") from error


def save_shares(path: str | Path, shares: np.ndarray) -> None:
    """Write the probability of one class as a grey image.

    Args:
      path: ends in `.png`, of 16 bits (65535 times the probability, rounded), or
        `.tiff`, of 32-bit floating-point values, exact; missing folders are made.
      shares: float32 `[H, W]`, 0..1.

    Raises:
      UserError: another ending, or the file cannot be written.
    """
    ending = Path(path).suffix.lower()
    if ending == ".png":
        pixels = np.rint(shares.astype(np.float64) * 65535).astype(np.uint16)
    elif ending == ".tiff":
        pixels = np.ascontiguousarray(shares, np.float32)
    else:
        raise UserError(
            f"{path}: probabilities are written as .png or .tiff; choose such an ending"
        )
    _save(Path(path), Image.fromarray(pixels))


def _check_mask(path: str | Path, mask: np.ndarray, last: int) -> None:
    if Path(path).suffix.lower() != ".png":
        raise UserError(f"{path}: a mask is written as .png, which keeps it exact")
    if mask.ndim != 2 or (mask.size and not 0 <= mask.min() <= mask.max() <= last):
        raise UserError(f"{path}: a mask is [H, W] with values 0..{last}")


def save_picture(path: str | Path, picture: np.ndarray) -> None:
    """Write an RGB uint8 `[H, W, 3]` picture in the format of the file's ending.

    Raises:
      UserError: an unknown ending, or the file cannot be written.
    """
    _save(Path(path), Image.fromarray(np.ascontiguousarray(picture)))


def _save(path: Path, image: Image.Image) -> None:
    told = PngInfo()
    told.add_text("Software", WRITER)  # so that results are not predicted as images
    tags = {SOFTWARE: WRITER}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # The quality is for JPEG and WebP; formats ignore options that are not theirs.
        image.save(path, quality=92, pnginfo=told, tiffinfo=tags)
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be written: {error}") from error
