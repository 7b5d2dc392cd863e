"""The identity of a run's data: recorded at its start, compared when it resumes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from jaxseg.data.dataset import Dataset
from jaxseg.errors import UserError

NAMED = 3
"""Largest number of images of a kind that a difference names."""


@dataclass(frozen=True)
class Split:
    """The recorded state of a split.

    Attributes:
      images: number of images.
      fingerprint: hash of their content.
    """

    images: int
    fingerprint: str


@dataclass(frozen=True)
class Identity:
    """The recorded state of a data set.

    Attributes:
      name: name in the catalog.
      splits: the splits whose content is known.
    """

    name: str
    splits: dict[str, Split]

    @classmethod
    def of(cls, dataset: Dataset, used: Sequence[str]) -> Identity:
        """Describe an open data set.

        Args:
          dataset: any data set.
          used: the splits that must be described; others are only if their fingerprints
            are known already.
        """
        known = [
            split
            for split in dataset.splits
            if split in used or dataset.knows_fingerprint(split)
        ]
        return cls(
            dataset.name,
            {
                split: Split(dataset.splits[split], dataset.fingerprint(split))
                for split in known
            },
        )

    def write(self) -> str:
        """Return it as JSON text; `read` reads it back equal."""
        return json.dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def read(cls, path: Path) -> Identity:
        """Read a file with the text that `write` returned.

        Raises:
          UserError: the file holds anything else.
        """
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            splits = {name: Split(**each) for name, each in content["splits"].items()}
            for split in splits.values():
                if type(split.images) is not int or type(split.fingerprint) is not str:
                    raise TypeError("a number and a text are expected of each split")
            return cls(str(content["name"]), splits)
        except (
            OSError,
            ValueError,
            TypeError,
            KeyError,
            AttributeError,
            RecursionError,
        ) as error:
            raise UserError(f"{path}: not a description of data: {error}") from error

    def difference(self, dataset: Dataset, splits: Iterable[str]) -> str | None:
        """Describe how splits differ from their recorded state, or return None.

        Images are named if the records of the earlier state still exist.

        Args:
          dataset: the data set as it is now; it has these splits.
          splits: the splits to compare; one that was not recorded is left out.
        """
        found = []
        for split in dict.fromkeys(splits):
            before = self.splits.get(split)
            if before and not _is_same(split, before, dataset):
                found.append(_difference(split, before, dataset))
        return "; ".join(filter(None, found)) or None


def _is_same(split: str, before: Split, dataset: Dataset) -> bool:
    if before.fingerprint == dataset.fingerprint(split):
        return True
    # It may be the hash of some records only, if the builder had stored none.
    return before.fingerprint == dataset.samples(split).fingerprint()


def _difference(split: str, before: Split, dataset: Dataset) -> str | None:
    now = dataset.splits[split]
    counts = f"{split} has {now} images"
    if now != before.images:
        counts += f", not {before.images}"
    earlier = dataset.earlier(split, before.fingerprint)
    if earlier is None:
        return counts if now != before.images else f"{counts} as before, but others"
    old, new = earlier.digests(), dataset.samples(split).digests()
    changed = {name for name in new.keys() & old if new[name] != old[name]}
    parts = [
        _count(changed, "changed"),
        _count(new.keys() - old.keys(), "new"),
        _count(old.keys() - new.keys(), "gone"),
    ]
    changes = ", ".join(filter(None, parts))
    return f"{counts}: {changes}" if changes else None


def _count(names: set[str], what: str) -> str:
    """Return text such as `5 new (a, b, c, ...)`; "" for no names."""
    if not names:
        return ""
    shown = sorted(names)[:NAMED] + ["..."] * (len(names) > NAMED)
    return f"{len(names)} {what} ({', '.join(shown)})"
