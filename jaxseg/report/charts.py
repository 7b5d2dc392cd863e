"""Curves of the report page: small inline SVG, no scripts.

Colours come from the style sheet, by class, so that one chart serves light and dark.
What is charted is chosen in `curves.py` and `comparison.py`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

_WIDTH, _HEIGHT = 320, 190
_LEFT, _TOP, _PLOT_WIDTH, _PLOT_HEIGHT = 48, 8, 258, 156
_RIM = 4
_MOST_POINTS = 300
_MOST_DOTS = 40
_LEAST_SHARE = 0.05  # least range of an axis in per cent, not to magnify noise
_LEAST_RANGE = 1e-4  # least range of other axes, as a share of the largest value


@dataclass(frozen=True)
class Line:
    """A curve over the steps.

    Attributes:
      steps: rising step numbers.
      values: one per step; None leaves a gap.
      style: CSS class: `line`, or `faint` for a curve behind another.
      colour: CSS class `k0` to `k7`, or "" for the page's own colour.
    """

    steps: Sequence[int]
    values: Sequence[float | None]
    style: str = "line"
    colour: str = ""


def line_chart(
    lines: Sequence[Line],
    label: str,
    percent: bool = False,
    top: float | None = None,
) -> Markup:
    """Draw curves over the steps.

    Args:
      lines: with at least one value that is not None.
      label: what a screen reader says.
      percent: whether values are shares, written in per cent; the axis stays within 0
        and 100 %.
      top: values above it are cut off.

    Returns:
      An `<svg>` element.
    """
    values = [value for line in lines for value in line.values if value is not None]
    high = max(values) if top is None else top
    find_range = _share_range if percent else _range
    levels = _ticks(*find_range(min(values), high))
    axes = _Axes(max(1, *(max(line.steps) for line in lines)), levels[0], levels[-1])
    parts = [f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img"']
    parts.append(f' aria-label="{escape(label)}">')
    for level in levels:
        text = f"{100 * level:g}%" if percent else _number(level)
        y = _TOP + axes.y(level)
        parts.append(f'<path class="grid" d="M{_LEFT} {y}h{_PLOT_WIDTH}"/>')
        parts.append(f'<text class="y" x="{_LEFT - 6}" y="{y}">{text}</text>')
    for step in _ticks(0, axes.last):
        if step <= axes.last and step.is_integer():
            text = _step(step, axes.last)
            x = _LEFT + axes.x(step)
            parts.append(f'<text class="x" x="{x}" y="{_HEIGHT - 6}">{text}</text>')
    # An inner svg cuts off what leaves the axes; with a rim, dots on them stay whole.
    parts.append(
        f'<svg x="{_LEFT - _RIM}" y="{_TOP - _RIM}" width="{_PLOT_WIDTH + 2 * _RIM}" '
        f'height="{_PLOT_HEIGHT + 2 * _RIM}"><g transform="translate({_RIM} {_RIM})">'
    )
    parts += [_curve(line, axes, percent) for line in lines]
    return Markup("".join(parts) + "</g></svg></svg>")


def reliability_chart(
    points: Sequence[tuple[float, float, float]], label: str
) -> Markup:
    """Draw how often predictions are true against their probability.

    The diagonal is perfect calibration; bars show the shares of the pixels.

    Args:
      points: mean probability, share of true predictions, 0..1, and number of pixels.
      label: what a screen reader says.

    Returns:
      An `<svg>` element.
    """
    axes = _Axes(1, 0.0, 1.0)
    parts = [f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img"']
    parts.append(f' aria-label="{escape(label)}">')
    for level in (0.0, 0.25, 0.5, 0.75, 1.0):
        x, y = _LEFT + axes.x(level), _TOP + axes.y(level)
        parts.append(f'<path class="grid" d="M{_LEFT} {y}h{_PLOT_WIDTH}"/>')
        parts.append(f'<text class="y" x="{_LEFT - 6}" y="{y}">{100 * level:g}%</text>')
        parts.append(
            f'<text class="x" x="{x}" y="{_HEIGHT - 6}">{100 * level:g}%</text>'
        )
    parts.append(f'<g transform="translate({_LEFT} {_TOP})">')
    total = sum(pixels for _, _, pixels in points) or 1.0
    width = round(_PLOT_WIDTH / max(2 * len(points), 20), 1)
    for confidence, _, pixels in points:
        top = axes.y(pixels / total)
        parts.append(
            f'<rect class="share" x="{round(axes.x(confidence) - width / 2, 1)}"'
            f' y="{top}" width="{width}" height="{round(_PLOT_HEIGHT - top, 1)}"/>'
        )
    parts.append(f'<path class="grid" d="M0 {_PLOT_HEIGHT}L{_PLOT_WIDTH} 0"/>')
    line = "L".join(f"{axes.x(a)} {axes.y(b)}" for a, b, _ in points)
    parts.append(f'<path class="line" d="M{line}"/>')
    parts += [
        f'<circle class="dot" cx="{axes.x(confidence)}" cy="{axes.y(frequency)}"'
        f' r="2.5"><title>said {100 * confidence:.1f}%, true {100 * frequency:.1f}%,'
        f" {100 * pixels / total:.2g}% of the pixels</title></circle>"
        for confidence, frequency, pixels in points
    ]
    return Markup("".join(parts) + "</g></svg>")


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
    """Draw a path that is broken at gaps and, if they are few, its points."""
    steps, values = thinned(line.steps, line.values, _MOST_POINTS)
    points = list(zip(steps, values, strict=True))
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


def _range(low: float, high: float) -> tuple[float, float]:
    """Return the range of an axis; it starts at zero unless that flattens the curve."""
    size = max(abs(low), abs(high))
    if high - low <= _LEAST_RANGE * size:
        low, high = min(0.0, 2 * low), max(0.0, 2 * high)
    elif 0 <= low < 0.5 * high:
        low = 0.0
    return (low, high) if high - low > 1e-30 else (0.0, 1.0)


def _share_range(low: float, high: float) -> tuple[float, float]:
    """Return the range of an axis of shares: some per cent wide, and within 0..1."""
    low, high = (min(max(value, 0.0), 1.0) for value in (low, high))
    if low < 0.5 * high:
        low = 0.0
    if high - low < _LEAST_SHARE:
        middle = (low + high) / 2
        low = min(max(middle - _LEAST_SHARE / 2, 0.0), 1 - _LEAST_SHARE)
        high = low + _LEAST_SHARE
    return low, high


def _number(level: float) -> str:
    return f"{level:g}".replace("e-0", "e-").replace("e+0", "e+")


def _step(step: float, last: float) -> str:
    """Write a step short, in thousands or millions where the axis is long."""
    if step and last >= 1_000_000:
        return f"{step / 1_000_000:g}M"
    if step and last >= 10_000:
        return f"{step / 1000:g}k"
    return f"{step:g}"


def _ticks(low: float, high: float) -> list[float]:
    """Return three to seven round numbers that enclose the range."""
    rough = (high - low) / 4
    unit = 10.0 ** math.floor(math.log10(rough))
    spacing = next(m * unit for m in (1, 2, 2.5, 5, 10) if m * unit >= rough * 0.999)
    first, last = math.floor(low / spacing + 1e-9), math.ceil(high / spacing - 1e-9)
    return [float(f"{index * spacing:.10g}") for index in range(first, last + 1)]


def thinned(
    steps: Sequence[int], values: Sequence[float | None], most: int
) -> tuple[list[int], list[float | None]]:
    """Return a curve's points, or means of neighbours if there are more than `most`."""
    bundle = -(-len(steps) // most)
    if bundle <= 1:
        return list(steps), list(values)
    ends, means = [], []
    for start in range(0, len(steps), bundle):
        part = values[start : start + bundle]
        known = [value for value in part if value is not None]
        ends.append(steps[min(start + bundle, len(steps)) - 1])
        means.append(sum(known) / len(known) if known else None)
    return ends, means
