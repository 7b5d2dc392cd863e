"""What a mask's numbers mean: one type for loss, metric and picture.

A `LabelSet` holds the class names, their colours, the value of ignored pixels and how
raw mask values map to classes.  It reads and writes arrays, never files.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jaxseg.errors import UserError

IGNORE = 255
"""The label of pixels that neither train nor count, everywhere inside jaxseg."""

Colour = tuple[int, int, int]


def voc_palette(count: int) -> tuple[Colour, ...]:
    """Return the first `count` colours of the PASCAL VOC colour map.

    As the devkit's `VOClabelcolormap`: class 0 is black; the bits of the class number
    are spread over R, G and B.
    """
    colours = []
    for index in range(count):
        channels = [0, 0, 0]
        for bit in range(8):
            for channel in range(3):
                channels[channel] |= (index >> (3 * bit + channel) & 1) << (7 - bit)
        colours.append((channels[0], channels[1], channels[2]))
    return tuple(colours)


@dataclass(frozen=True)
class LabelSet:
    """The classes of a data set.

    Attributes:
      names: class names; class `i` is `names[i]`.
      palette: RGB colour of each class, 0..255; empty takes the VOC colour map.
      raw_values: raw mask value of each class; empty if classes are 0, 1, 2, ...
      raw_ignore: raw mask values that mean "ignored".
      unknown_is_ignored: whether raw values of no class are ignored, not an error
        (for sets such as Cityscapes whose masks hold more ids than are trained).
    """

    names: tuple[str, ...]
    palette: tuple[Colour, ...] = ()
    raw_values: tuple[int, ...] = ()
    raw_ignore: tuple[int, ...] = (IGNORE,)
    unknown_is_ignored: bool = False

    def __post_init__(self) -> None:
        """Fill in the palette and check the counts against each other."""
        if not all(isinstance(name, str) for name in self.names):
            raise UserError(f"class names {self.names}: text, please")
        for colour in self.palette:
            if len(colour) != 3 or not all(value in range(256) for value in colour):
                raise UserError(f"palette colour {colour}: three values of 0..255")
        for value in (*self.raw_values, *self.raw_ignore):
            if not 0 <= value <= 65535:
                raise UserError(f"raw mask value {value}: 0..65535")
        count = len(self.names)
        if not 1 <= count <= IGNORE:
            raise UserError(f"{count} classes: a label set has 1 to {IGNORE}")
        if not self.palette:
            object.__setattr__(self, "palette", voc_palette(count))
        for what, values in (
            ("names", self.names),
            ("palette colours", self.palette),
            ("raw mask values", self.raw_values),
        ):
            if values and len(values) != count:
                raise UserError(f"{len(values)} {what} for {count} classes")
            if len(set(values)) != len(values):
                raise UserError(f"two classes share one of the {what}: {values}")

    @property
    def num_classes(self) -> int:
        """Number of classes, ignored pixels not counted."""
        return len(self.names)

    def encode(self, raw: np.ndarray, source: str = "mask") -> np.ndarray:
        """Turn a raw mask into labels.

        Args:
          raw: uint8 or int `[H, W]` of raw values, or uint8 `[H, W, 3]` of RGB colours
            from `palette`.
          source: named in the error.

        Returns:
          uint8 `[H, W]`: the class, or `IGNORE`.

        Raises:
          UserError: a value or colour of no class.
        """
        if raw.ndim == 3:
            return self._encode_colours(raw, source)
        if raw.size and (raw.min() < 0 or raw.max() > 65535):
            raise UserError(f"{source}: mask values must lie in 0..65535")
        known = self.raw_values or tuple(range(self.num_classes))
        table = np.full(65536, -1, np.int32)
        if self.unknown_is_ignored:
            table[:] = IGNORE
        table[list(self.raw_ignore)] = IGNORE
        table[list(known)] = np.arange(self.num_classes)
        label = table[raw]
        if (label < 0).any():
            value = int(raw[label < 0][0])
            raise UserError(
                f"{source}: mask value {value} is not one of {self.num_classes} classes"
                f" (raw values {_span(known)}, ignored {_span(self.raw_ignore)})"
            )
        return label.astype(np.uint8)

    def _encode_colours(self, raw: np.ndarray, source: str) -> np.ndarray:
        codes = raw.astype(np.int64) @ np.array([65536, 256, 1])
        label = np.full(codes.shape, -1, np.int32)
        for index, colour in enumerate(self.palette):
            label[codes == np.dot(colour, (65536, 256, 1))] = index
        unknown = label < 0
        if self.unknown_is_ignored:
            label[unknown] = IGNORE
        elif unknown.any():
            colour = tuple(int(value) for value in raw[unknown][0])
            raise UserError(
                f"{source}: mask colour {colour} is in no class's palette entry"
                " (data.palette lists one RGB colour per class)"
            )
        return label.astype(np.uint8)

    def colours(self, label: np.ndarray) -> np.ndarray:
        """Paint labels: int `[H, W]` to RGB uint8 `[H, W, 3]`, ignored pixels grey."""
        return self.colour_table()[label]

    def colour_table(self) -> np.ndarray:
        """Return uint8 `[256, 3]`, the colour of every label; unused ones are grey."""
        table = np.full((256, 3), 224, np.uint8)
        table[: self.num_classes] = self.palette
        return table


def _span(values: tuple[int, ...]) -> str:
    """Write 0, 1, ..., n as `0..n`, anything else as a list."""
    if len(values) > 2 and values == tuple(range(values[0], values[0] + len(values))):
        return f"{values[0]}..{values[-1]}"
    return ", ".join(str(value) for value in values)
