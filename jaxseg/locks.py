"""One process at a time: locks that end with the process that holds them."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO


@contextlib.contextmanager
def locked(path: Path, wait: bool = True, remove: bool = False) -> Iterator[bool]:
    """Hold a lock on a file, which is made if it is missing and stays empty.

    The system releases it when the process ends, however it ends.  On a file system
    without locks nothing is held.

    Args:
      path: of the file; its folder exists.
      wait: until another process lets go of it, instead of giving up.
      remove: delete the file in the end if it was made here.

    Yields:
      False if another process holds it, else True.

    Raises:
      OSError: the file cannot be made.
    """
    made = not path.exists()
    with contextlib.ExitStack() as held:
        file = held.enter_context(path.open("ab"))
        free = _lock(file, wait)
        while free and not _is_at(file, path):  # its holder has just deleted it
            file = held.enter_context(path.open("ab"))
            free = _lock(file, wait)
        try:
            yield free
        finally:
            if free and made and remove:
                path.unlink(missing_ok=True)


def _lock(file: IO[bytes], wait: bool) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError:  # of the file system: it has no locks
        return True
    return True


def _is_at(file: IO[bytes], path: Path) -> bool:
    """Whether `path` is still the name of an open file."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
