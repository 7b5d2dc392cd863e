"""Published data sets in their published layout, checked once and stored as records.

`jaxseg.data.published` says which files there are and what their masks mean; checking
and storing is `folder`'s machinery.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from jaxseg.config import DataConfig
from jaxseg.data import leakage
from jaxseg.data.builders import folder
from jaxseg.data.coding import Coding
from jaxseg.data.labels import IGNORE
from jaxseg.data.pairing import Pair
from jaxseg.data.published import PUBLISHED
from jaxseg.data.published.archive import Missing, PublishedSet
from jaxseg.data.splits import Splits
from jaxseg.data.survey import FileSurvey, Survey
from jaxseg.errors import UserError, listed
from jaxseg.paths import cache_folder, no_folder, user_path


class Published(folder.Folder, skip_registration=True):
    """`Folder`, with a remark on colours of no class; its name is that of the set."""

    def _remark(self, pairs: Sequence[Pair], files: Sequence[FileSurvey]) -> str:
        assert isinstance(self._coding, Coding)
        if not self._coding.labels.unknown_is_ignored:
            return ""
        strange = {Path(str(f.path)).name: _strange(f, self._coding) for f in files}
        names = [name for name, pixels in strange.items() if pixels]
        if not names:
            return ""
        return (
            f"{sum(strange.values()):,} of the ignored pixels have colours of no class,"
            f" in {listed(names)}"
        )


def _strange(file: FileSurvey, coding: Coding) -> int:
    """Count the ignored pixels of a mask that are not black."""
    colours = file.by_colour()
    ignored = coding.labels.classes_of_colours(colours.values) == IGNORE
    return int(colours.pixels[ignored & (colours.values != 0)].sum())


def prepare(config: DataConfig) -> folder.Prepared:
    """Check and store a published data set unless that was done.

    Args:
      config: `name` in `PUBLISHED`, and `root`, the folder that the publisher's archive
        unpacks to.

    Returns:
      Its notes say where the number of images is not the published one, and which
      images lie in two splits; those are the publisher's, so that it is no error.

    Raises:
      UserError: the folder is missing or laid out otherwise, or a file is wrong.
    """
    name = config.name
    published = PUBLISHED[name]
    if not config.root:
        raise UserError(f"{name} is not downloaded for you: {published.fetch}")
    root = user_path(config.root)
    if not root.is_dir():
        raise UserError(f"{no_folder(root)}; {published.fetch}")
    try:
        splits, labels = published.find(root)
    except Missing as missing:
        raise UserError(f"{root}: no {missing} there; {published.fetch}") from missing
    coding = Coding(labels, published.by_colour)

    def find_coding(survey: Survey) -> Coding:
        _check(survey, coding)
        return coding

    builder = type(name, (Published,), {"name": name}, skip_registration=True)
    options = {"set": name, "labels": dataclasses.asdict(labels)}
    directory = folder.prepare_splits(
        builder, cache_folder(config.cache), root, splits, options, find_coding
    )
    leaks = leakage.check(directory, splits, root, allowed=True)
    return folder.Prepared(directory, (*_counts(name, published, splits), *leaks), "")


def _check(survey: Survey, coding: Coding) -> None:
    """Refuse masks that are not those of the publisher."""
    if not coding.by_colour:
        for file in survey.of_kind("colour"):
            raise UserError(
                f"{file.path}: a mask in colours; unpack the publisher's archive again"
            )
    coding.check(survey, lambda tally, colours: "unpack the publisher's archive again")


def _counts(name: str, published: PublishedSet, splits: Splits) -> list[str]:
    """Say where the number of images is not the published one."""
    counts = {split: len(splits.get(split, ())) for split in published.counts}
    other = [
        f"{split} {found:,} in place of {published.counts[split]:,}"
        for split, found in counts.items()
        if found != published.counts[split]
    ]
    if not other:
        return []
    return [f"{name}: not the published numbers of images: {', '.join(other)}"]
