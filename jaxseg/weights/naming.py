"""Foreign names and layouts of a model's tensors, computed from our own names.

A table of rules maps a path of ours to the module's name elsewhere, so one table reads
and writes.  Layouts follow from ranks; the few that do not are named in the rule.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

Path = tuple[str, ...]

LEAVES = {
    "kernel": "weight",
    "scale": "weight",
    "bias": "bias",
    "mean": "running_mean",
    "var": "running_var",
}
"""Our names of leaves and PyTorch's."""


@dataclass(frozen=True)
class Rule:
    """How one kind of module is called elsewhere.

    Attributes:
      ours: path of a module, or of a leaf where the leaf too has another name; `#`
        stands for a number, `*` for one word.
      theirs: its name; `{0}` is the first number or word, `{0-1}` the number less 1.
      layout: "" (by rank), or a name in `LAYOUTS`.
    """

    ours: str
    theirs: str
    layout: str = ""

    def match(self, path: str) -> str | None:
        """Return the foreign name of `path`, or None if the rule is not for it."""
        pattern = (
            re.escape(self.ours).replace(r"\#", "(\\d+)").replace("\\*", "([^/]+)")
        )
        found = re.fullmatch(pattern, path)
        if found is None:
            return None

        def value(reference: re.Match[str]) -> str:
            word = found.group(1 + int(reference[1]))
            return str(int(word) + int(reference[2])) if reference[2] else word

        return re.sub(r"\{(\d+)([+-]\d+)?\}", value, self.theirs)


Table = Sequence[Rule]


def prefixed(theirs: str, table: Iterable[Rule], ours: str = "") -> list[Rule]:
    """Return rules with a prefix before their names, and before ours.

    Args:
      theirs: such as "encoder.".
      table: the rules.
      ours: such as "backbone/".
    """
    return [
        replace(rule, ours=ours + rule.ours, theirs=theirs + rule.theirs)
        for rule in table
    ]


@dataclass(frozen=True)
class Layout:
    """A tensor's form elsewhere; the two functions are each other's inverse.

    Attributes:
      read: (theirs, our shape) -> ours.
      write: ours -> theirs.
    """

    read: Callable[[np.ndarray, tuple[int, ...]], np.ndarray]
    write: Callable[[np.ndarray], np.ndarray]


def _read_kernel(tensor: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Turn `[O, I, *spatial]` into `[*spatial, I, O]`."""
    if tensor.ndim < 2:
        return tensor
    tensor = np.moveaxis(tensor, (0, 1), (-1, -2))
    ones = tensor.shape[:-2]
    if tensor.ndim == len(shape) or any(side != 1 for side in ones):
        return tensor
    if len(shape) == 2 or tensor.ndim == 2:  # a dense layer written as a 1x1 kernel
        return tensor.reshape(*(1,) * (len(shape) - 2), *tensor.shape[-2:])
    return tensor


def _write_kernel(tensor: np.ndarray) -> np.ndarray:
    return np.moveaxis(tensor, (-1, -2), (0, 1)) if tensor.ndim > 1 else tensor


def _read_transposed(tensor: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Turn a transposed convolution's `[I, O, kh, kw]` into `[kh, kw, I, O]`."""
    return np.moveaxis(tensor, (0, 1), (-2, -1))


def _write_transposed(tensor: np.ndarray) -> np.ndarray:
    return np.moveaxis(tensor, (-2, -1), (0, 1))


def _read_flat(tensor: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Turn a dense `[O, I * kh * kw]` on a flattened map into `[kh, kw, I, O]`."""
    height, width, inside, outside = shape
    if tensor.shape != (outside, inside * height * width):
        return tensor
    return tensor.reshape(outside, inside, height, width).transpose(2, 3, 1, 0)


def _write_flat(tensor: np.ndarray) -> np.ndarray:
    return tensor.transpose(3, 2, 0, 1).reshape(tensor.shape[3], -1)


def _read_pointwise(tensor: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return _read_kernel(tensor, shape)


def _write_pointwise(tensor: np.ndarray) -> np.ndarray:
    """Turn a dense `[I, O]` into a 1x1 convolution's `[O, I, 1, 1]`."""
    return tensor.T[:, :, None, None]


def _read_dense(tensor: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return _read_kernel(tensor, shape)


def _write_dense(tensor: np.ndarray) -> np.ndarray:
    """Turn a 1x1 convolution's `[1, 1, I, O]` into a dense `[O, I]`."""
    return tensor[0, 0].T


def _read_vector(tensor: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return tensor.reshape(-1) if tensor.size == int(np.prod(shape)) else tensor


def _write_column(tensor: np.ndarray) -> np.ndarray:
    return tensor[:, None, None]


LAYOUTS: dict[str, Layout] = {
    "": Layout(_read_kernel, _write_kernel),
    "transposed": Layout(_read_transposed, _write_transposed),
    "flat": Layout(_read_flat, _write_flat),
    "pointwise": Layout(_read_pointwise, _write_pointwise),
    "dense": Layout(_read_dense, _write_dense),
    "column": Layout(_read_vector, _write_column),
    "as is": Layout(lambda tensor, shape: tensor, lambda tensor: tensor),
}
"""Name -> how a tensor is turned.

`""`: `[O, I, *spatial]`, by rank. `transposed`: of a transposed convolution. `flat`: a
dense layer on a flattened map, ours a k x k convolution. `pointwise`: their 1x1
convolution, our dense layer. `dense`: the reverse. `column`: `[C, 1, 1]`, ours `[C]`.
"""


@dataclass(frozen=True)
class Foreign:
    """The place of one of our leaves in another library.

    Attributes:
      name: full name of the tensor.
      layout: name in `LAYOUTS`.
    """

    name: str
    layout: str


def foreign(path: Path, table: Table) -> Foreign | None:
    """Return the foreign name of a leaf, or None if no rule names it.

    Args:
      path: of the leaf, collection first: `("params", "backbone", ..., "kernel")`.
      table: the rules, tried in order; paths in them leave the collection out, and the
        `bn` inside our batch normalisation.
    """
    words = [word for word in path[1:] if word != "bn"]
    *module, leaf = words
    for rule in table:
        if (name := rule.match("/".join(words))) is not None:
            return Foreign(name, rule.layout)
        name = rule.match("/".join(module))
        if name is not None and leaf in LEAVES:
            layout = rule.layout if leaf == "kernel" else "as is"
            return Foreign(f"{name}.{LEAVES[leaf]}", layout)
    return None


def leaves(tree: Mapping[str, Any], path: Path = ()) -> dict[Path, Any]:
    """Return the leaves of nested mappings by path."""
    flat: dict[Path, Any] = {}
    for name, value in tree.items():
        if isinstance(value, Mapping):
            flat |= leaves(value, (*path, name))
        else:
            flat[(*path, name)] = value
    return flat


def nested(flat: Mapping[Path, Any]) -> dict[str, Any]:
    """Return nested dicts; the inverse of `leaves`."""
    tree: dict[str, Any] = {}
    for path, value in flat.items():
        branch = tree
        for name in path[:-1]:
            branch = branch.setdefault(name, {})
        branch[path[-1]] = value
    return tree


def read_by_table(
    tensors: Mapping[str, np.ndarray], abstract: Mapping[str, Any], table: Table
) -> tuple[dict[Path, np.ndarray], list[str]]:
    """Find our leaves among foreign tensors, in our layout.

    Args:
      tensors: foreign name -> tensor.
      abstract: our variables, or their shapes.
      table: the rules.

    Returns:
      What was found, by path (its shape may still differ from ours), and the foreign
      names that no leaf of ours asked for.
    """
    found: dict[Path, np.ndarray] = {}
    used = set()
    for path, leaf in leaves(abstract).items():
        place = foreign(path, table)
        if place is None or place.name not in tensors:
            continue
        used.add(place.name)
        found[path] = LAYOUTS[place.layout].read(tensors[place.name], leaf.shape)
    return found, [name for name in tensors if name not in used]


def write_by_table(
    variables: Mapping[str, Any], table: Table
) -> tuple[dict[str, np.ndarray], list[Path]]:
    """Return variables by foreign names and in foreign layouts.

    Args:
      variables: ours.
      table: the rules.

    Returns:
      The tensors, and our paths that no rule names.
    """
    tensors: dict[str, np.ndarray] = {}
    unnamed = []
    for path, leaf in leaves(variables).items():
        place = foreign(path, table)
        if place is None:
            unnamed.append(path)
            continue
        tensor = LAYOUTS[place.layout].write(np.asarray(leaf))
        tensors[place.name] = np.ascontiguousarray(tensor)
        if path[-1] == "mean":  # PyTorch's BatchNorm counts its batches
            counter = place.name.replace("running_mean", "num_batches_tracked")
            tensors[counter] = np.zeros((), np.int64)
    return tensors, unnamed
