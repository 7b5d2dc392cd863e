"""What a task asks of a data set: which options go with it, which labels it takes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from jaxseg.config import Config, DataConfig
from jaxseg.data.dataset import Dataset
from jaxseg.data.labels import LabelSet, Task
from jaxseg.errors import UserError


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
    if labels.task == task:
        return dataset
    if (labels.task, task, labels.num_classes) == ("multiclass", "binary", 2):
        changed: Any = dataset  # each data set is a dataclass
        return replace(changed, labels=replace(labels, task=task))
    raise UserError(
        f"data set {dataset.name!r}: its labels are {described(labels)}, and data.task"
        f" is {task!r}; give --data.task {labels.task}"
    )


def described(labels: LabelSet) -> str:
    """Say what labels are, as in `multiclass, 11 classes`."""
    return f"{labels.task}, {labels.num_classes} classes"
