"""Error messages and notes for a folder whose layout is ambiguous or unknown.

A message says what the folder holds, which known layout is similar, and which options
decide.
"""

from __future__ import annotations

import glob
import os
import shlex
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from jaxseg.data.folders import IMAGES, MASKS, MOST, SUFFIXES, Listing, say_role
from jaxseg.data.images import is_jpeg
from jaxseg.data.pairing import Pair, match
from jaxseg.errors import UserError

PATTERNS = "pass --data.images and --data.masks, patterns such as 'img/*.tif'"
_MOST = 12
"""Largest number of folders that are compared with each other."""

Find = Callable[..., Any]
"""`layout.find`, by which an option is tried before it is suggested."""


class Group(NamedTuple):
    """A folder's files by split and key, and the kind that its name means."""

    kind: str
    place: str
    files: dict[str, dict[str, Path]]
    nested: set[bool]

    @property
    def pattern(self) -> str:
        """The pattern of its files."""
        return pattern(self.place, True in self.nested)

    @property
    def has_jpeg(self) -> bool:
        """Whether one of the files is a JPEG, which masks rarely are."""
        return any(is_jpeg(p) for files in self.files.values() for p in files.values())


def options(images: str, masks: str) -> str:
    """Write the options that choose the images and the masks by patterns."""
    return f"--data.images {shlex.quote(images)} --data.masks {shlex.quote(masks)}"


def pattern(place: str, nested: bool, name: str = "*") -> str:
    """Write the pattern of the files below a place."""
    return "/".join(part for part in (place, "**" if nested else "", name) if part)


def which(chosen: str, *paths: Path) -> str:
    """Narrow the masks' pattern of some options to files of one kind.

    Args:
      chosen: text from `options`.
      paths: a file whose ending is chosen, or two files, one of whose names is the
        other's with letters behind it, which are chosen.
    """
    path = max(paths, key=lambda path: len(path.stem))
    ending = path.suffix
    if len(paths) > 1:
        length = len(os.path.commonprefix([path.stem for path in paths]))
        if path.stem[length : length + 1].isalnum():  # not within a word
            length = max(path.stem.rfind(mark, 0, length) for mark in "_-. ")
        ending = path.stem[max(length, 0) :] + ending
    _, images, _, masks = shlex.split(chosen)
    return options(images, masks.removesuffix("*") + "*" + glob.escape(ending))


def ambiguous(root: Path, found: list[tuple[str, str, str]]) -> UserError:
    """Return the error of a folder in which several places may hold images or masks."""
    places = " or ".join(
        f"{images or '.'} + {masks or '.'}" for images, masks, _ in found
    )
    choices = " or ".join(option for _, _, option in found)
    regions = dict.fromkeys(shlex.quote(shlex.split(each[2])[3]) for each in found)
    region = ""
    if len(regions) == len(found):
        region = (
            "; if one of them only marks the region that counts, such as a field of"
            f" view, give that one as --data.roi {' or '.join(regions)}"
        )
    return UserError(
        f"{root}: images and masks may be {places}, and only you know which; pass"
        f" {choices}{region}"
    )


def without_split(root: Path, found: dict[str, list[Pair]]) -> str:
    """Write the options that read the only split without its name, or return ""."""
    if len(found) != 1:
        return ""
    ((_, pairs),) = found.items()
    sides = []
    for paths in ([pair.image for pair in pairs], [pair.mask for pair in pairs]):
        folders = {path.parent for path in paths}
        folder = Path(os.path.commonpath(folders)) if folders else root
        sides.append((folder, folders != {folder}))
    (images, _), (masks, _) = sides
    if images == masks:  # side by side
        return "" if images == root else f"--data.root {shlex.quote(str(images))}"
    return options(
        *(
            pattern(glob.escape(folder.relative_to(root).as_posix()), nested)
            for folder, nested in sides
        )
    )


def rivals(
    listing: Listing, images: str, masks: str, found: dict[str, list[Pair]]
) -> list[str]:
    """Note other folders that hold masks for at least half of the images."""
    used = {
        path
        for chosen in found.values()
        for pair in chosen
        for path in (pair.image, pair.mask)
    }
    count = sum(map(len, found.values()))
    others = []
    for group in _groups(listing):
        files = {path for side in group.files.values() for path in side.values()}
        if group.kind or not used.isdisjoint(files):
            continue
        pairs = 0
        for split, mine in found.items():
            keys = {pair.name: pair.image for pair in mine}
            theirs = group.files.get(split, group.files.get("", {}))
            pairs += len(match(keys, theirs).pairs)
        if 2 * pairs >= count:
            others.append(group.place)
    if not others or images == masks:
        return []
    return [
        f"masks are read from {masks}; files of the same names lie in"
        f" {', '.join(others)} too (--data.images and --data.masks choose others)"
    ]


def _groups(listing: Listing) -> list[Group]:
    """Group the files by the folder that may be meant as their place."""
    found: dict[tuple[str, str], Group] = {}
    for file in listing.files:
        place, rest = file.place, list(file.rest)
        if not file.kind and rest:  # a folder whose name says nothing
            place = pattern(place, False, glob.escape(rest.pop(0)))
        group = found.setdefault((file.kind, place), Group(file.kind, place, {}, set()))
        group.nested.add(bool(rest))
        key = "/".join((*rest, file.path.stem))
        group.files.setdefault(file.split, {}).setdefault(key, file.path)
    return list(found.values())[:_MOST]


def not_understood(listing: Listing, layouts: str, find: Find) -> UserError:
    """Return the error of a folder that has no known layout."""
    near = _nearest(listing, find)
    return UserError(
        f"{listing.root}: the layout is none of {layouts}. {_contents(listing)}. "
        + (near or f"For any other, {PATTERNS}")
    )


def _nearest(listing: Listing, find: Find) -> str:
    for hint in (_deeper, _other_names, _lonely):
        if said := hint(listing, find):
            return said
    return ""


def _works(find: Find, root: Path, *patterns: str) -> bool:
    try:
        find(root, *patterns)
    except UserError:
        return False
    return True


def _deeper(listing: Listing, find: Find) -> str:
    """Suggest a folder further down if a known layout begins there."""
    folders = list(listing.deeper)
    working = [folder for folder in folders[:3] if _works(find, folder)]
    if len(folders) == 1 or len(working) == 1:
        (folder, *_) = working or folders
        return f"It seems to begin deeper: pass --data.root {shlex.quote(str(folder))}"
    if not folders:
        return ""
    depth = len(folders[0].relative_to(listing.root).parts)
    names = {say_role(path.name)[0]: path.name for path in _inner(folders[0])}
    if IMAGES in names and MASKS in names:
        sides = [
            "/".join(["*"] * depth + [names[kind], "*"]) for kind in (IMAGES, MASKS)
        ]
        if _works(find, listing.root, *sides):
            return f"Each of its folders has its own: pass {options(*sides)}"
    return f"It may begin in one of {', '.join(map(str, folders[:3]))}: --data.root"


def _inner(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_dir()]


def _other_names(listing: Listing, find: Find) -> str:
    """Suggest two folders whose files pair, although their names are unknown."""
    groups = _groups(listing)
    for images in groups:
        for masks in groups:
            if images is masks or images.kind == MASKS or masks.kind == IMAGES:
                continue
            shared = images.files.keys() & masks.files.keys()
            if not any(match(images.files[s], masks.files[s]).pairs for s in shared):
                continue
            if not _works(find, listing.root, images.pattern, masks.pattern):
                continue
            known = images.kind or masks.kind or images.has_jpeg > masks.has_jpeg
            said = options(images.pattern, masks.pattern)
            doubt = "" if known else f" if {masks.place} holds the masks"
            return (
                f"Files of the same names lie in {images.place} and {masks.place}: pass"
                f" {said}{doubt}"
            )
    return ""


def _lonely(listing: Listing, find: Find) -> str:
    """Name a folder of images without a folder of masks, or the reverse."""
    del find
    kinds = {kind for kind, _ in listing.folders}
    for kind, other in ((IMAGES, MASKS), (MASKS, IMAGES)):
        if kind in kinds and other not in kinds:
            folders = next(f for (k, _), f in listing.folders.items() if k == kind)
            split, folder = next(iter(folders.items()))
            of = f" for split {split!r}" if split else ""
            return f"{folder}: no {other} beside it{of}; {PATTERNS}"
    return ""


def _contents(listing: Listing) -> str:
    """Return how many images and other files are in which folders, as text."""
    root = listing.root
    images = Counter(path.parent for path in listing.paths)
    said = [
        f"{count} {'image' if count == 1 else 'images'} in {_place(folder, root)}"
        for folder, count in images.most_common(4)
    ]
    foreign = [
        f"{count} {suffix or 'files without an ending'} in {_place(folder, root)}"
        for folder, inner in listing.others.items()
        if folder not in images
        for suffix, count in inner.most_common(1)
    ]
    more = len(images) - len(said)
    said += [f"images in {more} more folders"] if more > 0 else []
    said += [] if images else ["no image"]
    if foreign:
        said.append(", ".join(foreign[:3]))
    if listing.truncated:
        said.append(f"and more than {MOST:,} files and folders in all")
    ends = f" (images end in {' '.join(sorted(SUFFIXES))})" if foreign else ""
    return f"It holds {', '.join(said)}{ends}"


def foreign(listing: Listing, folder: str) -> str:
    """Name the most frequent ending in a folder that no image has, if any."""
    inner = listing.others.get(Path(folder))
    if not inner:
        return ""
    ((suffix, count),) = inner.most_common(1)
    return (
        f" ({count} {suffix} in {folder}; images end in {' '.join(sorted(SUFFIXES))})"
    )


def _place(folder: Path, root: Path) -> str:
    place = folder.relative_to(root).as_posix()
    return "the folder itself" if place == "." else place
