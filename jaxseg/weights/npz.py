"""NumPy's .npz: a zip of .npy files, of which only plain arrays of numbers are read."""

from __future__ import annotations

import re

import numpy as np

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

# The header is the text of a Python dict; these three keys, and no more, are looked up.
_DESCR = re.compile(r"""['"]descr['"]\s*:\s*['"]([<>|=])(\w+)['"]""")
_ORDER = re.compile(r"""['"]fortran_order['"]\s*:\s*(True|False)""")
_SHAPE = re.compile(r"""['"]shape['"]\s*:\s*\(((?:\d{1,30}(?:, ?|(?=\))))*)\)""")

_CODES = {f"{d.kind}{d.itemsize}": d for d in DTYPES.values() if d.kind != "V"}


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
    """Return the array of a .npy file."""
    wide = 4 if data[6:7] in (b"\x02", b"\x03") else 2  # the version
    start = 8 + wide + int.from_bytes(data[8 : 8 + wide], "little")
    if data[:6] != b"\x93NUMPY" or not 8 + wide < start <= min(len(data), 10_000):
        raise UserError(f"the array {quote(name)} is no .npy file; save it again")
    header = data[8 + wide : start].decode("latin-1")
    descr, order, shape = (p.search(header) for p in (_DESCR, _ORDER, _SHAPE))
    dtype = _CODES.get(descr[2]) if descr else None
    if descr is None or dtype is None:
        raise UserError(
            f"the array {quote(name)} is no plain array of numbers ("
            f"{quote(descr[0] if descr else header)}); save it as float32 or integers"
        )
    if order is None or shape is None:
        raise UserError(f"the array {quote(name)} has no shape; save it again")
    sizes = [int(size) for size in shape[1].split(",") if size.strip()]
    if count_elements(sizes) * dtype.itemsize != len(data) - start:
        raise UserError(
            f"the array {quote(name)} is not as long as its shape; save it again"
        )
    return _arranged(data[start:], dtype, sizes, descr[1] == ">", order[1] == "True")


def _arranged(
    data: bytes, dtype: np.dtype, shape: list[int], big_endian: bool, columns: bool
) -> np.ndarray:
    if big_endian:
        dtype = dtype.newbyteorder(">")
    array = to_array(data, dtype, shape[::-1] if columns else shape)
    return frozen(array.T) if columns else array
