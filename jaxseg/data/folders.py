"""Lists the files below a folder, with the kind and split that their folders name.

A folder's name may name a split (`train`), a kind of files (`images`, `masks`), or both
(`train_images`, `imagesTr`, `trainannot`).  No file is opened or written, and links out
of the folder are not followed.  `pairing` finds which mask belongs to which image.
"""

from __future__ import annotations

import glob
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from jaxseg.data.images import IMAGE_SUFFIXES
from jaxseg.errors import UserError

SUFFIXES = frozenset(IMAGE_SUFFIXES)
"""Endings of the files that may be an image or a mask, in lower case."""
ANNOTATIONS = frozenset((".json", ".xml", ".txt"))
"""Endings of the files that may hold annotations, in lower case."""

IMAGES, MASKS = "images", "masks"
_KINDS = {
    IMAGES: "image images img imgs imgdir imgsdir imagedir imagesdir jpegimages"
    " leftimg8bit",
    MASKS: "mask masks maskdir masksdir label labels labeldir labelsdir annotation"
    " annotations annot annots ann anns anndir annotationdir segmentation"
    " segmentations segmentationclass segmentationclasspng groundtruth gt gts gtfine"
    " manual manual1 1stmanual",
}
KIND_OF = {word: kind for kind, words in _KINDS.items() for word in words.split()}

SPLITS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
"""Split name of a folder or a `.txt` file -> our name of the split."""
SPLIT_WORDS = SPLITS | {"tr": "train", "ts": "test"}
"""Split names that may be part of a folder's name, as in `imagesTr`."""
ORDER = ("train", "val", "test")

MOST = 1_000_000
"""Largest number of files and folders to list below folders of unknown names."""


class File(NamedTuple):
    """An image or mask file.

    Attributes:
      path: path of the file.
      kind: `IMAGES` or `MASKS` according to the names of its folders, or "".
      split: our name of the split, or "".
      place: the folders that name kind and split, as a pattern such as
        `images/{split}`.
      rest: the folders below those.
      stem: replaces the file's stem in its key, unless empty.
    """

    path: Path
    kind: str
    split: str
    place: str
    rest: tuple[str, ...] = ()
    stem: str = ""

    @property
    def key(self) -> str:
        """The folders below `place` and the stem, which image and mask share."""
        return "/".join((*self.rest, self.stem or self.path.stem))


@dataclass(frozen=True)
class _Standing:
    """Kind and split according to the names of the folders so far."""

    kind: str = ""
    split: str = ""
    place: tuple[str, ...] = ()
    rest: tuple[str, ...] = ()
    late: bool = False  # a known name is below an unknown one


@dataclass
class Listing:
    """The files and folders below a root.

    Attributes:
      root: the folder.
      paths: the files of `SUFFIXES`, those of each folder sorted by name.
      files: those of them whose folders' names can be understood.
      folders: of each (kind, place), the folder of each split.
      deeper: folders below which the names of folders begin to be known ones.
      others: folder -> ending -> number of other files with that ending.
      annotations: the files of `ANNOTATIONS`, in the same order as `paths`.
      truncated: whether more than `MOST` entries were found.
    """

    root: Path
    paths: list[Path] = field(default_factory=list)
    files: list[File] = field(default_factory=list)
    folders: dict[tuple[str, str], dict[str, Path]] = field(
        default_factory=lambda: defaultdict(dict)
    )
    deeper: dict[Path, None] = field(default_factory=dict)
    others: dict[Path, Counter[str]] = field(
        default_factory=lambda: defaultdict(Counter)
    )
    annotations: list[Path] = field(default_factory=list)
    truncated: bool = False

    def add_other(self, path: Path) -> None:
        """Add a file that is no image and no mask."""
        ending = path.suffix.lower()
        self.others[path.parent][ending] += 1
        if ending in ANNOTATIONS:
            self.annotations.append(path)

    def of(self, kind: str, place: str) -> dict[str, list[File]]:
        """Return the files of a kind and place by split."""
        found: dict[str, list[File]] = {
            split: [] for split in self.folders.get((kind, place), {})
        }
        for file in self.files:
            if (file.kind, file.place) == (kind, place):
                found.setdefault(file.split, []).append(file)
        return found


def say_role(name: str) -> tuple[str, str, str]:
    """Return the kind and split that a folder's name means, and the name's pattern."""
    word = re.sub(r"[\s_.-]", "", name).lower()
    if word in KIND_OF:
        return KIND_OF[word], "", glob.escape(name)
    if word.rstrip("0123456789") in SPLITS:  # train2017 too
        return "", SPLITS[word.rstrip("0123456789")], "{split}"
    for part, split in SPLIT_WORDS.items():
        if word.startswith(part) and word[len(part) :] in KIND_OF:
            kind = KIND_OF[word[len(part) :]]
            return kind, split, "{split}" + glob.escape(name[len(part) :])
        if word.endswith(part) and word[: -len(part)] in KIND_OF:
            kind = KIND_OF[word[: -len(part)]]
            return kind, split, glob.escape(name[: -len(part)]) + "{split}"
    return "", "", glob.escape(name)


def list_files(root: Path) -> Listing:
    """List the files below a folder; hidden files and folders are left out.

    Raises:
      UserError: there are two folders of one split, a link that leads out of the folder
        or to nothing, or an image or mask that is no plain file.
    """
    listing = Listing(root)
    _walk(root, _Standing(), listing, (root.resolve(),), [0])
    return listing


def _walk(
    folder: Path,
    at: _Standing,
    listing: Listing,
    above: tuple[Path, ...],
    met: list[int],
) -> None:
    if (at.kind or at.split) and not at.rest and not at.late:
        place = "/".join(at.place)
        known = listing.folders[at.kind, place].setdefault(at.split, folder)
        if known != folder:
            split = at.split or at.kind
            raise UserError(f"{known} and {folder.name} are both split {split!r}")
    inner = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        met[0] += not (at.kind or at.split)
        if met[0] > MOST and not (at.kind or at.split):
            listing.truncated = True
            break
        if path.suffix.lower() in SUFFIXES:
            _check_file(path, at, listing)
        elif path.is_dir():
            inner.append(path)
        else:
            listing.add_other(path)
    for path in inner:
        below = _enter(path.name, at)
        if below.late and not at.late:
            listing.deeper[folder] = None
        if path.is_symlink():
            if not (below.kind or below.split):
                continue
            inside(path, listing.root)
        real = path.resolve()
        if real in above:
            raise UserError(f"{path}: a link to a folder that it lies in; remove it")
        _walk(path, below, listing, (*above, real), met)


def _enter(name: str, at: _Standing) -> _Standing:
    kind, split, written = say_role(name)
    says = (kind and not at.kind) or (split and not at.split)
    clashes = (kind and at.kind) or (split and at.split)
    if not says or clashes:
        return replace(at, rest=(*at.rest, name))
    if at.rest or at.late:
        return replace(at, rest=(*at.rest, name), late=True)
    return replace(
        at, kind=kind or at.kind, split=split or at.split, place=(*at.place, written)
    )


def _check_file(path: Path, at: _Standing, listing: Listing) -> None:
    named = bool(at.kind or at.split)
    if path.is_symlink():
        if named:
            inside(path, listing.root)
            if not path.exists():
                raise UserError(f"{path}: a link to nothing; remove it")
        elif not path.exists():
            return
    if not path.is_file():  # reading a pipe may never end
        if named:
            raise UserError(f"{path}: not a plain file; remove it")
        return
    listing.paths.append(path)
    if not at.late:
        place = "/".join(at.place)
        listing.files.append(File(path, at.kind, at.split, place, at.rest))


def inside(path: Path, root: Path) -> None:
    """Refuse a path that leads out of `root` by a link.

    Raises:
      UserError: the link leads out of `root` or to itself.
    """
    try:
        within = path.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError) as error:
        raise UserError(f"{path}: a link to itself; remove it") from error
    if not within:
        raise UserError(
            f"{path}: a link that leads out of {root}; copy the files into it"
        )
