"""The headline metrics of a report, with a warning if they mislead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from jaxseg.evaluation.metrics import METRICS
from jaxseg.report.curves import finite
from jaxseg.report.markup import DASH, render

_SHARES = (
    ("Mean IoU", "miou", "main"),
    ("Pixel accuracy", "pixel_accuracy", ""),
    ("Frequency-weighted IoU", "frequency_weighted_iou", ""),
    ("Mean Dice", "mean_dice", ""),
)
_OF_FOREGROUND = (
    ("Foreground IoU", "iou", "main"),
    ("Foreground Dice", "dice", ""),
    ("Mean IoU", "miou", ""),
    ("Pixel accuracy", "pixel_accuracy", ""),
)
_AREAS = (("ROC-AUC", "roc_auc"), ("Average precision", "average_precision"))


@dataclass(frozen=True)
class _Card:
    """A metric with its name and small remarks; one of the kind `main` stands out."""

    name: str
    value: str
    remarks: tuple[str, ...] = ()
    kind: str = ""


def numbers(summary: Mapping[str, Any]) -> Markup:
    """Show the headline metrics of `results.json`, with dashes for missing ones.

    The mean IoU stands out, or for a binary run the IoU of the foreground.  If only one
    class occurs, nothing stands out, and each metric says so.

    Returns:
      A `<dl>` element.
    """
    alone = one_class_remark(summary) is not None
    remarks = ("%", "one class only") if alone else ("%",)
    cards = []
    binary = summary.get("task") == "binary"
    for name, key, kind in _OF_FOREGROUND if binary else _SHARES:
        share, kind = finite(summary.get(key)), "" if alone else kind
        if share is None:
            cards.append(_Card(name, DASH, kind=kind))
        else:
            cards.append(_Card(name, f"{100 * share:.1f}", remarks, kind))
    parameters = finite(summary.get("parameters"))
    millions = DASH if parameters is None else f"{parameters / 1e6:,.2f} M"
    cards += [
        *_of_probabilities(summary),
        *_own(summary),
        _steps(summary),
        _Card("Parameters", millions),
        _Card("Images/s", _rate(finite(summary.get("images_per_second")))),
        _Card("Device", str(summary.get("device") or "") or DASH),
    ]
    return render("numbers.html.j2", cards=cards)


def _of_probabilities(summary: Mapping[str, Any]) -> list[_Card]:
    """Return the metrics of the probabilities of a sigmoid, and its threshold."""
    if summary.get("task") not in ("binary", "multilabel"):
        return []
    cards = []
    for name, key in _AREAS:
        value = finite(summary.get(key))
        cards.append(_Card(name, DASH if value is None else f"{value:.4f}"))
    error = summary.get("expected_calibration_error")
    cards.append(_Card("Threshold", _threshold(summary.get("threshold"))))
    share = finite(error)
    remarks = () if share is None else ("%",)
    value = DASH if share is None else f"{100 * share:.2f}"
    return [*cards, _Card("Calibration error", value, remarks)]


def _threshold(found: Any) -> str:
    """Write a threshold, or the smallest and the largest of several classes."""
    bounds = found.values() if isinstance(found, Mapping) else [found]
    known = sorted({value for each in bounds if (value := finite(each)) is not None})
    ends = dict.fromkeys([*known[:1], *known[-1:]])
    return " to ".join(f"{value:.3g}" for value in ends) or DASH


def _own(summary: Mapping[str, Any]) -> list[_Card]:
    """Return the metrics that the user's experiment has registered."""
    found = []
    for name in METRICS:
        if METRICS.own(name) and name in summary:
            value = finite(summary[name])
            found.append(_Card(name, DASH if value is None else f"{value:.4g}"))
    return found


def one_class_remark(summary: Mapping[str, Any]) -> str | None:
    """Return a remark if only one class was measured, otherwise None.

    Args:
      summary: the content of `results.json`, which a person may have written.
    """
    names = None if summary.get("task") == "multilabel" else _labelled(summary)
    if names is None or len(names) != 1:
        return None
    return (
        f"Only one class, {names[0]}, occurs in the labels: the metrics say nothing"
        " about telling classes apart."
    )


def _labelled(summary: Mapping[str, Any]) -> list[str] | None:
    """Return the classes that have labelled pixels, or None if that is not known.

    Without a confusion matrix these are the classes that have an IoU.
    """
    iou, confusion = summary.get("per_class_iou"), summary.get("confusion")
    if not isinstance(iou, Mapping):
        return None
    if isinstance(confusion, list) and len(confusion) == len(iou):
        rows = [row if isinstance(row, list) else [] for row in confusion]
        pairs = zip(iou, rows, strict=True)
        return [name for name, row in pairs if any(finite(count) for count in row)]
    return [name for name, value in iou.items() if finite(value) is not None]


def _steps(summary: Mapping[str, Any]) -> _Card:
    best, trained = (finite(summary.get(key)) for key in ("step", "trained_steps"))
    value = DASH if best is None else f"{best:,.0f}"
    known = best is not None and trained is not None
    return _Card("Best step", value, (f"of {trained:,.0f}",) if known else ())


def _rate(rate: float | None) -> str:
    if rate is None:
        return DASH
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.3g}"
