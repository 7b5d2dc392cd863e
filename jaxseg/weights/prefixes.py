"""Finds the prefix of a network's names: "model.", "module.net.", "student.".

A trainer's module holds the network as an attribute, beside buffers and other networks
of its own.  The prefix whose tensors fit the model best is taken.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from jaxseg.errors import UserError
from jaxseg.weights.state_dicts import is_average

DEEPEST = 4
"""Largest number of words in a prefix."""

TRIED = 16
"""Largest number of prefixes that are tried."""

RIVAL = 0.5
"""A prefix that fits this share of the best one's tensors makes it ambiguous."""


def choose_prefix(
    names: Iterable[str], whole: int, fitting: Callable[[str], int]
) -> tuple[str, list[str]]:
    """Find the prefix before the names of a model.

    Args:
      names: of all tensors in a file.
      whole: number of names that fit without removing a prefix.
      fitting: prefix -> number of names that fit once it is removed.

    Returns:
      The prefix, "" if no other fits better, and the prefixes of moving averages that
      would fit too.

    Raises:
      UserError: two prefixes fit, and neither is that of a moving average.
    """
    best, fits = "", {"": whole}
    for prefix, count in _candidates(names)[:TRIED]:
        if count < fits[best] * RIVAL:
            break
        fits[prefix] = fitting(prefix)
        if fits[prefix] > fits[best]:
            best = prefix
    if not best:
        return "", []
    rivals: list[str] = []
    for prefix in sorted(fits, key=lambda each: -fits[each]):
        apart = not any(_nested(prefix, other) for other in (best, *rivals))
        if apart and fits[prefix] >= RIVAL * fits[best]:
            rivals.append(prefix)
    plain = [prefix for prefix in (best, *rivals) if not is_average(prefix)]
    if len(plain) > 1 or (not plain and rivals):
        said = ", ".join(f"{name!r} ({fits[name]})" for name in (best, *rivals))
        raise UserError(
            f"several parts fit this model, by what their names begin with: {said}"
        )
    chosen = plain[0] if plain else best
    return chosen, [prefix for prefix in (best, *rivals) if prefix != chosen]


def below(tensors: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Return the tensors whose names begin with a prefix, without it."""
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }


def _candidates(names: Iterable[str]) -> list[tuple[str, int]]:
    """Return every prefix of whole words with the number of its names, most first."""
    counts: Counter[str] = Counter()
    for name in names:
        words = name.split(".")
        for depth in range(1, min(DEEPEST, len(words) - 1) + 1):
            counts[".".join(words[:depth]) + "."] += 1
    return counts.most_common()


def _nested(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)
