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
    if len(occurring) == 1 and results.get("task") != "multilabel":
        mean = f"IoU of class {occurring[0]}, the only one,"
        warn(
            f"only class {occurring[0]} occurs in the labels and predictions of split"
            f" {results['split']}: the metrics below are of this class alone and say"
            " little"
        )
    rows.append(("mean", _percent(results["miou"]), _percent(results["mean_dice"])))
    table(rows, ("class", "IoU %", "Dice %"))
    measured = f"{results['images']} {results['split']} images, step {results['step']}:"
    task = results.get("task")
    if task == "binary":
        foreground = list(results["per_class_iou"])[1]
        measured += f" IoU of {foreground} {_percent(results['iou'])} %,"
    print_line(
        f"{measured} {mean} {_percent(results['miou'])} %,"
        f" frequency-weighted {_percent(results['frequency_weighted_iou'])} %,"
        f" pixel accuracy {_percent(results['pixel_accuracy'])} %"
    )
    if task in ("binary", "multilabel"):
        print_line(_probabilities(results))
    for name in METRICS:
        if METRICS.own(name):
            value = results[name]
            print_line(f"{name}: {'-' if value is None else f'{value:.6g}'}")


def _probabilities(results: Mapping[str, Any]) -> str:
    """Say what was measured of the probabilities, and which thresholds were taken."""
    measured = {
        "ROC-AUC": results["roc_auc"],
        "average precision": results["average_precision"],
        "calibration error": results["expected_calibration_error"],
    }
    figures = [
        f"{name} {'-' if value is None else f'{value:.4f}'}"
        for name, value in measured.items()
    ]
    if results["task"] == "multilabel":
        bounds = [f"{name} {each:.4g}" for name, each in results["threshold"].items()]
        return f"{', '.join(figures)}; thresholds: {', '.join(bounds)}"
    return (
        f"{', '.join(figures)}; threshold {results['threshold']:.4g} (the best is"
        f" {results['best_threshold']:.4g}, IoU {_percent(results['best_iou'])} %)"
    )


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.2f}"
