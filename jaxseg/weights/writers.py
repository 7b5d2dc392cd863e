"""Weights written as safetensors, the format that every framework reads."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from jaxseg.errors import UserError
from jaxseg.paths import replace_file
from jaxseg.weights.arrays import DTYPES
from jaxseg.weights.safetensors import CODES, METADATA

_CODE_OF = {DTYPES[name]: code for code, name in CODES.items()}
_PLACE_OF = {code: place for place, code in enumerate(CODES)}


def write_safetensors(
    path: str | os.PathLike[str],
    tensors: Mapping[str, np.ndarray],
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write tensors to a safetensors file, bit for bit.

    The same tensors give the same bytes, those of the reference implementation: wide
    dtypes first, then by name, so that every tensor is aligned.  The file appears
    whole or not at all; one that stands there is replaced.

    Args:
      path: the file; its folder exists.
      tensors: arrays by name; bool, (u)int8 to 64, float16, float32, float64 or
        bfloat16, any byte order and strides.
      metadata: text kept beside them.

    Raises:
      UserError: a dtype that the format or a reader does not have, or a name that is
        not one printable line.
      OSError: the disk is full or may not be written to.
    """
    path = Path(path)
    coded = sorted((_PLACE_OF[_code(n, a)], n) for n, a in tensors.items())
    header: dict[str, object] = {}
    if metadata is not None:
        header[METADATA] = dict(sorted(metadata.items()))
    begin = 0
    for _, name in coded:
        array = tensors[name]
        header[name] = {
            "dtype": _code(name, array),
            "shape": list(array.shape),
            "data_offsets": [begin, begin + array.nbytes],
        }
        begin += array.nbytes
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with replace_file(path) as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, name in coded:
            file.write(_little_endian(tensors[name]))


def _code(name: str, array: np.ndarray) -> str:
    """Return the format's code of an array's dtype."""
    code = _CODE_OF.get(array.dtype.newbyteorder("="))
    if code is None:
        raise UserError(
            f"the tensor {name!r} is {array.dtype}; written are {', '.join(DTYPES)}"
        )
    if name == METADATA or not name.isprintable():
        raise UserError(f"a tensor called {name!r} cannot be written; rename it")
    return code


def _little_endian(array: np.ndarray) -> memoryview:
    """Return an array's bytes, without a copy where it lies as the file does."""
    flat = np.ascontiguousarray(array).reshape(-1)
    return flat.astype(flat.dtype.newbyteorder("<"), copy=False).view(np.uint8).data
