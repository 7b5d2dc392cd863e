"""The safetensors format: a JSON header, then the numbers.

Eight bytes hold the header's length (little-endian), the header maps names to dtype,
shape and place, and the rest of the file is the tensors, without gaps and without
overlaps (the format's description: github.com/huggingface/safetensors).
"""

from __future__ import annotations

import json
import struct
from io import BufferedIOBase
from typing import Any

import numpy as np

from jaxseg.errors import UserError
from jaxseg.weights.arrays import (
    DTYPES,
    check_tensors,
    count_elements,
    quote,
    to_array,
)

MAX_HEADER = 100_000_000
"""Bytes of the header; the bound of the reference implementation."""

MAX_VALUES = 1_000_000
"""Values in the header, about seven for each tensor: they take far more memory than
their text does."""

CODES = {
    "U64": "uint64",
    "I64": "int64",
    "F64": "float64",
    "F32": "float32",
    "U32": "uint32",
    "I32": "int32",
    "BF16": "bfloat16",
    "F16": "float16",
    "U16": "uint16",
    "I16": "int16",
    "I8": "int8",
    "U8": "uint8",
    "BOOL": "bool",
}
"""The format's codes and our dtypes, in the order in which a file is written."""

METADATA = "__metadata__"


def read_safetensors(file: BufferedIOBase, file_bytes: int) -> dict[str, np.ndarray]:
    """Return the tensors of a file, in their order in it.

    Args:
      file: opened for reading, at its start; its ninth byte is "{".
      file_bytes: its size.

    Raises:
      UserError: see `jaxseg.weights.readers.read_weights`.
    """
    header, start = _read_header(file, file_bytes)
    entries = sorted(
        (*_parse(name, entry), name)
        for name, entry in header.items()
        if name != METADATA
    )
    end = 0
    for begin, stop, _, _, name in entries:
        if begin != end:
            kind = "overlaps another" if begin < end else "leaves a gap"
            raise UserError(f"the tensor {quote(name)} {kind}; save the file again")
        end = stop
    if start + end != file_bytes:
        raise UserError(
            f"{file_bytes:,} bytes long where its header says {start + end:,}; "
            "fetch it again"
        )
    check_tensors({name: stop - begin for begin, stop, *_, name in entries}, file_bytes)
    file.seek(start)
    return {
        name: to_array(file.read(stop - begin), DTYPES[dtype], shape)
        for begin, stop, dtype, shape, name in entries
    }


def _read_header(file: BufferedIOBase, file_bytes: int) -> tuple[dict[str, Any], int]:
    """Return the header, a JSON object, and where the numbers begin."""
    (length,) = struct.unpack("<Q", file.read(8))
    if length > min(MAX_HEADER, file_bytes - 8):
        raise UserError(
            f"a safetensors header of {length:,} bytes in a file of {file_bytes:,} "
            f"({MAX_HEADER:,} at most); fetch it again"
        )
    text = file.read(length)
    if sum(text.count(mark) for mark in (b",", b"[", b"{")) > MAX_VALUES:
        raise UserError(f"a safetensors header of more than {MAX_VALUES:,} values")
    try:
        header = json.loads(text.decode("utf-8"), object_pairs_hook=_distinct)
    except (ValueError, RecursionError) as error:
        raise UserError(
            "a safetensors header that is not JSON; fetch it again"
        ) from error
    metadata = header.get(METADATA, {})
    if not isinstance(metadata, dict) or not all(
        isinstance(value, str) for value in metadata.values()
    ):
        raise UserError(f"a safetensors header whose {METADATA} is not all text")
    return header, 8 + length


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name, value in pairs:
        if name in made:
            raise UserError(f"a safetensors header with {quote(name)} twice")
        made[name] = value
    return made


def _parse(name: str, entry: Any) -> tuple[int, int, str, tuple[int, ...]]:
    """Return (begin, end, dtype, shape) of a tensor, checked against each other."""
    match entry:
        case {
            "dtype": str(code),
            "shape": list(shape),
            "data_offsets": [begin, stop],
        } if len(entry) == 3 and type(begin) is type(stop) is int:
            pass
        case _:
            raise UserError(f"the tensor {quote(name)} lacks dtype, shape or offsets")
    if code not in CODES:
        raise UserError(
            f"the tensor {quote(name)} is {quote(code)}; read are {', '.join(CODES)}"
        )
    dtype = CODES[code]
    nbytes = count_elements(shape) * DTYPES[dtype].itemsize
    if not 0 <= begin <= stop < 2**48 or stop - begin != nbytes:
        raise UserError(
            f"the tensor {quote(name)} takes {nbytes} bytes and lies at "
            f"{quote(begin)} to {quote(stop)}; save the file again"
        )
    return begin, stop, dtype, tuple(shape)
