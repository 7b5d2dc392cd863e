"""What a task asks of a data set: which options go with it, which labels it takes."""

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
"""Classes whose shares are said one by one."""


def check_options(config: Config) -> None:
    """Refuse options that are not of the task.

    Raises:
      UserError: naming the first.
    """
    task = config.data.task
    if task == "multilabel" and config.train.border_weight:
        raise UserError(
            "train.border_weight is of one foreground class, and data.task is"
            " 'multilabel'; give --train.border_weight 0"
        )
    for name in ("mask_bits", "absent_masks"):
        if task != "multilabel" and getattr(config.data, name):
            raise UserError(
                f"data.{name} is of multilabel masks, and data.task is {task!r}; give"
                " --data.task multilabel with it"
            )


def check_count(config: DataConfig, num_classes: int) -> None:
    """Refuse to tell one class apart from nothing.

    Raises:
      UserError: a multiclass data set of one class.
    """
    if config.task == "multiclass" and num_classes == 1:
        raise UserError(
            f"data set {config.name!r} has one class, which leaves nothing to tell"
            " apart; name the background as a class too, labels 0, and the other's 1,"
            " and pass --data.task binary"
        )


def with_task(dataset: Dataset, task: Task) -> Dataset:
    """Return a data set whose labels are of a task.

    A multiclass set of two classes is a binary one too, the second the foreground.

    Args:
      dataset: any.
      task: that was asked for.

    Raises:
      UserError: its labels are of another task.
    """
    labels = dataset.labels
    check_task(dataset.name, labels.task, labels.num_classes, task)
    if labels.task == task:
        return dataset
    changed: Any = dataset  # each data set is a dataclass
    return replace(changed, labels=replace(labels, task=task))


def check_task(name: str, has: Task, num_classes: int, task: Task) -> None:
    """Refuse a task that a data set's labels are not of.

    Args:
      name: of the data set.
      has: the task that its labels are of.
      num_classes: that they have.
      task: that was asked for.

    Raises:
      UserError: it is another, and not that of two classes as binary labels.
    """
    if task == has or (has, task, num_classes) == ("multiclass", "binary", 2):
        return
    raise UserError(
        f"data set {name!r}: its labels are {has}, of {num_classes} classes, and"
        f" data.task is {task!r}; give --data.task {has}"
    )


def held(dataset: Dataset, splits: Iterable[str]) -> list[str]:
    """Say what the masks of splits hold, a line a split.

    Args:
      dataset: any; of one whose masks were not counted nothing is said.
      splits: to describe.

    Returns:
      Shares of all pixels, as in "train 112 images: 71.2 % background, 25.9 % cell,
      2.9 % ignored"; of classes that may overlap the numbers of pixels.  Where a
      sigmoid's labels are made of them, the values in the files too.
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
    """Write the share of each class, of many the most frequent, and of ignored."""
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
    """Say what labels are, as in `11 classes` or `background and nucleus (binary)`."""
    if labels.task == "binary":
        return f"{' and '.join(labels.names)} (binary)"
    overlap = " that may overlap (multilabel)" * (labels.task == "multilabel")
    return f"{labels.num_classes} classes{overlap}"
