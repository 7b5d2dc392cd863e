"""Mask files, read one at a time as the numbers they hold.

Of a palette that is the index, never the colour.  What the values mean is the business
of `jaxseg.data.labels`; which classes there are, of `jaxseg.data.classes`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from jaxseg.data.images import decoded
from jaxseg.errors import UserError


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
    with decoded(path) as image:
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
