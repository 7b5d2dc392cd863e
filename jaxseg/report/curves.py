"""The learning curves of the report page, chosen from a run's metrics.

Which metric becomes which figure, how it is smoothed and what is said beside it; the
drawing itself is done by `charts.py`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from numbers import Real
from typing import Any

import numpy as np

from jaxseg.report import charts


def finite(value: Any) -> float | None:
    """Return a finite number, or None for all else."""
    try:
        number = float(value) if isinstance(value, Real) else math.nan
    except OverflowError:  # a whole number of more than 308 digits
        number = math.nan
    return number if math.isfinite(number) else None


def learning_curves(records: Sequence[Mapping[str, Any]]) -> str:
    """Draw training loss, mean IoU of each other split, and learning rate.

    Args:
      records: what `events.read_metrics` returns: `step`, `split`, and `loss`,
        `learning_rate` (of split `train`) or `miou` (of the others).

    Returns:
      `<figure>` elements; empty where no metric was ever finite.
    """
    figures = []
    if loss := curve_of(records, "train", "loss"):
        figures.append(_loss_figure(*loss))
    splits = dict.fromkeys(record["split"] for record in records)
    for split in splits:
        if split != "train" and (curve := curve_of(records, split, "miou")):
            best, at = max(
                (value, step)
                for step, value in zip(*curve, strict=True)
                if value is not None
            )
            line = charts.Line(*curve)
            figures.append(
                figure(
                    f"Mean IoU, {split}",
                    f"best {100 * best:.1f}%, step {at:,}",
                    charts.line_chart([line], f"Mean IoU, {split}", percent=True),
                )
            )
    if curve := curve_of(records, "train", "learning_rate"):
        chart = charts.line_chart([charts.Line(*curve)], "Learning rate")
        figures.append(figure("Learning rate", "", chart))
    return "".join(figures)


def _loss_figure(steps: list[int], values: list[float | None]) -> str:
    known = np.array([value for value in values if value is not None])
    window = len(values) // 25
    remark = f"{known[-max(window, 1) :].mean():.3g} at the end"
    if values[-1] is None:
        remark = "not finite at the end"
    if window < 2:
        chart = charts.line_chart([charts.Line(steps, values)], "Training loss")
        return figure("Training loss", remark, chart)
    smooth = smoothed(values, 2 * window + 1)
    lines = [charts.Line(steps, values, "faint"), charts.Line(steps, smooth)]
    # The first steps of a fresh head can be so high that nothing else would be seen.
    settled = [value for value in smooth[window:] if value is not None]
    top = max([float(np.percentile(known, 98)), *settled])
    chart = charts.line_chart(lines, "Training loss", top=top)
    return figure("Training loss", remark, chart)


def smoothed(values: Sequence[float | None], window: int) -> list[float | None]:
    """Return the mean around each value, gaps not counted."""
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


def figure(title: str, remark: str, chart: str) -> str:
    """Return a chart under its title, with a remark beside that."""
    caption = f"{escape(title)} <span>{escape(remark)}</span>"
    return f"<figure><figcaption>{caption}</figcaption>{chart}</figure>"
