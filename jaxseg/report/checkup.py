"""The page of `doctor`: what is wrong with a data set, with pictures of the worst.

`write_checkup` fills in `templates/doctor.html.j2`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from jaxseg.data.coding import Coding
from jaxseg.data.images import load_image
from jaxseg.data.labels import IGNORE, colour_codes, voc_palette
from jaxseg.data.masks import Mask, MaskSource, read_mask
from jaxseg.doctor.examination import Examination
from jaxseg.doctor.facts import PairFacts
from jaxseg.doctor.findings import SEVERITIES, Finding, shown
from jaxseg.errors import UserError
from jaxseg.paths import replace_text
from jaxseg.report.markup import render
from jaxseg.report.samples import inlined

FILE_NAME = "doctor.html"

_LISTED = 20  # findings of a kind on the page; all are in doctor.json
_SHOWN, _ALIKE = 16, 2  # pictures in all, and of a kind
_LARGEST, _SMALLEST = 420, 240  # longer side of a picture, pixels
_FEW = 16  # values of no class, up to which a mask is painted in its classes' colours
_GREY = 64  # from this greatest value on a mask is shown as it is, in greys
_FAULT = (255, 45, 85)
"""The colour of pixels at fault, which hardly any image has."""


def write_checkup(folder: Path, found: Examination) -> Path:
    """Write `doctor.html` into a folder, replacing an older one at once.

    Args:
      folder: where it goes.
      found: what is on it.

    Returns:
      The path of the page.
    """
    summary = found.summary
    page = render(
        "doctor.html.j2",
        title=f"Check of {found.root.resolve().name or found.root}",
        root=str(found.root),
        counts={each: found.count(each) for each in SEVERITIES},
        images=summary.images,
        groups=list(_groups(found)),
        pictures=list(_pictures(found)),
        summary=summary,
        options=_options(found),
    )
    path = folder / FILE_NAME
    replace_text(path, page)
    return path


def _groups(found: Examination) -> Iterator[Mapping[str, Any]]:
    """Yield the findings of each kind."""
    kinds = dict.fromkeys((each.severity, each.check) for each in found.findings)
    for severity, check in kinds:
        alike = [
            f for f in found.findings if (f.severity, f.check) == (severity, check)
        ]
        remedies = dict.fromkeys(each.remedy for each in alike if each.remedy)
        yield {
            "severity": severity,
            "check": check,
            "count": len(alike),
            "lines": [shown(each, found.root) for each in alike[:_LISTED]],
            "remedies": list(remedies)[:3],
        }


def _options(found: Examination) -> Sequence[str]:
    """Return the options that suit the data set."""
    summary, options = found.summary, []
    if summary.crop:
        options.append("--augment.crop {} {}".format(*summary.crop))
    if summary.mean and summary.deviation:
        for name, values in (("mean", summary.mean), ("std", summary.deviation)):
            said = " ".join(f"{value:.3f}" for value in values)
            options.append(f"--model.{name} {said}")
    if summary.classes and summary.classes[0].weight is not None:
        options.append("--train.class_balance median")
    return options


def _pictures(found: Examination) -> Iterator[Mapping[str, Any]]:
    """Yield pictures of the worst: errors first, a few of each kind."""
    of_file: dict[MaskSource, PairFacts] = {
        path: pair for pair in found.pairs for path in (pair.pair.image, *pair.masks)
    }
    count: dict[str, int] = {}
    for finding in found.findings:
        enough = count.get(finding.check, 0) >= _ALIKE
        if finding.severity == "note" or enough or finding.file is None:
            continue
        if sum(count.values()) >= _SHOWN:
            return
        pictures = _sheet(finding, of_file.get(finding.file), found)
        if pictures:
            count[finding.check] = count.get(finding.check, 0) + 1
            name, text = shown(finding, found.root)
            yield {
                "name": name,
                "check": finding.check,
                "severity": finding.severity,
                "text": text,
                "pictures": [
                    (title, inlined(picture), *picture.shape[1::-1])
                    for title, picture in pictures.items()
                ],
            }


def _sheet(
    finding: Finding, pair: PairFacts | None, found: Examination
) -> dict[str, np.ndarray]:
    """Return the pictures of a finding by title, as far as they can be read."""
    path = pair.pair.image if pair else finding.file
    pictures = {}
    with contextlib.suppress(UserError):
        if isinstance(path, Path):
            pictures["Image" if pair else "File"] = load_image(path)
    mask_path = finding.file if pair and finding.file in pair.masks else None
    if pair and mask_path is None and pair.masks:
        mask_path = pair.pair.drawn or pair.pair.mask
    with contextlib.suppress(UserError):
        if mask_path:
            mask = read_mask(mask_path, lossy=True)
            pictures["Mask"] = _painted(mask, found)
            if finding.values:
                marked = _marked(pictures.get("Image"), mask, finding.values)
                pictures["At fault"] = marked
    with contextlib.suppress(UserError):
        if finding.other and pair and finding.other != path:
            pictures["Compared with"] = load_image(finding.other)
    return {title: _fitted(picture) for title, picture in pictures.items()}


def _painted(mask: Mask, found: Examination) -> np.ndarray:
    """Paint a mask in the colours of its classes, or else of its values."""
    pixels = mask.pixels
    if pixels.ndim == 3:
        return pixels
    coding = found.meaning.coding
    if isinstance(coding, Coding) and not coding.by_colour:
        classes = coding.labels.classes_of_values(pixels)
        unknown = classes < 0
        if len(np.unique(pixels[unknown])) <= _FEW:
            painted = coding.labels.colours(np.where(unknown, IGNORE, classes))
            painted[unknown] = _FAULT
            return painted
    if mask.palette is not None:
        return mask.palette[pixels]
    greatest = int(pixels.max(initial=0))
    if greatest < _GREY:
        return np.array(voc_palette(256), np.uint8)[pixels]
    grey = pixels if greatest < 256 else pixels * (255 / greatest)
    return np.repeat(grey.astype(np.uint8)[:, :, None], 3, axis=2)


def _marked(image: np.ndarray | None, mask: Mask, values: Sequence[int]) -> np.ndarray:
    """Mark the pixels of some values on a darkened image."""
    codes = colour_codes(mask.pixels) if mask.pixels.ndim == 3 else mask.pixels
    if image is None or image.shape[:2] != codes.shape:
        image = np.full((*codes.shape, 3), 60, np.uint8)
    grey = 0.45 * (image @ (0.299, 0.587, 0.114))
    marked = np.repeat(grey[:, :, None], 3, axis=2).round().astype(np.uint8)
    marked[np.isin(codes, values)] = _FAULT
    return marked


def _fitted(picture: np.ndarray) -> np.ndarray:
    """Bring a picture to a size that can be seen; small ones keep their pixels."""
    longer = max(picture.shape[:2])
    factor = _LARGEST / longer if longer > _LARGEST else max(1, _SMALLEST // longer)
    height, width = (max(round(factor * side), 1) for side in picture.shape[:2])
    way = cv2.INTER_AREA if factor < 1 else cv2.INTER_NEAREST_EXACT
    return cv2.resize(picture, (width, height), interpolation=way)
