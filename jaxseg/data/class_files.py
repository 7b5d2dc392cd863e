"""Masks of several files, one for each class of an image.

One of the mask files of an image stands for all of them, under a name without the
class, so that it is found like a single mask.  The class is read from
`masks/CLASS/1.png`, `masks/1_CLASS.png`, or the place of {class} in a pattern.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from jaxseg.data.folders import MASKS, File, Listing
from jaxseg.data.pairing import Pair
from jaxseg.data.splits import Splits
from jaxseg.errors import UserError, listed

Groups = Mapping[Path, dict[str, Path]]
"""The file that stands for an image's masks -> class -> its file."""

LAYOUTS = (
    "SPLIT/images + SPLIT/masks/CLASS or images/SPLIT + masks/SPLIT/CLASS, with the"
    " image's name; the same with masks of the name IMAGE_CLASS in one folder; or the"
    " same without SPLIT; or patterns, as --data.images 'img/*.jpg' --data.masks"
    " 'truth/{class}/*.png'"
)
"""The layouts of folders with one mask file per class."""


def joined(listing: Listing, names: Sequence[str]) -> tuple[Listing, Groups]:
    """Let one file stand for the masks of an image, and return the files of each class.

    Args:
      listing: the files of a folder.
      names: names of the classes; empty takes the names of the folders or the ends of
        the files' names.

    Raises:
      UserError: some masks are in folders of classes and others are not, or there are
        two masks of one class.
    """
    masks = [file for file in listing.files if file.kind == MASKS]
    images = [file for file in listing.files if file.kind != MASKS]
    if _in_folders(masks, images):
        split = [(file.rest[0], file._replace(rest=file.rest[1:])) for file in masks]
    else:
        known = {(file.rest, file.path.stem) for file in images}
        split = [_without_suffix(file, known, names) for file in masks]
    groups: dict[Path, dict[str, Path]] = {}
    first: dict[tuple[str, str, str], File] = {}
    for name, file in split:
        kept = first.setdefault((file.place, file.split, file.key), file)
        add(groups, kept.path, name, file.path)
    files = [*images, *first.values()]
    return replace(listing, files=files), groups


def add(groups: dict[Path, dict[str, Path]], kept: Path, name: str, path: Path) -> None:
    """Add the mask of a class to those of its image.

    Raises:
      UserError: the image has a mask of this class already.
    """
    files = groups.setdefault(kept, {})
    if name in files:
        raise UserError(
            f"{path}: a second mask of class {name!r} beside {files[name]}; remove one"
        )
    files[name] = path


def _in_folders(masks: Sequence[File], images: Sequence[File]) -> bool:
    """Whether the folders of the masks are classes, not folders of the images."""
    if not masks or not all(file.rest for file in masks):
        if any(file.rest for file in masks):
            inner, outer = (
                next(file.path for file in masks if bool(file.rest) == nested)
                for nested in (True, False)
            )
            raise UserError(
                f"{inner} lies in a folder and {outer} does not, so that it is unclear"
                " which say the class; pass --data.images and --data.masks, as in"
                " --data.masks 'masks/{class}/*.png'"
            )
        return False
    of_images = {file.rest[0] for file in images if file.rest}
    return not {file.rest[0] for file in masks} <= of_images


def _without_suffix(
    file: File, images: Iterable[tuple[tuple[str, ...], str]], names: Sequence[str]
) -> tuple[str, File]:
    """Return the class at the end of a mask's name, and the file without it."""
    stem = file.path.stem
    for found in reversed(list(re.finditer(r"[\s_.-]+", stem))):
        before, name = stem[: found.start()], stem[found.end() :]
        if (file.rest, before) in images and (name in names if names else name):
            return name, file._replace(stem=before)
    return "", file


def with_planes(
    splits: Splits, groups: Groups, names: Sequence[str], root: Path, absent: bool
) -> tuple[Splits, tuple[str, ...]]:
    """Return the pairs with the mask file of each class, and notes.

    Args:
      splits: pairs of an image and the file that stands for its masks.
      groups: the files of each class.
      names: names of the classes, in their order.
      root: the folder, for messages.
      absent: whether a missing file means that the image has no pixel of the class.

    Raises:
      UserError: there are files of other classes, or files are missing.
    """
    pairs = [pair for found in splits.values() for pair in found]
    other = [
        path
        for pair in pairs
        for name, path in groups.get(pair.mask, {}).items()
        if name not in names
    ]
    if other:
        raise UserError(
            f"{root}: {len(other)} mask files of none of the classes"
            f" {', '.join(names)}: {_listed(other, root)}; name every class in"
            " --data.class_names, or take the files away"
        )
    missing = [
        f"{name} of {pair.image.name}"
        for pair in pairs
        for name in names
        if name not in groups.get(pair.mask, {})
    ]
    if missing and not absent:
        raise UserError(
            f"{root}: {len(missing)} of {len(pairs) * len(names)} mask files are"
            f" missing: {listed(missing)}; if a missing file means that the image has"
            " none of the class pass --data.absent_masks True"
        )
    planes = {
        split: [
            pair._replace(
                planes=tuple(groups.get(pair.mask, {}).get(name) for name in names)
            )
            for pair in found
        ]
        for split, found in splits.items()
    }
    if not missing:
        return planes, ()
    note = f"{len(missing)} of {len(pairs) * len(names)} mask files are absent, and"
    return planes, (f"{note} those images have none of the class: {listed(missing)}",)


def class_names(
    groups: Groups, splits: Splits, given: Sequence[str], count: int, root: Path
) -> tuple[str, ...]:
    """Return the names of the classes: as given, or else those found, sorted.

    Raises:
      UserError: the class of a mask is unknown, or there are fewer than two classes or
        another number than is asked for.
    """
    pairs = [pair for found in splits.values() for pair in found]
    unsaid = [pair.mask for pair in pairs if not _says_class(groups, pair)]
    if unsaid:
        raise UserError(
            f"{root}: {len(unsaid)} masks have no class in their path:"
            f" {_listed(unsaid, root)}; for a multilabel task lay them out as"
            f" {LAYOUTS}; or pass --data.mask_bits True if the bits of their values are"
            " the classes"
        )
    found = sorted({name for pair in pairs for name in groups.get(pair.mask, {})})
    names = tuple(given) or tuple(found)
    if len(names) < 2:
        raise UserError(
            f"{root}: masks of one class, {', '.join(names)}; to tell it from the"
            " background pass --data.task binary, with one mask an image; or pass"
            " --data.mask_bits True if the bits of its values are the classes"
        )
    if count and count != len(names):
        raise UserError(
            f"{root}: data.num_classes {count}, and there are masks of {len(names)}"
            f" classes: {listed(names, 8)}"
        )
    return names


def _says_class(groups: Groups, pair: Pair) -> bool:
    if pair.mask == pair.image:  # of no class
        return True
    return bool(groups.get(pair.mask)) and "" not in groups[pair.mask]


def _listed(paths: Sequence[Path], root: Path) -> str:
    return listed([path.relative_to(root).as_posix() for path in paths])
