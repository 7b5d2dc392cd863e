"""Divides pairs that no folder divides into splits, by lists of names or by a hash."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from jaxseg.data.folders import ORDER, SPLITS, SUFFIXES, inside
from jaxseg.data.pairing import Pair
from jaxseg.errors import UserError

_PLACES = (".", "splits", "ImageSets/Segmentation")
_WHOLE = "default"
"""The name of a list of all images, which belongs to no split."""
_COLUMNS = ("\t", ",", ";", r"\s+")

Splits = dict[str, list[Pair]]


def find_lists(root: Path) -> dict[str, Path]:
    """Find train.txt, val.txt, test.txt in the first place that has any.

    Raises:
      UserError: there are two lists of one split, or a link leads out of `root`.
    """
    for place in _PLACES:
        found: dict[str, Path] = {}
        for path in sorted((root / place).glob("*.txt")):
            split = SPLITS.get(path.stem.lower(), "")
            if split in found:
                raise UserError(
                    f"{path} and {found[split].name} are both split {split!r}"
                )
            if split:
                inside(path, root)
                found[split] = path
        if found:
            return {split: found[split] for split in ORDER if split in found}
    return {}


def read_list(path: Path) -> list[str]:
    """Read the lines of a split list, without blank lines and `#` comments.

    Raises:
      UserError: the file cannot be read as text.
    """
    if not path.is_file():
        raise UserError(f"{path}: not a plain file; remove it")
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read as text ({error})") from error
    stripped = [line.strip() for line in lines]
    return [line for line in stripped if line and not line.startswith("#")]


def split_by_columns(lists: dict[str, Path], root: Path) -> Splits | None:
    """Read lists whose lines are an image and its mask, paths below `root`.

    Returns:
      The pairs of each split, named by the image's path; None if a list has no line of
      two such files.

    Raises:
      UserError: only some lines are two files, or an image is listed twice.
    """
    splits: Splits = {}
    for split, path in lists.items():
        pairs: dict[str, Pair] = {}
        lines = read_list(path)
        found = [_columns(line, root) for line in lines]
        if not any(found):
            return None
        for line, pair in zip(lines, found, strict=True):
            if pair is None:
                raise UserError(
                    f"{path}: {line!r} is not an image and its mask, two files below"
                    f" {root}, as other lines are"
                )
            _add(pair, pairs, path, line)
        splits[split] = list(pairs.values())
    return splits


def _columns(line: str, root: Path) -> Pair | None:
    """Return the pair of files that a line names, or None."""
    for separator in _COLUMNS:
        names = [name.strip().lstrip("/") for name in re.split(separator, line)]
        if len(names) != 2 or any(len(name) > 4096 or "\0" in name for name in names):
            continue
        image, mask = (root / name.replace("\\", "/") for name in names)
        if any(".." in path.parts for path in (image, mask)):
            continue
        try:
            there = image.is_file() and mask.is_file()
        except OSError:  # too long for a name
            there = False
        if there and image.suffix.lower() in SUFFIXES:
            name = image.relative_to(root).with_suffix("").as_posix()
            return Pair(name, image, mask)
    return None


def split_by_lists(lists: dict[str, Path], pairs: list[Pair], root: Path) -> Splits:
    """Choose the pairs of each split by lists of the images' names or paths.

    Raises:
      UserError: a line names no pair, several pairs, or one that is listed already; or
        it leads out of the folder.
    """
    known = _index(pairs, root)
    splits: Splits = {}
    for split, path in lists.items():
        chosen: dict[str, Pair] = {}
        for line in read_list(path):
            parts = PurePosixPath(line.replace("\\", "/"))
            if parts.is_absolute() or ".." in parts.parts:
                raise UserError(f"{path}: {line!r} leads out of the folder; list stems")
            _add(_named(parts, known, path, line), chosen, path, line)
        splits[split] = list(chosen.values())
    return splits


def _add(pair: Pair, chosen: dict[str, Pair], path: Path, line: str) -> None:
    if pair.name in chosen:
        raise UserError(f"{path}: {line!r} is listed twice")
    chosen[pair.name] = pair


def _index(pairs: Iterable[Pair], root: Path) -> dict[str, list[Pair]]:
    """Return the pairs by all names that a line may use for them."""
    known: dict[str, list[Pair]] = {}
    for pair in pairs:
        place = pair.image.relative_to(root)
        names = {pair.name, pair.name + pair.image.suffix, place.as_posix()}
        names |= {place.with_suffix("").as_posix(), place.stem, place.name}
        for name in names:
            known.setdefault(name, []).append(pair)
    return known


def _named(
    parts: PurePosixPath, known: dict[str, list[Pair]], path: Path, line: str
) -> Pair:
    for name in _endings(parts):
        found = known.get(name, [])
        if len(found) > 1:
            raise UserError(
                f"{path}: {line!r} may be {found[0].image} or {found[1].image}; list"
                " names with their folders"
            )
        if found:
            return found[0]
    raise UserError(f"{path}: {line!r} names no image that has a mask")


def _endings(parts: PurePosixPath) -> Iterator[str]:
    """Yield a path, then without its first folder, and so on, as far as 8 folders."""
    for start in range(max(0, len(parts.parts) - 8), len(parts.parts)):
        yield "/".join(parts.parts[start:])


def listed_whole(pairs: list[Pair], root: Path) -> list[Pair] | None:
    """Return the pairs that `default.txt` lists, None if there is no such list."""
    for place in _PLACES:
        path = root / place / f"{_WHOLE}.txt"
        if path.exists():
            inside(path, root)
            return split_by_lists({"": path}, pairs, root)[""]
    return None


def split_by_hash(pairs: list[Pair], root: Path) -> Splits:
    """Put a fifth of the pairs into val by a hash of the name, the rest into train.

    The split of an image does not depend on other images, so that it does not change
    when images are added.  In a set so small that a split would be empty, val is the
    fifth of the images with the least hashes, and at least one image.

    Args:
      pairs: pairs of the whole set.
      root: the folder of the data set, for the message.

    Raises:
      UserError: there is only one image.
    """
    if len(pairs) == 1:
        raise UserError(
            f"{root}: too few images: one cannot be both in train and in val; add"
            " images, or folders train and val"
        )
    hashes = [_hash(pair) for pair in pairs]
    held = [number % 5 == 0 for number in hashes]
    if all(held) or not any(held):
        last = sorted(hashes)[: max(1, len(pairs) // 5)][-1:]
        held = [number <= last[0] for number in hashes]
    splits: Splits = {"train": [], "val": []}
    for pair, in_val in zip(pairs, held, strict=True):
        splits["val" if in_val else "train"].append(pair)
    return splits


def _hash(pair: Pair) -> int:
    name = pair.name.encode(errors="surrogateescape")
    return int.from_bytes(hashlib.sha256(name).digest()[:8])
