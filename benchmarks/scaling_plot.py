"""Draw what `benchmarks.scaling --out FIGURES` measured of one model.

    python -m benchmarks.scaling_plot FIGURES docs/figures/scaling.png

The figure shows time and memory of a training step as multiples of those of the base
row, with logarithmic axes, beside a line for proportional growth.  Simulated devices
share the cores, so only the memory of each is drawn.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.scaling import NAMES
from jaxseg.report.style import ACCENT, INK, RULE, SOFT

CONTRAST = "#c8553d"
"""Colour of data that must differ from other data."""

TITLES = {"size": "side in pixels", "devices": "devices that share a batch"}
POWERS = {"batch": 1, "size": 2, "classes": 1, "devices": -1}
"""Exponent of a proportional cost in each."""


def along(rows: Sequence[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    """Return the rows in which only one quantity changes, sorted by it.

    Args:
      rows: the rows of one model, the base row first.
      name: the quantity, one of `NAMES`.
    """
    base = rows[0]
    if name == "devices":
        base = max(rows, key=lambda row: row["devices"])
    others = [other for other in NAMES if other != name]
    chosen = {row[name]: row for row in rows if all(row[k] == base[k] for k in others)}
    return [chosen[value] for value in sorted(chosen)]


def draw(rows: Sequence[dict[str, Any]]) -> Any:
    """Return the figure of one model's rows."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 3.1), layout="constrained", facecolor="white")
    panels = figure.subplots(1, len(NAMES))
    for panel, name in zip(panels, NAMES, strict=True):
        chosen = along(rows, name)
        first = chosen[0] if name == "devices" else rows[0]
        x = np.array([row[name] for row in chosen], float)
        proportional = (x / first[name]) ** POWERS[name]
        panel.plot(x, proportional, "--", color=SOFT, linewidth=1)
        for kind, colour in (("seconds", ACCENT), ("bytes", CONTRAST)):
            if (name, kind) != ("devices", "seconds"):
                y = [row[kind] / first[kind] for row in chosen]
                panel.plot(x, y, "o-", color=colour, markersize=4, linewidth=1.5)
        panel.set_title(TITLES.get(name, name), loc="left", fontsize=9, color=INK)
        panel.set_xscale("log", base=2)
        panel.set_yscale("log", base=2)
        panel.set_xticks(x, [f"{value:.0f}" for value in x])
        panel.minorticks_off()
        panel.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        panel.tick_params(labelsize=8, length=0, labelcolor=SOFT)
        panel.grid(color=RULE, linewidth=0.7)
        panel.spines[:].set_visible(False)
    figure.legend(
        panels[0].lines,
        ["in proportion", "time of a step", "memory of a device"],
        loc="outside lower center",
        ncols=3,
        fontsize=8,
        labelcolor=SOFT,
        frameon=False,
    )
    return figure


def main() -> None:
    """Draw the figure of the first model in a file."""
    parser = argparse.ArgumentParser(description="Plot of the cost as the work grows.")
    parser.add_argument("figures", type=Path, help="from `benchmarks.scaling --out`")
    parser.add_argument("picture", type=Path)
    options = parser.parse_args()
    rows = [json.loads(line) for line in options.figures.read_text().splitlines()]
    mine = [row for row in rows if row["model"] == rows[0]["model"]]
    draw(mine).savefig(options.picture, dpi=120)


if __name__ == "__main__":
    main()
