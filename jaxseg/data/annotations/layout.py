"""Which image file an annotation is of, and of which split."""

from __future__ import annotations

import glob
import os
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from jaxseg.config import DataConfig
from jaxseg.data import hints, patterns, splits
from jaxseg.data.annotations.classes import Classes, find_classes
from jaxseg.data.annotations.drawing import Drawing, planes
from jaxseg.data.annotations.entries import Entry, Refuse, raising
from jaxseg.data.annotations.files import Annotations, find
from jaxseg.data.folders import MOST, ORDER, Listing, inside, list_files, say_role
from jaxseg.data.pairing import Pair
from jaxseg.data.roi import with_roi
from jaxseg.errors import UserError, listed


class Annotated(NamedTuple):
    """The annotated images of a folder.

    Attributes:
      splits: the pairs of each split, whose masks are drawn.
      classes: of the masks.
      notes: lines for the user.
      options: the options that split the only split by a hash, or empty.
    """

    splits: splits.Splits
    classes: Classes
    notes: tuple[str, ...]
    options: str


class MissingImages(UserError):
    """Annotated images that are not there.

    Attributes:
      images: the annotation file and the name of each.
    """

    def __init__(self, message: str, images: Sequence[tuple[Path, str]]) -> None:
        """Take the message, and the images that it is about."""
        super().__init__(message)
        self.images = images


def find_annotated(
    root: Path, config: DataConfig, refuse: Refuse = raising
) -> Annotated | None:
    """Find the images of a folder, their annotations and classes.

    Args:
      root: the folder.
      config: `annotations` and `images`, patterns, or empty; `task`, `class_names`.
      refuse: called with what is wrong with one file or image.

    Returns:
      What was found, or None where there is no annotation and no pattern of any.

    Raises:
      UserError: annotations that cannot be read or matched with the images.
    """
    listing = list_files(root)
    regions = patterns.find_files(listing, config.roi, "data.roi") if config.roi else {}
    taken = {path for files in regions.values() for path in files.values()}
    if listing.truncated:
        raise UserError(
            f"{root}: more than {MOST:,} files and folders; pass a --data.root that"
            " holds only the data"
        )
    names = config.class_names
    annotations = find(listing, config.annotations, names, refuse)
    if annotations is None:
        return None
    classes = find_classes(
        config, annotations.contents, annotations.form, annotations.where
    )
    images = _Images(listing, config.images, taken)
    found, notes = _matched(annotations, images, refuse)
    drawings = {
        path: Drawing(
            entry, path, annotations.form, classes.class_of, classes.unlabelled
        )
        for path, entry in found.items()
    }
    count = len(classes.names) if config.task == "multilabel" else 0
    chosen = _split(drawings, images, listing, count)
    if config.roi:
        chosen, more = with_roi(chosen, regions, config.roi)
        notes += more
    options = _without_split(chosen, root) if len(chosen) == 1 else ""
    return Annotated(chosen, classes, (*classes.notes, *notes), options)


class _Images:
    """The image files below a folder, by their names.

    Attributes:
      root: the folder.
      paths: of the images.
      split: of each, as its folders' names or the pattern say, or empty.
      pattern: of `data.images`, or empty.
    """

    def __init__(self, listing: Listing, pattern: str, taken: Iterable[Path]) -> None:
        self.root, self.pattern = listing.root, pattern
        if pattern:
            table = patterns.find_files(listing, pattern, "data.images")
            self.split = {p: s for s, files in table.items() for p in files.values()}
        else:
            known = {file.path: file.split for file in listing.files}
            self.split = {path: known.get(path, "") for path in listing.paths}
        for path in taken:
            self.split.pop(path, None)
        self.paths = list(self.split)
        self._by_name: dict[str, list[Path]] = {}
        for path in self.paths:
            for name in {path.name, path.stem}:
                self._by_name.setdefault(name, []).append(path)

    def of(self, entry: Entry) -> Path | None:
        """Return the image of an entry, None where it is missing.

        Raises:
          UserError: several images may be meant.
        """
        named = PurePosixPath(entry.image.replace("\\", "/"))
        found = self._nearest(entry, named) if named.name else []
        if entry.other:
            others = self._nearest(entry, PurePosixPath(entry.other))
            if found and others and not set(found) & set(others):
                raise UserError(
                    f"{entry.file}: it says that it is of {entry.image!r}"
                    f" ({found[0]}), and has the name of {others[0]}; correct the one"
                    " or the other"
                )
            found = found or others
        if len(found) > 1:
            said = entry.image or entry.other
            raise UserError(
                f"{entry.file}: image {said!r} may be {found[0]} or {found[1]}; remove"
                " one, or choose the images by --data.images, a pattern"
            )
        return found[0] if found else None

    def _nearest(self, entry: Entry, named: PurePosixPath) -> list[Path]:
        """Return the images of a name whose folders fit best."""
        paths = [
            path
            for path in self._by_name.get(named.name, ())
            if not entry.split or self.split[path] in ("", entry.split)
        ]
        fits = [_fit(path, named, entry.file, self.root) for path in paths]
        best = max(fits, default=None)
        return [path for path, fit in zip(paths, fits, strict=True) if fit == best]


def _fit(path: Path, named: PurePosixPath, file: Path, root: Path) -> tuple[int, int]:
    """Say how well an image's folders fit those of a name, and of the annotation."""
    folders = path.parent.relative_to(root).parts
    said = named.parent.parts
    shared = 0
    for mine, theirs in zip(reversed(folders), reversed(said), strict=False):
        if mine != theirs:
            break
        shared += 1
    if path.parent == file.parent:
        return shared, 2
    beside = file.parent.relative_to(root).parts
    return shared, int(_without_kinds(folders) == _without_kinds(beside))


def _without_kinds(folders: Sequence[str]) -> list[str]:
    """Leave out folders such as `images` and `labels`."""
    return [name for name in folders if not say_role(name)[0] or say_role(name)[1]]


def _matched(
    annotations: Annotations, images: _Images, refuse: Refuse
) -> tuple[dict[Path, Entry], list[str]]:
    """Return the entry of each image, and notes.

    Images that are missing or have two entries are refused.
    """
    found: dict[Path, Entry] = {}
    missing: list[tuple[Path, str]] = []
    entries = [entry for each in annotations.contents for entry in each.entries]
    for entry in entries:
        try:
            path = images.of(entry)
        except UserError as error:
            refuse(error)
            continue
        if path is None:
            name = entry.image or entry.other or "one of no name"
            missing.append((entry.file, name))
        elif path in found:
            refuse(_twice(path, entry, found[path]))
        else:
            split = entry.split or images.split[path]
            found[path] = entry._replace(split=split)
    total, names = len(found) + len(missing), listed([name for _, name in missing])
    notes = []
    if missing and (not images.pattern or not found):
        said = f"{len(missing)} of {total} annotated images are not below {images.root}"
        message = (
            f"{annotations.where}: {said}: {names}; put them there, or to go on with"
            " those that are there pass --data.images, a pattern such as 'images/*'"
        )
        refuse(MissingImages(message, missing))
    elif missing:
        notes.append(
            f"{len(missing)} of {total} annotated images do not match --data.images and"
            f" are left out: {names}"
        )
    notes += _unlisted(annotations, found, images)
    empty = [path.name for path, entry in found.items() if not entry.shapes]
    if empty:
        notes.append(
            f"{len(empty)} of {len(found)} images have no shape, so that they are"
            f" background: {listed(empty)}"
        )
    return found, notes


def _twice(path: Path, entry: Entry, other: Entry) -> UserError:
    return UserError(
        f"{path}: annotated as {entry.image or entry.other!r} in {entry.file} and as"
        f" {other.image or other.other!r} in {other.file}; an image has one annotation:"
        " take one away, or choose the files by --data.annotations"
    )


def _unlisted(
    annotations: Annotations, found: dict[Path, Entry], images: _Images
) -> list[str]:
    """Add or leave out images without an entry that lie beside others, and say so."""
    folders = {path.parent for path in found}
    rest = [p for p in images.paths if p not in found and p.parent in folders]
    rest = [path for path in rest if path.stem not in annotations.refused]
    if not rest:
        return []
    if annotations.form.lists_images:
        names = listed([path.name for path in rest])
        return [f"left out, as no annotation lists them ({len(rest)}): {names}"]
    file = next(iter(found.values())).file
    for path in rest:
        found[path] = Entry(file, path.name, None, (), images.split[path])
    return []


def _split(
    drawings: Mapping[Path, Drawing], images: _Images, listing: Listing, count: int
) -> splits.Splits:
    """Return the pairs of each split; `count` classes may overlap, 0 do not."""
    of_split: dict[str, list[Path]] = {}
    for path, drawing in drawings.items():
        of_split.setdefault(drawing.entry.split, []).append(path)
    root = listing.root
    if "" in of_split and len(of_split) > 1:
        raise UserError(
            f"{root}: {of_split.pop('')[0]} is of no split, and"
            f" {next(iter(of_split.values()))[0]} is; move it into a folder of one, or"
            " choose by --data.images and --data.annotations"
        )
    keys = {file.path: file.key for file in listing.files}
    pairs = {}
    for split, paths in of_split.items():
        names = _names(paths, keys, root)
        pairs[split] = []
        for path in sorted(paths):
            inside(path, root)
            drawing = drawings[path]
            of_classes = planes(drawing, count) if count else ()
            mask = drawing.entry.file
            pair = Pair(names[path], path, mask, of_classes, drawn=drawing)
            pairs[split].append(pair)
    if "" not in pairs:
        return {split: pairs[split] for split in ORDER if split in pairs}
    if lists := splits.find_lists(root):
        return splits.split_by_lists(lists, pairs[""], root)
    whole = splits.listed_whole(pairs[""], root)
    return splits.split_by_hash(pairs[""] if whole is None else whole, root)


def _names(
    paths: Sequence[Path], keys: Mapping[Path, str], root: Path
) -> dict[Path, str]:
    """Return a name of each image, which no two share."""
    relative = {path: path.relative_to(root) for path in paths}
    for names in (
        {path: keys.get(path, path.stem) for path in paths},
        {path: relative[path].with_suffix("").as_posix() for path in paths},
    ):
        if len(set(names.values())) == len(paths):
            return names
    return {path: relative[path].as_posix() for path in paths}


def _without_split(chosen: splits.Splits, root: Path) -> str:
    """Return the options that read the only split without its name."""
    (pairs,) = chosen.values()
    files = {pair.mask for pair in pairs}
    folder = Path(os.path.commonpath([pair.image.parent for pair in pairs]))
    below = {file.parent for file in files} == {folder}
    if below and folder != root:
        return f"--data.root {shlex.quote(str(folder))}"
    if len(files) > 1:
        return ""
    options = []
    for option, place in (("annotations", files.pop()), ("images", folder)):
        pattern = glob.escape(place.relative_to(root).as_posix())
        if place == folder:
            pattern = hints.pattern("" if pattern == "." else pattern, True)
        options.append(f"--data.{option} {shlex.quote(pattern)}")
    return " ".join(options)
