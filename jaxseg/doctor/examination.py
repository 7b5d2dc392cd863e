"""The examination of a data set: facts are read, checks applied, the rest summed up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from jaxseg.config import DataConfig
from jaxseg.doctor.checks import CHECKS, OF_VALUES, UNTRUSTED
from jaxseg.doctor.facts import MaskFacts, PairFacts
from jaxseg.doctor.files import Files
from jaxseg.doctor.findings import SEVERITIES, Finding, in_split, ordered
from jaxseg.doctor.meaning import Meaning, find_meaning
from jaxseg.doctor.set_checks import SET_CHECKS, SetFacts, counted
from jaxseg.doctor.summary import Summary, summarise


@dataclass(frozen=True)
class Examination:
    """What was found in a data set.

    Attributes:
      root: its folder.
      findings: the worst first.
      summary: what the data set is like.
      pairs: the facts.
      meaning: what the masks mean.
      notes: what training would say of the choices that it makes.
    """

    root: Path
    findings: tuple[Finding, ...]
    summary: Summary
    pairs: tuple[PairFacts, ...]
    meaning: Meaning
    notes: tuple[str, ...] = ()

    def count(self, severity: str) -> int:
        """Return the number of findings of a severity."""
        return sum(each.severity == severity for each in self.findings)

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values; paths are those that were given, in text."""
        return {
            "root": str(self.root),
            "counts": {each: self.count(each) for each in SEVERITIES},
            "findings": [_as_json(each) for each in self.findings],
            "notes": list(self.notes),
            **asdict(self.summary),
        }


def _as_json(finding: Finding) -> dict[str, Any]:
    file, other = (
        None if path is None else str(path) for path in (finding.file, finding.other)
    )
    return {**asdict(finding), "file": file, "other": other}


def examine(
    config: DataConfig, files: Files, facts: Iterable[PairFacts], alone: bool = False
) -> Examination:
    """Judge the files of a data set.

    Args:
      config: its options.
      files: what was found on the disk.
      facts: of all its pairs.
      alone: whether there is one split only because the user named two folders.
    """
    pairs = tuple(facts)
    source = files.source
    findings = list(files.findings)
    for check in CHECKS:
        if not (source and source.lossy and check in OF_VALUES):
            findings += [found for pair in pairs for found in check(pair)]
    spoiled = {
        each.file
        for each in findings
        if each.check in UNTRUSTED and each.severity == "error"
    }
    splits: dict[str, list] = {pair.split: [] for pair in pairs}
    for pair in pairs:
        for path, mask in pair.masks.items():
            if isinstance(mask, MaskFacts) and path not in spoiled:
                splits[pair.split].append(mask.survey)
    meaning = Meaning(None, splits, ())
    if source:
        meaning = find_meaning(source, splits, config.ignore_values)
    set_facts = SetFacts(
        config,
        str(files.root),
        pairs,
        meaning,
        *counted(meaning),
        alone,
        source.whole_options if source else "",
    )
    if pairs:
        findings += [found for check in SET_CHECKS for found in check(set_facts)]
    split_of = {
        path: pair.split for pair in pairs for path in (pair.pair.image, *pair.masks)
    }
    return Examination(
        files.root,
        tuple(ordered(in_split(findings, split_of))),
        summarise(set_facts),
        pairs,
        meaning,
        source.notes if source else (),
    )
