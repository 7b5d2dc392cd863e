"""The metrics of an evaluation, on the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxseg.evaluation.metrics import METRICS
from jaxseg.report.boundaries import COLUMNS
from jaxseg.report.console import print_line, table, warn
from jaxseg.report.per_image import per_image_line


def print_metrics(results: Mapping[str, Any]) -> None:
    """Print IoU and Dice of every class, and lines of overall metrics.

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
            f" {results['split']}: the metrics below are of this class only and say"
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
    if line := per_image_line(results):
        print_line(line + _worst(results))
    if "boundary_iou" in results:
        _print_boundaries(results)
    for name in METRICS:
        if METRICS.own(name):
            value = results[name]
            print_line(f"{name}: {'-' if value is None else f'{value:.6g}'}")


def _worst(results: Mapping[str, Any]) -> str:
    """Name the three worst images, with their scores; "" if none has a score."""
    worst = [
        f"{each['name']} {_percent(each['score'])} %"
        for each in results["worst_images"][:3]
    ]
    return f" Worst: {', '.join(worst)}." if worst else ""


def _print_boundaries(results: Mapping[str, Any]) -> None:
    """Print the measures of boundaries, and the images that have no distance."""
    rows = [
        [name]
        + [_scaled(results[f"per_class_{key}"][name], by) for _, key, by in COLUMNS]
        for name in results["per_class_boundary_iou"]
    ]
    rows.append(["mean", *(_scaled(results[key], by) for _, key, by in COLUMNS)])
    table(rows, ("class", *(title for title, _, _ in COLUMNS)))
    alone = [
        f"{name} {counts['label_only']} and {counts['prediction_only']}"
        for name, counts in results["surface_images"].items()
        if counts["label_only"] + counts["prediction_only"]
    ]
    if alone:
        print_line(
            "images with the boundary in the label only and in the prediction only,"
            f" whose boundary F1 is 0 and which have no distance: {', '.join(alone)}"
        )


def _probabilities(results: Mapping[str, Any]) -> str:
    """Return a line of the metrics of the probabilities and the thresholds."""
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


def _scaled(value: float | None, factor: float) -> str:
    return "-" if value is None else f"{factor * value:.2f}"


def _percent(share: float | None) -> str:
    return _scaled(share, 100)
