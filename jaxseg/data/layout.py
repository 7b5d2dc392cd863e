"""A folder's layout: its splits, and which mask belongs to which image.

Goes by names alone and opens no image (that is `jaxseg.data.images`).  Nothing is
written, and no link or list leads out of the folder.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from jaxseg.data.images import IMAGE_SUFFIXES
from jaxseg.errors import UserError

IMAGE_FOLDERS = ("images", "imgs", "image", "img", "jpegimages")
MASK_FOLDERS = ("masks", "mask", "segmentationclass", "annotations", "labels", "label")
"""Folder names in lower case; where several exist the first named here counts."""
SPLITS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
"""Accepted split names, of folders and of `.txt` files, and our name for each."""
LAYOUTS = (
    "SPLIT/images + SPLIT/masks, images/SPLIT + masks/SPLIT (SPLIT: train, val, test),"
    " or images + masks, with train.txt and val.txt or without"
)
_MASK_ENDINGS = ("_mask", "-mask", "_masks", "_label", "_labels", "_gt", "_L")
_LIST_FOLDERS = (".", "splits", "ImageSets/Segmentation")


class Pair(NamedTuple):
    """An image file and its mask file; `name` is the image's stem."""

    name: str
    image: Path
    mask: Path


class Match(NamedTuple):
    """What pairing two folders found; each list is sorted by name."""

    pairs: list[Pair]
    images_without_mask: list[Path]
    masks_without_image: list[Path]


def find_splits(root: Path, layouts: str = LAYOUTS) -> dict[str, list[Pair]]:
    """Find the splits of a folder in whichever accepted layout it has.

    Args:
      root: a folder laid out as `LAYOUTS` says; without split folders or lists, a hash
        of the name puts a fifth of the images into val, whatever other images exist.
      layouts: the layouts that the caller accepts, for the message.

    Returns:
      The pairs of train, val and test, as far as they exist; a test split without
      masks is left out.

    Raises:
      UserError: no such folder or layout, files that do not pair, an empty split, a
        link or a line of a list that leads out of the folder.
    """
    if not root.is_dir():
        raise UserError(f"{root}: no such folder (data.root)")
    found = {}
    for split, (images, masks) in _folders_by_split(root).items():
        if images and masks:
            found[split] = pair_folders(images, masks, root)
        elif not (images and split == "test"):
            missing = "masks" if images else "images"
            raise UserError(
                f"{images or masks}: no {missing} beside it for split {split!r};"
                f" accepted: {layouts}"
            )
    images, masks = subfolder(root, IMAGE_FOLDERS), subfolder(root, MASK_FOLDERS)
    if not found and images and masks:
        lists = _split_lists(root)
        if lists:
            found = _split_by_lists(lists, match(images, masks, root))
        else:
            found = _split_by_hash(pair_folders(images, masks, root))
    if not found:
        raise UserError(f"{root}: the layout is none of {layouts}")
    for split, pairs in found.items():
        if not pairs:
            raise UserError(f"{root}: split {split!r} holds no images")
    return found


def _folders_by_split(root: Path) -> dict[str, tuple[Path | None, Path | None]]:
    """Find the (images, masks) folders of each split, where splits are folders."""
    inner = {
        split: (subfolder(folder, IMAGE_FOLDERS), subfolder(folder, MASK_FOLDERS))
        for split, folder in _split_folders(root).items()
    }
    inner = {split: folders for split, folders in inner.items() if any(folders)}
    images, masks = subfolder(root, IMAGE_FOLDERS), subfolder(root, MASK_FOLDERS)
    if inner or not images or not masks:
        return inner
    of_images, of_masks = _split_folders(images), _split_folders(masks)
    return {
        split: (of_images.get(split), of_masks.get(split))
        for split in {**of_images, **of_masks}
    }


def subfolder(folder: Path, names: Sequence[str]) -> Path | None:
    """Return the first folder in `folder` called one of `names`, in any letter case."""
    folders = {path.name.lower(): path for path in folder.iterdir() if path.is_dir()}
    return next((folders[name] for name in names if name in folders), None)


def pair_folders(images: Path, masks: Path, root: Path) -> list[Pair]:
    """Pair every image with its mask.

    Args:
      images: folder of images.
      masks: folder of masks: the image's stem, or that with an ending such as `_mask`.
      root: the folder that no link may lead out of.

    Raises:
      UserError: an image without a mask or a mask without an image; up to three are
        named.
    """
    found = match(images, masks, root)
    for what, paths in (
        (f"no mask in {masks} for", found.images_without_mask),
        (f"no image in {images} for", found.masks_without_image),
    ):
        if paths:
            names = ", ".join(path.name for path in paths[:3])
            more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
            raise UserError(f"{what} {names}{more}; an image and its mask share a stem")
    return found.pairs


def match(images: Path, masks: Path, root: Path) -> Match:
    """Match the files of two folders by stem; see `pair_folders`.

    Raises:
      UserError: two images, or two masks of one image, share a stem; a link leads out
        of `root`.
    """
    image_files = _by_stem(images, IMAGE_SUFFIXES, root)
    mask_of: dict[str, Path] = {}
    unmatched = []
    for stem, path in _by_stem(masks, IMAGE_SUFFIXES, root).items():
        names = [stem, *(stem.removesuffix(ending) for ending in _MASK_ENDINGS)]
        name = next((name for name in names if name in image_files), None)
        if name is None:
            unmatched.append(path)
        elif name in mask_of:
            raise UserError(f"{path}: a second mask of {name}, beside {mask_of[name]}")
        else:
            mask_of[name] = path
    pairs = [
        Pair(name, path, mask_of[name])
        for name, path in image_files.items()
        if name in mask_of
    ]
    without = [path for name, path in image_files.items() if name not in mask_of]
    return Match(pairs, without, unmatched)


def _by_stem(folder: Path, suffixes: Collection[str], root: Path) -> dict[str, Path]:
    """List the files of a folder by stem, sorted; hidden ones are passed over."""
    inside(folder, root)
    files: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.suffix.lower() not in suffixes:
            continue
        if path.is_symlink():
            inside(path, root)
            if not path.exists():
                raise UserError(f"{path}: a link to nothing; remove it")
        if not path.is_file():  # reading a pipe may never end
            raise UserError(f"{path}: not a plain file; remove it")
        if path.stem in files:
            raise UserError(f"{path}: {files[path.stem].name} has the same stem")
        files[path.stem] = path
    return files


def inside(path: Path, root: Path) -> None:
    """Refuse a path that leads out of `root` by a link.

    Raises:
      UserError: it does, or to itself.
    """
    try:
        within = path.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError) as error:
        raise UserError(f"{path}: a link to itself; remove it") from error
    if not within:
        raise UserError(
            f"{path}: a link that leads out of {root}; copy the files into it"
        )


def _split_folders(folder: Path) -> dict[str, Path]:
    return _by_split(path for path in folder.iterdir() if path.is_dir())


def _split_lists(root: Path) -> dict[str, Path]:
    """Find train.txt, val.txt, test.txt in the first place that has any."""
    for place in _LIST_FOLDERS:
        if (root / place).is_dir():
            lists = _by_split((root / place).glob("*.txt"))
            for path in lists.values():
                inside(path, root)
            if lists:
                return lists
    return {}


def _by_split(paths: Iterable[Path]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in sorted(paths):
        split = SPLITS.get(path.stem.lower())
        if split in found:
            raise UserError(f"{path} and {found[split].name} are both split {split!r}")
        if split:
            found[split] = path
    return dict(sorted(found.items(), key=lambda item: list(SPLITS).index(item[0])))


def read_list(path: Path) -> list[str]:
    """Read the lines of a split list, without blank lines and `#` comments.

    Raises:
      UserError: it cannot be read as text.
    """
    if not path.is_file():
        raise UserError(f"{path}: not a plain file; remove it")
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read as text ({error})") from error
    stripped = [line.strip() for line in lines]
    return [line for line in stripped if line and not line.startswith("#")]


def _split_by_lists(lists: dict[str, Path], found: Match) -> dict[str, list[Pair]]:
    by_name = {pair.name: pair for pair in found.pairs}
    by_name |= {pair.image.name: pair for pair in found.pairs}
    splits = {}
    for split, path in lists.items():
        pairs: dict[str, Pair] = {}
        for line in read_list(path):
            parts = PurePosixPath(line.replace("\\", "/"))
            if parts.is_absolute() or ".." in parts.parts:
                raise UserError(f"{path}: {line!r} leads out of the folder; list stems")
            pair = by_name.get(parts.name)
            if pair is None:
                raise UserError(f"{path}: {line!r} names no image that has a mask")
            if pair.name in pairs:
                raise UserError(f"{path}: {line!r} is listed twice")
            pairs[pair.name] = pair
        splits[split] = list(pairs.values())
    return splits


def _split_by_hash(pairs: list[Pair]) -> dict[str, list[Pair]]:
    splits: dict[str, list[Pair]] = {"train": [], "val": []}
    for pair in pairs:
        number = int.from_bytes(hashlib.sha256(pair.name.encode()).digest()[:8])
        splits["val" if number % 5 == 0 else "train"].append(pair)
    if pairs and not all(splits.values()):
        raise UserError(
            f"{pairs[0].image.parent}: too few images to keep a fifth for val;"
            " list them in train.txt and val.txt"
        )
    return splits
