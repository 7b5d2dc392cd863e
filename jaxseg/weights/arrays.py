"""What any weight file may hold: names, dtypes, shapes, and how much memory it may ask.

Every reader declares what it is about to read and has it checked here first, so that a
file's own numbers never decide how much memory is taken.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import ml_dtypes
import numpy as np

from jaxseg.errors import UserError

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)

DTYPES: dict[str, np.dtype] = {
    name: np.dtype(name)
    for name in (
        "bool float16 float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64"
    ).split()
} | {"bfloat16": BFLOAT16}
"""The dtypes of weights, by name.  Complex, quantised and 8-bit floats are not read."""

MAX_DIMENSIONS = 32
MAX_NAME = 512

_ELEMENTS = 2**48


def quote(value: object) -> str:
    """Return something of a file's own for a message: one printable line, cut short."""
    if isinstance(value, str | bytes):
        return repr(value[:80]) + ("..." if len(value) > 80 else "")
    if type(value) is int and value.bit_length() > 64:
        return f"a number of {value.bit_length()} bits"
    if value is None or isinstance(value, bool | int | float):
        return repr(value)
    return f"a {type(value).__name__.lower()}"


def allowance(file_bytes: int) -> int:
    """Return how many bytes of tensors a file of `file_bytes` may declare.

    Eight times its size, for tied and compressed tensors, and 16 MiB, for small files.
    """
    return 8 * file_bytes + 2**24


def count_elements(shape: Sequence[object]) -> int:
    """Return the product of `shape`, which a file declares.

    Raises:
      UserError: more than 32 dimensions, one that is no count, or too large together.
    """
    if len(shape) > MAX_DIMENSIONS:
        raise UserError(
            f"a tensor of {len(shape)} dimensions; {MAX_DIMENSIONS} at most"
        )
    sizes: list[int] = []
    for size in shape:
        if type(size) is not int or not 0 <= size < _ELEMENTS:
            raise UserError(f"a tensor with {quote(size)} as one of its sizes")
        sizes.append(size)
    # An empty tensor's other sizes count too: numpy multiplies them.
    if math.prod(max(size, 1) for size in sizes) > _ELEMENTS:
        raise UserError("a tensor of more than 2**48 elements")
    return math.prod(sizes)


def check_tensors(sizes: Mapping[str, int], file_bytes: int) -> None:
    """Check the names and the memory of the tensors about to be read.

    Args:
      sizes: bytes of each tensor, by name.
      file_bytes: bytes of the file.

    Raises:
      UserError: there is none, a name is not one printable line of at most 512
        characters, or they take more together than such a file can hold.
    """
    if not sizes:
        raise UserError("holds no tensors")
    for name in sizes:
        if len(name) > MAX_NAME or not name.isprintable():
            raise UserError(
                f"a tensor is called {quote(name)}; rename it in the source"
            )
    total = sum(sizes.values())
    if total > allowance(file_bytes):
        raise UserError(
            f"declares {total:,} bytes of tensors in a file of {file_bytes:,}; "
            "not a file of weights"
        )


def to_array(
    data: bytes,
    dtype: np.dtype,
    shape: Sequence[int],
    offset: int = 0,
    strides: Sequence[int] | None = None,
) -> np.ndarray:
    """Return a tensor within `data`, read-only and in C order.

    Args:
      data: little-endian numbers; the tensor must lie within.
      dtype: their type.
      shape: sizes of the tensor.
      offset: of its first number, in numbers.
      strides: in numbers; None for C order.
    """
    # Of a bool any byte but 0 is true; numpy itself relies on 0 and 1.
    stored = np.dtype(np.uint8) if dtype == np.bool_ else dtype
    if strides is not None:
        strides = [step * stored.itemsize for step in strides]
    array = np.ndarray(shape, stored, data, offset * stored.itemsize, strides)
    return frozen(np.asarray(array != 0) if dtype == np.bool_ else array)


def frozen(array: np.ndarray) -> np.ndarray:
    """Return `array` in C order and native byte order, read-only."""
    native = array.astype(array.dtype.newbyteorder("="), order="C", copy=False)
    native.flags.writeable = False
    return native
