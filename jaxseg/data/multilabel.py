"""Masks of classes that may overlap: bits of one file, or one file per class.

`jaxseg.data.survey` reads their content, as that of other masks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from jaxseg.config import DataConfig
from jaxseg.data.classes import find_classes
from jaxseg.data.coding import Coding, UnknownValues
from jaxseg.data.contents import Content
from jaxseg.data.labels import IGNORE, LabelSet, MaskForm, numbered_names
from jaxseg.data.masks import Mask, MaskSource
from jaxseg.data.survey import FileSurvey, Survey, Tally
from jaxseg.errors import UserError, listed

MOST_BITS = 16
"""Largest number of classes, which a mask of 16 bits can hold."""


@dataclass(frozen=True)
class FileCoding:
    """The meaning of masks with one file per class.

    Attributes:
      labels: the classes.
      plane: turns each file into 0, 1 and `IGNORE`.
      classes: file -> class.
    """

    labels: LabelSet
    plane: Coding
    classes: Mapping[MaskSource, str]

    def unknown(self, file: FileSurvey) -> np.ndarray:
        """Return bool `[n]`: which values of a file are neither 0, 1 nor ignored."""
        return self.plane.unknown(file)

    def encode(self, mask: Mask, source: str) -> np.ndarray:
        """Turn the mask of one class into its plane, uint8 `[H, W]`."""
        return self.plane.encode(mask, source)

    def contents(self, survey: Survey) -> dict[str, Content]:
        """Count the pixels of each class in each split."""
        found = {}
        for split, files in survey.splits.items():
            pixels, ignored = dict.fromkeys(self.labels.names, 0), 0
            for file in files:
                coded = self.plane.classes(file)
                counts = file.tally.pixels
                pixels[self.classes[file.path]] += int(counts[coded == 1].sum())
                ignored += int(counts[coded == IGNORE].sum()) + file.outside
            total = Tally.total([file.tally for file in files])
            text = total.text(self.plane.labels.raw_ignore)
            found[split] = Content(tuple(pixels.values()), ignored, text)
        return found

    def form(self, survey: Survey) -> MaskForm:
        """Return the two values that mean absence and presence of a class."""
        del survey
        return MaskForm(self.plane.labels.raw_values)


def find_file_coding(
    config: DataConfig, classes: Mapping[MaskSource, str], survey: Survey
) -> FileCoding:
    """Return the meaning of masks with one file per class.

    Args:
      config: the options of the masks, with the names of all classes.
      classes: file -> class.
      survey: the content of the files: 0 and 1, 0 and 255, or values that the options
        give.

    Raises:
      UserError: as for masks of a binary task; or the values of classes differ.
    """
    plain = replace(config, task="binary", class_names=(), num_classes=0, palette=())
    labels = _labels(config, config.class_names)
    if not (config.mask_values or config.mask_map):
        _check_alike(classes, survey)
    return FileCoding(labels, find_classes(plain, survey), classes)


def _check_alike(classes: Mapping[MaskSource, str], survey: Survey) -> None:
    """Refuse 0 and 1 in the masks of one class beside 0 and 255 in those of another."""
    held: dict[str, set[int]] = {}
    for file in survey.files:
        values = file.tally.values[file.tally.values > 0].tolist()
        held.setdefault(classes[file.path], set()).update(values)
    ones = [name for name, values in held.items() if 1 in values]
    only_255 = [name for name, values in held.items() if values == {255}]
    if ones and only_255:
        raise UserError(
            f"{survey.folder}: the masks of class {listed(only_255)} hold 0 and 255,"
            f" those of {listed(ones)} hold 1, so that it is unclear whether 255 is the"
            " class or ignored; to make it the class pass --data.mask_map 0:0 1:1 255:1"
        )


@dataclass(frozen=True)
class BitCoding:
    """The meaning of masks whose bits are classes.

    Attributes:
      labels: the classes, the lowest bit first.
      ignored: values of ignored pixels.
    """

    labels: LabelSet
    ignored: tuple[int, ...]

    def encode(self, mask: Mask, source: str) -> np.ndarray:
        """Turn a mask into planes, uint8 `[H, W, classes]`.

        Raises:
          UserError: a value of more bits than there are classes.
        """
        pixels = mask.pixels
        if pixels.ndim != 2 or (self._unknown(np.unique(pixels))).any():
            raise UserError(f"{source}: values with more bits than there are classes")
        bits = np.arange(self.labels.num_classes)
        planes = (pixels[..., None].astype(np.int32) >> bits & 1).astype(np.uint8)
        planes[np.isin(pixels, self.ignored)] = IGNORE
        return planes

    def contents(self, survey: Survey) -> dict[str, Content]:
        """Count the pixels of each class in each split."""
        found = {}
        for split, files in survey.splits.items():
            tally = Tally.total([file.tally for file in files])
            known = ~np.isin(tally.values, self.ignored)
            pixels = tuple(
                int(tally.pixels[known & (tally.values >> bit & 1 > 0)].sum())
                for bit in range(self.labels.num_classes)
            )
            ignored = int(tally.pixels[~known].sum())
            ignored += sum(file.outside for file in files)
            found[split] = Content(pixels, ignored, tally.text(self.ignored))
        return found

    def form(self, survey: Survey) -> MaskForm:
        """Return how the masks encode the classes."""
        del survey
        return MaskForm(bits=True)

    def check(self, survey: Survey) -> None:
        """Refuse masks in colours, and values of more bits than there are classes.

        Raises:
          UserError: there is such a mask; the message names the first file.
        """
        if colours := survey.of_kind("colour"):
            raise UserError(
                f"{colours[0].path}: a mask in colours, which has no bits of classes;"
                " save the bits as a grey PNG"
            )
        wrong = [file for file in survey.files if self.unknown(file).any()]
        if wrong:
            tally = survey.numbers
            unknown = tally.only(self._unknown(tally.values))
            count = self.labels.num_classes
            raise UnknownValues(
                f"{wrong[0].path}: bits of more than the {count} classes; {len(wrong)}"
                f" of {len(survey.files)} masks hold such values:"
                f" {unknown.text(of=int(tally.pixels.sum()))}",
                self,
                "fix the masks, name more classes, or ignore these values by"
                " --data.ignore_values",
            )

    def unknown(self, file: FileSurvey) -> np.ndarray:
        """Return bool `[n]`: which values of a file have bits of no class."""
        return self._unknown(file.tally.values)

    def _unknown(self, values: np.ndarray) -> np.ndarray:
        known = np.isin(values, self.ignored)
        return ~known & (values >> self.labels.num_classes > 0)


def find_bit_coding(config: DataConfig, survey: Survey) -> BitCoding:
    """Return the meaning of masks whose bits are classes.

    Args:
      config: the options of the masks; if they do not give the number of classes, the
        highest bit that occurs does.
      survey: the content of the masks.  255 is ignored, unless there are eight classes
        or more, of which it is the first eight.

    Raises:
      UserError: an option is not for such masks, or a value has other bits.
    """
    for name in ("mask_values", "mask_map", "nearest_colour"):
        if getattr(config, name):
            raise UserError(
                f"data.{name} and data.mask_bits: the bits of a mask's values are the"
                " classes; leave one of the two out"
            )
    counts = {config.num_classes, len(config.class_names), len(config.palette)} - {0}
    if len(counts) > 1:
        raise UserError(
            f"numbers of classes that differ: data.num_classes {config.num_classes},"
            f" data.class_names {len(config.class_names)}, data.palette"
            f" {len(config.palette)}"
        )
    count = max(counts, default=0) or _highest_bit(config, survey)
    if not 2 <= count <= MOST_BITS:
        raise UserError(
            f"{survey.folder}: {count} classes as bits of a mask: 2 to {MOST_BITS} are"
            f" possible; the masks hold {survey.numbers.text(config.ignore_values)};"
            " for one class pass --data.task binary"
        )
    ignored = tuple(
        value for value in config.ignore_values if value != IGNORE or count < 8
    )
    names = config.class_names or numbered_names(count)
    coding = BitCoding(_labels(config, names), ignored)
    coding.check(survey)
    return coding


def _highest_bit(config: DataConfig, survey: Survey) -> int:
    values = survey.numbers.values
    kept = values[~np.isin(values, config.ignore_values)]
    return int(kept.max(initial=0)).bit_length()


def _labels(config: DataConfig, names: tuple[str, ...]) -> LabelSet:
    return LabelSet(names, config.palette, task="multilabel")
