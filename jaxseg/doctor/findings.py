"""A finding: what is wrong with a file or a data set, and what helps."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from jaxseg.data.masks import MaskSource

Severity = Literal["error", "warning", "note"]
"""An error would stop or spoil a training, a warning may, a note is good to know."""

SEVERITIES: tuple[Severity, ...] = get_args(Severity)


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Attributes:
      check: its name, one of the kinds of faults that `doctor` lists.
      severity: how bad it is.
      text: what is wrong, a sentence without the file's name.
      remedy: what helps, or empty.
      file: that it is about, or the mask that is drawn; None is the data set.
      other: a file that it is compared with.
      split: of the file, or empty.
      values: mask values, or codes of colours, that are at fault.
    """

    check: str
    severity: Severity
    text: str
    remedy: str = ""
    file: MaskSource | None = None
    other: Path | None = None
    split: str = ""
    values: tuple[int, ...] = ()


def named_file(error: Exception) -> Path | None:
    """Return the file that a message begins with, if it does."""
    path = Path(str(error).partition(": ")[0])
    return path if os.path.isfile(path) else None


def of_error(check: str, error: Exception, file: MaskSource | None = None) -> Finding:
    """Return the error finding of a message of training, without the file's name.

    Args:
      check: the kind of fault.
      error: its message may begin with the path, and end with a remedy behind `; `.
      file: that it is about.
    """
    text = str(error)
    if file:
        text = text.removeprefix(f"{file}: ")
    said, _, remedy = text.partition("; ")
    held, looks, cause = text.partition(": these look ")
    if looks and len(held) < len(said):  # a guess, with what helps if it is right
        said, remedy = held, f"these look {cause}"
    return Finding(check, "error", said, remedy, file)


def ordered(findings: Sequence[Finding]) -> list[Finding]:
    """Return findings by severity, then by kind in the order of their first, then file.

    What is said twice of a file is said once.
    """
    kinds = {each.check: place for place, each in reversed(list(enumerate(findings)))}

    def key(each: Finding) -> tuple[int, int, str]:
        return SEVERITIES.index(each.severity), kinds[each.check], str(each.file or "")

    return list(dict.fromkeys(sorted(findings, key=key)))


def in_split(
    findings: Sequence[Finding], splits: dict[MaskSource, str]
) -> list[Finding]:
    """Return findings with the split of their file, where it is known."""
    return [
        replace(each, split=splits.get(each.file, each.split)) if each.file else each
        for each in findings
    ]


def shown(finding: Finding, root: Path) -> tuple[str, str]:
    """Return the name of a finding's file below the root, or empty, and the text.

    Both can be printed, whatever bytes the names of files hold.
    """
    name, text = "", finding.text
    if finding.file:
        name = str(finding.file)
    if root.name:
        name, text = (each.replace(f"{root}{os.sep}", "") for each in (name, text))
    return _printable(name), _printable(text)


def _printable(text: str) -> str:
    letters = (each if each.isprintable() else ascii(each)[1:-1] for each in text)
    return "".join(letters)
