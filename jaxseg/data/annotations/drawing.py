"""Masks that are drawn from the shapes of an annotation."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jaxseg.data.annotations.entries import Entry, Format, Shape
from jaxseg.data.annotations.regions import Size
from jaxseg.data.images import TRANSPOSED, stored_frame, turned_upright
from jaxseg.data.labels import IGNORE
from jaxseg.data.masks import Mask
from jaxseg.errors import UserError

_RULES = "1"
"""Raised when other pixels are drawn than before."""


@dataclass(frozen=True, eq=False)
class Drawing:
    """The mask of an image.

    Of shapes that overlap the last one counts.  The regions of crowds lie below all.

    Attributes:
      entry: what the annotation says of the image.
      image: its file.
      form: the annotation's format.
      class_of: class of each label that is drawn, or `IGNORE`.
      unlabelled: class of pixels without a shape.
      plane: of a multilabel set the class that is drawn, as 0 and 1; pixels of an
        ignored label are ignored whatever else they have.
    """

    entry: Entry
    image: Path
    form: Format
    class_of: Mapping[str, int]
    unlabelled: int = 0
    plane: int | None = None

    def __str__(self) -> str:
        """Name the annotation, and the image unless the file is of it alone."""
        name = f", image {self.entry.image!r}" * bool(self.entry.image)
        return f"{self.entry.file}{name}"

    @property
    def files(self) -> tuple[Path, ...]:
        """The annotation file."""
        return (self.entry.file,)

    def read(self) -> Mask:
        """Draw the mask.

        Returns:
          uint8 `[H, W]`, upright as the image is read: the class, or `IGNORE`.

        Raises:
          UserError: a shape that cannot be of the image, or the image has another size
            than the annotation says.
        """
        size, turn = self._frame()
        try:
            if self.plane is None:
                pixels, overlap = self._classes(size)
            else:
                pixels, overlap = self._plane(size, self.plane), 0
        except UserError as error:
            raise UserError(
                f"{self}: {error}; fix or remove it, and see that the image is the one"
                " that was annotated"
            ) from error
        return Mask(turned_upright(pixels, turn), overlap=overlap)

    def digest(self) -> bytes:
        """Hash the shapes that are drawn and what they mean."""
        shapes = [
            (self.class_of[shape.label], shape.region, shape.crowd)
            for shape in self.entry.shapes
            if shape.label in self.class_of
        ]
        made_of = (_RULES, self.form.name, self.entry.size, shapes)
        said = repr((*made_of, self.unlabelled, self.plane))
        return hashlib.sha256(said.encode()).digest()

    def _frame(self) -> tuple[Size, int]:
        """Return the size to draw in, and the orientation to turn the mask from."""
        stored, orientation = stored_frame(self.image)
        upright = (stored[1], stored[0]) if orientation in TRANSPOSED else stored
        size = self.entry.size or (upright if self.form.upright else None)
        if orientation == 1:
            size = size or stored
        elif size is None or (upright == stored and not self.form.upright):
            raise UserError(
                f"{self.image}: its EXIF orientation turns it, and {self.entry.file}"
                " does not say whether it was annotated before or after; save the image"
                " upright, without an orientation, and check its annotation"
            )
        if size == upright:
            return size, 1
        if size == stored:
            return size, orientation
        raise UserError(
            f"{self}: annotated as {size[1]}x{size[0]} pixels, but {self.image} has"
            f" {upright[1]}x{upright[0]}; give the image that was annotated, or scale"
            " both"
        )

    def _classes(self, size: Size) -> tuple[np.ndarray, int]:
        """Return the class of each pixel, and how many pixels several classes claim."""
        label = np.full(size, self.unlabelled, np.uint8)
        claimed, several = np.zeros(size, bool), np.zeros(size, bool)
        shapes = [shape for shape in self.entry.shapes if shape.label in self.class_of]
        for shape in sorted(shapes, key=lambda shape: not shape.crowd):
            region = _region(shape, size)
            if shape.crowd:
                label[region] = IGNORE
                continue
            index = self.class_of[shape.label]
            several |= region & claimed & (label != index)
            claimed |= region
            label[region] = index
        return label, int(several.sum())

    def _plane(self, size: Size, plane: int) -> np.ndarray:
        """Return 1 where a pixel has a class."""
        label = np.zeros(size, np.uint8)
        ignored = [s for s in self.entry.shapes if self.class_of.get(s.label) == IGNORE]
        mine = [s for s in self.entry.shapes if self.class_of.get(s.label) == plane]
        crowds = [shape for shape in mine if shape.crowd]
        objects = [shape for shape in mine if not shape.crowd]
        for value, shapes in ((IGNORE, crowds), (1, objects), (IGNORE, ignored)):
            for shape in shapes:
                label[_region(shape, size)] = value
        return label


def _region(shape: Shape, size: Size) -> np.ndarray:
    """Return the pixels of a shape, bool `[H, W]`; an error names its label."""
    try:
        return shape.region.draw(size)
    except UserError as error:
        raise UserError(f"a shape of {shape.label!r}: {error}") from error


def planes(drawing: Drawing, count: int) -> tuple[Drawing | None, ...]:
    """Return the drawing of each class of a multilabel set, None without any shape."""
    there = {drawing.class_of.get(shape.label) for shape in drawing.entry.shapes}
    return tuple(
        Drawing(drawing.entry, drawing.image, drawing.form, drawing.class_of, 0, plane)
        if plane in there or IGNORE in there
        else None
        for plane in range(count)
    )
