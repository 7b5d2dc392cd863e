"""The metrics in results that are computed from the histogram of the probabilities.

They are ROC-AUC, average precision, the best threshold and the calibration.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxseg.data.labels import Task
from jaxseg.evaluation.histograms import Histogram, Reliability
from jaxseg.evaluation.metrics import AnyConfusion, mean_of_known


def scalars(
    confusion: AnyConfusion, histogram: Histogram, task: Task
) -> dict[str, float]:
    """Return the metrics that are one number, by name; undefined ones are NaN.

    For a multilabel task they are means over the classes for which they are defined.
    """
    if task == "multiclass":
        return {}
    areas = {
        "roc_auc": mean_of_known(histogram.roc_auc),
        "average_precision": mean_of_known(histogram.average_precision),
    }
    if task == "multilabel":
        return areas
    foreground = {"iou": confusion.iou[1], "dice": confusion.dice[1]}
    return {name: float(value) for name, value in foreground.items()} | areas


def details(
    histogram: Histogram,
    task: Task,
    names: Sequence[str],
    thresholds: Sequence[float],
    parts: int,
) -> dict[str, Any]:
    """Return the metrics of the probabilities for `results.json` that are no numbers.

    Args:
      histogram: of the probabilities.
      task: what is predicted of a pixel.
      names: names of the classes.
      thresholds: those that were used, one for each class that has a logit.
      parts: number of bins of 0..1, for the calibration.
    """
    curves = histogram.reliability(parts)
    error = {
        "expected_calibration_error": mean_of_known([each.error for each in curves])
    }
    if task == "multiclass":
        return error | {"reliability": _curve(curves[0])}
    best = histogram.best_thresholds
    best_iou = histogram.iou_at(best.tolist())
    if task == "binary":
        return {
            **error,
            "threshold": thresholds[0],
            "best_threshold": float(best[0]),
            "best_iou": float(best_iou[0]),
            "reliability": _curve(curves[0]),
        }
    return {
        **error,
        "threshold": by_name(names, thresholds),
        "best_threshold": by_name(names, best),
        "best_iou": by_name(names, best_iou),
        "per_class_roc_auc": by_name(names, histogram.roc_auc),
        "per_class_average_precision": by_name(names, histogram.average_precision),
        "per_class_calibration_error": by_name(names, [each.error for each in curves]),
        "reliability": {
            name: _curve(curve) for name, curve in zip(names, curves, strict=True)
        },
    }


def _curve(found: Reliability) -> dict[str, list[Any]]:
    return {
        "pixels": found.pixels.tolist(),
        "confidence": [plain(value) for value in found.confidence.tolist()],
        "frequency": [plain(value) for value in found.frequency.tolist()],
    }


def plain(value: Any) -> Any:
    """Return a value for JSON; numbers that are not finite become None."""
    if isinstance(value, str | list | Mapping):
        return value
    return float(value) if np.isfinite(value) else None


def by_name(
    names: Sequence[str], values: Sequence[float] | np.ndarray
) -> dict[str, float | None]:
    """Return values of classes under their names."""
    return {name: plain(value) for name, value in zip(names, values, strict=True)}
