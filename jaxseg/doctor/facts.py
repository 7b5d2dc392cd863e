"""Facts about the files of a data set: each file is read once, several at a time.

Pixels are read by the functions that training reads them by, so that a file which
training refuses is at fault here, in the same words.  Judging is left to the checks.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from jaxseg.data.annotations.drawing import Drawing
from jaxseg.data.causes import smoothed_levels
from jaxseg.data.images import decode_stored, decoded, load_image, read_bytes
from jaxseg.data.masks import LOSSY, MaskSource, read_mask
from jaxseg.data.pairing import Pair
from jaxseg.data.sources import Source
from jaxseg.data.survey import FileSurvey, survey_of
from jaxseg.doctor.findings import named_file
from jaxseg.errors import UserError

THUMBNAIL = 16
"""Height and width of the small picture by which images are compared."""

_OF_FILES = ("unreadable", "lossy mask")
"""What may be wrong with one file of those that make a mask."""

_NEIGHBOURS = np.ones((3, 3), np.uint8)


@dataclass(frozen=True)
class Refused:
    """A file, or a mask that is drawn, that training refuses.

    Attributes:
      kind: "unreadable", "lossy mask", "mask mode", "deep image", "image mode" or, of a
        mask that is drawn, "annotation" or "class files".
      error: what training says.
      greatest: the greatest value of pixels of more than 8 bits.
    """

    kind: str
    error: UserError
    greatest: int = 0


@dataclass(frozen=True)
class ImageFacts:
    """What an image file holds.

    Attributes:
      size: height and width, upright.
      mean: of red, green and blue, 0..255, float64 `[3]`.
      square: mean of their squares, float64 `[3]`.
      blank: whether all pixels have one colour.
      thumbnail: float32 `[THUMBNAIL, THUMBNAIL]`, grey, 0..255.
    """

    size: tuple[int, int]
    mean: np.ndarray
    square: np.ndarray
    blank: bool
    thumbnail: np.ndarray


@dataclass(frozen=True)
class MaskFacts:
    """What a mask holds.

    Attributes:
      survey: its values and how often each occurs.
      size: height and width.
      between: int64 `[n]`, of each value of the survey how many of its pixels have both
        a smaller and a greater value among their eight neighbours; empty if the mask is
        in colours or drawn, or a part of it only is counted.
      levels: of grey values that look smoothed, those that the mask had before.
    """

    survey: FileSurvey
    size: tuple[int, int]
    between: np.ndarray
    levels: tuple[int, ...]


@dataclass(frozen=True)
class PairFacts:
    """An image and its masks.

    Attributes:
      split: that they are in.
      pair: the files.
      image: what the image holds, or why training refuses it.
      masks: of each mask, what it holds, or why training refuses it.
    """

    split: str
    pair: Pair
    image: ImageFacts | Refused
    masks: dict[MaskSource, MaskFacts | Refused]


def read_all(source: Source) -> Iterator[PairFacts]:
    """Read every pair of a source, in their order.

    Decoders run without the interpreter's lock, so that threads read in parallel.
    """
    pairs = [(split, pair) for split in source.splits for pair in source.splits[split]]
    with ThreadPoolExecutor(min(os.cpu_count() or 1, 8)) as pool:
        yield from pool.map(lambda each: _read_pair(source, *each), pairs)


def _read_pair(source: Source, split: str, pair: Pair) -> PairFacts:
    masks = {path: read_mask_facts(path, source.lossy, pair.roi) for path in pair.masks}
    return PairFacts(split, pair, read_image_facts(pair.image), masks)


def read_image_facts(path: Path) -> ImageFacts | Refused:
    """Read an image as training does."""
    try:
        pixels = load_image(path)
    except UserError as error:
        return _refused_image(path, error)
    mean, deviation = (found.ravel() for found in cv2.meanStdDev(pixels))
    return ImageFacts(
        pixels.shape[:2],
        mean,
        mean**2 + deviation**2,
        not deviation.any(),
        _small(pixels).astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32),
    )


def _small(pixels: np.ndarray) -> np.ndarray:
    """Return the means of `[THUMBNAIL, THUMBNAIL]` parts of an image."""
    height, width = pixels.shape[:2]
    # By a whole factor first, which is faster; it leaves out less than a hundredth.
    factor = min(height, width) // (8 * THUMBNAIL)
    if factor > 1:
        rows, columns = height // factor, width // factor
        pixels = pixels[: rows * factor, : columns * factor]
        pixels = cv2.resize(pixels, (columns, rows), interpolation=cv2.INTER_AREA)
    size = (THUMBNAIL, THUMBNAIL)
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)


def read_mask_facts(
    path: MaskSource, lossy: bool = False, roi: Path | None = None
) -> MaskFacts | Refused:
    """Read a mask as training does.

    Args:
      path: the mask.
      lossy: whether JPEGs are taken.
      roi: the file of its region of interest.
    """
    try:
        mask = read_mask(path, lossy)
        survey = survey_of(path, mask, roi)
    except UserError as error:
        return _refused_mask(path, error)
    pixels, values = mask.pixels, survey.tally.values
    between, levels = np.zeros(0, np.int64), ()
    grey = isinstance(path, Path) and pixels.ndim == 2
    if grey and not roi and len(values) > 2:
        pixels = pixels if pixels.dtype == np.uint8 else pixels.astype(np.uint16)
        between = _between(pixels, values)
        if len(values) >= 6:
            levels = tuple(smoothed_levels(survey.tally, [pixels]))
    return MaskFacts(survey, mask.pixels.shape[:2], between, levels)


def _between(pixels: np.ndarray, values: np.ndarray) -> np.ndarray:
    least = cv2.erode(pixels, _NEIGHBOURS)
    greatest = cv2.dilate(pixels, _NEIGHBOURS)
    found = pixels[(least < pixels) & (pixels < greatest)]
    return np.bincount(found, minlength=int(values[-1]) + 1)[values]


def _refused_image(path: Path, error: UserError) -> Refused:
    """Find out why an image is refused, by reading it once more."""
    if not _is_readable(path):
        return Refused("unreadable", error)
    with contextlib.suppress(Exception):  # then it is another kind that is refused
        pixels = decode_stored(read_bytes(path), str(path))
        if pixels.dtype == np.uint16:
            return Refused("deep image", error, int(pixels.max()))
    return Refused("image mode", error)


def _refused_mask(path: MaskSource, error: UserError) -> Refused:
    """Find out why a mask is refused, by reading it once more."""
    if isinstance(path, Drawing):
        return Refused("annotation", error)
    if not isinstance(path, Path):
        file = named_file(error)
        kind = _refused_mask(file, error).kind if file else ""
        return Refused(kind if kind in _OF_FILES else "class files", error)
    try:
        with decoded(path) as image:
            kind = "lossy mask" if image.format in LOSSY else "mask mode"
    except UserError:
        kind = "unreadable"
    return Refused(kind, error)


def _is_readable(path: Path) -> bool:
    try:
        with decoded(path):
            return True
    except UserError:
        return False
