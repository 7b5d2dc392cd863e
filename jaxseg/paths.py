"""Paths: those that a user gives, the cache, and files that are replaced at once."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from jaxseg.errors import UserError


def user_path(text: str) -> Path:
    """Turn a path that a user gives into a `Path`; `~` is the home folder.

    Raises:
      UserError: it cannot be a path.
    """
    try:
        path = Path(text).expanduser()
        with contextlib.suppress(FileNotFoundError):
            os.lstat(path)
        return path
    except (OSError, ValueError, RuntimeError) as error:
        raise UserError(f"{text}: not a usable path ({error})") from error


def no_folder(path: Path) -> str:
    """Return the message of a missing folder; for a relative one, its full path too."""
    here = "" if path.is_absolute() else f" in {Path.cwd()}"
    return f"{path}: no such folder{here}"


def data_folder(root: str, missing: str, remedy: str) -> Path:
    """Return the folder of a data set's files.

    Args:
      root: as `data.root` gives it.
      missing: the message if it is empty.
      remedy: what the message ends with if there is no such folder.

    Raises:
      UserError: it is empty, or no folder.
    """
    if not root:
        raise UserError(missing)
    folder = user_path(root)
    if not folder.is_dir():
        raise UserError(f"{no_folder(folder)}; {remedy}")
    return folder


def cache_folder(cache: str = "") -> Path:
    """Return the folder of the cache: `cache`, $JAXSEG_CACHE or ~/.cache/jaxseg."""
    chosen = cache or os.environ.get("JAXSEG_CACHE") or "~/.cache/jaxseg"
    return user_path(chosen).resolve()


def experiments_folder() -> Path:
    """Return the folder of the experiments that come with jaxseg.

    An installed package contains them; in a checkout they are beside it.
    """
    package = Path(__file__).parent
    installed = package / "experiments"
    return installed if installed.is_dir() else package.parent / "experiments"


@contextlib.contextmanager
def replace_file(path: Path) -> Iterator[IO[bytes]]:
    """Write a file in one step: a kill, or an error here, leaves the old one.

    What was written is on the disk before the file appears under its name.

    Args:
      path: of the file; its folder exists.

    Yields:
      A file to write bytes to.

    Raises:
      OSError: it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def replace_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8 by `replace_file`, lines ending as they do in `text`.

    Raises:
      OSError: it cannot be written.
    """
    with replace_file(path) as file:
        file.write(text.encode())


def write_file(path: Path, text: str) -> None:
    """Write a text file at a path that the user gave.

    Raises:
      UserError: it cannot be written.
    """
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path}: cannot write ({error.strerror})") from error


def require_run(workdir: str | Path) -> Path:
    """Return the path of a run folder.

    Raises:
      UserError: it is none.
    """
    workdir = Path(workdir)
    for name in ("config.json", "labels.json"):
        if not os.path.isfile(workdir / name):
            raise UserError(f"{workdir}: not a run folder, {name} is missing")
    return workdir


def unwritable_folder(path: Path) -> str:
    """Return why a folder cannot be created or written; "" if no reason is found.

    Nothing is written to find out.
    """
    place = path
    while not os.path.lexists(place) and place != place.parent:
        place = place.parent
    if not os.path.isdir(place):
        return os.strerror(errno.EEXIST if place == path else errno.ENOTDIR)
    return _closed(place)


def unwritable_file(path: Path) -> str:
    """Return why a file cannot be written in an existing folder; "" as above."""
    if os.path.isdir(path):
        return os.strerror(errno.EISDIR)
    if not os.path.isdir(path.parent):
        there = os.path.lexists(path.parent)
        return os.strerror(errno.ENOTDIR if there else errno.ENOENT)
    return _closed(path if os.path.exists(path) else path.parent)


def _closed(place: Path) -> str:
    """Return why an existing path cannot be written, or ""."""
    return "" if os.access(place, os.W_OK) else os.strerror(errno.EACCES)
