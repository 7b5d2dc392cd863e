"""Put the races in a file of figures into a document, a table for each kind of work.

    python -m benchmarks.tables FIGURES docs/performance.md

FIGURES is the file of the races' option `--out`.  A row is a race, and a column a
contender: it has jaxseg's median time over the contender's, and the least and greatest
ratio of the rounds; below 1 jaxseg is faster.  The last column is jaxseg's median time.
A table is put into the document between two comments `<!-- races KIND -->`, if the
title of the race begins with KIND and a colon.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.document import markdown, put

OURS = "jaxseg"


def ratio(ours: Sequence[float], others: Sequence[float]) -> str:
    """Return the ratio of the medians, and the least and greatest of the rounds."""
    pairs = [a / b for a, b in zip(ours, others, strict=True)]
    middle = statistics.median(ours) / statistics.median(others)
    return f"**{middle:.2f}** ({min(pairs):.2f}..{max(pairs):.2f})"


def milliseconds(race: Mapping[str, Any]) -> str:
    """Return jaxseg's median time of one step, picture or other unit."""
    seconds = statistics.median(race["contenders"][OURS]["seconds"])
    value = 1e3 * seconds / race["steps per run"]
    return f"{value / 1e3:.3g} s" if value >= 1e3 else f"{value:.3g} ms"


def lines(races: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the table of races of one kind."""
    names = dict.fromkeys(name for race in races for name in race["contenders"])
    others = [name for name in names if name != OURS]
    header = ["", *(f"over {name}" for name in others), "rounds", OURS]
    rows = []
    for race in races:
        ours = race["contenders"][OURS]["seconds"]
        cells = [race["title"].partition(": ")[2]]
        for name in others:
            found = race["contenders"].get(name, {"seconds": []})
            timed = found["seconds"] and not found["failure"]
            cells.append(ratio(ours, found["seconds"]) if timed else "-")
        cells += [str(len(ours)), milliseconds(race)]
        rows.append(cells)
    return ["", *markdown(header, rows), ""]


def main() -> None:
    """Write the tables."""
    parser = argparse.ArgumentParser(description="Tables of the races.")
    parser.add_argument("figures", type=Path)
    parser.add_argument("document", type=Path)
    options = parser.parse_args()
    kinds: dict[str, dict[str, Any]] = {}
    for line in options.figures.read_text().splitlines():
        race = json.loads(line)
        if "contenders" in race:  # of the same race, the last counts
            kind = race["title"].partition(": ")[0]
            kinds.setdefault(kind, {})[race["title"]] = race
    for kind, races in kinds.items():
        put(options.document, f"races {kind}", lines(list(races.values())))


if __name__ == "__main__":
    main()
