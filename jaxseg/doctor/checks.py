"""The checks of one image with its masks: what is wrong with them by themselves.

A check is a function of `PairFacts` that yields findings; `CHECKS` is the table of
them.  What takes the whole data set to see is left to `set_checks`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from jaxseg.data.causes import threshold_map
from jaxseg.data.labels import code_colours
from jaxseg.data.masks import MaskSource, check_size
from jaxseg.doctor.facts import ImageFacts, MaskFacts, PairFacts, Refused
from jaxseg.doctor.findings import Finding, named_file, of_error
from jaxseg.errors import UserError

Check = Callable[[PairFacts], Iterator[Finding]]

_NEAR = 12  # grey levels by which JPEG changes most pixels
_FEW_COLOURS = 32  # a mask of more is looked at for strays


def refused_files(facts: PairFacts) -> Iterator[Finding]:
    """Yield the files that training refuses to read."""
    files: dict[MaskSource, object] = {facts.pair.image: facts.image, **facts.masks}
    for path, found in files.items():
        if isinstance(found, Refused):
            finding = of_error(found.kind, found.error, _about(path, found.error))
            if found.kind == "deep image":
                finding = _deep(finding, found.greatest)
            yield finding


def _about(path: MaskSource, error: UserError) -> MaskSource | None:
    """Return what an error is about: of a mask that is drawn maybe a single file.

    None is the whole data set.
    """
    if isinstance(path, Path) or str(error).startswith(f"{path}: "):
        return path
    return named_file(error)


def _deep(finding: Finding, greatest: int) -> Finding:
    """Say of an image of 16 bits what its values are."""
    text = f"{finding.text}; its values reach {greatest}"
    remedy = "convert all images to 8 bits a channel, with one factor for all"
    if greatest <= 255:
        text = f"{finding.text}, though its values reach {greatest} only"
        remedy = "save it with 8 bits a channel, its values as they are"
    return Finding(finding.check, "error", text, remedy, finding.file)


def sizes_differ(facts: PairFacts) -> Iterator[Finding]:
    """Yield masks of another size than their image."""
    if isinstance(facts.image, Refused):
        return
    for path, mask in _sound(facts):
        try:
            check_size(path, mask.size, facts.pair.image, facts.image.size)
        except UserError as error:
            finding = of_error("size", error, path)
            remedy = "find the mask of this image, or resize it by the nearest pixel"
            if mask.size == facts.image.size[::-1]:
                remedy = (
                    "turn the mask by 90 degrees: the image may have been turned by its"
                    " EXIF orientation after it was labelled"
                )
            yield Finding("size", "error", finding.text, remedy, path, facts.pair.image)


def blended_values(facts: PairFacts) -> Iterator[Finding]:
    """Yield grey masks that were smoothed, resized or JPEG once."""
    for path, mask in _sound(facts):
        if mask.levels:
            yield _smoothed(path, mask)
        elif len(strays := _strays_between(mask)) >= 3:
            values = mask.survey.tally.values[strays].tolist()
            yield Finding(
                "anti-aliased mask",
                "warning",
                f"values {', '.join(map(str, values[:8]))} lie only between a smaller"
                " and a greater one, as if the mask had been resized smoothly",
                "resize masks by the nearest pixel, from the originals",
                path,
                values=tuple(values),
            )


def _smoothed(path: MaskSource, mask: MaskFacts) -> Finding:
    values, pixels = mask.survey.tally.values, mask.survey.tally.pixels
    distance = np.abs(values[:, None] - np.array(mask.levels)).min(axis=1)
    stray = distance > 0
    near = pixels[stray & (distance <= _NEAR)].sum() > 0.5 * pixels[stray].sum()
    levels = ", ".join(map(str, mask.levels))
    share = 100 * pixels[stray].sum() / pixels.sum()
    how = "close to them, as if it had been JPEG once"
    if not near:
        how = "between them, as if its edges had been smoothed"
    return Finding(
        "JPEG saved as PNG" if near else "anti-aliased mask",
        "error",
        f"{stray.sum()} values ({share:.2g} % of the pixels) beside {levels} lie {how}",
        "save the original mask without smoothing; or give ranges of values a class:"
        f" {threshold_map(list(mask.levels))}",
        path,
        values=tuple(values[stray].tolist()),
    )


def _strays_between(mask: MaskFacts) -> np.ndarray:
    """Return the places of the values that hardly lie anywhere but on slopes."""
    if not len(mask.between):
        return np.zeros(0, np.int64)
    return np.flatnonzero(mask.between > 0.9 * mask.survey.tally.pixels)


def stray_colours(facts: PairFacts) -> Iterator[Finding]:
    """Yield masks with many rare colours: JPEG once, smoothed, or pictures."""
    for path, mask in _sound(facts):
        tally = mask.survey.tally
        if mask.survey.kind != "colour" or len(tally.values) <= _FEW_COLOURS:
            continue
        share = tally.pixels / tally.pixels.sum()
        common = share >= 0.002
        if share[common].sum() < 0.7 or common.sum() > 0.5 * len(share):
            yield Finding(
                "mask is a picture",
                "error",
                f"{len(tally.values)} colours, as of a photograph or an overlay",
                "find the mask that belongs to the image",
                path,
            )
            continue
        found, levels = (code_colours(tally.values[each]) for each in (~common, common))
        distance = np.abs(found[:, None] - levels).max(-1).min(1)
        near = tally.pixels[~common][distance <= 2 * _NEAR].sum()
        jpeg = near > 0.5 * tally.pixels[~common].sum()
        how = "close to those" if jpeg else "between those"
        yield Finding(
            "JPEG saved as PNG" if jpeg else "anti-aliased mask",
            "error",
            f"{(~common).sum()} rare colours lie {how} of {common.sum()} frequent ones",
            "save the original mask without smoothing; or give every pixel the nearest"
            " class by --data.palette and --data.nearest_colour True",
            path,
            values=tuple(tally.values[~common].tolist()),
        )


def blank_images(facts: PairFacts) -> Iterator[Finding]:
    """Yield images of one colour."""
    if isinstance(facts.image, ImageFacts) and facts.image.blank:
        text, remedy = "all pixels have one colour", "take it out if it is a failure"
        yield Finding("blank image", "note", text, remedy, facts.pair.image)


def _sound(facts: PairFacts) -> list[tuple[MaskSource, MaskFacts]]:
    return [(p, mask) for p, mask in facts.masks.items() if isinstance(mask, MaskFacts)]


CHECKS: tuple[Check, ...] = (
    refused_files,
    sizes_differ,
    blended_values,
    stray_colours,
    blank_images,
)
"""All checks of a pair, in the order in which their findings are listed."""

OF_VALUES: tuple[Check, ...] = (blended_values, stray_colours)
"""Those that do not count where the options give ranges of values a class."""

UNTRUSTED = (
    "anti-aliased mask",
    "JPEG saved as PNG",
    "mask is a picture",
)
"""Errors of masks whose values say nothing of what the classes are."""
