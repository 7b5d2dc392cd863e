"""The number of pixels of each class in a split, which is checked before a training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from jaxseg.data.labels import Task
from jaxseg.errors import UserError, listed


class Content(NamedTuple):
    """The content of a split's masks.

    Attributes:
      pixels: number of pixels of each class.
      ignored: number of ignored pixels.
      found: text: the values or colours in the mask files and how often they occur.
      remark: text: what else a user should know.
    """

    pixels: tuple[int, ...]
    ignored: int
    found: str
    remark: str = ""


def check_contents(
    contents: Mapping[str, Content],
    names: Sequence[str],
    train_split: str,
    eval_split: str,
    where: str,
    task: Task = "multiclass",
) -> list[str]:
    """Check that there is something to learn and something to measure.

    Args:
      contents: of the splits; a split that was not counted is not checked.
      names: names of the classes.
      train_split: the split to train on.
      eval_split: the split to evaluate on.
      where: the folder or name of the data set, for messages.
      task: task of the data set; if classes may overlap, one class is enough, since
        there are pixels without it.

    Returns:
      Warnings: classes that the training split lacks, an evaluation of one class.

    Raises:
      UserError: there are fewer than two classes to train on, or no pixel to evaluate.
    """
    least = 1 if task == "multilabel" else 2
    warnings = []
    if train := contents.get(train_split):
        said = f"{where}: split {train_split!r}"
        warnings += _check_training(train, names, said, least)
    if measured := contents.get(eval_split):
        said = f"{where}: split {eval_split!r}"
        warnings += _check_evaluation(measured, names, said, least)
    return warnings


def _check_training(
    train: Content, names: Sequence[str], split: str, least: int
) -> list[str]:
    """Return warnings on a training split; `least` classes must occur."""
    there, missing = _divided(train, names)
    if least == 1 and not there:
        raise UserError(
            f"{split} holds no pixel of any class, so there is nothing to learn: its"
            f" masks hold {train.found}"
        )
    if len(there) < least:
        held = f"pixels of class {there[0]!r} only" if there else "no counted pixel"
        raise UserError(
            f"{split} holds {held}, and to train takes two classes: its masks hold"
            f" {train.found}; to make a class of a value or colour name it in"
            " --data.mask_values, --data.mask_map or --data.palette"
        )
    if not missing:
        return []
    return [
        f"{split} has no pixel of class {listed(missing, 8)}: a model cannot"
        f" learn what it never sees; the masks hold {train.found}"
    ]


def _check_evaluation(
    measured: Content, names: Sequence[str], split: str, least: int
) -> list[str]:
    """Return warnings on an evaluation split; fewer than `least` classes say little."""
    there, _ = _divided(measured, names)
    if least == 1:
        none = f"{split} has no pixel of any class, so that it measures little"
        return [] if there else [none]
    if not there:
        raise UserError(
            f"{split} holds ignored pixels only, so nothing can be measured; its"
            f" masks hold {measured.found}; --data.eval_split chooses another"
        )
    if len(there) > 1:
        return []
    return [
        f"{split} has pixels of class {there[0]} only: a mean IoU over one"
        " class says little"
    ]


def _divided(content: Content, names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the names of the classes that occur, and of those that do not."""
    pairs = list(zip(names, content.pixels, strict=True))
    there = [name for name, pixels in pairs if pixels]
    return there, [name for name, pixels in pairs if not pixels]
