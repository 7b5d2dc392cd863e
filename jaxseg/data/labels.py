"""The meaning of a mask's numbers, for loss, metric and picture.

A `LabelSet` holds the class names, their colours, the value of ignored pixels and how
raw mask values map to classes.  It reads and writes arrays, never files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np

from jaxseg.errors import UserError

IGNORE = 255
"""The label of ignored pixels, which are left out of training and evaluation."""

Task = Literal["multiclass", "binary", "multilabel"]
"""What is predicted of a pixel: one class of several (a softmax), foreground or
background (one logit and a sigmoid), or any number of classes (a sigmoid for each, so
that classes may overlap)."""

Colour = tuple[int, int, int]

NO_COLOUR = 1 << 24
"""Codes from here on are grey values of more than 8 bits, not colours."""


def voc_palette(count: int) -> tuple[Colour, ...]:
    """Return the first `count` colours of the PASCAL VOC colour map.

    They are those of the devkit's `VOClabelcolormap`: class 0 is black, and the bits of
    the class number are distributed over R, G and B.
    """
    colours = []
    for index in range(count):
        channels = [0, 0, 0]
        for bit in range(8):
            for channel in range(3):
                channels[channel] |= (index >> (3 * bit + channel) & 1) << (7 - bit)
        colours.append((channels[0], channels[1], channels[2]))
    return tuple(colours)


def known_task(value: Any) -> Task:
    """Return a task that was read from a file.

    Raises:
      UserError: it is no task.
    """
    for task in get_args(Task):
        if value == task:
            return task
    raise UserError(f"task {value!r}: give one of {', '.join(get_args(Task))}")


def num_logits(task: Task, num_classes: int) -> int:
    """Return the number of logits per pixel.

    Args:
      task: the task of the data.
      num_classes: number of names of classes; two for a binary task, background and
        foreground.
    """
    return 1 if task == "binary" else num_classes


def check_palette(palette: Sequence[Colour]) -> None:
    """Refuse colours that are not RGB of 8 bits.

    Raises:
      UserError: there is such a colour; the first is named.
    """
    for colour in palette:
        if len(colour) != 3 or not all(value in range(256) for value in colour):
            raise UserError(f"palette colour {colour}: give three values of 0..255")


def numbered_names(count: int) -> tuple[str, ...]:
    """Return default names of classes: class 0, class 1, ..."""
    return tuple(f"class {index}" for index in range(count))


def colour_codes(colours: np.ndarray) -> np.ndarray:
    """Return int32 `[...]`, 0xRRGGBB, of RGB colours uint8 `[..., 3]`."""
    red, green, blue = (colours[..., channel].astype(np.int32) for channel in range(3))
    return red << 16 | green << 8 | blue


def runs(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return value and length of each run of equal values `[n]`."""
    starts = np.flatnonzero(values[1:] != values[:-1]) + 1
    starts = np.concatenate(([0], starts))[: values.size]
    return values[starts], np.diff(starts, append=values.size)


@dataclass(frozen=True)
class MaskForm:
    """How the mask files of a data set encode classes.

    Attributes:
      values: grey value or index of each class; empty if it is the number of the class.
        For multilabel data with a file per class: those of 0 and 1.
      colours: whether classes are encoded by the colours of the label set's palette.
      bits: whether the bits of a value are classes that may overlap.
    """

    values: tuple[int, ...] = ()
    colours: bool = False
    bits: bool = False


PLAIN = MaskForm()
"""The form of masks that hold the numbers of classes."""


@dataclass(frozen=True)
class LabelSet:
    """The classes of a data set.

    Attributes:
      names: class names; class `i` is `names[i]`.
      palette: RGB colour of each class, 0..255; empty takes the VOC colour map.
      raw_values: raw mask value of each class; empty if they are 0, 1, 2, ...  For a
        class of several values it is the first, with which masks are written.
      raw_ranges: the other raw values of classes: `(first, last, class)` each.
      raw_ignore: raw mask values that mean "ignored".
      unknown_is_ignored: whether raw values of no class are ignored instead of refused
        (for sets such as Cityscapes, whose masks hold more ids than are trained).
      nearest_colour: whether colours of no class take the class of the nearest colour.
      task: what is predicted of a pixel.  Labels are uint8 `[H, W]`, the class; for
        "multilabel", whose classes may overlap, uint8 `[H, W, classes]` of 0 and 1;
        `IGNORE` in both.  A "binary" set has two classes, background and foreground.
    """

    names: tuple[str, ...]
    palette: tuple[Colour, ...] = ()
    raw_values: tuple[int, ...] = ()
    raw_ignore: tuple[int, ...] = (IGNORE,)
    unknown_is_ignored: bool = False
    raw_ranges: tuple[tuple[int, int, int], ...] = ()
    nearest_colour: bool = False
    task: Task = "multiclass"

    def __post_init__(self) -> None:
        """Fill in the palette and check the counts against each other."""
        if not all(isinstance(name, str) for name in self.names):
            raise UserError(f"class names {self.names}: give text")
        check_palette(self.palette)
        for value in (*self.raw_values, *self.raw_ignore):
            if not 0 <= value <= 65535:
                raise UserError(f"raw mask value {value}: give 0..65535")
        count = len(self.names)
        if not 1 <= count <= IGNORE:
            raise UserError(f"{count} classes: a label set has 1 to {IGNORE}")
        self._check_task(count)
        if not self.palette:  # multilabel has no background, the first, black colour
            skipped = int(self.task == "multilabel")
            palette = voc_palette(count + skipped)[skipped:]
            object.__setattr__(self, "palette", palette)
        for what, values in (
            ("names", self.names),
            ("palette colours", self.palette),
            ("raw mask values", self.raw_values),
        ):
            if values and len(values) != count:
                raise UserError(f"{len(values)} {what} for {count} classes")
            if len(set(values)) != len(values):
                raise UserError(f"two classes share one of the {what}: {values}")
        for first, last, index in self.raw_ranges:
            if not (0 <= first <= last <= 65535 and 0 <= index < count):
                raise UserError(f"raw mask values {first}-{last} of class {index}")

    def _check_task(self, count: int) -> None:
        if self.task == "binary" and count != 2:
            raise UserError(
                f"a binary label set of {count} names: give two, the background's and"
                " the foreground's"
            )
        if self.task == "multilabel" and count < 2:
            raise UserError(
                "a multilabel set of one class: make it a binary set of the names"
                f" background and {self.names[0]}"
            )
        if self.task == "multilabel" and (self.raw_values or self.raw_ranges):
            raise UserError("raw mask values of a multilabel set: leave them out")

    @property
    def num_classes(self) -> int:
        """Number of classes, ignored pixels not counted."""
        return len(self.names)

    @property
    def num_logits(self) -> int:
        """Number of logits per pixel."""
        return num_logits(self.task, self.num_classes)

    @property
    def planes(self) -> tuple[int, ...]:
        """The axes of a label after `[H, W]`: `(classes,)` if multilabel, else none."""
        return (self.num_classes,) if self.task == "multilabel" else ()

    def encode(self, raw: np.ndarray, source: str = "mask") -> np.ndarray:
        """Turn a raw mask into labels.

        Args:
          raw: uint8 or int `[H, W]` of raw values, or uint8 `[H, W, 3]` of RGB colours
            from `palette`; if multilabel, `[H, W, classes]` of 0, 1 and `IGNORE`.
          source: name of the mask, for the message.

        Returns:
          uint8 `[H, W]`: the class, or `IGNORE`; `[H, W, classes]` if multilabel.

        Raises:
          UserError: a value or colour has no class.
        """
        if self.task == "multilabel":
            return self._encode_planes(raw, source)
        if raw.ndim == 3:
            codes, lengths = runs(colour_codes(raw).ravel())
            codes, place = np.unique(codes, return_inverse=True)
            label = np.repeat(self.classes_of_colours(codes)[place], lengths)
            label = label.reshape(raw.shape[:2])
        else:
            if raw.size and (raw.min() < 0 or raw.max() > 65535):
                raise UserError(
                    f"{source}: mask values must lie in 0..65535, where 255 is ignored"
                    " unless it is a class"
                )
            label = self._table[raw]
        if (label < 0).any():
            unknown = raw[label < 0][0]
            if raw.ndim == 3:
                colour = tuple(int(value) for value in unknown)
                raise UserError(
                    f"{source}: mask colour {colour} is in no class's palette entry"
                )
            raise UserError(
                f"{source}: mask value {unknown} is not one of {self.num_classes}"
                f" classes ({self.values_text()})"
            )
        return label.astype(np.uint8)

    def _encode_planes(self, raw: np.ndarray, source: str) -> np.ndarray:
        if raw.ndim != 3 or raw.shape[2] != self.num_classes:
            raise UserError(
                f"{source}: a multilabel mask of shape {list(raw.shape)}; give [H, W,"
                f" {self.num_classes}], a plane for each class"
            )
        known = (raw == 0) | (raw == 1) | (raw == IGNORE)
        if not known.all():
            raise UserError(
                f"{source}: mask value {raw[~known][0]} in the plane of a class; give"
                f" 0 or 1, or {IGNORE} where it is ignored"
            )
        return raw.astype(np.uint8)

    def values_text(self) -> str:
        """Return the raw values of classes and the ignored ones, as text."""
        known = _span(self.raw_values or tuple(range(self.num_classes)))
        more = [f"{first}-{last}" for first, last, _ in self.raw_ranges]
        listed = ", ".join([known, *more])
        return f"raw values {listed}, ignored {_span(self.raw_ignore) or 'none'}"

    def classes_of_values(self, values: np.ndarray) -> np.ndarray:
        """Return the class of raw mask values, int `[...]` of 0..65535.

        Returns:
          int32 `[...]`: the class, `IGNORE`, or -1 if a value has no class.
        """
        return self._table[values]

    @cached_property
    def _table(self) -> np.ndarray:
        table = np.full(65536, IGNORE if self.unknown_is_ignored else -1, np.int32)
        table[list(self.raw_ignore)] = IGNORE
        for first, last, index in self.raw_ranges:
            table[first : last + 1] = index
        known = self.raw_values or tuple(range(self.num_classes))
        table[list(known)] = np.arange(self.num_classes)
        return table

    def classes_of_colours(self, codes: np.ndarray) -> np.ndarray:
        """Return the class of colours, int `[n]` of `colour_codes`.

        Returns:
          int32 `[n]`: the class, `IGNORE`, or -1 if a colour has no class.
        """
        palette = colour_codes(np.array(self.palette, np.uint8)).tolist()
        classes = np.full(codes.shape, -1, np.int32)
        for index, code in enumerate(palette):
            classes[codes == code] = index
        unknown = (classes < 0) & (codes < NO_COLOUR)
        if self.nearest_colour and unknown.any():
            classes[unknown] = _nearest(codes[unknown], self.palette)
        if self.unknown_is_ignored:
            classes[classes < 0] = IGNORE
        return classes

    def colours(self, label: np.ndarray) -> np.ndarray:
        """Paint labels: int `[H, W]` to RGB uint8 `[H, W, 3]`, ignored pixels grey."""
        return self.colour_table()[label]

    def colour_table(self) -> np.ndarray:
        """Return uint8 `[256, 3]`, the colour of every label; unused ones are grey."""
        table = np.full((256, 3), 224, np.uint8)
        table[: self.num_classes] = self.palette
        return table


def code_colours(codes: np.ndarray) -> np.ndarray:
    """Return RGB, int64 `[..., 3]`, of `colour_codes` `[...]`."""
    return codes.astype(np.int64)[..., None] >> np.array([16, 8, 0]) & 255


def _nearest(codes: np.ndarray, palette: Sequence[Colour]) -> np.ndarray:
    """Return the index of the palette's colour nearest in RGB to each code `[n]`."""
    found = code_colours(codes)
    distances = [((found - colour) ** 2).sum(-1) for colour in np.array(palette)]
    return np.argmin(np.stack(distances), axis=0)


def _span(values: tuple[int, ...]) -> str:
    """Write values as a list in which n, n + 1, ..., m is `n..m`."""
    parts: list[str] = []
    start = 0
    for place in range(1, len(values) + 1):
        if place < len(values) and values[place] == values[place - 1] + 1:
            continue
        run = values[start:place]
        parts += [f"{run[0]}..{run[-1]}"] if len(run) > 2 else map(str, run)
        start = place
    return ", ".join(parts)
