"""Tables of the report page: the figures of each class, and the confusion matrix.

Each function returns markup with every name escaped; the looks are in `style.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

import numpy as np

from jaxseg.data.labels import Colour, LabelSet
from jaxseg.report.samples import chip


def class_table(
    iou: Mapping[str, float | None],
    dice: Mapping[str, float | None],
    labels: LabelSet,
    shares: Mapping[str, float] | None = None,
) -> str:
    """Show IoU and Dice of each class, in numbers and as a bar, best IoU first.

    Args:
      iou: by class name, 0..1; None where the class does not occur.
      dice: likewise; a class that it lacks has a dash.
      labels: gives the colour chips.
      shares: of the labelled pixels, 0..1, by class name; None leaves the column out.

    Returns:
      A `<table>` element. Of a bar, the full part is the IoU, with the pale part it is
      the Dice.
    """
    order = sorted(
        iou.items(), key=lambda item: -1 if item[1] is None else item[1], reverse=True
    )
    colours = dict(zip(labels.names, labels.palette, strict=True))
    heads = ['<span class="key iou">IoU, %</span>', '<span class="key">Dice, %</span>']
    heads += ["Pixels, %"] * bool(shares)
    rows = []
    for name, value in order:
        found = [value, dice.get(name)]
        parts = "".join(
            f'<span style="width:{100 * share:.1f}%"></span>'
            for share in reversed(found)
            if share is not None
        )
        if shares:
            found.append(shares.get(name, 0))
        cells = "".join(f"<td>{_percent(share)}</td>" for share in found)
        rows.append(
            f"<tr>{_row_head(name, colours.get(name))}"
            f'<td class="bar"><div>{parts}</div></td>{cells}</tr>'
        )
    head = "".join(f'<th scope="col">{title}</th>' for title in heads)
    return (
        '<table class="classes"><thead><tr><th scope="col">Class</th><td></td>'
        f"{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    )


def _percent(share: float | None) -> str:
    return "&ndash;" if share is None else f"{100 * share:.1f}"


def heat_table(confusion: np.ndarray, labels: LabelSet) -> str:
    """Draw a confusion matrix, each row in per cent of its sum.

    Args:
      confusion: int `[classes, classes]`; row: label, column: prediction.
      labels: names the rows and columns.

    Returns:
      A `<table>` element.
    """
    sums = confusion.sum(1, keepdims=True)
    shares = confusion / np.maximum(sums, 1)
    heads = "".join(
        f'<th scope="col" title="{escape(name)}"><span>{escape(name)}</span></th>'
        for name in labels.names
    )
    rows = []
    for name, colour, row in zip(labels.names, labels.palette, shares, strict=True):
        cells = [
            f'<td style="--v:{share:.3f}" '
            f'title="{escape(name)} taken for {escape(other)}: {100 * share:.2f}%">'
            f"{_percent_or_blank(share)}</td>"
            for other, share in zip(labels.names, row, strict=True)
        ]
        rows.append(f"<tr>{_row_head(name, colour)}{''.join(cells)}</tr>")
    return (
        f'<table class="heat"><thead><tr><td></td>{heads}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table>"
    )


def _percent_or_blank(share: float) -> str:
    return f"{100 * share:.0f}" if share >= 0.005 else ""


def _row_head(name: str, colour: Colour | None) -> str:
    square = chip(colour) if colour else ""
    text = f'<span title="{escape(name)}">{escape(name)}</span>'
    return f'<th scope="row"><div class="name">{square}{text}</div></th>'
