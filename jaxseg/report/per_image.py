"""The report's text on single images: their mean and median, and the worst ones.

It is made from `results.json`, which any version or a person may have written.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxseg.report.curves import finite
from jaxseg.report.sheets import Sheet

_NAMES = {
    "mean_iou": "mean IoU",
    "mean_dice": "mean Dice",
    "iou": "foreground IoU",
    "dice": "foreground Dice",
}


def score_name(summary: Mapping[str, Any]) -> str:
    """Return the name of the score by which images are ranked."""
    return _NAMES["iou" if summary.get("task") == "binary" else "mean_iou"]


def per_image_line(summary: Mapping[str, Any]) -> str:
    """Return a line with mean and median over the images; "" if they are not known.

    Args:
      summary: the content of `results.json`.
    """
    found = summary.get("per_image")
    parts = []
    for key, name in _NAMES.items():
        each = found.get(key) if isinstance(found, Mapping) else None
        if not isinstance(each, Mapping):
            continue
        mean, median = (finite(each.get(kind)) for kind in ("mean", "median"))
        if mean is not None and median is not None:
            parts.append(f"{name} {100 * mean:.1f} % (median {100 * median:.1f} %)")
    return f"Mean over the images: {', '.join(parts)}." if parts else ""


def with_scores(
    summary: Mapping[str, Any], sheets: Mapping[str, Sheet]
) -> dict[str, Sheet]:
    """Return sheets of the worst images under names that include their scores.

    Args:
      summary: the content of `results.json`.
      sheets: in the order of its `worst_images`.
    """
    listed = summary.get("worst_images")
    listed = listed if isinstance(listed, list) else []
    found = {}
    for place, (name, sheet) in enumerate(sheets.items()):
        entry = listed[place] if place < len(listed) else None
        share = finite(entry.get("score")) if isinstance(entry, Mapping) else None
        said = "" if share is None else f", {score_name(summary)} {100 * share:.1f} %"
        found[f"{name}{said}"] = sheet
    return found
