"""Keras' HDF5 files: every array, by its path in the file.

Read are `model.save_weights` (`<layer>/<layer>/kernel:0`), `model.save` of Keras 2 (the
same, in a group "model_weights" of which the name goes) and `.weights.h5` of Keras 3
(`layers/<layer>/vars/0`).  An optimizer's variables are left out.  Theano convolved
where others correlate: kernels that it trained are turned round, as Keras' own
`convert_all_kernels_in_model` did.

The file is parsed by the HDF5 library, which is C code: a file made to attack it is
not stopped here.  What reaches out of the file is refused (external links and storage,
virtual datasets), and sizes are checked before memory is taken.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from jaxseg.errors import UserError
from jaxseg.weights.arrays import (
    DTYPES,
    check_tensors,
    count_elements,
    frozen,
    quote,
)

MAX_DEPTH = 32
MAX_OBJECTS = 100_000

_OPTIMIZER = ("optimizer", "optimizer_weights")
_WEIGHTS = "model_weights"


def read_keras(path: Path, file_bytes: int) -> tuple[dict[str, np.ndarray], str]:
    """Return the arrays of an HDF5 file by path, and a line on what was left out.

    Raises:
      UserError: h5py is not installed; or see `jaxseg.weights.readers.read_weights`.
    """
    try:
        import h5py  # type: ignore[import-not-found]
    except ImportError as error:
        raise UserError("Keras files need h5py: pip install h5py") from error
    try:
        with h5py.File(path, "r") as file:
            whole = isinstance(file.get(_WEIGHTS, getlink=True), h5py.HardLink)
            root = file[_WEIGHTS] if whole else file
            found = _datasets(h5py, root)
            sizes = {name: _check(name, found[name]) for name in found}
            check_tensors(sizes, file_bytes)
            flip = _by_theano(file) or _by_theano(root)
            arrays = {name: _array(found[name], flip) for name in found}
            left = [n for n in _OPTIMIZER if file.get(n, getlink=True) is not None]
    except UserError:
        raise
    except Exception as error:  # the library reports damage in many ways
        raise UserError("a damaged HDF5 file; fetch or save it again") from error
    notes = ["Theano's kernels turned round"] if flip else []
    if left:
        taken = _WEIGHTS if whole else "all"
        notes.append(f"{taken} ({len(arrays)}); not read: {', '.join(left)}")
    return arrays, "; ".join(notes)


def _by_theano(group: Any) -> bool:
    return group.attrs.get("backend") in ("theano", b"theano")


def _array(dataset: Any, flip: bool) -> np.ndarray:
    array = np.asarray(dataset[()])
    if flip and array.ndim >= 4:  # a kernel: rows, columns, ..., in, out
        array = np.flip(array, tuple(range(array.ndim - 2)))
    return frozen(np.ascontiguousarray(array))


def _datasets(h5py: Any, root: Any) -> dict[str, Any]:
    """Return every array below `root` by its path from there."""
    found: dict[str, Any] = {}
    objects = 0
    level = [("", root)]
    for _ in range(MAX_DEPTH):
        below = []
        for prefix, group in level:
            for name in group:
                objects += 1
                if objects > MAX_OBJECTS:
                    raise UserError(
                        f"an HDF5 file of more than {MAX_OBJECTS:,} objects"
                    )
                if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                    raise UserError(f"an HDF5 file with the link {quote(name)}")
                if group.name == "/" and name in _OPTIMIZER:
                    continue
                child = group[name]
                if isinstance(child, h5py.Group):
                    below.append((f"{prefix}{name}/", child))
                elif isinstance(child, h5py.Dataset):
                    found[f"{prefix}{name}"] = child
        level = below
        if not level:
            return found
    raise UserError(f"an HDF5 file nested deeper than {MAX_DEPTH}")


def _check(name: str, dataset: Any) -> int:
    """Return the bytes that a dataset will take."""
    if dataset.external or dataset.is_virtual:
        raise UserError(f"the array {quote(name)} lies in another file")
    if dataset.dtype.newbyteorder("=") not in DTYPES.values() or dataset.shape is None:
        raise UserError(
            f"the array {quote(name)} is {quote(str(dataset.dtype))}; "
            f"read are {', '.join(DTYPES)}"
        )
    # A chunk is unpacked whole, however little of it is in the array.
    elements = max(count_elements(dataset.shape), count_elements(dataset.chunks or ()))
    return elements * dataset.dtype.itemsize
