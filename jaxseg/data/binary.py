"""Masks of one foreground class: which values are the background and the foreground."""

from __future__ import annotations

from dataclasses import replace

from jaxseg.config import DataConfig
from jaxseg.data.causes import OBJECTS, likely_cause
from jaxseg.data.survey import Survey, Tally
from jaxseg.errors import UserError

NAMES = ("background", "foreground")
"""Names of the classes if no option names them."""


def filled_in(config: DataConfig, survey: Survey) -> DataConfig:
    """Fill in what the options of a binary task leave out.

    Args:
      config: may name both classes or the foreground only, and may give the values of
        both.  Without values, masks that hold only 0 and 255 are read as background and
        foreground, and other masks must hold 0 and 1.
      survey: the content of the masks.

    Raises:
      UserError: the options give another number of classes.
    """
    names = config.class_names
    given = {"num_classes": config.num_classes, "class_names": len(names)}
    for name, count in given.items():
        if count > 2:
            raise UserError(
                f"data.{name} gives {count} classes, but data.task 'binary' has a"
                " background and a foreground; for more pass --data.task multiclass, or"
                " multilabel if they overlap"
            )
    if len(names) == 1:
        names = (NAMES[0] if names != NAMES[:1] else "rest", *names)
    config = replace(config, num_classes=2, class_names=names or NAMES)
    numbered = config.mask_values or config.mask_map or config.palette
    if not numbered and _black_and_white(survey):
        return replace(config, mask_values=(0, 255))
    return config


def _black_and_white(survey: Survey) -> bool:
    values = set(survey.numbers.values.tolist())
    return not survey.of_kind("colour") and 255 in values and values <= {0, 255}


def remedy(config: DataConfig, survey: Survey, tally: Tally) -> str:
    """Return the remedy for values that are neither background nor foreground.

    Args:
      config: from `filled_in`.
      survey: the content of the masks.
      tally: how often each of these values occurs.
    """
    mapped = [name for name in ("mask_map", "mask_values") if getattr(config, name)]
    in_place = f" in place of data.{mapped[0]}" if mapped else ""
    cause = likely_cause(survey)
    if cause and ":2" not in cause.option:
        return f"{cause}{in_place}"
    values = survey.numbers.values.tolist()
    kept = [value for value in values if value not in config.ignore_values]
    if len(kept) == 2:
        return (
            "to make the greater value the foreground pass --data.mask_values"
            f" {kept[0]} {kept[1]}{in_place}"
        )
    said = f"to make every value but 0 the foreground pass {OBJECTS}{in_place}"
    if len(tally.values) > 8 or mapped:
        return said
    ignored = [*config.ignore_values, *tally.values.tolist()]
    return (
        f"{said}; to ignore these values pass --data.ignore_values"
        f" {' '.join(map(str, ignored))}; if each is a class of its own pass"
        " --data.task multiclass"
    )
