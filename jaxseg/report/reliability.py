"""The reliability diagrams of the report page, which show the calibration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxseg.report import charts
from jaxseg.report.curves import Figure, finite

_MOST = 12  # diagrams on a page; nobody reads more


def reliability_figures(summary: Mapping[str, Any]) -> list[Figure]:
    """Draw the calibration of a run, for a multilabel run that of its first classes.

    Args:
      summary: the content of `results.json`: `task` and `reliability`, and the errors
        that are written beside the diagrams.

    Returns:
      The figures; none if the calibration is not known.
    """
    found, task = summary.get("reliability"), summary.get("task")
    if not isinstance(found, Mapping):
        return []
    if task != "multilabel":
        title = "The foreground" if task == "binary" else "The class predicted"
        named = {title: (found, summary.get("expected_calibration_error"))}
    else:
        errors = summary.get("per_class_calibration_error")
        errors = errors if isinstance(errors, Mapping) else {}
        named = {name: (curve, errors.get(name)) for name, curve in found.items()}
    figures = [_figure(name, *given) for name, given in list(named.items())[:_MOST]]
    return [figure for figure in figures if figure is not None]


def _figure(name: str, curve: Any, error: Any) -> Figure | None:
    if not isinstance(curve, Mapping):
        return None
    rows = [curve.get(key) for key in ("confidence", "frequency", "pixels")]
    lengths = {len(row) if isinstance(row, list) else -1 for row in rows}
    if len(lengths) > 1 or -1 in lengths:
        return None
    points = []
    for values in zip(*(row or () for row in rows), strict=True):
        confidence, frequency, pixels = map(finite, values)
        if confidence is not None and frequency is not None:
            points.append((confidence, frequency, pixels or 0.0))
    if not points:
        return None
    known = finite(error)
    remark = "" if known is None else f"calibration error {100 * known:.2f}%"
    return Figure(
        name, remark, charts.reliability_chart(points, f"Reliability, {name}")
    )
