"""One process at a time: locks that end with the process that holds them."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def locked(path: Path, wait: bool = True) -> Iterator[bool]:
    """Hold a lock on a file, which is made if it is missing and stays empty.

    The system releases it when the process ends, however it ends.  On a file system
    without locks nothing is held.

    Args:
      path: of the file; its folder exists.
      wait: until another process lets go of it, instead of giving up.

    Yields:
      False if another process holds it, else True.

    Raises:
      OSError: the file cannot be made.
    """
    with path.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        except OSError:  # of the file system: it has no locks
            yield True
            return
        yield True
