"""Label maps in MATLAB files, as PASCAL Context publishes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from jaxseg.data.images import LARGEST, too_large
from jaxseg.errors import UserError

_NAME = "LabelMap"


def read_label_map(path: Path) -> np.ndarray:
    """Read the variable `LabelMap` of a MATLAB file of version 5 to 7.

    Args:
      path: `.mat`.

    Returns:
      uint16 `[H, W]`.

    Raises:
      UserError: it cannot be read, has no such matrix, or is too large.
    """
    from scipy import io  # it loads slowly, and few need it

    try:
        shapes = {name: shape for name, shape, _ in io.whosmat(path)}
        shape = shapes.get(_NAME, ())
        if len(shape) == 2 and shape[0] * shape[1] > LARGEST:
            raise too_large(str(path))
        pixels = io.loadmat(path, variable_names=[_NAME]).get(_NAME)
    except UserError:
        raise
    except Exception as error:  # scipy raises many kinds on bad bytes
        raise UserError(
            f"{path}: cannot be read as a MATLAB file ({error}); unpack the archive"
            " again"
        ) from error
    if not isinstance(pixels, np.ndarray) or pixels.ndim != 2:
        raise UserError(f"{path}: no matrix {_NAME!r} in it; unpack the archive again")
    labels = pixels.astype(np.uint16) if pixels.dtype.kind in "iufb" else None
    if labels is None or not np.array_equal(labels, pixels):
        raise UserError(f"{path}: {_NAME!r} must hold whole numbers of 0..65535")
    return np.ascontiguousarray(labels)
