"""The headline figures of a report, and whether they say what they seem to."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from jaxseg.evaluation.metrics import METRICS
from jaxseg.report.curves import finite

_SHARES = (
    ("Mean IoU", "miou", "main"),
    ("Pixel accuracy", "pixel_accuracy", ""),
    ("Frequency-weighted IoU", "frequency_weighted_iou", ""),
    ("Mean Dice", "mean_dice", ""),
)


def numbers(summary: Mapping[str, Any]) -> str:
    """Show the headline figures of `results.json`, dashes where there are none.

    Mean IoU stands out, unless it is over one class only; then that stands beside each
    share.

    Returns:
      A `<dl>` element.
    """
    alone = one_class_remark(summary) is not None
    entries = []
    for name, key, kind in _SHARES:
        share = finite(summary.get(key))
        text = "&ndash;" if share is None else f"{100 * share:.1f} <small>%</small>"
        if alone and share is not None:
            text += " <small>one class only</small>"
        entries.append((name, text, "" if alone else kind))
    entries += [(escape(name), text, "") for name, text in _own(summary)]
    entries.append(("Best step", _steps(summary), ""))
    parameters = finite(summary.get("parameters"))
    text = "&ndash;" if parameters is None else f"{parameters / 1e6:,.2f} M"
    entries.append(("Parameters", text, ""))
    rate = finite(summary.get("images_per_second"))
    entries.append(("Images/s", _rate(rate), ""))
    device = escape(str(summary.get("device") or "")) or "&ndash;"
    entries.append(("Device", device, ""))
    cards = "".join(
        f'<div class="{kind}"><dt>{name}</dt><dd>{text}</dd></div>'
        for name, text, kind in entries
    )
    return f'<dl class="numbers">{cards}</dl>'


def _own(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the metrics that the user's experiment has registered."""
    found = []
    for name in METRICS:
        if METRICS.own(name) and name in summary:
            value = finite(summary[name])
            found.append((name, "&ndash;" if value is None else f"{value:.4g}"))
    return found


def one_class_remark(summary: Mapping[str, Any]) -> str | None:
    """Say that one class alone was measured, or return None.

    Args:
      summary: the content of `results.json`, which any hand may have written.
    """
    names = _labelled(summary)
    if names is None or len(names) != 1:
        return None
    return (
        f"Only one class, {names[0]}, occurs in the labels: the figures say nothing"
        " about telling classes apart."
    )


def _labelled(summary: Mapping[str, Any]) -> list[str] | None:
    """Return the classes that have labelled pixels, None if that is not known.

    Without a confusion matrix they are the classes that have an IoU.
    """
    iou, confusion = summary.get("per_class_iou"), summary.get("confusion")
    if not isinstance(iou, Mapping):
        return None
    if isinstance(confusion, list) and len(confusion) == len(iou):
        rows = [row if isinstance(row, list) else [] for row in confusion]
        pairs = zip(iou, rows, strict=True)
        return [name for name, row in pairs if any(finite(count) for count in row)]
    return [name for name, value in iou.items() if finite(value) is not None]


def _steps(summary: Mapping[str, Any]) -> str:
    best, trained = (finite(summary.get(key)) for key in ("step", "trained_steps"))
    if best is None:
        return "&ndash;"
    of = "" if trained is None else f" <small>of {trained:,.0f}</small>"
    return f"{best:,.0f}{of}"


def _rate(rate: float | None) -> str:
    if rate is None:
        return "&ndash;"
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.3g}"
