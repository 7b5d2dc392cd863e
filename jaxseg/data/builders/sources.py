"""The masks of a user's folder, whatever they are: files, files a class, annotations.

What is found is read in the same way by the builder of `folder`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from jaxseg.config import DataConfig
from jaxseg.data import class_files, layout
from jaxseg.data.annotations.classes import check_options, with_names
from jaxseg.data.annotations.layout import find_annotated
from jaxseg.data.class_stacks import all_names, are_names, with_stacks
from jaxseg.data.class_tables import with_class_table
from jaxseg.data.classes import find_classes
from jaxseg.data.coding import Coding
from jaxseg.data.labels import LabelSet
from jaxseg.data.masks import MaskSource
from jaxseg.data.multilabel import (
    BitCoding,
    FileCoding,
    find_bit_coding,
    find_file_coding,
)
from jaxseg.data.splits import Splits
from jaxseg.data.survey import Survey
from jaxseg.errors import UserError

AnyCoding = Coding | FileCoding | BitCoding
FindCoding = Callable[[Survey], AnyCoding]
"""Decides what masks mean by what they hold."""


class Sources(NamedTuple):
    """What was found in a folder.

    Attributes:
      splits: the pairs of each split.
      config: the options, with what tables or names of classes say.
      coding: decides what the masks mean.
      notes: lines for the user.
      whole: the options that split the only split by a hash, or empty.
    """

    splits: Splits
    config: DataConfig
    coding: FindCoding
    notes: tuple[str, ...]
    whole: str


def find_sources(config: DataConfig, root: Path) -> Sources:
    """Find the masks of a folder: as the options say, else files before annotations.

    Args:
      config: the options.
      root: the folder.

    Raises:
      UserError: there are none in a known layout, or they do not fit the images.
    """
    try:
        if not config.annotations:
            return _mask_files(config, root)
    except UserError:
        known = config.masks or not root.is_dir() or layout.has_masks(root)
        found = None if known else _annotated(config, root)
        if found is None:
            raise
        return found
    found = _annotated(config, root)
    assert found is not None  # a pattern that matches nothing is refused
    return found


def _annotated(config: DataConfig, root: Path) -> Sources | None:
    """Find annotations, whose masks are drawn; None where there are none."""
    found = find_annotated(root, config)
    if found is None:
        return None
    check_options(config)
    labels = LabelSet(found.classes.names, config.palette, task=config.task)
    coding: AnyCoding = Coding(labels)
    if config.task == "multilabel":
        of = {
            plane: name
            for pairs in found.splits.values()
            for pair in pairs
            for plane, name in zip(pair.planes, labels.names, strict=True)
            if plane is not None
        }
        coding = FileCoding(labels, Coding(LabelSet(("absent", "present"))), of)
    config = with_names(config, found.classes)
    return Sources(
        found.splits, config, lambda survey: coding, found.notes, found.options
    )


def _mask_files(config: DataConfig, root: Path) -> Sources:
    """Find mask files, and decide how they say the classes."""
    if config.task == "multilabel" and not config.mask_bits:
        return _class_files(config, root)
    try:
        found = layout.find(root, config.images, config.masks, roi=config.roi)
    except UserError:
        stacked = None if config.task == "binary" else _stacked(config, root)
        if stacked is None:
            raise
        return stacked
    config, notes = with_class_table(config, root, found.splits)
    bits = config.task == "multilabel"
    coding = partial(find_bit_coding if bits else find_classes, config)
    notes = (*found.notes, *notes)
    return Sources(found.splits, config, coding, notes, found.options)


def _stacked(config: DataConfig, root: Path) -> Sources | None:
    """Find masks of a file a class of which a pixel has one; None without any."""
    given = config.class_names
    with_files = tuple(name for name in given if name.lower() != "background")
    absent = config.absent_masks
    patterns = config.images, config.masks
    try:
        found = layout.find(
            root, *patterns, class_files.LAYOUTS, with_files, absent, config.roi
        )
        groups = found.groups
        names = class_files.class_names(groups, found.splits, with_files, 0, root)
    except UserError:
        return None
    every = all_names(names)
    counted = config.num_classes in (0, len(every))
    if config.mask_bits or not counted or not (given or are_names(names)):
        return None
    files = [(name, path) for group in groups.values() for name, path in group.items()]
    try:
        planes, notes = class_files.with_planes(
            found.splits, groups, names, root, absent
        )
    except UserError:
        if any(path.parent.name != name for name, path in files):
            return None  # ends of names, which may mean anything
        raise
    splits = with_stacks(config, planes, names)
    labels = LabelSet(every, config.palette)
    said = f"masks of a file a class: {', '.join(every)}"
    config = dataclasses.replace(config, class_names=every, num_classes=0)
    notes = (*found.notes, *notes, said)
    return Sources(splits, config, lambda survey: Coding(labels), notes, found.options)


def _class_files(config: DataConfig, root: Path) -> Sources:
    """Find masks of a file a class, and which classes they are of."""
    layouts = class_files.LAYOUTS
    given = config.class_names
    absent = config.absent_masks
    patterns = config.images, config.masks
    found = layout.find(root, *patterns, layouts, given, absent, config.roi)
    names = class_files.class_names(
        found.groups, found.splits, given, config.num_classes, root
    )
    splits, notes = class_files.with_planes(
        found.splits, found.groups, names, root, absent
    )
    of_files: dict[MaskSource, str] = {
        path: name for group in found.groups.values() for name, path in group.items()
    }
    config = dataclasses.replace(config, class_names=names)
    coding = partial(find_file_coding, config, of_files)
    return Sources(splits, config, coding, (*found.notes, *notes), found.options)
