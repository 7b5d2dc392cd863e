"""The annotation files of a folder: which there are, of which format, and read.

Without a pattern the usual exports are recognised by what the files hold; names of
folders and files say the split.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from pydantic_core import from_json

from jaxseg.data.annotations import coco, cvat, labelme, yolo
from jaxseg.data.annotations.entries import Contents, Format, Refuse
from jaxseg.data.folders import SPLITS, Listing, inside, say_role
from jaxseg.data.images import read_bytes
from jaxseg.data.patterns import find_annotations
from jaxseg.errors import UserError, listed

LAYOUTS = (
    "COCO (SPLIT/_annotations.coco.json or annotations/instances_SPLIT.json), LabelMe"
    " (a .json beside each image), CVAT for images 1.1 (annotations.xml) or YOLO"
    " segmentation (images/SPLIT + labels/SPLIT)"
)
"""Annotations that are found without a pattern."""


class Annotations(NamedTuple):
    """The annotations of a folder.

    Attributes:
      form: their format.
      contents: of each file.
      where: names the files, for messages.
      refused: stems of the names of the files that could not be read.
    """

    form: Format
    contents: Sequence[Contents]
    where: str
    refused: frozenset[str]


class _Read(NamedTuple):
    form: Format
    contents: Contents


def find(
    listing: Listing, pattern: str, names: Sequence[str], refuse: Refuse
) -> Annotations | None:
    """Read the annotations of a folder.

    Args:
      listing: what lies below the folder.
      pattern: of the files, as in `jaxseg.data.patterns`; empty looks for the usual
        ones.
      names: of the classes, where the numbers of YOLO's have none.
      refuse: called with what is wrong with a file.

    Returns:
      The annotations, or None where there is no pattern and no file that is known.

    Raises:
      UserError: files of several formats; none can be read; or, with a pattern, one is
        of no format that is known.
    """
    if pattern:
        splits = find_annotations(listing, pattern)
        read = _read_all(list(splits), listing.root, names)
        if other := [path for path in splits if path not in read]:
            raise UserError(
                f"{other[0]}: annotations of no format that is known: {LAYOUTS}"
            )
    else:
        read = {}
        for paths in _usual(listing):
            read = read or _read_all(paths, listing.root, names)
        _check_objects(listing, read)
        splits = {path: _split_of(path, listing.root) for path in read}
    if not read:
        return None
    found = _understood(read, refuse)
    forms = {each.form.name: path for path, each in found.items()}
    if len(forms) > 1:
        said = ", ".join(f"{name} in {path}" for name, path in forms.items())
        raise UserError(
            f"{listing.root}: annotations of several formats, {said}; choose by"
            " --data.annotations, a pattern such as"
            " 'annotations/instances_{split}.json'"
        )
    form = next(iter(found.values())).form
    if not pattern and form.lists_images:
        splits = _by_names(splits, found)
    contents = [
        _with_split(each.contents, splits[path]) for path, each in found.items()
    ]
    paths = [str(path.relative_to(listing.root)) for path in found]
    refused = frozenset(path.stem for path in read if path not in found)
    return Annotations(form, contents, f"{listing.root}: {listed(paths)}", refused)


def _usual(listing: Listing) -> tuple[list[Path], list[Path]]:
    """Return the files to look into where no pattern is given, and else the others."""
    tables = [path for path in listing.annotations if path.suffix.lower() != ".txt"]
    objects = [path for path in tables if "instances" in path.stem.lower()]
    texts = [
        path
        for path in listing.annotations
        if path.suffix.lower() == ".txt"
        and path.name.lower() not in yolo.NO_LABELS
        and any("label" in folder.lower() for folder in _folders(path, listing.root))
    ]
    return objects or tables, texts


def _understood(
    read: Mapping[Path, _Read | UserError], refuse: Refuse
) -> dict[Path, _Read]:
    """Return the files that could be read, and refuse the others.

    Raises:
      UserError: none could be read.
    """
    found, errors = {}, []
    for path, each in read.items():
        if isinstance(each, UserError):
            refuse(each)
            errors.append(each)
        else:
            found[path] = each
    if errors and not found:
        raise errors[0]
    return found


def _check_objects(listing: Listing, found: Mapping[Path, _Read | UserError]) -> None:
    """Refuse a file that is called as one of objects is, and is none."""
    for path in listing.annotations:
        named = "instances" in path.stem.lower() and path.suffix.lower() == ".json"
        if found and named and path not in found:
            raise UserError(
                f"{path}: not COCO: it lacks images, annotations or categories; export"
                " it anew, or choose other files by --data.annotations"
            )


def _folders(path: Path, root: Path) -> tuple[str, ...]:
    return path.parent.relative_to(root).parts


def _read_all(
    paths: Sequence[Path], root: Path, names: Sequence[str]
) -> dict[Path, _Read | UserError]:
    """Read the files of a known format, or find out why one cannot be read."""
    found: dict[Path, _Read | UserError] = {}
    table: tuple[Sequence[str], str] | None = None
    for path in paths:
        inside(path, root)
        if not path.is_file():
            raise UserError(f"{path}: not a plain file; remove it")
        if path.suffix.lower() == ".txt":
            table = table or yolo.find_names(root, names)
        try:
            known = _read_file(path, table)
        except UserError as error:
            known = error
        if known:
            found[path] = known
    return found


def _read_file(path: Path, names: tuple[Sequence[str], str] | None) -> _Read | None:
    """Read a file; None where it is of no format that is known."""
    if path.suffix.lower() == ".txt":
        assert names is not None
        return _Read(yolo.FORMAT, yolo.read(path, *names))
    content = read_bytes(path)
    if path.suffix.lower() == ".xml":
        tree = cvat.parsed(path, content)
        return None if tree is None else _Read(cvat.FORMAT, cvat.read(path, tree))
    try:
        parsed = from_json(content.removeprefix(b"\xef\xbb\xbf"))
    except ValueError as error:
        raise UserError(
            f"{path}: cannot be read as JSON ({error}); export it anew, or choose other"
            " files by --data.annotations"
        ) from error
    if not isinstance(parsed, dict):
        return None
    if coco.is_of(parsed):
        return _Read(coco.FORMAT, coco.read(path, parsed))
    if labelme.is_of(parsed):
        return _Read(labelme.FORMAT, labelme.read(path, parsed))
    return None


def _split_of(path: Path, root: Path) -> str:
    """Return the split that the folders of a file name, or empty."""
    found = {say_role(folder)[1] for folder in _folders(path, root)} - {""}
    return found.pop() if len(found) == 1 else ""


def _by_names(
    splits: Mapping[Path, str], found: Mapping[Path, _Read]
) -> dict[Path, str]:
    """Return the splits that the names of files say, if one of them is train."""
    named = {path: splits[path] or _split_in(path.stem) for path in found}
    return (
        named if "train" in named.values() else {path: splits[path] for path in found}
    )


def _split_in(stem: str) -> str:
    """Return the split that is a word of a name, as in `instances_val2017`."""
    words = (word.rstrip("0123456789") for word in re.split(r"[\W_]+", stem.lower()))
    found = {SPLITS[word] for word in words if word in SPLITS}
    return found.pop() if len(found) == 1 else ""


def _with_split(contents: Contents, split: str) -> Contents:
    entries = [entry._replace(split=entry.split or split) for entry in contents.entries]
    return contents._replace(entries=entries)
