"""Guesses why the values of masks do not look like classes, with remedies.

Masks that number objects, masks that were smoothed or saved as JPEG, and pictures are
recognised by their values.  The likely cause becomes part of a message, with the option
that helps; it changes nothing else.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import cv2
import numpy as np

from jaxseg.data.masks import read_mask
from jaxseg.data.survey import FileSurvey, Survey, Tally

OBJECTS = "--data.mask_map 0:0 1-65535:1"
"""Maps all values other than 0 to class 1."""


class Cause(NamedTuple):
    """A guess of what masks hold.

    Attributes:
      looks: text such as "these look like ...: to ..., pass", followed by `option`.
      option: the option that helps.
    """

    looks: str
    option: str

    def __str__(self) -> str:
        """Return both as one text."""
        return f"{self.looks} {self.option}"


def likely_cause(survey: Survey) -> Cause | None:
    """Return what the values of the masks seem to be if not classes, or None."""
    files, values = survey.of_kind("grey", "indexed"), survey.numbers.values
    if values.tolist() == [0, 255]:
        return Cause(
            "these look black and white, and 255 is ignored unless it is named: for one"
            " foreground class pass --data.task binary; to make it a class of several"
            " pass",
            "--data.mask_values 0 255",
        )
    if len(values) < 6:
        return None
    if numbers_objects(files):
        return Cause(
            "these look like numbers of objects, not classes: to make every object"
            " class 1 pass",
            OBJECTS,
        )
    levels = smoothed_levels(survey.numbers, [_pixels(file) for file in _some(files)])
    if levels:
        what = "black-and-white" if len(levels) == 2 else f"{len(levels)}-level"
        return Cause(
            f"these look like {what} masks that were smoothed, resized or JPEG once: to"
            " threshold them pass",
            threshold_map(levels),
        )
    if np.median([len(file.tally.values) for file in files]) > 40:
        return Cause(
            "these look like pictures, measurements or blurred masks, not classes: to"
            " threshold what is black and white pass",
            threshold_map([0, 255]),
        )
    return None


def threshold_map(levels: list[int]) -> str:
    """Return the option that gives each level, and values near it, a class."""
    between = [(low + high) // 2 for low, high in itertools.pairwise(levels)]
    firsts = [0, *(value + 1 for value in between)]
    lasts = [*between, 255]
    ranges = zip(firsts, lasts, range(len(levels)), strict=True)
    return "--data.mask_map " + " ".join(f"{a}-{b}:{index}" for a, b, index in ranges)


def smoothed_levels(tally: Tally, masks: list[np.ndarray]) -> list[int]:
    """Return the original values, 0..255, of masks that were smoothed or compressed.

    Args:
      tally: how often each value occurs in all masks.
      masks: some of the masks, int `[H, W]` each.

    Returns:
      Two to eight values, rising and 32 or more apart, that fill areas and have most of
      the pixels, if most values are other, rare ones; otherwise none.
    """
    if not len(tally.values) or tally.values[-1] > 255 or np.ptp(tally.values) < 32:
        return []
    share = np.zeros(256)
    share[tally.values] = tally.pixels / tally.pixels.sum()
    peaks: list[int] = []
    for value in np.argsort(-share, kind="stable"):
        if share[value] and all(abs(value - peak) >= 32 for peak in peaks):
            peaks.append(int(value))
    levels = sorted(
        peak
        for rank, peak in enumerate(peaks)
        if rank < 2 or (share[peak] >= 2e-4 and _fills_areas(peak, masks))
    )
    if not 2 <= len(levels) <= 8 or len(tally.values) <= 3 * len(levels):
        return []
    if (tally.values >= levels[-1] - 64).sum() < 3:  # classes 0, 1, ... and 255
        return []
    between = np.abs(np.arange(256)[:, None] - levels).min(1) >= 12
    rare = share[levels].min() >= 2 * share[between].max(initial=0)
    return levels if rare and share[levels].sum() > 0.4 else []


def _fills_areas(level: int, masks: list[np.ndarray]) -> bool:
    """Tell whether half of the pixels near a value have only neighbours near it."""
    near, inner = 0, 0
    for mask in masks:
        close = (np.abs(mask.astype(np.int32) - level) <= 12).astype(np.uint8)
        near += int(close.sum())
        inner += int(cv2.erode(close, np.ones((3, 3), np.uint8)).sum())
    return inner >= 0.5 * near


def numbers_objects(files: list[FileSurvey]) -> bool:
    """Tell whether the values number objects, from 1 in each file or over all files.

    Then the values above 0 of a file are 1, 2, ..., and their number changes from file
    to file, or hardly any value occurs in two files; and most values are in one piece.
    """
    found = [file.tally.values[file.tally.values > 0] for file in files]
    found = [values for values in found if len(values)]
    if len(found) < 2:
        return False
    lengths = np.array([values[-1] for values in found])
    full = np.array([len(values) for values in found]) >= 0.8 * lengths
    longest, shortest = lengths.max(), lengths.min()
    runs = longest >= 5 and full.mean() >= 0.8 and longest - shortest >= 0.1 * longest
    distinct, times = np.unique(np.concatenate(found), return_counts=True)
    alone = len(found) > 2 and len(distinct) >= 10 and (times == 1).mean() >= 0.8
    return bool(runs or alone) and mostly_one_piece(files)


def mostly_one_piece(files: list[FileSurvey]) -> bool:
    """Tell whether, in a few files, most values above 0 fill one connected piece."""
    single, all_of_them = 0, 0
    for file in _some(files):
        pixels = _pixels(file)
        for value in file.tally.values[file.tally.values > 0][:40]:
            pieces, _ = cv2.connectedComponents((pixels == value).astype(np.uint8))
            single += pieces == 2
            all_of_them += 1
    return single >= 0.7 * all_of_them


def _some(files: list[FileSurvey]) -> list[FileSurvey]:
    """Return at most eight of the files."""
    return files[:: -(-len(files) // 8)] if files else []


def _pixels(file: FileSurvey) -> np.ndarray:
    return read_mask(file.path, lossy=True).pixels
