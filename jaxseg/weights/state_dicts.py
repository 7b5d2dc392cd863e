"""Which of a checkpoint's mappings holds the weights, and under what names.

A checkpoint is a state dict, or holds one among other things ("state_dict", "model",
"model_state_dict", ...).  The rule looks at contents, not at such names: the mapping
with the most tensors wins; among equals one that is no moving average ("ema"), then
the first in the file.  The prefixes of wrappers, "module." of DataParallel and
"_orig_mod." of torch.compile, go where all names have them.
"""

from __future__ import annotations

import re
from typing import Any

from jaxseg.errors import UserError
from jaxseg.weights.arrays import quote
from jaxseg.weights.pickles import Table
from jaxseg.weights.torch_objects import Tensor

MAX_DEPTH = 32
"""How deep a checkpoint's containers may be nested."""

_PREFIXES = ("module.", "_orig_mod.")

_COUNTERS = ("n_averaged",)  # of torch.optim.swa_utils.AveragedModel: no weight

_Path = tuple[Any, Any] | None  # (path above, key); the root has none

_Found = tuple[str, dict[str, Tensor]]


def choose(root: Any, key: str | None) -> tuple[dict[str, Tensor], str]:
    """Return the tensors of one of the mappings in `root`, and a line on the choice.

    The line is empty where there was none: one mapping, outermost, its names kept.

    Args:
      root: what a checkpoint holds.
      key: the mapping to take, such as "model_ema" or "callbacks/ema/weights"; None
        takes the one with the most tensors.

    Raises:
      UserError: no mapping of names to tensors, or not that one, or nested deeper
        than 32; the message lists what there is.
    """
    found = _mappings(root)
    if not found:
        raise UserError(
            "holds no mapping of names to tensors; save one: "
            "torch.save(model.state_dict(), PATH)"
        )
    ranked = sorted(found, key=lambda each: (-len(each[1]), is_average(each[0])))
    chosen = next((each for each in ranked if key in (None, each[0])), None)
    if chosen is None:
        raise UserError(f"holds no mapping {key!r}; there are: {_listed(ranked)}")
    path, tensors = chosen
    tensors, prefix = _without_prefix(tensors)
    # What has far fewer tensors, such as an optimizer's state, is no second choice.
    others = [
        each
        for each in ranked
        if each is not chosen and 2 * len(each[1]) >= len(tensors)
    ]
    if not (path or prefix or others):
        return tensors, ""
    note = _listed([chosen])
    note += f", without the prefix {prefix!r}" if prefix else ""
    note += f"; not read: {_listed(others)}" if others else ""
    return tensors, note


def _mappings(root: Any) -> list[_Found]:
    """Return every mapping of names to tensors, outermost first, with its path."""
    found: list[_Found] = []
    seen: set[int] = set()  # a file may refer to one object many times, and in circles
    level: list[tuple[Any, _Path]] = [(root, None)]
    for _ in range(MAX_DEPTH):
        below: list[tuple[Any, _Path]] = []
        for container, path in level:
            if id(container) in seen:
                continue
            seen.add(id(container))
            children = _children(container)
            tensors = {
                name: value
                for name, value in children
                if isinstance(name, str) and isinstance(value, Tensor)
            }
            for name in _COUNTERS:
                tensors.pop(name, None)
            if tensors:
                found.append((_written(path), tensors))
            below += [
                (value, (path, name))
                for name, value in children
                if isinstance(value, Table | list | tuple)
            ]
        level = below
        if not level:
            return found
    raise UserError(f"is nested deeper than {MAX_DEPTH}; save the state dict alone")


def _children(container: Any) -> list[tuple[Any, Any]]:
    if isinstance(container, Table):
        return container.pairs
    if isinstance(container, list | tuple):
        return list(enumerate(container))
    return []


def _written(path: _Path) -> str:
    """Return a path as keys with strokes between them; "" is the root."""
    keys = []
    while path is not None:
        path, key = path
        plain = isinstance(key, str) and key[:80].isprintable()
        keys.append(key[:80] if plain else quote(key))
    return "/".join(reversed(keys))


def is_average(path: str) -> bool:
    """Whether a name is that of a moving average of weights."""
    return re.search(r"(?<![a-z])ema(?![a-z])", path.lower()) is not None


def _without_prefix(tensors: dict[str, Tensor]) -> tuple[dict[str, Tensor], str]:
    removed = ""
    for prefix in 2 * _PREFIXES:  # one wrapper may be inside the other
        if all(name.startswith(prefix) and name != prefix for name in tensors):
            tensors = {name[len(prefix) :]: t for name, t in tensors.items()}
            removed += prefix
    return tensors, removed


def _listed(found: list[_Found]) -> str:
    """Write mappings with their numbers of tensors, the first five of them."""
    parts = [f"{path or 'the file itself'} ({len(tensors)})" for path, tensors in found]
    more = len(parts) - 5
    return ", ".join(parts[:5]) + (f" and {more} more" if more > 0 else "")
