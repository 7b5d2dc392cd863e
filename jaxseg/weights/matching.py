"""Matches the tensors of a file with the leaves of a model, by name.

The names are those of a known source, or the caller's.  All of them may have a prefix
that a trainer put there (`jaxseg.weights.prefixes`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from jaxseg.errors import UserError, choose, nearest
from jaxseg.segmenter import Segmenter, abstract_variables
from jaxseg.weights import naming
from jaxseg.weights.names import tables, unused
from jaxseg.weights.prefixes import below, choose_prefix

Names = str | naming.Table | Mapping[str, str] | Callable[[str], str | None] | None

_SHOWN = 5  # names in a message


@dataclass(frozen=True)
class Match:
    """How the tensors of a file fit a model.

    Attributes:
      source: of the names: "jaxseg", "torchvision", "timm", "smp", "package",
        or "own" for a table of the caller's.
      found: what fits, by path.
      missing: paths of ours that the file does not have.
      unused: names in the file that match no path of ours.
      shapes: path -> (theirs, ours) where both exist and differ.
    """

    source: str
    found: dict[naming.Path, np.ndarray]
    missing: list[naming.Path]
    unused: list[str]
    shapes: dict[naming.Path, tuple[tuple[int, ...], tuple[int, ...]]]

    @property
    def fits(self) -> bool:
        """Whether every tensor of both sides has its partner."""
        return not (self.missing or self.unused or self.shapes)

    def difference(self) -> str:
        """Return a line on what does not fit, with the likely counterparts."""
        parts = []
        if self.shapes:
            some = [
                f"{'/'.join(path)} is {theirs} there and {ours} here"
                for path, (theirs, ours) in list(self.shapes.items())[:_SHOWN]
            ]
            parts.append(f"{len(self.shapes)} of another shape: {'; '.join(some)}")
        missing = self.missing
        for part in self._absent():
            count = len(missing)
            missing = [path for path in missing if path[1] != part]
            parts.append(f"nothing for the {part} ({count - len(missing)} tensors)")
        if missing:
            some = []
            for path in missing[:_SHOWN]:
                close = nearest("/".join(path[1:]), self.unused)
                some.append("/".join(path) + (f" (there: {close}?)" if close else ""))
            parts.append(f"{len(missing)} missing: {', '.join(some)}")
        if self.unused:
            some = ", ".join(self.unused[:_SHOWN])
            parts.append(f"{len(self.unused)} left over: {some}")
        return "; ".join(parts)

    def _absent(self) -> list[str]:
        """Return the parts of the model, such as "head", without any tensor."""
        present = {path[1] for path in (*self.found, *self.shapes)}
        return sorted({path[1] for path in self.missing} - present)


def match_weights(
    model: Segmenter,
    tensors: Mapping[str, np.ndarray],
    names: Names = None,
    layout: str = "",
) -> Match:
    """Pair a file's tensors with a model's leaves.

    Args:
      model: a segmenter or classifier.
      tensors: from `read_tensors`.
      names: as in `load_weights`; None takes the source whose names fit best, of equals
        the one whose arithmetic the model has.
      layout: name in `naming.LAYOUTS` of what a mapping or function names.

    Raises:
      UserError: an unknown source.
    """
    abstract = abstract_variables(model)
    known: dict[str, Any] = {"jaxseg": None, **tables(model)}
    if isinstance(names, str):
        known = {names: choose("source of names", names, known)}
    elif names is not None:
        known = {"own": names}
    matches = [
        _match(source, table, _used(model, source, tensors), abstract, layout)
        for source, table in known.items()
    ]
    return max(matches, key=lambda match: len(match.found))


def match_prefixed(
    model: Segmenter,
    tensors: Mapping[str, np.ndarray],
    names: Names,
    layout: str,
    prefix: str,
    file: Any,
    log: Callable[[str], None],
) -> Match:
    """Pair as `match_weights` does, behind the prefix that is given or fits best."""

    def match(prefix: str) -> Match:
        return match_weights(model, below(tensors, prefix), names, layout)

    found, averages = match(prefix), []
    if not prefix and found.missing and (names is None or isinstance(names, str)):
        try:
            prefix, averages = choose_prefix(
                tensors, len(found.found), lambda each: len(match(each).found)
            )
        except UserError as error:
            raise UserError(f"{file}: {error}; name one, as in {file}#PREFIX") from None
        found = match(prefix) if prefix else found
    if not prefix:
        return found
    left = f"; not read, a moving average: {', '.join(averages)}" if averages else ""
    log(f"{file}: names begin with {prefix!r}{left}")
    outside = [
        name
        for name in tensors
        if not name.startswith(prefix) and not name.endswith("num_batches_tracked")
    ]
    inside = [prefix + name for name in found.unused]
    return replace(found, unused=[*inside, *outside])


def _used(
    model: Segmenter, source: str, tensors: Mapping[str, np.ndarray]
) -> Mapping[str, np.ndarray]:
    """Leave out tensors that the source's model has and does not use."""
    idle = unused(model, source)
    return {
        name: tensor
        for name, tensor in tensors.items()
        if name not in idle and not name.endswith("num_batches_tracked")
    }


def _match(
    source: str,
    table: Any,
    tensors: Mapping[str, np.ndarray],
    abstract: Any,
    given: str,
) -> Match:
    ours = naming.leaves(abstract)
    if table is None or callable(table) or isinstance(table, Mapping):
        called = _function(table)
        pairs = {path: called("/".join(path)) for path in ours}
        layout = naming.LAYOUTS["as is"]
        if source == "own":
            layout = naming.LAYOUTS[given]
        found = {
            path: layout.read(tensors[name], ours[path].shape)
            for path, name in pairs.items()
            if name is not None and name in tensors
        }
        used = {pairs[path] for path in found}
        extra = [name for name in tensors if name not in used]
    else:
        found, extra = naming.read_by_table(tensors, abstract, table)
    shapes = {
        path: (leaf.shape, ours[path].shape)
        for path, leaf in found.items()
        if leaf.shape != ours[path].shape
    }
    found = {path: leaf for path, leaf in found.items() if path not in shapes}
    # A bias without its kernel belongs to another layer of the same name.
    for path in [path for path in found if path[-1] == "bias"]:
        kernel = (*path[:-1], "kernel")
        if kernel in ours and kernel not in found:
            del found[path]
    missing = [path for path in ours if path not in found and path not in shapes]
    return Match(source, found, missing, extra, shapes)


def _function(names: Any) -> Callable[[str], str | None]:
    if names is None:
        return lambda path: path
    return names.get if isinstance(names, Mapping) else names
