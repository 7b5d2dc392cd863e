"""Which mask belongs to which image, by their names alone.

The names are equal; or they are equal without words such as `image` and `mask` before
or behind them; or without the beginning and end that all files of a folder share.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from jaxseg.data.folders import SUFFIXES
from jaxseg.data.masks import DrawnMask, MaskSource

_IMAGE_WORDS = r"image|img|im|photo|sat|rgb|leftImg8bit|(?<=_)0000"
"""`_0000` is the number of the first channel."""
_OTHER_WORDS = r"colou?rs?|instanceIds|instances?|overlay|vis|viz|preview"
"""Words in names of masks that show colours or number objects, not classes."""
_MASK_WORDS = (
    r"masks?|labels?|lbl|gt|groundtruth|truth|seg|segm|segmentations?|annotations?|"
    r"annot|ann|manual1?|gtFine|gtCoarse|labelIds|labelTrainIds|(?-i:L)|"
    rf"{_OTHER_WORDS}"
)

_ENDING = "|".join(re.escape(suffix[1:]) for suffix in sorted(SUFFIXES))


class Pair(NamedTuple):
    """An image file and its mask file; no two of a split share a name.

    Attributes:
      name: name of the sample.
      image: image file.
      mask: mask file; if there is one file per class, one of these, or the image itself
        if no class has a file; the annotation's file if the mask is drawn.
      planes: the mask file of each class; None if a class has none.
      roi: file of the region of interest; None means all of the image.
      drawn: what is read instead of `mask`.
    """

    name: str
    image: Path
    mask: Path
    planes: tuple[MaskSource | None, ...] = ()
    roi: Path | None = None
    drawn: DrawnMask | None = None

    @property
    def masks(self) -> list[MaskSource]:
        """All masks."""
        if self.planes:
            return [source for source in self.planes if source]
        return [self.drawn or self.mask]


@dataclass(frozen=True)
class Match:
    """The result of matching images with masks; files keep their order.

    Attributes:
      pairs: images with their masks.
      images_without_mask: image files that are left over.
      masks_without_image: mask files that are left over.
      seconds: further masks of an image, each with the mask that was taken.
      notes: lines for the user on the rules that were applied.
    """

    pairs: list[Pair]
    images_without_mask: list[Path]
    masks_without_image: list[Path]
    seconds: list[tuple[Path, Path]]
    notes: tuple[str, ...] = ()


def match(images: Mapping[str, Path], masks: Mapping[str, Path]) -> Match:
    """Match images with masks.

    Args:
      images: key (the folders that both sides share, and the stem) -> image file.
      masks: key -> mask file.

    Returns:
      Pairs of equal keys, or of keys that are equal without known words before or
      behind the stem.  If files are left over, and none would be when the words that
      all stems of a side share are cut off, the pairs are found in that way instead.
    """
    classes = {key: path for key, path in masks.items() if not _is_other(key)}
    found = _match_by_words(images, classes)
    if len(classes) < len(masks):
        if images and not found.images_without_mask:
            others = sorted({_last_word(key) for key in masks if key not in classes})
            said = (
                f"masks are the files without {', '.join(others)} at the end of their"
                f" name, such as {found.pairs[0].mask.name}"
            )
            return _with_note(found, said)
        found = _match_by_words(images, masks)
    if found.images_without_mask or found.masks_without_image:
        return _match_by_affixes(images, masks) or found
    return found


def named_as_mask(key: str) -> bool:
    """Whether a file's stem begins or ends with a word such as `mask`."""
    return len(_variants(key, _MASK_WORDS)) > 1


def _with_note(found: Match, note: str) -> Match:
    return Match(
        found.pairs,
        found.images_without_mask,
        found.masks_without_image,
        found.seconds,
        (*found.notes, note),
    )


def _match_by_words(images: Mapping[str, Path], masks: Mapping[str, Path]) -> Match:
    bare: dict[str, set[str]] = {}
    for key in images:
        for variant in _variants(key, _IMAGE_WORDS)[1:]:
            bare.setdefault(variant, set()).add(key)
    mask_of: dict[str, Path] = {}
    unmatched, seconds = [], []
    for key, path in masks.items():
        name = _owner(_variants(key, _MASK_WORDS), images, bare)
        if name is None:
            unmatched.append(path)
        elif name in mask_of:
            seconds.append((path, mask_of[name]))
        else:
            mask_of[name] = path
    return _matched(images, mask_of, unmatched, seconds)


def _owner(
    variants: list[str], images: Mapping[str, Path], bare: Mapping[str, set[str]]
) -> str | None:
    """Return the image to which a mask of these names belongs, if there is just one."""
    for variant in variants:
        if variant in images:
            return variant
    for variant in variants:
        if len(owners := bare.get(variant, ())) == 1:
            return next(iter(owners))
    return None


def _matched(
    images: Mapping[str, Path],
    mask_of: Mapping[str, Path],
    unmatched: list[Path],
    seconds: list[tuple[Path, Path]],
) -> Match:
    pairs = [
        Pair(name, path, mask_of[name])
        for name, path in images.items()
        if name in mask_of
    ]
    without = [path for name, path in images.items() if name not in mask_of]
    return Match(pairs, without, unmatched, seconds)


def _variants(key: str, words: str) -> list[str]:
    """Return a key and its shorter forms without known words, the longest first."""
    found = [key]
    for known in found:  # `found` grows during the loop
        folder, stem = os.path.split(known)
        for rule in (
            rf"(.+)\.(?:{_ENDING})",  # a.jpg.png is the mask of a.jpg
            rf"(.+?)[\s_.-]+(?:{words})",
            rf"(?:{words})(?:[\s_.-]+|(?=\d))(.+)",
        ):
            left = re.fullmatch(rule, stem, re.IGNORECASE)
            if left and (rest := os.path.join(folder, left[1])) not in found:
                found.append(rest)
    return sorted(found, key=len, reverse=True)


def _last_word(key: str) -> str:
    return re.split(r"[\s_.-]", key)[-1]


def _is_other(key: str) -> bool:
    named = re.fullmatch(_OTHER_WORDS, _last_word(key), re.IGNORECASE)
    return named is not None and _last_word(key) != os.path.basename(key)


def _match_by_affixes(
    images: Mapping[str, Path], masks: Mapping[str, Path]
) -> Match | None:
    """Match stems without their shared ends, if every file then has a partner."""
    of_images, of_masks = _cores(images), _cores(masks)
    if of_images is None or of_masks is None or of_images.keys() != of_masks.keys():
        return None
    mask_of = {of_images[core]: masks[of_masks[core]] for core in of_images}
    found = _matched(images, mask_of, [], [])
    first = found.pairs[0]
    return _with_note(
        found,
        f"{first.image.name} is paired with {first.mask.name}, and so on: words with"
        " which all names of a folder begin or end do not count",
    )


def _cores(keys: Iterable[str]) -> dict[str, str] | None:
    """Return the keys by their forms without the shared ends, if those differ."""
    keys = list(keys)
    stems = [os.path.split(key)[1] for key in keys]
    start = _shared(stems)
    stems = [stem[start:] for stem in stems]
    end = _shared([stem[::-1] for stem in stems])
    stems = [stem[: len(stem) - end] for stem in stems]
    cores = {
        os.path.join(os.path.split(key)[0], stem): key
        for key, stem in zip(keys, stems, strict=True)
    }
    return cores if all(stems) and len(cores) == len(keys) > 1 else None


def _shared(stems: list[str]) -> int:
    """Count the characters that all stems begin with and that end with a word."""
    length = len(os.path.commonprefix(stems))

    def cuts(stem: str) -> bool:
        before, after = stem[length - 1 : length], stem[length : length + 1]
        kinds: tuple[Callable[[str], bool], ...] = (str.isalpha, str.isdigit)
        return any(kind(before) and kind(after) for kind in kinds)

    while length and any(cuts(stem) for stem in stems):
        length -= 1
    return length
