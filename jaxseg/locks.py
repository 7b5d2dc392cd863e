"""One process at a time: locks that end with the process that holds them."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

_NO_LOCKS = (errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK)
"""Error numbers of a file system without locks."""


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
    # A marker file in place of a lock would outlive a process that is killed.
    lock = FileLock(path, fallback_to_soft=False)
    free = True
    try:
        lock.acquire(blocking=wait)
    except Timeout:
        free = False
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
    try:
        yield free
    finally:
        if free and made and remove:
            # While the lock is held, so that nobody else's file is deleted. Windows
            # does not delete a file that is open; there it stays, empty.
            with contextlib.suppress(PermissionError):
                path.unlink(missing_ok=True)
        lock.release()
