"""The learning curves of the report page, chosen from a run's metrics.

This decides which metric becomes which figure, how it is smoothed and what is written
beside it; `charts.py` draws.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from markupsafe import Markup

from jaxseg.report import charts

MOST_SMOOTHED = 3000
"""Most points of a curve that are smoothed; means of neighbours replace more."""

_LARGEST = 1e30  # a larger value comes from a run that diverged


@dataclass(frozen=True)
class Figure:
    """A chart with its title, and a remark beside the title."""

    title: str
    remark: str
    chart: Markup


def finite(value: Any) -> float | None:
    """Return a number that is small enough to be drawn, or None."""
    try:
        number = float(value) if isinstance(value, Real) else math.nan
    except OverflowError:  # an integer of more than 308 digits
        number = math.nan
    return number if abs(number) < _LARGEST else None


def learning_curves(records: Sequence[Mapping[str, Any]]) -> list[Figure]:
    """Draw training loss, mean IoU of each other split, and learning rate.

    For a binary run the IoU is that of the foreground.

    Args:
      records: from `events.read_metrics`, with `step` and `split`; with `loss` and
        `learning_rate` for the split `train`, and `miou` and perhaps `iou` for others.

    Returns:
      The figures; none if no metric was ever finite.
    """
    figures = []
    if loss := curve_of(records, "train", "loss"):
        figures.append(_loss_figure(*loss))
    splits = dict.fromkeys(record["split"] for record in records)
    for split in splits:
        if split == "train":
            continue
        name, curve = "Foreground IoU", curve_of(records, split, "iou")
        if curve is None:
            name, curve = "Mean IoU", curve_of(records, split, "miou")
        if curve is not None:
            best, at = max(
                (value, step)
                for step, value in zip(*curve, strict=True)
                if value is not None
            )
            line = charts.Line(*curve)
            figures.append(
                Figure(
                    f"{name}, {split}",
                    f"best {100 * best:.1f}%, step {at:,}",
                    charts.line_chart([line], f"{name}, {split}", percent=True),
                )
            )
    if curve := curve_of(records, "train", "learning_rate"):
        chart = charts.line_chart([charts.Line(*curve)], "Learning rate")
        figures.append(Figure("Learning rate", "", chart))
    return figures


def _loss_figure(steps: Sequence[int], values: Sequence[float | None]) -> Figure:
    known = np.array([value for value in values if value is not None])
    remark = f"{known[-max(len(values) // 25, 1) :].mean():.3g} at the end"
    if values[-1] is None:
        remark = "not finite at the end"
    steps, values = charts.thinned(steps, values, MOST_SMOOTHED)
    window = len(values) // 25
    if window < 2:
        chart = charts.line_chart([charts.Line(steps, values)], "Training loss")
        return Figure("Training loss", remark, chart)
    smooth = smoothed(values, 2 * window + 1)
    lines = [charts.Line(steps, values, "faint"), charts.Line(steps, smooth)]
    chart = charts.line_chart(lines, "Training loss", top=settled_top(values))
    return Figure("Training loss", remark, chart)


def settled_top(values: Sequence[float | None]) -> float:
    """Return the upper end of the axis of a loss, of which one value is known.

    The loss of the first steps can be so high that nothing else would be seen.  With 50
    values or more the axis therefore ends at their 98th percentile, or higher if the
    smoothed curve is higher after its start.
    """
    known = [value for value in values if value is not None]
    window = len(values) // 25
    if window < 2:
        return max(known)
    settled = smoothed(values, 2 * window + 1)[2 * window :]
    later = [value for value in settled if value is not None]
    return max([float(np.percentile(known, 98)), *later])


def smoothed(values: Sequence[float | None], window: int) -> list[float | None]:
    """Return the mean of the known values around each value."""
    known = np.array([value is not None for value in values], np.float64)
    filled = np.array([value or 0.0 for value in values])
    kernel = np.ones(window)
    counts = np.convolve(known, kernel, "same")
    means = np.convolve(filled, kernel, "same") / np.maximum(counts, 1)
    return [
        float(mean) if count > 0.5 else None
        for mean, count in zip(means, counts, strict=True)
    ]


def curve_of(
    records: Sequence[Mapping[str, Any]], split: str, name: str
) -> tuple[list[int], list[float | None]] | None:
    """Return steps and values of a metric, or None if it was never finite."""
    chosen = [
        (record["step"], finite(record[name]))
        for record in records
        if record["split"] == split and name in record
    ]
    if all(value is None for _, value in chosen):
        return None
    return [step for step, _ in chosen], [value for _, value in chosen]
