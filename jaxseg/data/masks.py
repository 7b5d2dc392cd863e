"""Reads a mask file as the numbers or colours that it holds.

`jaxseg.data.classes` finds which classes there are, and `jaxseg.data.labels` turns
numbers into classes.  A mask that is not a file, such as one that is drawn from an
annotation (`jaxseg.data.annotations`), is read in the same way.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from PIL import Image

from jaxseg.data.images import decoded
from jaxseg.data.matlab import read_label_map
from jaxseg.errors import UserError

LOSSY = ("JPEG", "MPO", "WEBP")
"""Formats that change values; read only if options give ranges of values a class."""

_BLACK_AND_WHITE = np.array([[0, 0, 0], [255, 255, 255]], np.uint8)


class Mask(NamedTuple):
    """The content of a mask file.

    Attributes:
      pixels: integers `[H, W]`, grey values or indices; or RGB uint8 `[H, W, 3]` if not
        all colours are grey.
      palette: for an indexed or 1-bit mask, RGB uint8 `[colours, 3]`, a colour for each
        index in `pixels`; otherwise None.
      overlap: number of pixels that several classes claim, of which one was chosen.
    """

    pixels: np.ndarray
    palette: np.ndarray | None = None
    overlap: int = 0


@runtime_checkable
class DrawnMask(Protocol):
    """A mask that is no file of its own; as text it names where it comes from."""

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that it is made of."""
        ...

    def read(self) -> Mask:
        """Make the mask.

        Raises:
          UserError: it cannot be made.
        """
        ...

    def digest(self) -> bytes:
        """Hash all that it is made of, so that equal hashes mean equal masks."""
        ...


MaskSource = Path | DrawnMask
"""A mask file, or what stands for one."""


def read_mask(path: MaskSource, lossy: bool = False) -> Mask:
    """Read a mask.

    Args:
      path: PNG, TIFF, BMP or GIF, a MATLAB file (see `matlab`), or a mask that is
        drawn.
      lossy: whether JPEG and WebP are read as well.

    Raises:
      UserError: the file is unreadable, truncated, too large, lossy or of several
        pages; has fractions or numbers outside 0..65535; or has pixels that differ in
        transparency only.
    """
    if not isinstance(path, Path):
        return path.read()
    if path.suffix == ".mat":
        return Mask(read_label_map(path))
    with decoded(path) as image:
        if image.format in LOSSY and not lossy:
            raise UserError(
                f"{path}: {image.format} changes mask values; save the original mask as"
                " PNG, or give each range of values a class (--data.mask_map 0-127:0"
                " 128-255:1 for black and white) or colours (--data.palette with"
                " --data.nearest_colour True)"
            )
        if getattr(image, "n_frames", 1) > 1:
            raise UserError(
                f"{path}: a mask of several pages; save each in a file of its own"
            )
        mask = _mask_of(image, path)
    pixels = mask.pixels
    wide = pixels.dtype != np.uint8 and pixels.size
    if wide and (pixels.min() < 0 or pixels.max() > 65535):
        raise UserError(f"{path}: mask values must lie in 0..65535")
    return mask


def check_size(
    path: MaskSource, size: tuple[int, ...], image: Path, image_size: tuple[int, ...]
) -> None:
    """Refuse a mask whose size is not that of its image.

    Args:
      path: the mask.
      size: its height and width.
      image: file of its image.
      image_size: height and width of the upright image.

    Raises:
      UserError: the sizes differ.
    """
    if size != image_size:
        raise UserError(
            f"{path}: {size[1]}x{size[0]} pixels, but {image} has"
            f" {image_size[1]}x{image_size[0]} (upright); a mask has the size of its"
            " image"
        )


def _mask_of(image: Image.Image, path: Path) -> Mask:
    pixels = np.asarray(image)
    mode = image.mode
    if mode == "1":
        return Mask(pixels.astype(np.uint8), _BLACK_AND_WHITE)
    if mode == "L" or mode[0] == "I":
        return Mask(pixels)
    if mode[-1] == "A":
        _check_alpha(pixels[..., :-1], pixels[..., -1], path)
    if mode in ("P", "PA"):
        indices = pixels if mode == "P" else pixels[..., 0]
        return Mask(indices, _palette(image, int(indices.max(initial=0)) + 1))
    if mode not in ("LA", "RGB", "RGBA"):
        raise UserError(f"{path}: a mask of {mode} pixels; save it as an 8-bit PNG")
    if mode == "LA":
        return Mask(pixels[..., 0])
    pixels = pixels[..., :3]
    red, green, blue = (pixels[..., channel] for channel in range(3))
    grey = np.array_equal(red, green) and np.array_equal(red, blue)
    return Mask(red if grey else pixels)


def _palette(image: Image.Image, count: int) -> np.ndarray:
    """Return the first `count` colours; those that a palette lacks are black."""
    stored = np.array(image.getpalette() or [], np.uint8).reshape(-1, 3)
    palette = np.zeros((max(count, len(stored)), 3), np.uint8)
    palette[: len(stored)] = stored
    return palette


def _check_alpha(pixels: np.ndarray, alpha: np.ndarray, path: Path) -> None:
    """Refuse a mask in which opaque and transparent pixels share a value."""
    clear = alpha == 0
    if not clear.any() or clear.all():
        return
    weights = np.array([65536, 256, 1])[-pixels.shape[-1] :]
    both = np.intersect1d(pixels[clear] @ weights, pixels[~clear] @ weights)
    if both.size:
        colour = tuple(both[0] // weights % 256)
        shown = ", ".join(map(str, colour))
        raise UserError(
            f"{path}: transparent and opaque pixels have the same value ({shown}); save"
            " the mask without transparency, each class with its own value or colour"
        )
