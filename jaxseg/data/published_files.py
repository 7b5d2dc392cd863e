"""The files of a published data set, in its published layout, and what its masks mean.

`jaxseg.data.published` describes each set.
"""

from __future__ import annotations

import dataclasses
from functools import partial
from pathlib import Path

from jaxseg.config import DataConfig
from jaxseg.data.coding import Coding
from jaxseg.data.published import PUBLISHED
from jaxseg.data.published.archive import Missing, PublishedSet
from jaxseg.data.sources import Source, checked
from jaxseg.data.splits import Splits
from jaxseg.errors import UserError
from jaxseg.paths import data_folder

_AGAIN = "unpack the publisher's archive again"


def find_root(config: DataConfig) -> Path:
    """Return the folder that the publisher's archive unpacks to.

    Raises:
      UserError: none is given, or it does not exist.
    """
    fetch = PUBLISHED[config.name].fetch
    missing = f"{config.name} is not downloaded for you: {fetch}"
    return data_folder(config.root, missing, fetch)


def find_source(config: DataConfig, root: Path) -> Source:
    """Find the files of a published data set.

    Args:
      config: `name` in `PUBLISHED`.
      root: the folder.

    Returns:
      Its notes say where the number of images is not the published one.

    Raises:
      UserError: the folder has another layout, or files are missing.
    """
    published = PUBLISHED[config.name]
    try:
        splits, labels = published.find(root)
    except Missing as missing:
        raise UserError(f"{root}: no {missing} there; {published.fetch}") from missing
    return Source(
        root,
        splits,
        {"set": config.name, "labels": dataclasses.asdict(labels)},
        partial(checked, Coding(labels, published.by_colour), _AGAIN),
        _counts(config.name, published, splits),
        published=True,
    )


def _counts(name: str, published: PublishedSet, splits: Splits) -> tuple[str, ...]:
    """Say where the number of images is not the published one."""
    counts = {split: len(splits.get(split, ())) for split in published.counts}
    other = [
        f"{split} {found:,} in place of {published.counts[split]:,}"
        for split, found in counts.items()
        if found != published.counts[split]
    ]
    if not other:
        return ()
    return (f"{name}: not the published numbers of images: {', '.join(other)}",)
