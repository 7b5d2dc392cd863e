"""Images that are the same, or nearly so, within a split and across splits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from jaxseg.data.images import load_image
from jaxseg.data.leakage import digest
from jaxseg.data.masks import read_mask
from jaxseg.doctor.facts import THUMBNAIL, ImageFacts, PairFacts, Refused
from jaxseg.doctor.findings import Finding

MOST = 50_000
"""Images that are compared for near duplicates: the work grows with their square."""

_LIKE = 0.998  # correlation of thumbnails, from which images count as nearly the same
_BRIGHTNESS = 4.0  # grey levels by which their means may differ
_FLAT = 4.0  # standard deviation below which a thumbnail says too little
_BLOCK = 2048


class _Kept(NamedTuple):
    facts: PairFacts
    image: ImageFacts


def duplicates(facts: Sequence[PairFacts], allowed: bool) -> Iterator[Finding]:
    """Yield images whose pixels are those of another, which is named.

    Images of one colour do not count, as in training.

    Args:
      facts: of all pairs.
      allowed: whether an image may lie in two splits.
    """
    for first, *others in _same(facts):
        for each in others:
            across = each.split != first.split
            text = f"has the same pixels as {first.pair.image}"
            text += f" in split {first.split!r}" * across
            text += "" if _same_masks(each, first) else ", and another mask"
            remedy = "remove one of the two"
            if across:
                remedy += "; or to train all the same pass --data.allow_leakage True"
            yield Finding(
                "leakage" if across else "duplicate",
                "error" if across and not allowed else "warning",
                text,
                remedy,
                each.pair.image,
                first.pair.image,
            )


def _same(facts: Sequence[PairFacts]) -> list[list[PairFacts]]:
    """Return the groups of images whose pixels are the same.

    Only those of equal size, means and thumbnail are read again.
    """
    alike: dict[bytes, list[PairFacts]] = {}
    for each, image in _images(facts):
        alike.setdefault(_key(image), []).append(each)
    same: dict[bytes, list[PairFacts]] = {}
    for group in alike.values():
        for each in group if len(group) > 1 else ():
            known = digest(load_image(each.pair.image))
            same.setdefault(known, []).append(each)
    return [group for group in same.values() if len(group) > 1]


def _key(image: ImageFacts) -> bytes:
    numbers = (np.array(image.size), image.mean, image.square, image.thumbnail)
    return b"".join(each.tobytes() for each in numbers)


def _same_masks(one: PairFacts, other: PairFacts) -> bool:
    absent, others = (
        [path is None for path in each.pair.planes] for each in (one, other)
    )
    if absent != others or len(one.masks) != len(other.masks):
        return False
    for pair in zip(one.masks.items(), other.masks.items(), strict=True):
        if any(isinstance(mask, Refused) for _, mask in pair):
            return False
        first, second = (read_mask(path, lossy=True).pixels for path, _ in pair)
        if not np.array_equal(first, second):
            return False
    return True


def near_duplicates(facts: Sequence[PairFacts]) -> Iterator[Finding]:
    """Yield images that look like another: encoded again, resized, or the next frame.

    Thumbnails are compared by their correlation.  Within a split this is a note, as
    in videos; across splits a warning, as an evaluation may repeat the training.
    """
    kept = [each for each in _images(facts) if each.image.thumbnail.std() >= _FLAT]
    if len(kept) < 2:
        return
    if len(kept) > MOST:
        text = f"near duplicates are not looked for among more than {MOST:,} images"
        yield Finding("near duplicate", "note", text)
        return
    for index, other in _alike(np.stack([each.image.thumbnail for each in kept])):
        each, mate = kept[index], kept[other]
        if _key(each.image) == _key(mate.image):
            continue
        across = each.facts.split != mate.facts.split
        where = f" in split {mate.facts.split!r}" * across
        yield Finding(
            "near duplicate",
            "warning" if across else "note",
            f"looks nearly the same as {mate.facts.pair.image}{where}",
            "keep both in one split" if across else "",
            each.facts.pair.image,
            mate.facts.pair.image,
        )


def _alike(thumbnails: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield each index that is like an earlier one, with the earlier one."""
    flat = thumbnails.reshape(-1, THUMBNAIL**2)
    brightness = flat.mean(axis=1)
    unit = flat - brightness[:, None]
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    for start in range(0, len(unit), _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, len(unit)))
        like = unit[rows] @ unit[: rows[-1] + 1].T >= _LIKE
        like &= (
            np.abs(brightness[rows, None] - brightness[: rows[-1] + 1]) < _BRIGHTNESS
        )
        like &= np.arange(rows[-1] + 1) < rows[:, None]
        for row in np.flatnonzero(like.any(axis=1)):
            yield int(rows[row]), int(like[row].argmax())


def _images(facts: Sequence[PairFacts]) -> Iterator[_Kept]:
    for each in facts:
        if isinstance(each.image, ImageFacts) and not each.image.blank:
            yield _Kept(each, each.image)
