"""The metrics of an evaluation, on the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxseg.evaluation.metrics import METRICS
from jaxseg.report.console import print_line, table, warn


def print_metrics(results: Mapping[str, Any]) -> None:
    """Print IoU and Dice of every class, and one line of overall metrics.

    Args:
      results: the content of `results.json`.
    """
    rows = [
        (name, _percent(iou), _percent(results["per_class_dice"][name]))
        for name, iou in results["per_class_iou"].items()
    ]
    occurring = [
        name for name, iou in results["per_class_iou"].items() if iou is not None
    ]
    mean = "mean IoU"
    if len(occurring) == 1:
        mean = f"IoU of class {occurring[0]}, the only one,"
        warn(
            f"only class {occurring[0]} occurs in the labels and predictions of split"
            f" {results['split']}: the metrics below are of this class alone and say"
            " little"
        )
    rows.append(("mean", _percent(results["miou"]), _percent(results["mean_dice"])))
    table(rows, ("class", "IoU %", "Dice %"))
    print_line(
        f"{results['images']} {results['split']} images, step {results['step']}:"
        f" {mean} {_percent(results['miou'])} %,"
        f" frequency-weighted {_percent(results['frequency_weighted_iou'])} %,"
        f" pixel accuracy {_percent(results['pixel_accuracy'])} %"
    )
    for name in METRICS:
        if METRICS.own(name):
            value = results[name]
            print_line(f"{name}: {'-' if value is None else f'{value:.6g}'}")


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.2f}"
