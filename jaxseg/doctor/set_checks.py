"""The checks that take the whole data set, or what its masks mean, to see.

A check is a function of `SetFacts` that yields findings; `SET_CHECKS` is the table of
them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from jaxseg.config import DataConfig
from jaxseg.data.contents import Content, check_contents
from jaxseg.data.labels import IGNORE
from jaxseg.data.masks import MaskSource, read_mask
from jaxseg.data.sources import Source
from jaxseg.data.survey import FileSurvey, Survey
from jaxseg.doctor import duplicates
from jaxseg.doctor.facts import PairFacts
from jaxseg.doctor.findings import Finding, of_error
from jaxseg.doctor.meaning import Meaning
from jaxseg.errors import UserError, listed

_BORDER = np.ones((7, 7), np.uint8)
"""What is ignored around objects is seldom wider."""


@dataclass(frozen=True)
class SetFacts:
    """What is known of a data set.

    Attributes:
      config: its options.
      where: the folder, for what is said.
      pairs: facts of all pairs.
      meaning: what the masks mean.
      contents: of each split, if the meaning is known.
      of_files: of each mask that can be read, how much of each class it holds.
      source: the files; None if nothing pairs.
      alone: whether there is one split only because the user named two folders.
    """

    config: DataConfig
    where: str
    pairs: Sequence[PairFacts]
    meaning: Meaning
    contents: dict[str, Content]
    of_files: dict[MaskSource, Content]
    source: Source | None
    alone: bool = False

    @property
    def published(self) -> bool:
        """Whether the files are a publisher's."""
        return self.source is not None and self.source.published


SetCheck = Callable[[SetFacts], Iterator[Finding]]


def meanings(facts: SetFacts) -> Iterator[Finding]:
    """Yield the masks that do not fit the others, or why none is understood."""
    yield from facts.meaning.findings


def black_and_white(facts: SetFacts) -> Iterator[Finding]:
    """Yield masks of 0 and 255 alone where 255 is ignored, if its areas are solid."""
    coding = facts.meaning.coding
    if coding is None or coding.labels.task != "multiclass" or facts.published:
        return
    for file in _files(facts):
        drawn = not isinstance(file.path, Path)
        if drawn or file.tally.values.tolist() != [0, 255] or file.kind == "colour":
            continue
        content = facts.of_files[file.path]
        pixels = read_mask(file.path, lossy=True).pixels
        solid = cv2.erode((pixels == 255).astype(np.uint8), _BORDER).any()
        if content.ignored == file.tally.pixels[1] + file.outside and solid:
            yield Finding(
                "black and white mask",
                "warning",
                "holds 0 and 255 alone, and 255 is ignored here",
                "if white is a class save it as the class's number, or pass"
                " --data.mask_map 0:0 255:1 and so on",
                file.path,
                values=(255,),
            )


def empty_masks(facts: SetFacts) -> Iterator[Finding]:
    """Yield masks of ignored pixels alone, and those of one class alone."""
    coding = facts.meaning.coding
    if coding is None:
        return
    names = coding.labels.names
    for pair in facts.pairs:
        known = [facts.of_files[p] for p in pair.masks if p in facts.of_files]
        if not known or len(known) < len(pair.masks):
            continue
        path = pair.pair.drawn or pair.pair.mask
        pixels = np.sum([content.pixels for content in known], axis=0)
        there = [name for name, count in zip(names, pixels, strict=True) if count]
        if coding.labels.task == "multilabel":
            if not there:
                text = "no pixel of any class, in any of its masks"
                yield Finding("empty mask", "note", text, "", path)
        elif not there:
            text = "all pixels are ignored, so that nothing can be learned from it"
            remedy = "take the image and the mask out, or label it"
            yield Finding(
                "all ignored", "warning", text, remedy, path, values=(IGNORE,)
            )
        elif len(there) == 1:
            text = f"all its pixels are of {there[0]!r}"
            check = "empty mask" if there[0] == names[0] else "constant mask"
            yield Finding(check, "note", text, "", path)


def same_images(facts: SetFacts) -> Iterator[Finding]:
    """Yield images that occur twice, in a split or in two."""
    allowed = facts.config.allow_leakage or facts.published
    yield from duplicates.duplicates(facts.pairs, allowed)
    yield from duplicates.near_duplicates(facts.pairs)


def split_names(facts: SetFacts) -> Iterator[Finding]:
    """Yield the splits of the configuration that there are not."""
    config = facts.config
    there = dict.fromkeys(each.split for each in facts.pairs)
    for split in dict.fromkeys((config.train_split, config.eval_split)):
        if split not in there and not facts.alone:
            remedy = "--data.train_split and --data.eval_split choose others"
            if facts.source and (options := facts.source.whole_options):
                remedy = f"to split the training images pass {options}"
            text = f"there is no split {split!r}, only {listed(list(there))}"
            yield Finding("splits", "error", text, remedy)


def contents(facts: SetFacts) -> Iterator[Finding]:
    """Yield what training says of the classes, and those of some splits only."""
    coding, config = facts.meaning.coding, facts.config
    if coding is None or not facts.contents:
        return
    names, splits = coding.labels.names, (config.train_split, config.eval_split)
    try:
        said = check_contents(
            facts.contents, names, *splits, facts.where, coding.labels.task
        )
    except UserError as error:
        yield of_error("classes", error)
        return
    for text in said:
        yield Finding("classes", "warning", text)
    for index, name in enumerate(names):
        has = [split for split, held in facts.contents.items() if held.pixels[index]]
        without = [split for split in facts.contents if split not in has]
        if not has or not without or without == [config.train_split]:
            continue  # said by training
        measured = config.eval_split in without
        text = f"class {name!r} occurs in {listed(has)} and not in {listed(without)}"
        text += ", so that its IoU cannot be measured" * measured
        remedy = "split the images anew, so that each class is in both" * measured
        severity = "warning" if measured else "note"
        yield Finding("class in some splits", severity, text, remedy)


def _files(facts: SetFacts) -> Iterator[FileSurvey]:
    for files in facts.meaning.splits.values():
        yield from files


SET_CHECKS: tuple[SetCheck, ...] = (
    meanings,
    black_and_white,
    same_images,
    split_names,
    contents,
    empty_masks,
)
"""All checks of a data set, in the order in which their findings are listed."""


def counted(
    meaning: Meaning,
) -> tuple[dict[str, Content], dict[MaskSource, Content]]:
    """Count the classes of each split, and of each mask, by training's own counts."""
    if meaning.coding is None:
        return {}, {}
    kept = {split: files for split, files in meaning.splits.items() if files}
    of_files = {
        file.path: meaning.coding.contents(Survey({"": [file]}))[""]
        for files in kept.values()
        for file in files
    }
    return meaning.coding.contents(Survey(kept)), of_files
