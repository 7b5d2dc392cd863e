"""Figures of what `jaxseg.analysis` measures, drawn with matplotlib.

Each function takes measured data and returns a `matplotlib.figure.Figure`; nothing is
measured, shown or saved here.  Figures are made without pyplot, so that no display and
no global state is touched.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxseg.analysis.checkerboard import Score
from jaxseg.analysis.gridding import coverage, paths
from jaxseg.analysis.receptive_field import EffectiveField, ReceptiveField
from jaxseg.report.style import ACCENT, INK, PAPER, RULE, SOFT

CONTRAST = "#c8553d"
"""Colour of data to be set off against others."""

LEAST = 1e-5
"""Scores below this are drawn at it: they are zero but for rounding."""

_TITLE = {"fontsize": 9, "color": INK}
_SMALL = {"fontsize": 8, "color": SOFT}
_LEGEND = {"fontsize": 8, "labelcolor": SOFT, "frameon": False}


@dataclass(frozen=True)
class FieldPanel:
    """One network in `receptive_fields`.

    Attributes:
      title: what is drawn.
      effective: the measured influence.
      rows: the theoretical field along the rows.
      columns: the theoretical field along the columns.
    """

    title: str
    effective: EffectiveField
    rows: ReceptiveField
    columns: ReceptiveField


def receptive_fields(panels: Sequence[FieldPanel]) -> Any:
    """Draw effective receptive fields in the boxes of the theoretical ones.

    Args:
      panels: drawn side by side, each at its own scale.

    Returns:
      A figure: the influence, its root shaded; a box round what the central output
      depends on; a dashed square that holds 95.45% of the influence.
    """
    figure, plots = _row(len(panels))
    for plot, panel in zip(plots, panels, strict=True):
        effective, sizes = panel.effective, []
        shade = np.sqrt(effective.influence / effective.influence.max())
        plot.imshow(shade, cmap=_shades(), interpolation="antialiased")
        for field in (panel.columns, panel.rows):
            middle = len(field.low) // 2
            low, high = int(field.low[middle]), int(field.high[middle])
            sizes.append((low, high + 1 - low))
        (left, width), (top, height) = sizes
        _box(plot, left, top, width, height, CONTRAST, "-")
        side, (row, column) = effective.side(), effective.centre
        _box(plot, column - side // 2, row - side // 2, side, side, INK, (0, (3, 2)))
        _entitle(plot, panel.title, f"theory {max(width, height)} px, 95% in {side} px")
    return figure


def gridding(stacks: Sequence[Sequence[int]], kernel: int = 3) -> Any:
    """Draw how often each pixel is read by stacks of dilated convolutions.

    Args:
      stacks: the atrous rates of each stack.
      kernel: side of all kernels.

    Returns:
      A figure: number of paths from each pixel to the output, none left white.
    """
    figure, plots = _row(len(stacks))
    for plot, rates in zip(plots, stacks, strict=True):
        count = paths(rates, kernel)
        shade = np.where(count, 0.25 + 0.75 * np.sqrt(count / count.max()), 0)
        plot.imshow(shade, cmap=_shades(), vmin=0, vmax=1, interpolation="nearest")
        side = len(count)
        for line in range(side + 1):
            for draw in (plot.axhline, plot.axvline):
                draw(line - 0.5, color="white", linewidth=8 / side)
        words = ", ".join(str(rate) for rate in rates)
        share = f"{100 * coverage(rates, kernel):.0f}% of {side} x {side} pixels read"
        _entitle(plot, f"rates {words}", share)
    return figure


def checkerboards(
    responses: Mapping[str, np.ndarray],
    scores: Mapping[str, tuple[Score, Score]],
    steps: int,
) -> Any:
    """Draw answers to a constant image, and scores before and after training.

    Args:
      responses: float `[H, W]`, one channel's answer at initialisation, by title.
      scores: at initialisation and after training, by the module's name.
      steps: of the training, for the legend.

    Returns:
      A figure: the answers, each from its least to its greatest value; below them the
      scores, each seed a dot.
    """
    heights = (2.1, 0.22 * len(scores) + 1.1)
    figure = _figure((1.6 * len(responses), sum(heights)))
    upper, lower = figure.subfigures(2, 1, height_ratios=heights)
    plots = upper.subplots(1, len(responses), squeeze=False)[0]
    for plot, (title, answer) in zip(plots, responses.items(), strict=True):
        spread = np.ptp(answer)
        flat = spread < 1e-4 * np.abs(answer).max()
        shade = np.full_like(answer, 0.5) if flat else (answer - answer.min()) / spread
        plot.imshow(shade, cmap=_shades(), vmin=0, vmax=1, interpolation="nearest")
        _entitle(plot, title, "no pattern" if flat else "a pattern")
    plots = lower.subplots(1, 2, sharey=True)
    for plot, kind in zip(plots, ("constant", "smooth"), strict=True):
        _dots(plot, {name: [getattr(s, kind) for s in scores[name]] for name in scores})
        plot.set_title(f"Pattern in answers to {kind} inputs", loc="left", **_TITLE)
        plot.set_xlabel("share of energy", **_SMALL)
    lower.legend(
        plots[0].collections,
        ["at initialisation", f"after {steps} steps"],
        loc="outside lower right",
        ncols=2,
        **_LEGEND,
    )
    return figure


def _dots(plot: Any, values: Mapping[str, Sequence[np.ndarray]]) -> None:
    """Draw two series of dots a row on a logarithmic axis."""
    for series, (colour, filled) in enumerate(((CONTRAST, "none"), (ACCENT, ACCENT))):
        x = [np.maximum(pair[series], LEAST) for pair in values.values()]
        y = [np.full(len(each), row) for row, each in enumerate(x)]
        style = dict(s=22, edgecolors=colour, facecolors=filled, linewidths=1.1)
        plot.scatter(np.concatenate(x), np.concatenate(y), zorder=3, **style)
    plot.set_xscale("log")
    plot.set_xlim(LEAST / 1.6, 1.6)
    ticks = [LEAST, 1e-4, 1e-3, 1e-2, 0.1, 1]
    plot.set_xticks(ticks, ["0", *(f"{tick:g}" for tick in ticks[1:])], **_SMALL)
    plot.set_yticks(range(len(values)), list(values), **_SMALL)
    plot.set_ylim(len(values) - 0.5, -0.5)
    plot.grid(axis="both", color=RULE, linewidth=0.7)
    plot.tick_params(which="both", length=0)
    plot.spines[:].set_visible(False)


def _figure(size: tuple[float, float]) -> Any:
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    layout = ConstrainedLayoutEngine(w_pad=0.06, h_pad=0.06, rect=(0, 0, 1, 0.98))
    return Figure(figsize=size, layout=layout, facecolor=PAPER)


def _row(count: int) -> tuple[Any, Any]:
    figure = _figure((2.5 * count, 2.95))
    return figure, figure.subplots(1, count, squeeze=False)[0]


def _entitle(plot: Any, title: str, remark: str) -> None:
    plot.set_title(title, loc="left", pad=16, **_TITLE)
    plot.text(0, 1.025, remark, transform=plot.transAxes, **_SMALL)
    plot.spines[:].set_color(RULE)
    plot.set(xticks=[], yticks=[])


def _box(
    plot: Any, left: float, top: float, width: int, height: int, colour: str, line: Any
) -> None:
    from matplotlib.patches import Rectangle

    style: Any = dict(edgecolor=colour, linestyle=line, linewidth=1.2, clip_on=False)
    corner = (left - 0.5, top - 0.5)
    plot.add_patch(Rectangle(corner, width, height, fill=False, **style))


def _shades() -> Any:
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("paper", [PAPER, ACCENT, "#0d2a3d"])


def pictures(panels: Mapping[str, np.ndarray]) -> Any:
    """Show pictures side by side under their titles.

    Args:
      panels: title -> RGB uint8 `[H, W, 3]`.

    Returns:
      A matplotlib figure.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.3 * len(panels), 2.9), layout="constrained")
    for axes, (title, picture) in zip(
        figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True
    ):
        axes.imshow(picture)
        axes.set_title(title, fontsize=10, loc="left")
        axes.axis("off")
    return figure
