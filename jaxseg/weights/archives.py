"""A zip archive, checked before anything of it is read; nothing is ever extracted."""

from __future__ import annotations

import struct
import zipfile
import zlib
from io import BufferedIOBase
from typing import IO, cast

from jaxseg.errors import UserError
from jaxseg.weights.arrays import allowance, quote

MAX_DIRECTORY = 2**22
"""Bytes of the directory at the archive's end; 40,000 entries of the usual length."""

_ENCRYPTED = 0x1

_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    OSError,
    EOFError,
    ValueError,
    OverflowError,
    NotImplementedError,
    RuntimeError,
)


class _Bounded:
    """A file of which at most `limit` bytes are read at once, if it has one."""

    def __init__(self, file: BufferedIOBase):
        self._file = file
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable
        self.limit: int | None = MAX_DIRECTORY

    def read(self, size: int = -1) -> bytes:
        if self.limit is None:
            return self._file.read(size)
        data = self._file.read(min(size, self.limit + 1) if size >= 0 else self.limit)
        if len(data) > self.limit:
            raise UserError(f"a zip with a directory above {self.limit:,} bytes")
        return data


class Archive:
    """The entries of a zip archive.

    Attributes:
      sizes: bytes of each entry, unpacked, by name; folders are left out.
      file_bytes: bytes of the archive.
    """

    def __init__(self, file: BufferedIOBase, file_bytes: int):
        """Read and check the directory.

        Raises:
          UserError: damaged, encrypted, packed otherwise than by deflate, with names
            twice or that climb out of a folder, or far larger when unpacked.
        """
        self.file_bytes = file_bytes
        reader = _Bounded(file)
        try:
            self._zip = zipfile.ZipFile(cast(IO[bytes], reader))
        except _ERRORS as error:
            raise UserError(
                "a zip archive that is damaged or cut short; fetch it again"
            ) from error
        reader.limit = None
        self.sizes: dict[str, int] = {}
        for entry in self._zip.infolist():
            _check_entry(entry)
            if entry.filename in self.sizes:
                raise UserError(f"a zip with two entries {quote(entry.filename)}")
            if not entry.filename.endswith("/"):
                self.sizes[entry.filename] = entry.file_size
        total = sum(self.sizes.values())
        if total > allowance(file_bytes):
            raise UserError(
                f"a zip of {file_bytes:,} bytes that unpacks to {total:,}; "
                "not a file of weights"
            )

    def read(self, name: str) -> bytes:
        """Return an entry of `sizes`, its checksum verified.

        Raises:
          UserError: it is damaged.
        """
        size = self.sizes[name]
        try:
            with self._zip.open(name) as entry:
                data = entry.read(size)
        except _ERRORS as error:
            raise UserError(f"a damaged entry {quote(name)}; fetch it again") from error
        if len(data) != size:
            raise UserError(f"an entry {quote(name)} cut short; fetch the file again")
        return data


def _check_entry(entry: zipfile.ZipInfo) -> None:
    name = entry.filename
    if entry.flag_bits & _ENCRYPTED:
        raise UserError(f"a zip with the encrypted entry {quote(name)}; decrypt it")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise UserError(f"a zip with {quote(name)} packed otherwise than by deflate")
    if not name or name[0] == "/" or "\\" in name or ".." in name.split("/"):
        raise UserError(f"a zip with an entry outside its folder, {quote(name)}")
