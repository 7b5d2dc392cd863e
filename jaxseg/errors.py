"""Errors that a user can fix, each a message of one line.

Every module raises `UserError` for a mistake that lies outside the program (a wrong
name, file or value); `jaxseg.cli` prints it as one line.  Anything else that escapes
is a bug and keeps its traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

Value = TypeVar("Value")


class UserError(Exception):
    """A mistake that the user can fix; the message names the value and the remedy."""


class UnknownName(UserError):
    """A name that is in no registry; a user's own must be registered first."""


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name closest to `name`, or None if none is close."""
    matches = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return matches[0] if matches else None


def listed(names: Sequence[str], most: int = 3) -> str:
    """Join the first names with commas, and say how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{more}"


def choose(kind: str, name: str, known: Mapping[str, Value]) -> Value:
    """Look `name` up in a registry.

    Args:
      kind: what the registry holds, for the message ("backbone", "loss").
      name: the name that the user gave.
      known: the registry.

    Raises:
      UserError: `name` is not in it; the message names the nearest and lists all.
    """
    if name in known:
        return known[name]
    close = nearest(name, known)
    guess = f" Did you mean {close!r}?" if close else ""
    raise UserError(f"unknown {kind} {name!r}.{guess} Known: {', '.join(known)}")
