"""Charts of the report page: small inline SVG and HTML tables, no scripts.

Each function returns markup with every name escaped; colours come from `style.py`, by
class, so that one chart serves light and dark.  What is charted is chosen in `page.py`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from jaxseg.data.labels import Colour, LabelSet

_WIDTH, _HEIGHT = 360, 200
_LEFT, _TOP, _PLOT_WIDTH, _PLOT_HEIGHT = 46, 8, 298, 168
_RIM = 4
_MOST_POINTS = 300
_MOST_DOTS = 40


@dataclass(frozen=True)
class Line:
    """A curve over the steps.

    Attributes:
      steps: rising step numbers.
      values: one per step; None leaves a gap.
      style: CSS class: `line`, or `faint` for what lies behind it.
      colour: CSS class `k0` to `k7`, or "" for the page's own colour.
    """

    steps: Sequence[float]
    values: Sequence[float | None]
    style: str = "line"
    colour: str = ""


def line_chart(
    lines: Sequence[Line],
    label: str,
    percent: bool = False,
    top: float | None = None,
) -> str:
    """Draw curves over the steps.

    Args:
      lines: with at least one value that is not None.
      label: what a screen reader says.
      percent: whether values in 0..1 are written in per cent.
      top: values above it are cut off.

    Returns:
      An `<svg>` element.
    """
    values = [value for line in lines for value in line.values if value is not None]
    levels = _ticks(*_range(min(values), max(values) if top is None else top))
    axes = _Axes(max(1, *(max(line.steps) for line in lines)), levels[0], levels[-1])
    parts = [f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img"']
    parts.append(f' aria-label="{escape(label)}">')
    for level in levels:
        text = f"{100 * level:g}%" if percent else f"{level:g}"
        y = _TOP + axes.y(level)
        parts.append(f'<path class="grid" d="M{_LEFT} {y}h{_PLOT_WIDTH}"/>')
        parts.append(f'<text class="y" x="{_LEFT - 6}" y="{y}">{text}</text>')
    for step in _ticks(0, axes.last):
        if step <= axes.last and step.is_integer():
            text = f"{step / 1000:g}k" if step and axes.last >= 10000 else f"{step:g}"
            x = _LEFT + axes.x(step)
            parts.append(f'<text class="x" x="{x}" y="{_HEIGHT - 6}">{text}</text>')
    # An inner svg cuts off what leaves the axes; with a rim, dots on them stay whole.
    parts.append(
        f'<svg x="{_LEFT - _RIM}" y="{_TOP - _RIM}" width="{_PLOT_WIDTH + 2 * _RIM}" '
        f'height="{_PLOT_HEIGHT + 2 * _RIM}"><g transform="translate({_RIM} {_RIM})">'
    )
    parts += [_curve(line, axes, percent) for line in lines]
    return "".join(parts) + "</g></svg></svg>"


@dataclass(frozen=True)
class _Axes:
    last: float
    low: float
    high: float

    def x(self, step: float) -> float:
        return round(step / self.last * _PLOT_WIDTH, 1)

    def y(self, value: float) -> float:
        return round((self.high - value) / (self.high - self.low) * _PLOT_HEIGHT, 1)


def _curve(line: Line, axes: _Axes, percent: bool) -> str:
    """Draw a path that starts anew after a gap and, if they are few, its points."""
    points = _thinned(line)
    words, dots, pen = [], [], "M"
    for step, value in points:
        if value is None:
            pen = "M"
            continue
        x, y = axes.x(step), axes.y(value)
        words.append(f"{pen}{x} {y}")
        pen = "L"
        text = f"{100 * value:.2f}%" if percent else f"{value:.4g}"
        dots.append(
            f'<circle class="dot" cx="{x}" cy="{y}" r="2.5">'
            f"<title>step {step:g}: {text}</title></circle>"
        )
    few = len(points) <= _MOST_DOTS and line.style == "line"
    curve = f'<path class="{line.style}" d="{"".join(words)}"/>' + "".join(dots * few)
    return f'<g class="{line.colour}">{curve}</g>' if line.colour else curve


def class_bars(
    iou: Mapping[str, float | None],
    labels: LabelSet,
    shares: Mapping[str, float] | None = None,
) -> str:
    """Draw the IoU of each class as a bar, best first.

    Args:
      iou: by class name, 0..1; None where the class does not occur.
      labels: gives the colour chips.
      shares: of the labelled pixels, 0..1, by class name; None leaves the column out.

    Returns:
      A `<table>` element.
    """
    order = sorted(
        iou.items(), key=lambda item: -1 if item[1] is None else item[1], reverse=True
    )
    colours = dict(zip(labels.names, labels.palette, strict=True))
    share_title = "<th>Pixels</th>" if shares else ""
    rows = []
    for name, value in order:
        bar = f'<span style="width:{100 * value:.1f}%"></span>' if value else ""
        text = "&ndash;" if value is None else f"{100 * value:.1f}"
        share = f"<td>{100 * shares.get(name, 0):.1f}%</td>" if shares else ""
        rows.append(
            f"<tr>{_row_head(name, colours.get(name))}"
            f'<td class="bar"><div>{bar}</div></td><td>{text}</td>{share}</tr>'
        )
    return (
        '<table class="classes"><thead><tr><th>Class</th><th></th><th>IoU, %</th>'
        f"{share_title}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    )


def heat_table(confusion: np.ndarray, labels: LabelSet) -> str:
    """Draw a confusion matrix, each row in per cent of its sum.

    Args:
      confusion: int `[classes, classes]`; row: label, column: prediction.
      labels: names the rows and columns.

    Returns:
      A `<table>` element.
    """
    sums = confusion.sum(1, keepdims=True)
    shares = confusion / np.maximum(sums, 1)
    heads = "".join(
        f'<th scope="col"><span>{escape(name)}</span></th>' for name in labels.names
    )
    rows = []
    for name, colour, row in zip(labels.names, labels.palette, shares, strict=True):
        cells = [
            f'<td{" class=high" if share > 0.55 else ""} style="--v:{share:.3f}" '
            f'title="{escape(name)} taken for {escape(other)}: {100 * share:.2f}%">'
            f"{_percent_or_blank(share)}</td>"
            for other, share in zip(labels.names, row, strict=True)
        ]
        rows.append(f"<tr>{_row_head(name, colour)}{''.join(cells)}</tr>")
    return (
        f'<table class="heat"><thead><tr><th></th>{heads}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table>"
    )


def _percent_or_blank(share: float) -> str:
    return f"{100 * share:.0f}" if share >= 0.005 else ""


def _row_head(name: str, colour: Colour | None) -> str:
    chip = f'<i style="background:rgb{colour}"></i>' if colour else ""
    return f'<th scope="row"><div class="name">{chip}{escape(name)}</div></th>'


def _range(low: float, high: float) -> tuple[float, float]:
    """Start at zero unless that would flatten the curve; never be empty."""
    if 0 <= low < 0.5 * high:
        low = 0.0
    return (low, high) if high > low else (low - 0.5, low + 0.5)


def _ticks(low: float, high: float) -> list[float]:
    """Return three to seven round numbers that enclose the range."""
    rough = max(high - low, 1e-12) / 4
    unit = 10.0 ** math.floor(math.log10(rough))
    spacing = next(m * unit for m in (1, 2, 2.5, 5, 10) if m * unit >= rough * 0.999)
    first, last = math.floor(low / spacing + 1e-9), math.ceil(high / spacing - 1e-9)
    return [float(f"{index * spacing:.10g}") for index in range(first, last + 1)]


def _thinned(line: Line) -> list[tuple[float, float | None]]:
    """Return the curve's points; of very many, means of neighbours."""
    points = list(zip(line.steps, line.values, strict=True))
    bundle = -(-len(points) // _MOST_POINTS)
    if bundle == 1:
        return points
    thinned: list[tuple[float, float | None]] = []
    for start in range(0, len(points), bundle):
        part = points[start : start + bundle]
        known = [value for _, value in part if value is not None]
        thinned.append((part[-1][0], sum(known) / len(known) if known else None))
    return thinned
