"""A published data set as its publisher's archive unpacks it: what is said of it.

Each module beside this one finds the files of a set and holds its table of classes;
what they share in finding files is here.  No image is opened: `builders.published`
checks and stores what was found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from jaxseg.data.labels import Colour, LabelSet
from jaxseg.data.pairing import Pair
from jaxseg.data.splits import Splits, read_list
from jaxseg.errors import UserError, listed


class Missing(Exception):
    """A file or folder that the published layout has is not there; names its path."""


class Found(NamedTuple):
    """What was found in the folder of a published data set.

    Attributes:
      splits: the pairs of train and val, as far as they are there.
      labels: the classes, with the raw values or colours of the masks.
    """

    splits: Splits
    labels: LabelSet


@dataclass(frozen=True)
class PublishedSet:
    """A data set in its published layout.

    Attributes:
      description: one line: content, classes, licence, where from.
      find: finds the files below a root.  Raises `Missing` where the layout is another
        one, and UserError where files are missing or wrong.
      fetch: what to fetch from the publisher and how it must lie, for messages.
      counts: the number of images of each split, as published.
      num_classes: of its labels; None is known when it is open only.
      by_colour: whether the colours of a mask say the classes.
    """

    description: str
    find: Callable[[Path], Found]
    fetch: str
    counts: dict[str, int] = field(default_factory=dict)
    num_classes: int | None = None
    by_colour: bool = False


def inner(root: Path, places: Iterable[str], within: str) -> Path:
    """Return the first of the folders `root / place` that has a folder `within`.

    Archives are unpacked with their outer folders or without.

    Raises:
      Missing: none has it.
    """
    for place in places:
        if (root / place / within).is_dir():
            return root / place
    raise Missing(within)


Places = Mapping[str, tuple[Path, Path]]
"""Folders of images and of masks by what the names of their pairs begin with."""


def folder_splits(splits: Mapping[str, Places], root: Path, suffix: str) -> Splits:
    """Pair the files of folders whose masks, PNGs, are named as their images.

    Args:
      splits: the folders of each split; a split none of whose image folders exists is
        left out.
      root: of the data set, for `Missing`.
      suffix: of the images.

    Raises:
      Missing: no split is there, or a folder of one that is.
      UserError: an image without its mask, or a mask without its image.
    """
    found: Splits = {}
    for split, places in splits.items():
        if any(images.is_dir() for images, _ in places.values()):
            pairs = [
                pair
                for start, (images, masks) in places.items()
                for pair in _folder_pairs(images, masks, suffix, start, root)
            ]
            found |= {split: pairs} if pairs else {}
    if not found:
        images = [images for places in splits.values() for images, _ in places.values()]
        there = next((path for path in images if path.is_dir()), None)
        if there:
            raise Missing(f"{there.relative_to(root).as_posix()}/*{suffix}")
        raise Missing(images[0].relative_to(root).as_posix())
    return found


def plain_splits(
    folder: Path, root: Path, images: str, masks: str, train: str, val: str
) -> Splits:
    """Pair the .jpg images of a folder a split with the masks of another.

    Args:
      folder: that the archive unpacks to.
      root: of the data set, for `Missing`.
      images: the folder of a split's images, with {} for the split's name there.
      masks: that of its masks.
      train: name of train.
      val: name of val.

    Raises:
      Missing: as for `folder_splits`.
      UserError: as for `folder_splits`.
    """
    splits = {
        split: {"": (folder / images.format(name), folder / masks.format(name))}
        for split, name in (("train", train), ("val", val))
    }
    return folder_splits(splits, root, ".jpg")


def _folder_pairs(
    images: Path, masks: Path, suffix: str, start: str, root: Path
) -> list[Pair]:
    of_images = _files(images, suffix, root)
    of_masks = _files(masks, ".png", root)
    _check_partners(of_images, of_masks, images, f"mask in {masks}")
    _check_partners(of_masks, of_images, masks, f"image in {images}")
    return [Pair(start + name, of_images[name], of_masks[name]) for name in of_images]


def _check_partners(
    files: Mapping[str, Path], others: Mapping[str, Path], folder: Path, partner: str
) -> None:
    alone = [path.name for name, path in files.items() if name not in others]
    if alone:
        raise UserError(
            f"{folder}: {listed(alone)} without {partner}; unpack the archives again"
        )


def _files(folder: Path, suffix: str, root: Path) -> dict[str, Path]:
    """Return the files of a folder by stem, in the order of their names."""
    if not folder.is_dir():
        raise Missing(folder.relative_to(root).as_posix())
    return {
        path.stem: path
        for path in sorted(folder.glob(f"*{suffix}"))
        if not path.name.startswith(".")  # what macOS adds
    }


def list_pairs(path: Path, pair: Callable[[str], Pair]) -> list[Pair]:
    """Return the pairs that a list names, a stem a line.

    Args:
      path: of the list; of a line of two paths the first one's stem counts.
      pair: the files of a stem.

    Raises:
      UserError: a file that is not there, a name that is listed twice, or none at all.
    """
    found: dict[str, Pair] = {}
    for line in read_list(path):
        name = Path(line.split()[0]).stem
        if name in found:
            raise UserError(f"{path}: {line!r} is listed twice")
        found[name] = pair(name)
        for file in (found[name].image, found[name].mask):
            if not file.is_file():
                raise UserError(
                    f"{path}: of {line!r} there is no {file}; unpack the archives again"
                )
    if not found:
        raise UserError(f"{path}: lists no image; unpack the archives again")
    return list(found.values())


def distinct(colours: Iterable[Colour]) -> tuple[Colour, ...]:
    """Return colours of which no two are equal.

    A colour that an earlier class has gets the next free value of blue: published
    palettes give some classes one colour, and pictures must tell classes apart.
    """
    chosen: list[Colour] = []
    for red, green, blue in colours:
        near = ((red, green, shifted % 256) for shifted in range(blue, blue + 256))
        chosen.append(next(colour for colour in near if colour not in chosen))
    return tuple(chosen)
