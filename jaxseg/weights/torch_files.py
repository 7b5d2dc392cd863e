"""PyTorch's two file layouts: the zip archive, and the stream used before version 1.6.

Both hold a pickle that names storages, and the storages' bytes.  The pickle is read
first, by `jaxseg.weights.pickles`; then only the storages of the chosen tensors are.
"""

from __future__ import annotations

import dataclasses
import io
import struct
from collections.abc import Callable, Mapping
from io import BufferedIOBase
from typing import Any

import numpy as np

from jaxseg.errors import UserError
from jaxseg.weights import pickles, torch_objects
from jaxseg.weights.archives import Archive
from jaxseg.weights.arrays import check_tensors, quote, to_array
from jaxseg.weights.state_dicts import choose
from jaxseg.weights.torch_objects import VOCABULARY, Storage, Tensor

MAGIC = 0x1950A86A20F9469CFC6C
"""What the first pickle of the old layout holds (torch/serialization.py)."""

PROTOCOL = 1001

Read = tuple[dict[str, np.ndarray], str]


def read_zip(archive: Archive, key: str | None) -> Read:
    """Return the tensors of a zip that torch.save wrote, and a line on the choice.

    Raises:
      UserError: see `jaxseg.weights.readers.read_weights`.
    """
    folder = _folder(archive)
    if f"{folder}/byteorder" in archive.sizes:
        if archive.read(f"{folder}/byteorder") != b"little":
            raise UserError("written on a big-endian machine; save it on another one")

    def storage(identity: Any) -> Storage:
        described = torch_objects.storage(identity)
        held = archive.sizes.get(f"{folder}/data/{described.key}")
        if held is None:
            raise UserError(f"lacks the storage {quote(described.key)}; save it again")
        if held != described.nbytes:
            raise UserError(
                f"has a storage {quote(described.key)} of {held} bytes and "
                f"declares {described.nbytes}; fetch it again"
            )
        return described

    vocabulary = dataclasses.replace(VOCABULARY, persistent=storage)
    root = pickles.load(io.BytesIO(archive.read(f"{folder}/data.pkl")), vocabulary)
    tensors, note = choose(root, key)
    return _read(
        tensors,
        lambda source: archive.read(f"{folder}/data/{source.key}"),
        archive.file_bytes,
    ), note


def _folder(archive: Archive) -> str:
    """Return the one folder of the archive that a torch.save file has."""
    if "model.weights.h5" in archive.sizes:
        raise UserError(
            "a whole Keras model; save its weights alone: "
            "model.save_weights('NAME.weights.h5')"
        )
    pickled = [name for name in archive.sizes if name.endswith("/data.pkl")]
    folders = [name.removesuffix("/data.pkl") for name in pickled]
    if len(folders) != 1 or "/" in folders[0]:
        raise UserError(
            "a zip archive, but not one that torch.save or numpy.savez wrote"
        )
    if f"{folders[0]}/constants.pkl" in archive.sizes:
        raise UserError(
            "a TorchScript program; save its weights alone: "
            "torch.save(torch.jit.load(FILE).state_dict(), PATH)"
        )
    if archive.sizes[pickled[0]] > pickles.MAX_BYTES:
        raise UserError(f"a pickle of more than {pickles.MAX_BYTES:,} bytes")
    return folders[0]


def read_legacy(file: BufferedIOBase, file_bytes: int, key: str | None) -> Read:
    """Return the tensors of a stream that torch.save wrote, and a line on the choice.

    Pickles of a magic number, a version, the machine, the object and the storages'
    names; then each storage, its count of numbers (int64) before it.

    Args:
      file: opened for reading, at its start.
      file_bytes: its size.
      key: the mapping to take, or None.

    Raises:
      UserError: see `jaxseg.weights.readers.read_weights`.
    """
    declared: dict[str, Storage] = {}

    def storage(identity: Any) -> Storage:
        described = torch_objects.storage(identity)
        first = declared.setdefault(described.key, described)
        if (first.nbytes, first.dtype) != (described.nbytes, described.dtype):
            raise UserError(f"declares the storage {quote(described.key)} in two ways")
        return described

    stream = io.BytesIO(file.read(min(pickles.MAX_BYTES, file_bytes)))
    magic = pickles.load(stream, VOCABULARY)
    if type(magic) is not int or magic != MAGIC:
        raise UserError("a Python pickle that torch.save did not write, not read")
    version = pickles.load(stream, VOCABULARY)
    if type(version) is not int or version != PROTOCOL:
        raise UserError(
            "a PyTorch file of an unknown version; save it with a newer one"
        )
    machine = pickles.load(stream, VOCABULARY)
    if isinstance(machine, pickles.Table):
        names = [k for k, v in machine.pairs if v is False and isinstance(k, str)]
        if "little_endian" in names:
            raise UserError("written on a big-endian machine; save it on another one")
    vocabulary = dataclasses.replace(VOCABULARY, persistent=storage)
    root = pickles.load(stream, vocabulary)
    keys = pickles.load(stream, VOCABULARY)
    file.seek(stream.tell())
    places = _places(file, file_bytes, keys, declared)
    tensors, note = choose(root, key)

    def read(source: Storage) -> bytes:
        if source.key not in places:
            raise UserError(f"lacks the storage {quote(source.key)}; save it again")
        file.seek(places[source.key])
        return file.read(source.nbytes)

    return _read(tensors, read, file_bytes), note


def _places(
    file: BufferedIOBase, file_bytes: int, keys: Any, declared: Mapping[str, Storage]
) -> dict[str, int]:
    """Return where each storage's numbers begin."""
    if not isinstance(keys, list):
        raise UserError("has no list of storages; fetch it again")
    places: dict[str, int] = {}
    place = file.tell()
    for key in keys:
        if not isinstance(key, str) or key in places or key not in declared:
            raise UserError(f"lists a storage {quote(key)} that it does not declare")
        file.seek(place)
        length = file.read(8)
        nbytes, itemsize = declared[key].nbytes, declared[key].dtype.itemsize
        if len(length) < 8 or place + 8 + nbytes > file_bytes:
            raise UserError("cut short; fetch it again")
        if struct.unpack("<q", length)[0] * itemsize != nbytes:
            raise UserError(
                f"has a storage {quote(key)} of another length; fetch it again"
            )
        places[key] = place + 8
        place += 8 + nbytes
    return places


def _read(
    tensors: Mapping[str, Tensor], read: Callable[[Storage], bytes], file_bytes: int
) -> dict[str, np.ndarray]:
    """Read the storages, each once, and cut the tensors out of them."""
    check_tensors({name: t.nbytes for name, t in tensors.items()}, file_bytes)
    storages: dict[str, bytes] = {}
    arrays = {}
    for name, tensor in tensors.items():
        key = tensor.storage.key
        if key not in storages:
            storages[key] = read(tensor.storage)
        arrays[name] = _cut(tensor, storages[key])
    return arrays


def _cut(tensor: Tensor, data: bytes) -> np.ndarray:
    if not tensor.nbytes:  # may lie anywhere
        return to_array(b"", tensor.dtype, tensor.shape)
    return to_array(data, tensor.dtype, tensor.shape, tensor.offset, tensor.strides)
