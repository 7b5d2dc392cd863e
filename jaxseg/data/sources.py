"""The files that a folder data set is made of, and what its masks are taken to mean.

Masks are files, files of a class each, or drawn from annotations.  The builder of
`folder` stores what is found here as records, and `doctor` examines the files: both
take the same ones and read them by the same rules.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from jaxseg.config import DataConfig
from jaxseg.data import class_files, layout
from jaxseg.data.annotations.classes import check_options, with_names
from jaxseg.data.annotations.entries import Refuse, raising
from jaxseg.data.annotations.layout import find_annotated
from jaxseg.data.class_stacks import all_names, are_names, with_stacks
from jaxseg.data.class_tables import says_classes, with_class_table
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
from jaxseg.paths import data_folder

MASK_OPTIONS = (
    "task",
    "num_classes",
    "class_names",
    "palette",
    "nearest_colour",
    "mask_values",
    "mask_map",
    "ignore_values",
    "mask_bits",
    "absent_masks",
)
"""Options that give masks their meaning; they are part of the records' fingerprint."""

AnyCoding = Coding | FileCoding | BitCoding
FindCoding = Callable[[Survey], AnyCoding]
"""Decides what masks mean by what they hold."""


class Source(NamedTuple):
    """The files of a data set, and how their masks are read.

    Attributes:
      root: the folder of the files.
      splits: the pairs of each split.
      options: everything else that decides what is stored, as JSON values.
      find_coding: decides what the masks mean, and refuses values that they may not
        hold.
      notes: lines for the user on the choices that were made.
      whole_options: the options that split the only split by a hash, or "".
      inferred: whether the masks alone say how many classes there are.
      published: whether the files are a publisher's: their masks are as they are meant,
        and an image may be in two splits.
    """

    root: Path
    splits: Splits
    options: dict[str, Any]
    find_coding: FindCoding
    notes: tuple[str, ...] = ()
    whole_options: str = ""
    inferred: bool = False
    published: bool = False

    @property
    def lossy(self) -> bool:
        """Whether masks may be JPEGs: options give ranges of values a class."""
        return bool(self.options.get("mask_map") or self.options.get("nearest_colour"))

    @property
    def drawn(self) -> bool:
        """Whether masks are drawn or made of several files, rather than read."""
        return any(pair.drawn for pairs in self.splits.values() for pair in pairs)

    @property
    def regions(self) -> Mapping[MaskSource, Path]:
        """The file of the region of interest of each mask that has one."""
        return {
            path: pair.roi
            for pairs in self.splits.values()
            for pair in pairs
            for path in pair.masks
            if pair.roi
        }


def find_root(config: DataConfig) -> Path:
    """Return the user's folder.

    Raises:
      UserError: none is given, or it does not exist.
    """
    return data_folder(
        config.root,
        "data set 'folder' reads your files: pass --data.root FOLDER",
        "give the folder by --data.root",
    )


def find_source(config: DataConfig, root: Path, refuse: Refuse = raising) -> Source:
    """Find the masks of a folder: as the options say, else files before annotations.

    Args:
      config: the options.
      root: the folder.
      refuse: called with what is wrong with a single annotation file or annotated
        image; what it does not raise is left out.

    Raises:
      UserError: there are no masks in a known layout, or they do not fit the images.
    """
    if config.annotations:
        found = _annotated(config, root, refuse)
        assert found is not None  # a pattern that matches nothing is refused
        return found
    try:
        return _mask_files(config, root)
    except UserError:
        known = config.masks or not root.is_dir() or layout.has_masks(root)
        found = None if known else _annotated(config, root, refuse)
        if found is None:
            raise
        return found


def find_layout(config: DataConfig, root: Path) -> layout.Layout:
    """Find the pairs of a folder whose masks are files.

    Args:
      config: the patterns, and whether each class has a mask file of its own.
      root: the folder.

    Raises:
      UserError: as for `layout.find`.
    """
    if has_class_files(config):
        return _class_layout(config, root, config.class_names)
    return layout.find(root, config.images, config.masks, roi=config.roi)


def _class_layout(
    config: DataConfig, root: Path, names: tuple[str, ...]
) -> layout.Layout:
    """Find the pairs of a folder whose masks are a file a class."""
    return layout.find(
        root,
        config.images,
        config.masks,
        class_files.LAYOUTS,
        names,
        config.absent_masks,
        config.roi,
    )


def has_class_files(config: DataConfig) -> bool:
    """Whether classes that may overlap have a mask file each."""
    return config.task == "multilabel" and not config.mask_bits


def interpreted(config: DataConfig, root: Path, found: layout.Layout) -> Source:
    """Decide how mask files say the classes.

    Args:
      config: the options of the masks.
      root: the folder.
      found: the pairs in it.

    Raises:
      UserError: a table of classes cannot be read, or of masks with a file a class the
        class is unknown or files are missing.
    """
    if has_class_files(config):
        return _class_files(config, root, found)
    config, notes = with_class_table(config, root, found.splits)
    find = find_bit_coding if config.task == "multilabel" else find_classes
    return Source(
        root,
        found.splits,
        _options(config),
        partial(find, config),
        (*found.notes, *notes),
        found.options,
        inferred=config.task == "multiclass" and not says_classes(config),
    )


def _options(config: DataConfig) -> dict[str, Any]:
    """Return the options of masks that are not at their default."""
    # The others are left out so that new options change no fingerprint.
    return {
        name: value
        for name in MASK_OPTIONS
        if (value := getattr(config, name)) != getattr(DataConfig(), name)
    }


def _annotated(config: DataConfig, root: Path, refuse: Refuse) -> Source | None:
    """Find annotations, whose masks are drawn; None where there are none."""
    found = find_annotated(root, config, refuse)
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
    options = _options(with_names(config, found.classes))
    find = partial(_known, coding)
    return Source(root, found.splits, options, find, found.notes, found.options)


def checked(coding: Coding, remedy: str, survey: Survey) -> Coding:
    """Return the coding of a set whose classes are known, and check the masks by it.

    Args:
      coding: of the set.
      remedy: what the message ends with.
      survey: what the masks hold.

    Raises:
      UserError: a mask is in colours and none is expected, or has a value of no class.
    """
    if not coding.by_colour:
        for file in survey.of_kind("colour"):
            raise UserError(f"{file.path}: a mask in colours; {remedy}")
    coding.check(survey, lambda tally, colours: remedy)
    return coding


def _known(coding: AnyCoding, survey: Survey) -> AnyCoding:
    """Return a coding that does not depend on what the masks hold."""
    del survey
    return coding


def _mask_files(config: DataConfig, root: Path) -> Source:
    """Find mask files, and decide how they say the classes."""
    try:
        found = find_layout(config, root)
    except UserError:
        stacked = _stacked(config, root) if config.task == "multiclass" else None
        if stacked is None:
            raise
        return stacked
    return interpreted(config, root, found)


def _stacked(config: DataConfig, root: Path) -> Source | None:
    """Find masks of a file a class of which a pixel has one; None without any."""
    given = config.class_names
    with_files = tuple(name for name in given if name.lower() != "background")
    try:
        found = _class_layout(config, root, with_files)
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
            found.splits, groups, names, root, config.absent_masks
        )
    except UserError:
        if any(path.parent.name != name for name, path in files):
            return None  # ends of names, which may mean anything
        raise
    splits = with_stacks(config, planes, names)
    find = partial(_known, Coding(LabelSet(every, config.palette)))
    said = f"masks of a file a class: {', '.join(every)}"
    config = dataclasses.replace(config, class_names=every, num_classes=0)
    notes = (*found.notes, *notes, said)
    return Source(root, splits, _options(config), find, notes, found.options)


def _class_files(config: DataConfig, root: Path, found: layout.Layout) -> Source:
    """Find which classes the masks of a file a class are of."""
    names = class_files.class_names(
        found.groups, found.splits, config.class_names, config.num_classes, root
    )
    splits, notes = class_files.with_planes(
        found.splits, found.groups, names, root, config.absent_masks
    )
    of_files: dict[MaskSource, str] = {
        path: name for group in found.groups.values() for name, path in group.items()
    }
    config = dataclasses.replace(config, class_names=names)
    find = partial(find_file_coding, config, of_files)
    notes = (*found.notes, *notes)
    return Source(root, splits, _options(config), find, notes, found.options)
