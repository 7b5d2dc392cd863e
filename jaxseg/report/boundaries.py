"""The table of the measures of boundaries, class by class.

It is made from `results.json`, which any version or a person may have written.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from jaxseg.data.labels import LabelSet
from jaxseg.report.curves import finite
from jaxseg.report.markup import DASH, render

COLUMNS = (
    ("Boundary IoU, %", "boundary_iou", 100),
    ("Boundary F1, %", "boundary_f1", 100),
    ("Hausdorff 95 %, px", "hausdorff95", 1),
    ("Surface distance, px", "average_surface_distance", 1),
)
"""Title, name in `results.json`, and the factor by which the value is shown."""

_KINDS = ("both", "label_only", "prediction_only")


def boundary_table(summary: Mapping[str, Any], labels: LabelSet) -> Markup:
    """Show the measures of boundaries of each class, and their means.

    Args:
      summary: the content of `results.json`.
      labels: gives the colour chips.

    Returns:
      A `<table>` element, or nothing if boundaries were not measured.
    """
    names = summary.get(f"per_class_{COLUMNS[0][1]}")
    if not isinstance(names, Mapping):
        return Markup("")
    colours = dict(zip(labels.names, labels.palette, strict=True))
    rows = [
        {
            "name": name,
            "colour": colours.get(name),
            "figures": [
                _figure(summary.get(f"per_class_{key}"), name, factor)
                for _, key, factor in COLUMNS
            ],
            "images": [_count(summary, name, kind) for kind in _KINDS],
        }
        for name in names
    ]
    means = [_figure(summary, key, factor) for _, key, factor in COLUMNS]
    titles = [title for title, _, _ in COLUMNS]
    return render("boundaries.html.j2", titles=titles, rows=rows, means=means)


def _figure(values: Any, name: str, factor: float) -> str:
    value = finite(values.get(name)) if isinstance(values, Mapping) else None
    if value is None:
        return DASH
    return f"{factor * value:.{1 if factor == 100 else 2}f}"


def _count(summary: Mapping[str, Any], name: str, kind: str) -> str:
    counts = summary.get("surface_images")
    found = counts.get(name) if isinstance(counts, Mapping) else None
    value = finite(found.get(kind)) if isinstance(found, Mapping) else None
    return DASH if value is None else f"{value:,.0f}"
