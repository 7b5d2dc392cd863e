"""What a trainer puts before a network's names: "model.", "module.net.", "student.".

A trainer's module holds the network as an attribute, beside buffers and other networks
of its own.  The prefix is found by what fits the model, not by a list of such names.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from jaxseg.errors import UserError
from jaxseg.weights.state_dicts import is_average

DEEPEST = 4
"""Words that a prefix may have."""

TRIED = 16
"""Prefixes that are tried where none fits."""

RIVAL = 0.5
"""Share of the best prefix's tensors from which on another is a choice too."""


def choose_prefix(
    names: Iterable[str], whole: int, fitting: Callable[[str], int]
) -> tuple[str, list[str]]:
    """Find what stands before the names of a model.

    Args:
      names: all of a file.
      whole: how many fit as they are.
      fitting: prefix -> how many of the names that begin with it fit without it.

    Returns:
      The prefix, "" where no other fits better, and those of moving averages that
      would fit too.

    Raises:
      UserError: two that are no averages fit alike.
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
