"""Places: what a user calls one, and where things are kept from run to run."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from jaxseg.errors import UserError


def user_path(text: str) -> Path:
    """Turn what a user calls a place into a path; `~` is the home.

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
    """Say that there is no such folder; of a relative one also where it was sought."""
    here = "" if path.is_absolute() else f" in {Path.cwd()}"
    return f"{path}: no such folder{here}"


def cache_folder(cache: str = "") -> Path:
    """Where made things go: `cache`, else $JAXSEG_CACHE, else ~/.cache/jaxseg."""
    chosen = cache or os.environ.get("JAXSEG_CACHE") or "~/.cache/jaxseg"
    return user_path(chosen).resolve()


def experiments_folder() -> Path:
    """Return the folder of the experiments that come with jaxseg.

    They lie in the package where it is installed, and beside it in a checkout.
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
    """Write a text file where a user asked for it.

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
    """Say why a folder cannot be made or written into; "" if that is not seen.

    Nothing is written to find out.
    """
    place = path
    while not os.path.lexists(place) and place != place.parent:
        place = place.parent
    if not os.path.isdir(place):
        return os.strerror(errno.EEXIST if place == path else errno.ENOTDIR)
    return _closed(place)


def unwritable_file(path: Path) -> str:
    """Say why a file cannot be written in a folder that is there; "" likewise."""
    if os.path.isdir(path):
        return os.strerror(errno.EISDIR)
    if not os.path.isdir(path.parent):
        there = os.path.lexists(path.parent)
        return os.strerror(errno.ENOTDIR if there else errno.ENOENT)
    return _closed(path if os.path.exists(path) else path.parent)


def _closed(place: Path) -> str:
    """Say why an entry is not to be written to, if it is not."""
    return "" if os.access(place, os.W_OK) else os.strerror(errno.EACCES)
