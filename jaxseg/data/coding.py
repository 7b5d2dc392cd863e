"""Turns the masks of a folder into labels, in the same way for every file.

`jaxseg.data.classes` decides which classes there are and how masks encode them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxseg.data.contents import Content
from jaxseg.data.labels import IGNORE, LabelSet, MaskForm, colour_codes
from jaxseg.data.masks import Mask, read_mask
from jaxseg.data.survey import FileSurvey, Survey, Tally, colour_text, grey_codes
from jaxseg.errors import UserError


class UnknownValues(UserError):
    """Masks hold values or colours of no class, while what the classes are is known.

    Attributes:
      coding: the meaning of the masks; its `unknown(file)` marks such values.
      remedy: the end of the message.
    """

    def __init__(self, message: str, coding: Any, remedy: str):
        """Take the message, which ends in the remedy."""
        super().__init__(f"{message}; {remedy}")
        self.coding, self.remedy = coding, remedy


@dataclass(frozen=True)
class Coding:
    """The meaning of mask files.

    Attributes:
      labels: the classes, with their values and colours in masks.
      by_colour: whether grey and indexed masks are read by their colours; otherwise
        their numbers are the raw values of `labels`.
    """

    labels: LabelSet
    by_colour: bool = False

    def encode(self, mask: Mask, source: str) -> np.ndarray:
        """Turn a mask into labels.

        Args:
          mask: the content of a mask file.
          source: name of the mask, for the message.

        Returns:
          uint8 `[H, W]`: the class, or `IGNORE`.

        Raises:
          UserError: a value or colour has no class.
        """
        pixels = mask.pixels
        if pixels.ndim == 3 or not self.by_colour:
            return self.labels.encode(pixels, source)
        values = np.arange(int(pixels.max(initial=0)) + 1)
        palette = None
        if mask.palette is not None:
            palette = colour_codes(mask.palette).astype(np.int64)[values]
        label = self._by_colour(values, palette)[pixels]
        if (label < 0).any():
            raise UserError(f"{source}: a mask colour in no class's palette entry")
        return label.astype(np.uint8)

    def classes(self, file: FileSurvey) -> np.ndarray:
        """Return the class of each value of a file, `IGNORE`, or -1 for no class."""
        values = file.tally.values
        if file.kind == "colour":
            return self.labels.classes_of_colours(values)
        if self.by_colour:
            return self._by_colour(values, file.palette)
        return self.labels.classes_of_values(values)

    def unknown(self, file: FileSurvey) -> np.ndarray:
        """Return bool `[n]`: which values of a file are of no class."""
        return self.classes(file) < 0

    def _by_colour(self, values: np.ndarray, palette: np.ndarray | None) -> np.ndarray:
        """Return the class of grey values, or of indices whose colours are given."""
        if palette is None:
            return self.labels.classes_of_colours(grey_codes(values))
        classes = self.labels.classes_of_colours(palette)
        known = np.isin(palette, colour_codes(np.array(self.labels.palette, np.uint8)))
        ignored = np.isin(values, self.labels.raw_ignore) & ~known
        return np.where(ignored, IGNORE, classes)

    def contents(self, survey: Survey) -> dict[str, Content]:
        """Count the pixels of each class in each split."""
        found = {}
        for split, files in survey.splits.items():
            pixels = np.zeros(256, np.int64)
            for file in files:
                np.add.at(pixels, self.classes(file), file.tally.pixels)
            counted = tuple(pixels[: self.labels.num_classes].tolist())
            ignored = int(pixels[IGNORE]) + sum(file.outside for file in files)
            found[split] = Content(counted, ignored, self._text(files))
        return found

    def form(self, survey: Survey) -> MaskForm:
        """Return how the masks encode the classes."""
        if self.by_colour or any(file.kind == "colour" for file in survey.files):
            return MaskForm(colours=True)
        return MaskForm(self.labels.raw_values)

    def _text(self, files: Sequence[FileSurvey]) -> str:
        colours = self.by_colour or any(file.kind == "colour" for file in files)
        if colours:
            return Tally.total([file.by_colour() for file in files]).text(colours=True)
        return Tally.total([file.tally for file in files]).text(self.labels.raw_ignore)

    def check(self, survey: Survey, remedy: Callable[[Tally, bool], str]) -> None:
        """Refuse masks that hold a value or colour of no class.

        Args:
          survey: the content of all masks.
          remedy: returns the remedy for a tally of values; the second argument is True
            if they are codes of colours.

        Raises:
          UserError: the message names the first such pixel, and all such values.
        """
        unknown = [(file, self.classes(file) < 0) for file in survey.files]
        unknown = [(file, chosen) for file, chosen in unknown if chosen.any()]
        if not unknown:
            return
        first = unknown[0][0]
        colours = self.by_colour or first.kind == "colour"
        alike = [
            FileSurvey(
                file.path,
                file.tally.only(chosen),
                file.kind,
                None if file.palette is None else file.palette[chosen],
            )
            for file, chosen in unknown
            if self.by_colour or (file.kind == "colour") == colours
        ]
        tallies = [file.by_colour() if colours else file.tally for file in alike]
        total = Tally.total(tallies)
        of = sum(int(file.tally.pixels.sum()) for file in survey.files)
        what = "colours" if colours else "values"
        raise UnknownValues(
            f"{self._first(first)}; {len(alike)} of {len(survey.files)} masks hold such"
            f" {what}: {total.text(colours=colours, of=of)}",
            self,
            remedy(total, colours),
        )

    def _first(self, file: FileSurvey) -> str:
        """Name the first pixel of a file whose value belongs to no class."""
        pixels = read_mask(file.path, lossy=True).pixels
        values = colour_codes(pixels) if pixels.ndim == 3 else pixels
        unknown = file.tally.values[self.classes(file) < 0]
        row, column = np.argwhere(np.isin(values, unknown))[0]
        value = int(values[row, column])
        position = f"at row {row}, column {column}"
        if pixels.ndim == 2 and not self.by_colour:
            labels = self.labels
            return (
                f"{file.path}: mask value {value} {position} is not one of"
                f" {labels.num_classes} classes ({labels.values_text()})"
            )
        if file.palette is not None:
            code = int(file.palette[file.tally.values == value][0])
        elif file.kind == "grey":
            code = int(grey_codes(np.array(value)))
        else:
            code = value
        return (
            f"{file.path}: mask colour {colour_text(code)} {position} is in no class's"
            " palette entry"
        )
