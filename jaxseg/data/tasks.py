"""The options and labels that each task allows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from jaxseg.config import Config, DataConfig
from jaxseg.data.contents import Content
from jaxseg.data.dataset import Dataset
from jaxseg.data.labels import LabelSet, Task
from jaxseg.errors import UserError

MOST = 12
"""Largest number of classes whose shares are listed."""


def check_options(config: Config) -> None:
    """Refuse options of another task.

    Raises:
      UserError: there is one; the first is named.
    """
    task = config.data.task
    if task == "multilabel" and config.train.border_weight:
        raise UserError(
            "train.border_weight is for one foreground class, but data.task is"
            " 'multilabel'; give --train.border_weight 0"
        )
    for name in ("mask_bits", "absent_masks"):
        if task != "multilabel" and getattr(config.data, name):
            raise UserError(
                f"data.{name} is for multilabel masks, but data.task is {task!r}; give"
                " --data.task multilabel as well"
            )


def check_count(config: DataConfig, num_classes: int) -> None:
    """Refuse a multiclass data set of one class.

    Raises:
      UserError: the data set has one class.
    """
    if config.task == "multiclass" and num_classes == 1:
        raise UserError(
            f"data set {config.name!r} has one class, which leaves nothing to tell"
            " apart; name the background as a class too, labels 0, and the other's 1,"
            " and pass --data.task binary"
        )


def with_task(dataset: Dataset, task: Task) -> Dataset:
    """Return a data set with the labels of a task.

    A multiclass set of two classes can be used as a binary one; the second class is the
    foreground.

    Args:
      dataset: any data set.
      task: the task that was asked for.

    Raises:
      UserError: the labels are of another task.
    """
    labels = dataset.labels
    check_task(dataset.name, labels.task, labels.num_classes, task)
    if labels.task == task:
        return dataset
    changed: Any = dataset  # each data set is a dataclass
    return replace(changed, labels=replace(labels, task=task))


def check_task(name: str, has: Task, num_classes: int, task: Task) -> None:
    """Refuse a task that does not fit the labels of a data set.

    Args:
      name: name of the data set.
      has: the task of its labels.
      num_classes: number of its classes.
      task: the task that was asked for.

    Raises:
      UserError: the tasks differ, unless two classes are to be used as binary labels.
    """
    if task == has or (has, task, num_classes) == ("multiclass", "binary", 2):
        return
    raise UserError(
        f"data set {name!r}: its labels are {has}, of {num_classes} classes, but"
        f" data.task is {task!r}; give --data.task {has}"
    )


def held(dataset: Dataset, splits: Iterable[str]) -> list[str]:
    """Describe the content of the masks, in a line for each split.

    Args:
      dataset: any data set; if its masks were not counted there are no lines.
      splits: names of the splits.

    Returns:
      Shares of all pixels, as in "train 112 images: 71.2 % background, 25.9 % cell,
      2.9 % ignored"; if classes may overlap, numbers of pixels.  For binary and
      multilabel labels also the values in the files.
    """
    labels, found = dataset.labels, []
    for split in splits:
        content = dataset.contents.get(split)
        if content is None or split not in dataset.splits:
            continue
        if labels.task == "multilabel":
            counts = zip(labels.names, content.pixels, strict=True)
            said = ", ".join(f"{name} {pixels:,}" for name, pixels in counts)
            said = f"pixels of {said}"
        else:
            said = _shares(content, labels.names)
        if labels.task != "multiclass":
            said += f"; its masks hold {content.found}"
        if content.remark:
            said += f"; {content.remark}"
        count = dataset.splits[split]
        found.append(f"{split} {count} image{'s' * (count != 1)}: {said}")
    return found


def _shares(content: Content, names: Sequence[str]) -> str:
    """Write the shares of the most frequent classes and of ignored pixels."""
    every = max(sum(content.pixels) + content.ignored, 1)
    order = range(len(names))
    if len(names) > MOST:
        order = sorted(order, key=lambda index: -content.pixels[index])[:MOST]
    parts = [f"{_percent(content.pixels[i], every)} {names[i]}" for i in order]
    if rest := len(names) - len(parts):
        pixels = sum(content.pixels) - sum(content.pixels[i] for i in order)
        parts.append(f"{_percent(pixels, every)} {rest} more classes")
    if content.ignored:
        parts.append(f"{_percent(content.ignored, every)} ignored")
    return ", ".join(parts)


def _percent(pixels: int, of: int) -> str:
    return f"{100 * pixels / of:.3g} %"


def described(labels: LabelSet) -> str:
    """Describe labels, as in `11 classes` or `background and nucleus (binary)`."""
    if labels.task == "binary":
        return f"{' and '.join(labels.names)} (binary)"
    overlap = " that may overlap (multilabel)" * (labels.task == "multilabel")
    return f"{labels.num_classes} classes{overlap}"
