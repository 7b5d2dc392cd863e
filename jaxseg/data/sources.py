"""The files that a folder data set is made of, and what its masks are taken to mean.

Training stores what is found here as records, and `doctor` looks at the files
themselves: both take the same files and read them by the same rules.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from jaxseg.config import DataConfig
from jaxseg.data import class_files, layout
from jaxseg.data.class_tables import says_classes, with_class_table
from jaxseg.data.classes import find_classes
from jaxseg.data.coding import Coding
from jaxseg.data.multilabel import (
    BitCoding,
    FileCoding,
    find_bit_coding,
    find_file_coding,
)
from jaxseg.data.splits import Splits
from jaxseg.data.survey import Survey

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
"""Options that say what masks mean; they are part of the records' fingerprint."""

AnyCoding = Coding | FileCoding | BitCoding
FindCoding = Callable[[Survey], AnyCoding]
"""Decides what masks mean by what they hold."""


class Source(NamedTuple):
    """The files of a data set, and how their masks are read.

    Attributes:
      root: the folder that the files lie in.
      splits: the pairs of each split.
      options: whatever else decides what is stored, as JSON values.
      find_coding: says what the masks mean, and refuses what they may not hold.
      notes: what a user should know of the choices that were made.
      whole_options: the options that split the only split there is, or empty.
      inferred: whether the masks alone say how many classes there are.
    """

    root: Path
    splits: Splits
    options: dict[str, Any]
    find_coding: FindCoding
    notes: tuple[str, ...] = ()
    whole_options: str = ""
    inferred: bool = False

    @property
    def lossy(self) -> bool:
        """Whether masks may be JPEGs: ranges of values or colours have a class."""
        return bool(self.options.get("mask_map") or self.options.get("nearest_colour"))

    @property
    def regions(self) -> Mapping[Path, Path]:
        """The file of the region of interest of each mask that has one."""
        return {
            path: pair.roi
            for pairs in self.splits.values()
            for pair in pairs
            for path in pair.masks
            if pair.roi
        }


def find_layout(config: DataConfig, root: Path) -> layout.Layout:
    """Find the pairs of a user's folder.

    Args:
      config: the patterns, and whether each class has a mask file of its own.
      root: the folder.

    Raises:
      UserError: as `layout.find`.
    """
    if has_class_files(config):
        return layout.find(
            root,
            config.images,
            config.masks,
            class_files.LAYOUTS,
            config.class_names,
            config.absent_masks,
            config.roi,
        )
    return layout.find(root, config.images, config.masks, roi=config.roi)


def has_class_files(config: DataConfig) -> bool:
    """Whether each class has a mask file of its own."""
    return config.task == "multilabel" and not config.mask_bits


def interpreted(config: DataConfig, root: Path, found: layout.Layout) -> Source:
    """Decide how the masks of a user's folder are read.

    Args:
      config: the options of the masks.
      root: the folder.
      found: the pairs in it.

    Raises:
      UserError: tables of classes that cannot be read, or mask files of a class each
        that do not say it, or are missing.
    """
    if has_class_files(config):
        found, config, find_coding = _class_files(config, root, found)
        notes = found.notes
    else:
        config, table_notes = with_class_table(config, root, found.splits)
        bits = config.task == "multilabel"
        find_coding = partial(find_bit_coding if bits else find_classes, config)
        notes = (*found.notes, *table_notes)
    # Options left as they are do not enter, so that a later one changes no fingerprint.
    options = {
        name: value
        for name in MASK_OPTIONS
        if (value := getattr(config, name)) != getattr(DataConfig(), name)
    }
    return Source(
        root,
        found.splits,
        options,
        find_coding,
        notes,
        found.options,
        inferred=config.task == "multiclass" and not says_classes(config),
    )


def _class_files(
    config: DataConfig, root: Path, found: layout.Layout
) -> tuple[layout.Layout, DataConfig, FindCoding]:
    """Find which classes the masks of a file a class are of."""
    names = class_files.class_names(
        found.groups, found.splits, config.class_names, config.num_classes, root
    )
    splits, notes = class_files.with_planes(
        found.splits, found.groups, names, root, config.absent_masks
    )
    of_files = {
        path: name for group in found.groups.values() for name, path in group.items()
    }
    config = dataclasses.replace(config, class_names=names)
    coding = partial(find_file_coding, config, of_files)
    found = found._replace(splits=splits, notes=(*found.notes, *notes))
    return found, config, coding
