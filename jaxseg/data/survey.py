"""Counts the values or colours in the masks of a folder.

Each file is read once, before the classes are decided, so that messages can describe
all masks.  `jaxseg.data.classes` decides what the values mean.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from types import MappingProxyType

import cv2
import numpy as np

from jaxseg.data.labels import NO_COLOUR, colour_codes, runs
from jaxseg.data.masks import Mask, MaskSource, read_mask
from jaxseg.data.roi import read_roi

MOST_COLOURS = 4096
"""Number of colours above which a mask is a picture or was compressed as JPEG."""


@dataclass(frozen=True)
class Tally:
    """How often each value (or code of a colour) occurs.

    Attributes:
      values: int64 `[n]`, rising.
      pixels: int64 `[n]`, number of pixels of each value.
      files: int64 `[n]`, number of files in which each value occurs.
    """

    values: np.ndarray
    pixels: np.ndarray
    files: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray, pixels: np.ndarray, files: np.ndarray) -> Tally:
        """Return the tally of values in any order; repeated values are added up."""
        unique, place = np.unique(values, return_inverse=True)
        # These are sums of floats, which are exact below 2**53.
        sums = (np.bincount(place, counts) for counts in (pixels, files))
        return cls(unique.astype(np.int64), *(sum_.astype(np.int64) for sum_ in sums))

    @classmethod
    def total(cls, tallies: Sequence[Tally]) -> Tally:
        """Return the sum of tallies of different files."""
        none = [np.zeros(0, np.int64)]
        return cls.of(
            np.concatenate(none + [tally.values for tally in tallies]),
            np.concatenate(none + [tally.pixels for tally in tallies]),
            np.concatenate(none + [tally.files for tally in tallies]),
        )

    def text(
        self, ignored: Collection[int] = (), colours: bool = False, of: int = 0
    ) -> str:
        """Write how often each value occurs, or only the most frequent of many.

        Args:
          ignored: values to be marked as ignored.
          colours: whether the values are codes of colours.
          of: number of all pixels, for shares; 0 takes those of the tally.
        """
        count = len(self.values)
        if not count:
            return "nothing"
        often = np.argsort(-self.pixels, kind="stable")[:8]
        chosen = range(count) if count <= 16 else often
        pixels = of or self.pixels.sum()
        parts = []
        for place in chosen:
            value, files = int(self.values[place]), int(self.files[place])
            name = colour_text(value) if colours else str(value)
            share = f"{100 * self.pixels[place] / pixels:.3g} %"
            mark = ", ignored" if value in ignored else ""
            parts.append(f"{name} ({share}, {files} file{'s' * (files > 1)}{mark})")
        listed = ", ".join(parts)
        if count <= 16:
            return listed
        if colours:
            return f"{count} colours, most often {listed}"
        first, last = self.values[[0, -1]]
        marked = [value for value in ignored if value in self.values]
        end = f"; ignored: {', '.join(map(str, marked[:8]))}" if marked else ""
        return f"{count} values from {first} to {last}, most often {listed}{end}"

    def only(self, chosen: np.ndarray) -> Tally:
        """Return the part of the tally where `chosen`, bool `[n]`, is True."""
        return Tally(self.values[chosen], self.pixels[chosen], self.files[chosen])


@dataclass(frozen=True)
class FileSurvey:
    """The content of one mask file.

    Attributes:
      path: path of the file, or what stands for it.
      tally: how often each grey value, index or code of a colour occurs.
      kind: "grey", "indexed" (1-bit masks too) or "colour".
      palette: for an indexed mask, int64 `[n]`: the code of each value's colour.
      outside: number of pixels outside the region of interest, which the tally leaves
        out.
      overlap: number of pixels that several classes claim.
    """

    path: MaskSource
    tally: Tally
    kind: str
    palette: np.ndarray | None = None
    outside: int = 0
    overlap: int = 0

    def by_colour(self) -> Tally:
        """Return the tally of the codes of its colours; a grey value v is (v, v, v)."""
        codes = self.tally.values
        if self.kind == "grey":
            codes = grey_codes(codes)
        elif self.palette is not None:
            codes = self.palette
        merged = Tally.of(codes, self.tally.pixels, self.tally.files)
        return Tally(merged.values, merged.pixels, np.ones_like(merged.files))


@dataclass(frozen=True)
class Survey:
    """The content of the masks of each split.

    Attributes:
      splits: the files of each split.
    """

    splits: Mapping[str, Sequence[FileSurvey]]

    @cached_property
    def files(self) -> list[FileSurvey]:
        """All files, in the order of the splits."""
        return [file for files in self.splits.values() for file in files]

    @property
    def folder(self) -> Path:
        """Folder of the first mask."""
        first = self.files[0].path
        return (first if isinstance(first, Path) else first.files[0]).parent

    def of_kind(self, *kinds: str) -> list[FileSurvey]:
        """List the files of some kinds."""
        return [file for file in self.files if file.kind in kinds]

    @cached_property
    def numbers(self) -> Tally:
        """The values of grey masks and indices of indexed ones, over all splits."""
        return Tally.total([file.tally for file in self.of_kind("grey", "indexed")])

    @cached_property
    def colours(self) -> Tally:
        """The codes of the colours of all masks, over all splits."""
        return Tally.total([file.by_colour() for file in self.files])


def colour_text(code: int) -> str:
    """Write a code as `(red, green, blue)`."""
    if code >= NO_COLOUR:
        return f"grey {code - NO_COLOUR}"
    return f"({code >> 16}, {code >> 8 & 255}, {code & 255})"


def grey_codes(values: np.ndarray) -> np.ndarray:
    """Return a code for each grey value; values from 256 on are no colours."""
    values = values.astype(np.int64)
    return np.where(values < 256, values * 0x10101, NO_COLOUR + values)


def survey_masks(
    splits: Mapping[str, Sequence[MaskSource]],
    lossy: bool = False,
    regions: Mapping[MaskSource, Path] = MappingProxyType({}),
) -> Survey:
    """Read every mask once, several at a time.

    Args:
      splits: the masks of each split.
      lossy: whether JPEG and WebP are read as well.
      regions: mask file -> file of its region of interest; only pixels inside are
        counted.

    Raises:
      UserError: a mask or a region of interest cannot be read.
    """
    with ThreadPoolExecutor(min(os.cpu_count() or 1, 8)) as pool:
        read = partial(_survey_file, lossy=lossy, regions=regions)
        return Survey(
            {split: list(pool.map(read, paths)) for split, paths in splits.items()}
        )


def _survey_file(
    path: MaskSource, lossy: bool, regions: Mapping[MaskSource, Path]
) -> FileSurvey:
    return survey_of(path, read_mask(path, lossy), regions.get(path))


def survey_of(path: MaskSource, mask: Mask, roi: Path | None = None) -> FileSurvey:
    """Count what a mask holds.

    Args:
      path: the mask.
      mask: its content.
      roi: the file of its region of interest; only pixels inside are counted.

    Raises:
      UserError: the region of interest cannot be read or has another size.
    """
    outside = 0
    if roi:
        height, width = mask.pixels.shape[:2]
        inside = read_roi(roi, (height, width), str(path))
        outside = int(inside.size - inside.sum())
        mask = mask._replace(pixels=mask.pixels[inside][None])
    tally = count_values(mask)
    if mask.palette is not None:
        codes = colour_codes(mask.palette).astype(np.int64)
        return FileSurvey(path, tally, "indexed", codes[tally.values], outside)
    kind = "colour" if mask.pixels.ndim == 3 else "grey"
    return FileSurvey(path, tally, kind, outside=outside, overlap=mask.overlap)


def count_values(mask: Mask) -> Tally:
    """Count a mask's values, or the codes of its colours.

    If there are more than `MOST_COLOURS` colours, similar ones are counted as one.
    """
    if mask.pixels.ndim == 2:
        pixels = _histogram(mask.pixels)
        values = np.flatnonzero(pixels)
        return Tally(values, pixels[values], np.ones_like(values))
    codes, lengths = runs(colour_codes(mask.pixels).ravel())
    tally = Tally.of(codes, lengths, lengths)
    if len(tally.values) > MOST_COLOURS:  # a picture or JPEG: bound the memory
        rare = np.argsort(-tally.pixels, kind="stable")[MOST_COLOURS:]
        codes = tally.values.copy()
        codes[rare] = codes[rare] & 0xF8F8F8 | 0x040404
        tally = Tally.of(codes, tally.pixels, tally.files)
    return Tally(tally.values, tally.pixels, np.ones_like(tally.files))


def _histogram(pixels: np.ndarray) -> np.ndarray:
    """Return int64 `[n]`, how many pixels have the value 0, 1, ..."""
    if pixels.dtype != np.uint8 or not 0 < pixels.size < 2**24:
        return np.bincount(pixels.ravel())
    # Twice as fast; its float32 counts are exact below 2**24.
    plain = np.ascontiguousarray(pixels)
    counts = cv2.calcHist([plain], [0], None, [256], [0, 256])
    return counts.ravel().astype(np.int64)
