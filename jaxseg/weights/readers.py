"""Weight files of other frameworks, read without running anything that is in them.

The format is told by the file's first bytes, never by its name.  Each has a module of
its own; this one knows them all.  Names and layouts stay as they are in the file.

What holds for every format: nothing of a file is executed, imported or written to
disk, no other file is opened, sizes are checked before memory is taken, and whatever is
wrong with a file is one `UserError`.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path

import numpy as np

from jaxseg.errors import UserError
from jaxseg.weights.archives import Archive
from jaxseg.weights.arrays import BFLOAT16, quote
from jaxseg.weights.keras import read_keras
from jaxseg.weights.npz import read_npz
from jaxseg.weights.safetensors import read_safetensors
from jaxseg.weights.torch_files import read_legacy, read_zip

FORMATS = "PyTorch (.pth, .pt), safetensors, Keras HDF5 (.h5) and NumPy (.npz)"


@dataclass(frozen=True)
class WeightFile:
    """What a weight file holds.

    Attributes:
      tensors: arrays by name, in the file's order; read-only, in C order, in native
        byte order; bool, (u)int8 to 64, float16, float32, float64 or bfloat16.  Tied
        tensors may share memory.
      note: which part of the file was taken, and what else it holds; "" for all.
      format: what the file is, such as "safetensors".
    """

    tensors: dict[str, np.ndarray]
    note: str
    format: str


def read_tensors(
    path: str | os.PathLike[str],
    *,
    key: str | None = None,
    allow_nonfinite: bool = False,
) -> dict[str, np.ndarray]:
    """Return the tensors of a weight file by name; `read_weights` says what more it is.

    Args:
      path: PyTorch, safetensors, Keras HDF5 or npz.
      key: see `read_weights`.
      allow_nonfinite: see `read_weights`.

    Raises:
      UserError: see `read_weights`.
    """
    return read_weights(path, key=key, allow_nonfinite=allow_nonfinite).tensors


def read_weights(
    path: str | os.PathLike[str],
    *,
    key: str | None = None,
    allow_nonfinite: bool = False,
) -> WeightFile:
    """Read a weight file of PyTorch, safetensors, Keras (HDF5, needs h5py) or NumPy.

    Of a PyTorch checkpoint the mapping with the most tensors is taken, whatever it is
    called, and the prefix "module." off its names (`jaxseg.weights.state_dicts`).

    Args:
      path: the file.
      key: which mapping of a PyTorch checkpoint to take instead, such as "model_ema";
        keys within keys are joined by "/".
      allow_nonfinite: accept NaN and infinities.

    Raises:
      UserError: it is missing, a folder, of another kind, damaged, cut short, or made
        to harm; it holds objects that are no weights; there is no mapping `key`; a
        tensor has a dtype that weights do not have, or holds a value that is not
        finite.  The message is one line and begins with the path.
    """
    path = Path(path)
    require_file(path)
    try:
        found = _read(path, key)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    if not allow_nonfinite:
        for name, count in count_nonfinite(found.tensors).items():
            raise UserError(
                f"{path}: {name!r} has {count} values that are NaN or infinite; "
                "find better weights, or pass allow_nonfinite=True"
            )
    return found


def require_file(path: Path) -> None:
    """Refuse a path where there is no plain file.

    Raises:
      UserError: there is nothing, a folder, a pipe or a device.
    """
    if "\0" in str(path):
        raise UserError(f"{path}: no name of a file has a NUL in it")
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    if stat.S_ISDIR(mode):
        raise UserError(f"{path}: a folder; name the file of weights in it")
    if not stat.S_ISREG(mode):  # reading a pipe or a device may never end
        raise UserError(f"{path}: not a plain file; copy it to one")


def count_nonfinite(tensors: Mapping[str, np.ndarray]) -> dict[str, int]:
    """Return how many NaN and infinite values each tensor has, if it has any."""
    counts = {}
    for name, tensor in tensors.items():
        if tensor.dtype.kind == "f" or tensor.dtype == BFLOAT16:
            count = tensor.size - int(np.count_nonzero(np.isfinite(tensor)))
            if count:
                counts[name] = count
    return counts


def _read(path: Path, key: str | None) -> WeightFile:
    with path.open("rb") as file:
        file_bytes = os.fstat(file.fileno()).st_size
        head = file.read(512)
        file.seek(0)
        found = _read_format(path, file, file_bytes, head, key)
    if key is not None and not found.format.startswith("PyTorch"):
        raise UserError(f"{found.format} has no mappings; leave out key={key!r}")
    return found


def _read_format(
    path: Path, file: BufferedIOBase, file_bytes: int, head: bytes, key: str | None
) -> WeightFile:
    """Read a file of a known format."""
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        archive = Archive(file, file_bytes)
        if any(name.endswith(".npy") for name in archive.sizes):
            return WeightFile(read_npz(archive), "", "NumPy npz")
        return WeightFile(*read_zip(archive, key), "PyTorch")
    if head[:1] == b"\x80" and head[1:2] in b"\x02\x03\x04\x05":
        return WeightFile(*read_legacy(file, file_bytes, key), "PyTorch (before 1.6)")
    if head.startswith(b"\x89HDF\r\n\x1a\n"):
        return WeightFile(*read_keras(path, file_bytes), "Keras HDF5")
    _refuse_known(head)
    if head[8:9] == b"{":
        return WeightFile(read_safetensors(file, file_bytes), "", "safetensors")
    raise UserError(f"of an unknown format (begins {quote(head[:8])}); read: {FORMATS}")


def _refuse_known(head: bytes) -> None:
    """Say what a file is that is often met in place of weights.

    Raises:
      UserError: it is one of those.
    """
    if not head:
        raise UserError("an empty file; fetch it again")
    if head.startswith(b"version https://git-lfs"):
        raise UserError("a pointer of git-lfs, not the file itself; run git lfs pull")
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype", b"<html", b"<?xml", b"<head", b"<body")):
        raise UserError("a web page, not weights: the download failed; fetch it again")
    if head.startswith(b"\x1f\x8b"):
        raise UserError("compressed by gzip; unpack it with gunzip")
    if head.startswith(b"\x93NUMPY"):
        raise UserError(
            "one array without a name; save it by numpy.savez(PATH, name=...)"
        )
    if head[257:262] == b"ustar":
        raise UserError(
            "a tar archive; unpack it, or, if PyTorch before 0.1.9 wrote it, save it "
            "again with a newer one"
        )
    if _is_text(head):
        raise UserError(
            f"text, not weights (begins {quote(head[:40])}); fetch it again"
        )


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:  # the last letter may be cut in two
        text = head[: error.start].decode("utf-8") if error.start > 508 else "\0"
    return all(letter.isprintable() or letter.isspace() for letter in text)
