"""The report of a run: one HTML file that a person opens, keeps or sends.

`write_report` gathers what the run folder holds (metrics) and what evaluation found,
and lays it out; curves are drawn by `curves.py`, figures by `numbers.py` and
`tables.py`, samples by `samples.py`, the looks are in `style.py`.  The page loads
nothing: pictures are inlined and there are no scripts.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from jaxseg.data.labels import LabelSet
from jaxseg.paths import replace_text
from jaxseg.report.curves import finite, learning_curves
from jaxseg.report.events import read_metrics
from jaxseg.report.numbers import numbers, one_class_remark
from jaxseg.report.samples import sample_figures
from jaxseg.report.sheets import Sheet
from jaxseg.report.style import STYLE
from jaxseg.report.tables import class_table, heat_table
from jaxseg.report.titles import run_title

FILE_NAME = "report.html"

_MOST_CONFUSED = 40  # classes; a larger matrix cannot be read

_FRAME = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<title>{title}</title>
<style>{style}</style>
</head>
<body><main>
{body}
</main></body>
</html>
"""


def write_report(
    workdir: str | Path,
    summary: Mapping[str, Any],
    config_text: str,
    labels: LabelSet,
    samples: Mapping[str, Sheet] | None = None,
) -> Path:
    """Write `report.html` into a run folder, replacing an older one at once.

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

    Returns:
      The path of the page.
    """
    sections = [
        _header(summary),
        numbers(summary),
        _curves(learning_curves(read_metrics(workdir))),
        _classes(summary, labels),
        _section("Samples", sample_figures(samples or {})),
        _confusion(summary, labels),
        _section(
            "Configuration",
            "<details><summary>Everything that determines this run</summary>"
            f"<pre>{escape(config_text)}</pre></details>",
        ),
        _footer(summary.get("versions") or {}),
    ]
    body = "\n".join(section for section in sections if section)
    return write_page(Path(workdir) / FILE_NAME, run_title(summary), body)


def write_page(path: Path, title: str, body: str) -> Path:
    """Write a page in the report's frame and style, replacing an older one at once.

    Args:
      path: of the page.
      title: as text.
      body: as markup.
    """
    page = _FRAME.format(title=escape(title), style=STYLE, body=body)
    replace_text(path, page)
    return path


def _section(heading: str, content: str) -> str:
    return f"<section><h2>{heading}</h2>\n{content}</section>" if content else ""


def _header(summary: Mapping[str, Any]) -> str:
    title, name = run_title(summary), str(summary.get("name") or "")
    images, seconds = (finite(summary.get(key)) for key in ("images", "seconds"))
    line = f"Run: {escape(name)}. " if name and name != title else ""
    if images is not None:
        line += f"Measured on {images:,.0f} image{'' if images == 1 else 's'}"
        if split := summary.get("split"):
            line += f" of the {escape(str(split))} split"
        line += "." if seconds is None else f" in {seconds:,.1f} s."
    lines = f'<p class="soft">{line}</p>' if line else ""
    if (remark := one_class_remark(summary)) is not None:
        lines += f'<p class="caution">{escape(remark)}</p>'
    return f"<header><h1>{escape(title)}</h1>{lines}</header>"


def _curves(figures: str) -> str:
    content = f'<div class="charts">{figures}</div>' if figures else ""
    return _section("Learning curves", content)


def _classes(summary: Mapping[str, Any], labels: LabelSet) -> str:
    iou, dice = (
        {name: finite(value) for name, value in (summary.get(key) or {}).items()}
        for key in ("per_class_iou", "per_class_dice")
    )
    shares = None
    confusion = _matrix(summary, labels)
    if confusion is not None and confusion.sum():
        parts = confusion.sum(1) / confusion.sum()
        shares = dict(zip(labels.names, parts.tolist(), strict=True))
    content = class_table(iou, dice, labels, shares) if iou else ""
    return _section("Classes", content)


def _confusion(summary: Mapping[str, Any], labels: LabelSet) -> str:
    confusion = _matrix(summary, labels)
    if confusion is None:
        return ""
    if labels.num_classes > _MOST_CONFUSED:
        content = (
            f'<p class="soft">A matrix of {labels.num_classes} classes is too large to'
            " be read here; results.json holds it.</p>"
        )
    else:
        content = (
            '<p class="soft">Where the pixels of each true class (row) went (column),'
            " in per cent of the row.</p>"
            f'<div class="scroll">{heat_table(confusion, labels)}</div>'
        )
    return _section("Confusion", content)


def _matrix(summary: Mapping[str, Any], labels: LabelSet) -> np.ndarray | None:
    confusion = np.asarray(summary.get("confusion") or [])
    return confusion if confusion.shape == (labels.num_classes,) * 2 else None


def _footer(versions: Mapping[str, Any]) -> str:
    parts = [
        f"<span>{escape(str(name))} {escape(str(version))}</span> "
        for name, version in versions.items()
    ]
    return f"<footer>{''.join(parts)}</footer>" if parts else ""
