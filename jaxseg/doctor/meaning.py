"""What the masks mean, found as training finds it, and the masks that do not fit.

Training refuses all masks if one is odd.  Here the odd ones are set aside, one kind
after the other, until the others are understood.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

import numpy as np

from jaxseg.data.causes import mostly_one_piece
from jaxseg.data.coding import UnknownValues
from jaxseg.data.masks import MaskSource
from jaxseg.data.sources import AnyCoding, Source
from jaxseg.data.survey import FileSurvey, Survey, Tally, colour_text
from jaxseg.doctor.findings import Finding, of_error
from jaxseg.errors import UserError, listed

Splits = dict[str, list[FileSurvey]]
Odd = Callable[[Sequence[FileSurvey]], list[Finding]]
"""Names the masks that differ from most."""

_MOST_ODD = 1 / 3
"""Share of the masks that may be odd; if more are, it is unclear which ones are."""


_INSTANCES = "instance numbers"


class Meaning(NamedTuple):
    """What masks mean.

    Attributes:
      coding: the classes, and how masks say them; None if training would refuse all.
      splits: the masks that can be read by it.
      findings: those that cannot, and why.
    """

    coding: AnyCoding | None
    splits: Splits
    findings: tuple[Finding, ...]


def find_meaning(source: Source, splits: Splits, ignored: Collection[int]) -> Meaning:
    """Find the classes of masks as training does.

    Args:
      source: decides what masks mean by what they hold.
      splits: what the masks of each split hold.
      ignored: values that are no classes.
    """
    count = sum(map(len, splits.values()))
    most = _MOST_ODD * count
    rules: list[Odd] = [
        _odd_kinds,
        _odd_palettes,
        lambda files: _odd_values(files, ignored),
    ]
    findings: list[Finding] = []
    if source.inferred:  # numbers of objects would become classes, without a word
        files = [file for each in splits.values() for file in each]
        odd = [f for f in _odd_values(files, ignored) if f.check == _INSTANCES]
        if len(odd) <= most:
            findings += odd
            splits = _without(splits, odd)
    while any(splits.values()):
        try:
            coding = source.find_coding(Survey(splits))
            return Meaning(coding, splits, tuple(findings))
        except UnknownValues as error:
            files = [file for each in splits.values() for file in each]
            found = _unknown(files, error)
        except UserError as error:
            files = [file for each in splits.values() for file in each]
            found = []
            while rules and not found:
                found = rules.pop(0)(files)
            if not found or len(findings) + len(found) > most:
                said = of_error("classes", error, _named(str(error), files))
                return Meaning(None, splits, (said,))
        findings += found
        splits = _without(splits, found)
    return Meaning(None, splits, tuple(findings))


def _without(splits: Splits, findings: Sequence[Finding]) -> Splits:
    """Return the masks that no finding is about."""
    odd = {finding.file for finding in findings}
    return {
        split: [file for file in each if file.path not in odd]
        for split, each in splits.items()
    }


def _named(message: str, files: Sequence[FileSurvey]) -> MaskSource | None:
    """Return the mask that a message begins with, if it does."""
    return next((f.path for f in files if message.startswith(f"{f.path}: ")), None)


def _unknown(files: Sequence[FileSurvey], error: UnknownValues) -> list[Finding]:
    """List the masks that hold values or colours of no class."""
    findings = []
    for file in files:
        unknown = error.coding.unknown(file)
        if not unknown.any():
            continue
        by_colour = file.kind == "colour" or getattr(error.coding, "by_colour", False)
        tally, palette = file.tally.only(unknown), file.palette
        values = tally.values.tolist()
        if by_colour:
            kept = None if palette is None else palette[unknown]
            tally = FileSurvey(file.path, tally, file.kind, kept).by_colour()
        said = _said(tally, file, by_colour)
        findings.append(
            Finding(
                "off-palette colours" if by_colour else "unexpected values",
                "error",
                f"{'colours' if by_colour else 'values'} of no class: {said}"
                f"{_cause(file)}",
                error.remedy,
                file.path,
                values=tuple(values),
            )
        )
    return findings


def _odd_kinds(files: Sequence[FileSurvey]) -> list[Finding]:
    """Name masks in colours among others, or others among masks in colours."""
    coloured = Counter(file.kind == "colour" for file in files)
    if len(coloured) < 2:
        return []
    odd = coloured[True] < coloured[False]
    text = "in colours, while most masks hold numbers"
    if not odd:
        text = "of numbers, while most masks are in colours"
    remedy = "save all masks in one form, as 8-bit PNG of class numbers"
    return [
        Finding("mask mode", "error", f"a mask {text}", remedy, file.path)
        for file in files
        if (file.kind == "colour") == odd
    ]


def _odd_palettes(files: Sequence[FileSurvey]) -> list[Finding]:
    """Name indexed masks in which an index has another colour than in most."""
    indexed = [file for file in files if file.palette is not None]
    colours: dict[int, Counter[int]] = {}
    for file in indexed:
        for index, code in _entries(file):
            colours.setdefault(index, Counter())[code] += 1
    usual = {index: found.most_common(1)[0][0] for index, found in colours.items()}
    findings = []
    for file in indexed:
        other = [index for index, code in _entries(file) if code != usual[index]]
        if other:
            said = ", ".join(map(str, other[:8]))
            findings.append(
                Finding(
                    "palettes differ",
                    "error",
                    f"the colour of index {said} is another one than in most masks",
                    "save all masks with one palette; or read them by their colours:"
                    " --data.palette, the RGB of each class",
                    file.path,
                    values=tuple(other),
                )
            )
    return findings


def _entries(file: FileSurvey) -> list[tuple[int, int]]:
    assert file.palette is not None
    return list(zip(file.tally.values.tolist(), file.palette.tolist(), strict=True))


def _odd_values(files: Sequence[FileSurvey], ignored: Collection[int]) -> list[Finding]:
    """Name masks with values, or colours, that hardly any other mask holds."""
    total = Tally.total([file.tally for file in files])
    rare = total.files <= max(1, len(files) // 20)
    seldom = total.values[rare & ~np.isin(total.values, list(ignored))]
    findings = []
    for file in files:
        odd = np.isin(file.tally.values, seldom)
        if odd.any():
            tally = file.tally.only(odd)
            colours = file.kind == "colour"
            said = _said(tally, file, colours)
            findings.append(
                Finding(
                    "off-palette colours" if colours else _kind(file, tally),
                    "error",
                    f"{'colours' if colours else 'values'} that hardly any other mask"
                    f" holds: {said}{_cause(file)}",
                    "fix the mask; if they are classes give all classes, by"
                    " --data.num_classes or --data.mask_values",
                    file.path,
                    values=tuple(tally.values.tolist()),
                )
            )
    return findings


def _said(tally: Tally, file: FileSurvey, colours: bool) -> str:
    """List values, or colours, and say what share of the file's pixels they have."""
    values = tally.values.tolist()
    names = [colour_text(value) if colours else str(value) for value in values]
    share = 100 * tally.pixels.sum() / file.tally.pixels.sum()
    return f"{listed(names, 12)} ({share:.3g} % of its pixels)"


def _kind(file: FileSurvey, odd: Tally) -> str:
    mostly = 2 * len(odd.values) >= len(file.tally.values)
    return _INSTANCES if mostly and _counts_objects(file) else "unexpected values"


def _cause(file: FileSurvey) -> str:
    """Guess what a mask of odd values holds."""
    values = set(file.tally.values.tolist())
    if values in ({0, 128, 255}, {0, 127, 255}):
        return "; grey levels 0, 128, 255 look drawn, and are no class numbers"
    if _counts_objects(file):
        return "; each value is one piece, as if they numbered objects"
    return ""


def _counts_objects(file: FileSurvey) -> bool:
    """Whether the values of a mask are 1, 2, ..., most of them in one piece."""
    if file.kind == "colour":
        return False
    values = file.tally.values[file.tally.values > 0]
    run = len(values) >= 5 and len(values) >= 0.8 * values[-1]
    return bool(run) and mostly_one_piece([file])
