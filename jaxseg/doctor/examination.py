"""The examination of a data set: facts are read, checks applied, the rest summed up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from jaxseg.config import DataConfig
from jaxseg.data.masks import MaskSource
from jaxseg.data.sources import Source
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
    found = {field.name: getattr(finding, field.name) for field in fields(finding)}
    for name in ("file", "other"):
        found[name] = None if found[name] is None else str(found[name])
    return found


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
        if not (source and _any_values(source) and check in OF_VALUES):
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
        source,
        alone,
    )
    if pairs:
        findings += [found for check in SET_CHECKS for found in check(set_facts)]
    split_of: dict[MaskSource, str] = {
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


def _any_values(source: Source) -> bool:
    """Whether masks may hold values between those of the classes."""
    return source.lossy or source.published
