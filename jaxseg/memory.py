"""Memory: how much is free, and one line with a remedy if it is not enough.

An allocation that fails is told by what Python, NumPy, OpenCV or XLA raises.  Where the
system ends the process instead (the kernel's killer, an abort inside XLA's compiler)
nothing can be said afterwards, so what is known to be needed is compared before.
"""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from jaxseg.errors import UserError

ADDRESS_SPACE = 3 * 2**30
"""Bytes of addresses that JAX, its compiler and their threads take for any model: with
2.5 GB a small training was aborted or hung in them, with 3 GB it ran (two cores)."""

_SIGNS = (
    "RESOURCE_EXHAUSTED",
    "Out of memory",
    "out of memory",
    "std::bad_alloc",
    "Insufficient memory",  # OpenCV
    "can't start new thread",
    "failed to map segment",
    "Cannot allocate memory",
)
"""Parts of the messages of exceptions that memory was not enough."""

_SIZE = re.compile(r"allocat(?:e|ing) (?:([\d.]+) ?([KMGTP]iB)|(\d+) bytes)")


def written(count: float) -> str:
    """Write a number of bytes with a unit, such as "3.2 GiB"."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:,.1f} TiB"


def available() -> int | None:
    """Return the bytes that this process may still allocate, or None if unknown.

    The least of what the machine has free (swap too), what `ulimit -v` leaves, and what
    the process' control groups leave, by which containers and batch systems limit it.
    """
    found = [_free(), _left_of_limit(), left_of_groups()]
    return min((count for count in found if count is not None), default=None)


def _free() -> int | None:
    try:
        values = _numbers(Path("/proc/meminfo"))
        return 1024 * (values["MemAvailable"] + values["SwapFree"])
    except (OSError, ValueError, KeyError, IndexError):
        return None


def left_of_groups(
    groups: Path = Path("/proc/self/cgroup"), mount: Path = Path("/sys/fs/cgroup")
) -> int | None:
    """Return the bytes that control groups (version 2) leave, or None without a limit.

    Args:
      groups: says in which group the process is.
      mount: where the groups lie as folders.
    """
    try:
        lines = groups.read_text().splitlines()
        name = next(line[3:] for line in lines if line.startswith("0::"))
    except (OSError, ValueError, StopIteration):
        return None
    group = mount / name.strip("/")
    folders = [group, *group.parents][: len(group.parts) - len(mount.parts) + 1]
    found = [_left_of_group(folder) for folder in folders]
    return min((count for count in found if count is not None), default=None)


def _left_of_group(folder: Path) -> int | None:
    """Return the bytes below a group's limit; the cache of files makes room."""
    try:
        limit = int((folder / "memory.max").read_text())  # "max" is none
        taken = int((folder / "memory.current").read_text())
        parts = _numbers(folder / "memory.stat")
        cached = parts["file"] - parts["shmem"] + parts["slab_reclaimable"]
        swap = 1024 * _numbers(Path("/proc/meminfo"))["SwapFree"]
    except (OSError, ValueError, KeyError, IndexError):
        return None
    return max(0, limit - taken + cached) + swap


def _numbers(file: Path) -> dict[str, int]:
    """Read a file of the system with a name and a number in each line."""
    words = [line.split() for line in file.read_text().splitlines()]
    return {name.removesuffix(":"): int(number) for name, number, *_ in words}


def _limit() -> int | None:
    """Return the bytes of addresses that `ulimit -v` allows, or None."""
    if sys.platform == "win32":
        return None
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    return None if limit == resource.RLIM_INFINITY else limit


def _left_of_limit() -> int | None:
    limit = _limit()
    if limit is None:
        return None
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return limit
    return max(0, limit - pages * os.sysconf("SC_PAGE_SIZE"))


def require_address_space() -> None:
    """Refuse to start JAX under a `ulimit -v` in which it would be aborted or hang.

    Raises:
      UserError: the limit is below `ADDRESS_SPACE`.
    """
    limit = _limit()
    if limit is not None and limit < ADDRESS_SPACE:
        raise UserError(
            f"ulimit -v allows {written(limit)} of addresses, and JAX takes"
            f" {written(ADDRESS_SPACE)} for any model: raise it, ulimit -v unlimited"
        )


def require(needed: int, what: str, remedy: str, there: int | None = None) -> None:
    """Refuse an allocation that is larger than the free memory.

    Args:
      needed: bytes.
      what: takes them, for the message.
      remedy: what takes less.
      there: bytes that may be taken; None asks `available`.

    Raises:
      UserError: more is needed than there is.
    """
    there = available() if there is None else there
    if there is not None and needed > there:
        raise UserError(
            f"not enough memory: {what} takes {written(needed)}, and"
            f" {written(there)} are free; {remedy}"
        )


def left() -> str:
    """Return a line on the free memory of the host."""
    there = available()
    return f"{'?' if there is None else written(there)} are left on the host"


@contextmanager
def remedied(doing: str, remedy: str, left: Callable[[], str] = left) -> Iterator[None]:
    """Turn a failed allocation inside into a `UserError` that names the remedy.

    Args:
      doing: what goes on, such as "training".
      remedy: what takes less memory there.
      left: says how much memory is left.

    Raises:
      UserError: memory was not enough; anything else is raised as it is.
    """
    try:
        yield
    except Exception as error:
        if not is_shortage(error):
            raise
        raise UserError(
            f"out of memory while {doing}{asked(error)}, {left()}; {remedy}"
        ) from error


def is_shortage(error: BaseException) -> bool:
    """Whether an exception says that memory was not enough."""
    if isinstance(error, UserError):
        return False
    if isinstance(error, MemoryError):
        return True
    if isinstance(error, OSError) and error.errno == errno.ENOMEM:
        return True
    return any(sign in str(error) for sign in _SIGNS)


def asked(error: BaseException) -> str:
    """Return ", SIZE were asked for" of a failed allocation; "" if it does not say."""
    found = _SIZE.search(str(error))
    if found is None:
        return ""
    number, unit, count = found.groups()
    size = written(int(count)) if count else f"{number} {unit}"
    return f", {size} were asked for"
