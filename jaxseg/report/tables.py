"""Tables of the report page: the metrics of each class, and the confusion matrix."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from markupsafe import Markup

from jaxseg.data.labels import LabelSet
from jaxseg.report.markup import DASH, render


def class_table(
    iou: Mapping[str, float | None],
    dice: Mapping[str, float | None],
    labels: LabelSet,
    shares: Mapping[str, float] | None = None,
    further: Mapping[str, Mapping[str, float | None]] | None = None,
) -> Markup:
    """Show IoU and Dice of each class, in numbers and as a bar, best IoU first.

    Args:
      iou: by class name, 0..1; None where the class does not occur.
      dice: by class name, 0..1; a class that it lacks has a dash.
      labels: gives the colour chips.
      shares: share of the labelled pixels, 0..1, by class name; None leaves the column
        out.
      further: title of a column -> metric by class name.

    Returns:
      A `<table>` element. The full part of a bar is the IoU; full and pale part
      together are the Dice.
    """
    order = sorted(
        iou.items(), key=lambda item: -1 if item[1] is None else item[1], reverse=True
    )
    colours = dict(zip(labels.names, labels.palette, strict=True))
    rows = [
        {
            "name": name,
            "colour": colours.get(name),
            "iou": value,
            "dice": dice.get(name),
            "share": (shares or {}).get(name, 0),
            "further": [_decimal(each.get(name)) for each in (further or {}).values()],
        }
        for name, value in order
    ]
    return render(
        "class_table.html.j2",
        rows=rows,
        with_shares=bool(shares),
        titles=list(further or {}),
    )


def _decimal(value: float | None) -> str:
    return DASH if value is None else f"{value:.4f}"


def heat_table(confusion: np.ndarray, labels: LabelSet) -> Markup:
    """Draw a confusion matrix, each row in per cent of its sum.

    Args:
      confusion: int `[classes, classes]`; row: label, column: prediction.
      labels: names the rows and columns.

    Returns:
      A `<table>` element.
    """
    sums = confusion.sum(1, keepdims=True)
    shares = confusion / np.maximum(sums, 1)
    rows = list(zip(labels.names, labels.palette, shares.tolist(), strict=True))
    return render("heat_table.html.j2", names=labels.names, rows=rows)
