"""NumPy's .npz: a zip of .npy files, of which only plain arrays of numbers are read."""

from __future__ import annotations

import io
import warnings

import numpy as np
from numpy.lib import format as npy

from jaxseg.errors import UserError
from jaxseg.weights.archives import Archive
from jaxseg.weights.arrays import (
    DTYPES,
    check_tensors,
    count_elements,
    frozen,
    quote,
    to_array,
)

_MAX_HEADER = 10_000
"""Characters of a header, numpy's own bound."""

_HEADERS = {
    (1, 0): npy.read_array_header_1_0,
    (2, 0): npy.read_array_header_2_0,
}
"""Version -> what reads the header; version 3 is for names of fields, read by nobody
here."""


def read_npz(archive: Archive) -> dict[str, np.ndarray]:
    """Return the arrays of an archive, by name.

    Raises:
      UserError: see `jaxseg.weights.readers.read_weights`.
    """
    names = {entry: entry.removesuffix(".npy") for entry in archive.sizes}
    others = [entry for entry in names if not entry.endswith(".npy")]
    if others:
        raise UserError(f"an npz with {quote(others[0])}, which is no array")
    check_tensors({names[e]: n for e, n in archive.sizes.items()}, archive.file_bytes)
    return {name: _parse(name, archive.read(entry)) for entry, name in names.items()}


def _parse(name: str, data: bytes) -> np.ndarray:
    """Return the array of a .npy file; its header is compared with its length first."""
    file = io.BytesIO(data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of headers that Python 2 wrote
            read_header = _HEADERS[npy.read_magic(file)]
            shape, columns, dtype = read_header(file, max_header_size=_MAX_HEADER)
    except Exception as error:  # whatever a header that is wrong leads numpy to
        raise UserError(
            f"the array {quote(name)} has no header of a .npy file; save it again"
        ) from error
    native = dtype.newbyteorder("=")
    if native not in DTYPES.values():
        raise UserError(
            f"the array {quote(name)} is no plain array of numbers "
            f"({quote(dtype.str)}); save it as float32 or integers"
        )
    start = file.tell()
    if count_elements(shape) * dtype.itemsize != len(data) - start:
        raise UserError(
            f"the array {quote(name)} is not as long as its shape; save it again"
        )
    array = to_array(data[start:], dtype, shape[::-1] if columns else shape)
    return frozen(array.T) if columns else array
