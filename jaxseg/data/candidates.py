"""The places below a folder that may hold the images and their masks.

A place is a pattern of folders, such as `images/{split}`.  Each combination of a place
of images and a place of masks is a candidate; `layout` decides which one is taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from jaxseg.data import hints
from jaxseg.data.folders import IMAGES, MASKS, ORDER, File, Listing
from jaxseg.data.images import is_jpeg
from jaxseg.data.pairing import Match, Pair, match, named_as_mask
from jaxseg.errors import UserError, listed

Tables = dict[str, tuple[dict[str, Path], dict[str, Path]]]
"""Split ("" if there is none) -> the images and the masks, each by key."""


@dataclass(frozen=True)
class Candidate:
    """Two places that may hold the images and their masks.

    Attributes:
      images: place of the images.
      masks: place of the masks.
      tables: the files.
      folders: split -> paths of the folders of images and of masks, for messages.
      clashes: split -> pairs of files that have the same key.
      matches: split -> the pairs, and the files without a partner.
    """

    images: str
    masks: str
    tables: Tables
    folders: dict[str, tuple[str, str]]
    clashes: dict[str, list[tuple[Path, Path]]]
    matches: dict[str, Match]

    @property
    def count(self) -> int:
        """Number of images that have a mask."""
        return sum(len(found.pairs) for found in self.matches.values())

    @property
    def is_filled(self) -> bool:
        """Whether some split has images and masks, though they may not pair."""
        return any(all(table) for table in self.tables.values())

    @property
    def is_nested(self) -> bool:
        """Whether images lie in folders below their place."""
        return any("/" in key for table in self.tables.values() for key in table[0])

    @property
    def options(self) -> str:
        """The options that choose these places."""
        sides = (self.images, self.masks)
        return hints.options(*(hints.pattern(side, self.is_nested) for side in sides))

    def all_pairs(self, split: str, listing: Listing) -> list[Pair]:
        """Return the pairs of a split, in which every file must have a partner.

        Args:
          split: name of the split.
          listing: the files below the root, for the message.

        Raises:
          UserError: there is an image without a mask or a mask without an image (up to
            three are named), or there are several files of one name.
        """
        self.check_unique(split)
        found = self.matches[split]
        images, masks = self.folders[split]
        of = f" for split {split!r}" if split else ""
        if found.images_without_mask and not self.tables[split][1]:
            raise UserError(
                f"{images}: no masks beside it{of}{hints.foreign(listing, masks)}"
            )
        if found.masks_without_image and not self.tables[split][0]:
            raise UserError(
                f"{masks}: no images beside it{of}{hints.foreign(listing, images)}"
            )
        for what, paths in (
            (f"no mask in {masks} for", found.images_without_mask),
            (f"no image in {images} for", found.masks_without_image),
        ):
            if paths:
                names = listed([path.name for path in paths])
                raise UserError(
                    f"{what} {names}; an image and its mask share their name,"
                    " apart from words such as image and mask before or behind it"
                )
        return found.pairs

    def with_all_images(self) -> Candidate:
        """Return it with all images; one without a mask is paired with itself."""
        matches = {}
        for split, found in self.matches.items():
            names = {path: key for key, path in self.tables[split][0].items()}
            alone = [
                Pair(names[path], path, path) for path in found.images_without_mask
            ]
            pairs = [*found.pairs, *alone]
            matches[split] = replace(found, pairs=pairs, images_without_mask=[])
        return replace(self, matches=matches)

    def check_unique(self, split: str) -> None:
        """Refuse two files of one name, and two masks of one image.

        Raises:
          UserError: there is such a file; the first is named.
        """
        for path, other in self.clashes.get(split, ()):
            raise UserError(
                f"{path}: {other.name} has the same stem; remove one, or pass"
                f" {hints.which(self.options, path)}"
            )
        found = self.matches[split]
        for path, other in found.seconds:
            name = next(pair.name for pair in found.pairs if pair.mask == other)
            raise UserError(
                f"{path}: a second mask of {name}, beside {other.name}; remove one,"
                f" or pass {hints.which(self.options, path, other)}"
            )


def from_tables(
    names: tuple[str, str],
    tables: Tables,
    folders: dict[str, tuple[str, str]],
    clashes: dict[str, list[tuple[Path, Path]]] | None = None,
) -> Candidate:
    """Match the images of each split with its masks."""
    matches = {split: match(*table) for split, table in tables.items()}
    return Candidate(*names, tables, folders, clashes or {}, matches)


def find_candidates(listing: Listing) -> list[Candidate]:
    """Return all pairs of places that may hold the images and their masks."""
    of_masks = [place for kind, place in listing.folders if kind == MASKS]
    of_images = [(IMAGES, place) for kind, place in listing.folders if kind == IMAGES]
    unnamed = dict.fromkeys(file.place for file in listing.files if not file.kind)
    of_images += [("", place) for place in unnamed]
    found = []
    for kind, place in of_images:
        for other in of_masks:
            if ("{split}" in place) == ("{split}" in other):
                sides = (listing.of(kind, place), listing.of(MASKS, other))
                folders = _folders(listing, (kind, place), (MASKS, other))
                candidate = _between((place, other), *sides, folders)
                named = any(other.count for other in found)
                if kind or (not named and (candidate.count or not candidate.is_nested)):
                    found.append(candidate)
    if any(file.kind == MASKS for file in listing.files) or listing.truncated:
        return found
    for kind, place in of_images:
        sides = _side_by_side(listing.of(kind, place))
        folders = _folders(listing, (kind, place), (kind, place))
        candidate = _between((place, place), *sides, folders)
        if candidate.count:
            found.append(candidate)
    return found


def _folders(
    listing: Listing, images: tuple[str, str], masks: tuple[str, str]
) -> dict[str, tuple[str, str]]:
    """Return the paths of the folders of images and masks, by split."""
    found = {}
    for split in ("", *ORDER):
        one, other = (
            listing.folders.get(side, {}).get(split, listing.root / side[1])
            for side in (images, masks)
        )
        found[split] = (str(one), str(other))
    return found


def _side_by_side(
    files: Mapping[str, list[File]],
) -> tuple[dict[str, list[File]], dict[str, list[File]]]:
    """Separate the masks from the images in the same folders."""
    images: dict[str, list[File]] = {}
    masks: dict[str, list[File]] = {}
    for split, inner in files.items():
        named = {file.path for file in inner if named_as_mask(file.key)}
        if not named:  # 1.jpg beside 1.png: a mask is no JPEG
            jpegs = [file for file in inner if is_jpeg(file.path)]
            keys = {file.key for file in jpegs}
            named = {f.path for f in inner if f.key in keys and f not in jpegs}
        images[split] = [file for file in inner if file.path not in named]
        masks[split] = [file for file in inner if file.path in named]
    return images, masks


def _between(
    places: tuple[str, str],
    images: Mapping[str, list[File]],
    masks: Mapping[str, list[File]],
    folders: dict[str, tuple[str, str]],
) -> Candidate:
    clashes: dict[str, list[tuple[Path, Path]]] = {}

    def by_key(split: str, files: Iterable[File]) -> dict[str, Path]:
        found: dict[str, Path] = {}
        for file in files:
            if file.key in found:
                clashes.setdefault(split, []).append((file.path, found[file.key]))
            found.setdefault(file.key, file.path)
        return found

    tables = {
        split: (
            by_key(split, images.get(split, ())),
            by_key(split, masks.get(split, ())),
        )
        for split in ("", *ORDER)
        if split in images or split in masks
    }
    return from_tables(places, tables, folders, clashes)
