"""Several runs on one page: their curves in common charts, their metrics in a table."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxseg.errors import UserError
from jaxseg.paths import replace_text
from jaxseg.report import charts
from jaxseg.report.boundaries import COLUMNS
from jaxseg.report.curves import (
    MOST_SMOOTHED,
    Figure,
    curve_of,
    finite,
    settled_top,
    smoothed,
)
from jaxseg.report.events import read_metrics
from jaxseg.report.markup import DASH, render
from jaxseg.report.numbers import one_class_remark
from jaxseg.report.titles import data_title, model_title

COLOURS = 8
"""Largest number of runs on a page, whose colours can be told apart."""

_Column = tuple[str, str, float, int]
"""Title, name in `results.json`, factor by which the value is shown, and decimals."""

_SOME: tuple[_Column, ...] = (("Foreground IoU, %", "iou", 100, 2),)
_ALL: tuple[_Column, ...] = (
    ("Mean IoU, %", "miou", 100, 2),
    ("Mean Dice, %", "mean_dice", 100, 2),
    ("Pixel accuracy, %", "pixel_accuracy", 100, 2),
)
_BOUNDARIES: tuple[_Column, ...] = tuple((*column, 2) for column in COLUMNS)
_RUN: tuple[_Column, ...] = (
    ("Best step", "step", 1, 0),
    ("Parameters, M", "parameters", 1e-6, 2),
)


def write_comparison(workdirs: Sequence[str | Path], path: str | Path) -> Path:
    """Write a page that compares runs.

    Args:
      workdirs: run folders, at most 8; a run may still be under way.
      path: path of the page.

    Returns:
      The path.

    Raises:
      UserError: there is no run or too many, a folder has no metrics or unreadable
        ones, or the page's path is a folder.
    """
    if Path(path).is_dir():
        raise UserError(f"{path}: a folder; give the path of a file in it")
    folders = [Path(workdir) for workdir in workdirs]
    if not 1 <= len(folders) <= COLOURS:
        raise UserError(f"{len(folders)} runs: a page compares 1 to {COLOURS}")
    records = {}
    for name, folder in zip(_names(folders), folders, strict=True):
        if not (folder / "metrics.jsonl").is_file():
            raise UserError(f"{folder}: not a run folder; metrics.jsonl is missing")
        records[name] = read_metrics(folder)
    results = [_results(folder) for folder in folders]
    columns = _columns(results)
    title = f"{len(records)} runs compared" if len(records) > 1 else "One run"
    page = render(
        "comparison.html.j2",
        title=title,
        columns=[column for column, _, _, _ in columns],
        runs=[
            _row(name, result, columns)
            for name, result in zip(records, results, strict=True)
        ],
        curves=_charts(records),
    )
    replace_text(Path(path), page)
    return Path(path)


def _names(folders: Sequence[Path]) -> list[str]:
    """Name runs by their folders, with the parent's name where two are alike."""
    names = [folder.name for folder in folders]
    if len(set(names)) < len(names):
        names = [f"{folder.parent.name}/{folder.name}" for folder in folders]
    if len(set(names)) < len(names):
        raise UserError("the same run twice")
    return names


def _results(folder: Path) -> Mapping[str, Any]:
    path = folder / "results.json"
    if not path.is_file():
        return {}
    try:
        results = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: cannot be read as JSON ({error})") from error
    if not isinstance(results, dict):
        raise UserError(f"{path}: no object of metrics; run the evaluation again")
    return results


def _columns(results: Sequence[Mapping[str, Any]]) -> list[_Column]:
    """Return the columns of the table; some are of tasks that a run may not have."""

    def held(columns: Sequence[_Column]) -> list[_Column]:
        return [each for each in columns if any(each[1] in found for found in results)]

    return [*held(_SOME), *_ALL, *held(_BOUNDARIES), *_RUN]


def _row(
    name: str, result: Mapping[str, Any], columns: Sequence[_Column]
) -> Mapping[str, Any]:
    what = ", ".join(filter(None, (model_title(result), data_title(result))))
    figures = [_figure(result, *column[1:]) for column in columns]
    return {"name": name, "what": what, "figures": figures}


def _figure(
    result: Mapping[str, Any], key: str, factor: float, digits: int
) -> tuple[str, str | None]:
    """Return a metric as text, and the remark beside it."""
    value = finite(result.get(key))
    if value is None:
        return DASH, None
    text = f"{factor * value:,.{digits}f}"
    return text, one_class_remark(result) if key == "miou" else None


def _charts(records: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[Figure]:
    """Draw every metric that any run has: loss, then mean IoU and accuracy by split."""
    splits = dict.fromkeys(
        record["split"] for run in records.values() for record in run
    )
    wanted = [("Training loss", "train", "loss")]
    for split in splits:
        if split != "train":
            wanted.append((f"Foreground IoU, {split}", split, "iou"))
            wanted.append((f"Mean IoU, {split}", split, "miou"))
            wanted.append((f"Pixel accuracy, {split}", split, "pixel_accuracy"))
    figures = []
    for title, split, metric in wanted:
        lines, tops = [], []
        for index, run in enumerate(records.values()):
            curve = curve_of(run, split, metric)
            if curve is None:
                continue
            steps, values = charts.thinned(*curve, MOST_SMOOTHED)
            tops.append(settled_top(values))
            window = 2 * (len(values) // 25) + 1
            values = smoothed(values, window) if window > 1 else values
            lines.append(charts.Line(steps, values, colour=f"k{index}"))
        if lines and metric == "loss":
            chart = charts.line_chart(lines, title, top=max(tops))
            figures.append(Figure(title, "", chart))
        elif lines:
            figures.append(Figure(title, "", charts.line_chart(lines, title, True)))
    return figures
