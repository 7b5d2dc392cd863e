"""Which classes the labels of annotations are, by their names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from jaxseg.config import DataConfig
from jaxseg.data.annotations.entries import Contents, Format
from jaxseg.data.binary import NAMES
from jaxseg.data.labels import IGNORE
from jaxseg.errors import UserError, listed

_IGNORED = frozenset(
    "ignore ignored void unlabeled unlabelled dontcare egovehicle rectificationborder"
    " outofroi".split()
)
"""Labels of pixels that neither train nor count, without case and marks."""

_OF_MASKS = ("mask_values", "mask_map", "nearest_colour", "mask_bits", "absent_masks")


class Classes(NamedTuple):
    """The classes of labels.

    Attributes:
      names: of the classes.
      class_of: class of each label that is drawn, `IGNORE` of one that is ignored.
      unlabelled: class of pixels without a shape.
      notes: lines for the user on labels that are no class.
    """

    names: tuple[str, ...]
    class_of: Mapping[str, int]
    unlabelled: int
    notes: tuple[str, ...]


def check_options(config: DataConfig) -> None:
    """Refuse options that say what the values of mask files mean.

    Raises:
      UserError: one is given.
    """
    for name in _OF_MASKS:
        if getattr(config, name):
            raise UserError(
                f"data.{name} is of mask files, and these are annotations, whose"
                " classes have names; leave it out (--data.class_names chooses classes)"
            )
    if config.ignore_values != (IGNORE,):
        raise UserError(
            "data.ignore_values is of mask files, and these are annotations: what is"
            " to be ignored has a label such as 'ignore' or 'void'; leave it out"
        )


def find_classes(
    config: DataConfig, contents: Sequence[Contents], form: Format, where: str
) -> Classes:
    """Return the classes of annotations.

    Args:
      config: `task`; `class_names`, whose classes alone are drawn, in their order;
        `num_classes`, which is checked.
      contents: of all files.
      form: their format.
      where: names them in messages.

    Raises:
      UserError: a name that no label has while others are left over, several labels for
        a binary task, or another number of classes than is asked for.
    """
    labels = _labels(contents, form)
    given = config.class_names
    ignored = [label for label in labels if _is_ignored(label) and label not in given]
    kept = [label for label in labels if label not in ignored]
    names, unlabelled = _names(config, kept, where)
    index = {label: names.index(label) for label in kept if label in names}
    if config.task != "multilabel":
        plain = [label for label in kept if _is_background(label)]
        index |= {label: unlabelled for label in plain if label not in names}
    dropped = [label for label in kept if label not in index]
    unknown = [n for n in given if n not in labels and not _is_background(n)]
    if config.task == "binary":
        unknown = [name for name in unknown if name != names[unlabelled]]
    if unknown and dropped:
        raise UserError(
            f"{where}: no label {unknown[0]!r} (data.class_names); the labels are"
            f" {listed(labels, 20)}"
        )
    _check_count(config, names, where)
    index |= dict.fromkeys(ignored, IGNORE)
    notes = _notes(contents, labels, ignored, dropped)
    return Classes(names, index, unlabelled, notes)


def _labels(contents: Sequence[Contents], form: Format) -> list[str]:
    labels = list(dict.fromkeys(label for each in contents for label in each.labels))
    return labels if form.lists_labels else sorted(labels)


def _names(
    config: DataConfig, kept: Sequence[str], where: str
) -> tuple[tuple[str, ...], int]:
    """Return the names of the classes, and the index of what has no shape."""
    given, plain = config.class_names, [name for name in kept if _is_background(name)]
    others = [name for name in kept if name not in plain]
    if config.task == "multilabel":
        return given or tuple(others), 0
    background = plain[0] if plain else NAMES[0]
    if config.task == "multiclass":
        names = given or (background, *others)
        if not any(_is_background(name) for name in names):
            names = (background, *names)
        if len(names) < 2:
            raise UserError(
                f"{where}: no shape has a label of a class, so that there is nothing to"
                " learn"
            )
        return names, next(i for i, name in enumerate(names) if _is_background(name))
    names = given or tuple(others)
    if len(names) == 2 and given:
        return names, 0
    if len(names) != 1:
        raise UserError(
            f"{where}: a binary task has one foreground, and there are {len(names)}"
            f" labels: {listed(names, 8)}; name the one that is the foreground in"
            " --data.class_names, or pass --data.task multiclass"
        )
    if names[0] == background:
        background = "rest"
    return (background, *names), 0


def _check_count(config: DataConfig, names: Sequence[str], where: str) -> None:
    count = config.num_classes
    if count and count != len(names) and (config.task, count) != ("binary", 1):
        raise UserError(
            f"{where}: data.num_classes {count}, and there are {len(names)} classes:"
            f" {listed(names, 8)}; leave it out, or choose by --data.class_names"
        )
    if len(names) > IGNORE:
        raise UserError(
            f"{where}: {len(names)} classes, and there can be {IGNORE}; choose some by"
            " --data.class_names"
        )


def _notes(
    contents: Sequence[Contents],
    labels: Sequence[str],
    ignored: Sequence[str],
    dropped: Sequence[str],
) -> tuple[str, ...]:
    notes = []
    if ignored:
        notes.append(
            f"pixels of label {listed(ignored, 8)} are ignored (to make a class of one"
            " name it in --data.class_names)"
        )
    if dropped:
        notes.append(
            f"shapes of label {listed(dropped, 8)} are left out, as it is no class"
        )
    groups = dict.fromkeys(name for each in contents for name in each.unused)
    if unused := [name for name in groups if name not in labels]:
        notes.append(
            f"category {listed(unused, 8)} has no objects and only groups others; it is"
            " no class"
        )
    if thin := sum(each.thin for each in contents):
        notes.append(
            f"{thin} polygon{'s have' if thin > 1 else ' has'} fewer than three points,"
            " and no area"
        )
    lower: dict[str, str] = {}
    for label in labels:
        other = lower.setdefault(label.strip().lower(), label)
        if other != label:
            notes.append(
                f"labels {other!r} and {label!r} differ in case or spaces only"
            )
    return tuple(notes)


def _plain(label: str) -> str:
    return re.sub(r"[\W_]+", "", label).lower()


def _is_ignored(label: str) -> bool:
    return _plain(label) in _IGNORED


def _is_background(label: str) -> bool:
    return _plain(label) == NAMES[0]


def with_names(config: DataConfig, classes: Classes) -> DataConfig:
    """Return the options with the names of all classes, and no number beside them."""
    return replace(config, class_names=classes.names, num_classes=0)
