"""The report of a run: one HTML file that a person opens, keeps or sends.

`write_report` fills in `templates/report.html.j2` from the metrics in the run folder
and the results of the evaluation.  `curves.py` draws curves, `numbers.py` and
`tables.py` show metrics, and `samples.py` shows samples.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jaxseg.data.labels import LabelSet
from jaxseg.paths import replace_text
from jaxseg.report.boundaries import boundary_table
from jaxseg.report.curves import finite, learning_curves
from jaxseg.report.events import read_metrics
from jaxseg.report.markup import render
from jaxseg.report.numbers import numbers, one_class_remark
from jaxseg.report.per_image import per_image_line, with_scores
from jaxseg.report.reliability import reliability_figures
from jaxseg.report.samples import sample_figures
from jaxseg.report.sheets import Sheet
from jaxseg.report.tables import class_table, heat_table
from jaxseg.report.titles import run_title

FILE_NAME = "report.html"

_FURTHER = {
    "ROC-AUC": "per_class_roc_auc",
    "Average precision": "per_class_average_precision",
    "Threshold": "threshold",
}
"""Title -> name in the results, of further columns of a multilabel run's classes."""

_MOST_CONFUSED = 40  # classes; a larger matrix cannot be read


def write_report(
    workdir: str | Path,
    summary: Mapping[str, Any],
    config_text: str,
    labels: LabelSet,
    samples: Mapping[str, Sheet] | None = None,
    worst: Mapping[str, Sheet] | None = None,
) -> Path:
    """Write `report.html` into a run folder; an older one is replaced atomically.

    Args:
      workdir: the run folder; its `metrics.jsonl` gives the curves.
      summary: the content of `results.json`: `model`, `data` and `name`, which make the
        heading (see `titles.py`), `step`, `trained_steps`, `split`, `miou`,
        `per_class_iou`, `per_class_dice`, `pixel_accuracy`, `frequency_weighted_iou`,
        `mean_dice`, `parameters`, `images`, `seconds`, `images_per_second`, `device`,
        `versions` and, if it is known, `confusion` (int `[classes, classes]`, row:
        label, column: prediction). Shares are 0..1; what is missing, None or not finite
        is shown as a dash or left out.
      config_text: the run's configuration as text.
      labels: names and colours of the classes.
      samples: sheets to show, by the sample's name.
      worst: sheets of the worst images, the worst first; `worst_images` in the summary
        has their scores.

    Returns:
      The path of the page.
    """
    confusion = _matrix(summary, labels)
    large = confusion is not None and labels.num_classes > _MOST_CONFUSED
    page = render(
        "report.html.j2",
        title=run_title(summary),
        measured=_measured(summary),
        caution=one_class_remark(summary),
        numbers=numbers(summary),
        curves=learning_curves(read_metrics(workdir)),
        classes=_classes(summary, labels, confusion),
        boundaries=boundary_table(summary, labels),
        reliability=reliability_figures(summary),
        worst=sample_figures(with_scores(summary, worst or {})),
        per_image=per_image_line(summary),
        samples=sample_figures(samples or {}),
        confusion=None if confusion is None or large else heat_table(confusion, labels),
        too_many_classes=labels.num_classes if large else 0,
        config_text=config_text,
        versions=summary.get("versions") or {},
    )
    path = Path(workdir) / FILE_NAME
    replace_text(path, page)
    return path


def _measured(summary: Mapping[str, Any]) -> str:
    """Return a line: the run, unless the heading names it, and what was measured on."""
    title, name = run_title(summary), str(summary.get("name") or "")
    images, seconds = (finite(summary.get(key)) for key in ("images", "seconds"))
    line = f"Run: {name}. " if name and name != title else ""
    if images is not None:
        line += f"Measured on {images:,.0f} image{'' if images == 1 else 's'}"
        if split := summary.get("split"):
            line += f" of the {split} split"
        line += "." if seconds is None else f" in {seconds:,.1f} s."
    return line


def _classes(
    summary: Mapping[str, Any], labels: LabelSet, confusion: np.ndarray | None
) -> str:
    iou, dice = (
        {name: finite(value) for name, value in (summary.get(key) or {}).items()}
        for key in ("per_class_iou", "per_class_dice")
    )
    shares = None
    if confusion is not None and confusion.sum():
        parts = confusion.sum(1) / confusion.sum()
        shares = dict(zip(labels.names, parts.tolist(), strict=True))
    further = {
        title: {name: finite(value) for name, value in found.items()}
        for title, key in _FURTHER.items()
        if isinstance(found := summary.get(key), Mapping)
    }
    return class_table(iou, dice, labels, shares, further) if iou else ""


def _matrix(summary: Mapping[str, Any], labels: LabelSet) -> np.ndarray | None:
    confusion = np.asarray(summary.get("confusion") or [])
    return confusion if confusion.shape == (labels.num_classes,) * 2 else None
