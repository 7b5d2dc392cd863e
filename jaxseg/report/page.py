"""The report of a run: one HTML file that a person opens, keeps or sends.

`write_report` gathers what the run folder holds (metrics, samples) and what evaluation
found, and lays it out; the curves and tables are drawn by `charts.py`, the looks are in
`style.py`.  The page loads nothing: pictures are inlined and there are no scripts.
"""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from jaxseg.data.labels import LabelSet
from jaxseg.report import charts
from jaxseg.report.curves import finite, learning_curves
from jaxseg.report.events import read_metrics
from jaxseg.report.style import STYLE

FILE_NAME = "report.html"

_MOST_CONFUSED = 40  # classes; a larger matrix cannot be read
_LARGEST_PNG = 200_000  # bytes; a larger picture is inlined as JPEG

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
    title: str,
    summary: Mapping[str, Any],
    config_text: str,
    labels: LabelSet,
    samples: Sequence[str | Path] = (),
) -> Path:
    """Write `report.html` into a run folder, replacing an older one at once.

    Args:
      workdir: the run folder; its `metrics.jsonl` gives the curves.
      title: the page's heading.
      summary: the content of `results.json`: `step`, `split`, `miou`, `per_class_iou`,
        `pixel_accuracy`, `frequency_weighted_iou`, `mean_dice`, `images`, `seconds`,
        `images_per_second`, `device`, `versions` and, if it is known, `confusion` (int
        `[classes, classes]`, row: label, column: prediction). Shares are 0..1; what is
        missing, None or not finite is shown as a dash or left out.
      config_text: the run's configuration as text.
      labels: names and colours of the classes.
      samples: picture files to show; those that do not exist are passed over.

    Returns:
      The path of the page.
    """
    sections = [
        _header(title, summary),
        _numbers(summary),
        _curves(learning_curves(read_metrics(workdir))),
        _classes(summary, labels),
        _samples([Path(sample) for sample in samples if Path(sample).is_file()]),
        _confusion(summary, labels),
        _section(
            "Configuration",
            "<details><summary>Everything that determines this run</summary>"
            f"<pre>{escape(config_text)}</pre></details>",
        ),
        _footer(summary.get("versions") or {}),
    ]
    body = "\n".join(section for section in sections if section)
    return write_page(Path(workdir) / FILE_NAME, title, body)


def write_page(path: Path, title: str, body: str) -> Path:
    """Write a page in the report's frame and style, replacing an older one at once.

    Args:
      path: of the page.
      title: as text.
      body: as markup.
    """
    temporary = path.with_name(path.name + ".tmp")
    page = _FRAME.format(title=escape(title), style=STYLE, body=body)
    temporary.write_text(page, encoding="utf-8")
    os.replace(temporary, path)
    return path


def _section(heading: str, content: str) -> str:
    return f"<section><h2>{heading}</h2>\n{content}</section>" if content else ""


def _header(title: str, summary: Mapping[str, Any]) -> str:
    facts = []
    if summary.get("split"):
        facts.append(f"Measured on the {escape(str(summary['split']))} split")
    if (images := finite(summary.get("images"))) is not None:
        facts.append(f"{images:,.0f} image{'' if images == 1 else 's'}")
    if (seconds := finite(summary.get("seconds"))) is not None:
        facts.append(f"{seconds:,.1f} s")
    line = f'<p class="soft">{", ".join(facts)}</p>' if facts else ""
    return f"<header><h1>{escape(title)}</h1>{line}</header>"


def _numbers(summary: Mapping[str, Any]) -> str:
    shares = [
        ("Mean IoU", "miou", "main"),
        ("Pixel accuracy", "pixel_accuracy", ""),
        ("Frequency-weighted IoU", "frequency_weighted_iou", ""),
        ("Mean Dice", "mean_dice", ""),
    ]
    entries = []
    for name, key, kind in shares:
        share = finite(summary.get(key))
        text = "&ndash;" if share is None else f"{100 * share:.1f} <small>%</small>"
        entries.append((name, text, kind))
    step, rate = (finite(summary.get(key)) for key in ("step", "images_per_second"))
    entries.append(("Steps", "&ndash;" if step is None else f"{step:,.0f}", "wide"))
    entries.append(("Images/s", _rate(rate), "wide"))
    device = escape(str(summary.get("device") or "")) or "&ndash;"
    entries.append(("Device", device, "wide device"))
    cards = "".join(
        f'<div class="{kind}"><dt>{name}</dt><dd>{text}</dd></div>'
        for name, text, kind in entries
    )
    return f'<dl class="numbers">{cards}</dl>'


def _rate(rate: float | None) -> str:
    if rate is None:
        return "&ndash;"
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.3g}"


def _curves(figures: str) -> str:
    content = f'<div class="charts">{figures}</div>' if figures else ""
    return _section("Learning curves", content)


def _classes(summary: Mapping[str, Any], labels: LabelSet) -> str:
    iou = {
        name: finite(value)
        for name, value in (summary.get("per_class_iou") or {}).items()
    }
    shares = None
    confusion = _matrix(summary, labels)
    if confusion is not None and confusion.sum():
        parts = confusion.sum(1) / confusion.sum()
        shares = dict(zip(labels.names, parts.tolist(), strict=True))
    return _section("Classes", charts.class_bars(iou, labels, shares) if iou else "")


def _confusion(summary: Mapping[str, Any], labels: LabelSet) -> str:
    confusion = _matrix(summary, labels)
    if confusion is None or labels.num_classes > _MOST_CONFUSED:
        return ""
    return _section(
        "Confusion",
        '<p class="soft">Where the pixels of each true class (row) went (column), in '
        "per cent of the row.</p>"
        f'<div class="scroll">{charts.heat_table(confusion, labels)}</div>',
    )


def _matrix(summary: Mapping[str, Any], labels: LabelSet) -> np.ndarray | None:
    confusion = np.asarray(summary.get("confusion") or [])
    return confusion if confusion.shape == (labels.num_classes,) * 2 else None


def _samples(paths: Sequence[Path]) -> str:
    figures = [
        f'<figure><figcaption>{escape(path.stem)}</figcaption><div class="scroll">'
        f'<img alt="{escape(path.stem)}" src="{_inlined(path)}"></div></figure>'
        for path in paths
    ]
    content = f'<div class="samples">{"".join(figures)}</div>' if figures else ""
    return _section("Samples", content)


def _inlined(path: Path) -> str:
    """Return a picture file as a `data:` address; large ones as JPEG."""
    with Image.open(path) as picture:
        kind = picture.format or ""
        data = path.read_bytes()
        if kind != "PNG" or len(data) > _LARGEST_PNG:
            buffer = io.BytesIO()
            picture.convert("RGB").save(buffer, "JPEG", quality=88, subsampling=0)
            kind, data = "JPEG", buffer.getvalue()
    return f"data:image/{kind.lower()};base64,{base64.b64encode(data).decode('ascii')}"


def _footer(versions: Mapping[str, Any]) -> str:
    parts = [
        f"<span>{escape(str(name))} {escape(str(version))}</span> "
        for name, version in versions.items()
    ]
    return f"<footer>{''.join(parts)}</footer>" if parts else ""
