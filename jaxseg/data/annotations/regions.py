"""The pixels that a shape of an annotation covers.

Every format's shapes become pixels by the rule of that format's own library, so that a
mask is the one that the library would have made.  An error says what is wrong with a
shape; whoever draws it says which shape it is.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import cv2
import numpy as np
import pycocotools.mask as coco_mask
from PIL import Image, ImageDraw

from jaxseg.errors import UserError

Size = tuple[int, int]
"""Height and width, pixels."""
Points = Sequence[Sequence[float]]
"""x and y of each point, pixels from the upper left corner."""

_LONGEST = 6
"""Characters of a number in COCO's compressed run lengths, at most: 30 bits."""


@runtime_checkable
class Region(Protocol):
    """The region of a shape."""

    def draw(self, size: Size) -> np.ndarray:
        """Return the pixels that it covers, bool `[H, W]`.

        Args:
          size: of the image.

        Raises:
          UserError: no such region can be of an image of that size.
        """
        ...


@dataclass(frozen=True)
class CocoPolygons:
    """Polygons by the rule of pycocotools, which COCO and CVAT use.

    A pixel is covered if its centre is inside, up to the rounding of pycocotools, which
    goes along the boundary in steps of a fifth of a pixel.

    Attributes:
      parts: x, y, x, y, ... of each; those of fewer than three points cover nothing.
    """

    parts: Sequence[Sequence[float]]

    def draw(self, size: Size) -> np.ndarray:
        """Return the union of the polygons."""
        for part in self.parts:
            if len(part) % 2:
                raise UserError(f"a polygon of {len(part)} numbers, which is odd")
            _checked(np.reshape(part, (-1, 2)), size)
        # Where the first has two points, pycocotools takes all for boxes.
        parts = [list(part) for part in self.parts if len(part) >= 6]
        if not parts:
            return np.zeros(size, bool)
        library: Any = coco_mask
        merged = library.merge(library.frPyObjects(parts, *size))
        # Its own decoder warns from NumPy 2 on.
        return RunLengths(merged["counts"].decode(), size).draw(size)


@dataclass(frozen=True)
class RunLengths:
    """A mask as the lengths of its runs of 0, 1, 0, 1, ...

    Attributes:
      counts: the lengths; a text is COCO's compressed form of them.
      size: of the mask.
      corner: row and column of the image at which the mask begins.
      by_rows: whether runs go along the rows, as CVAT's, or along the columns, as
        COCO's.
    """

    counts: str | Sequence[int]
    size: Size
    corner: tuple[int, int] = (0, 0)
    by_rows: bool = False

    def draw(self, size: Size) -> np.ndarray:
        """Return the pixels of the odd runs."""
        (top, left), (height, width) = self.corner, self.size
        fits = min(top, left, height, width) >= 0
        if not fits or top + height > size[0] or left + width > size[1]:
            raise UserError(
                f"a mask of {width}x{height} pixels at column {left}, row {top}, which"
                f" is not inside the image of {size[1]}x{size[0]}"
            )
        if not self.by_rows and self.size != size:
            raise UserError(
                f"run lengths of {width}x{height} pixels for {size[1]}x{size[0]}"
            )
        counts = self.counts
        lengths = _decompressed(counts) if isinstance(counts, str) else list(counts)
        # pycocotools leaves pixels undefined behind runs that end too early.
        if min(lengths, default=0) < 0 or sum(lengths) != height * width:
            raise UserError(
                f"run lengths of {sum(lengths)} pixels for a mask of {width}x{height}"
            )
        values = np.repeat(np.arange(len(lengths)) % 2 > 0, lengths)
        mask = np.zeros(size, bool)
        order = "C" if self.by_rows else "F"
        inner = values.reshape((height, width), order=order)
        mask[top : top + height, left : left + width] = inner
        return mask


@dataclass(frozen=True)
class PillowShape:
    """A shape by the rule of labelme's `shape_to_mask`, which draws with Pillow.

    Pixels that the outline touches are covered.

    Attributes:
      kind: "polygon", of fewer than three points nothing; "rectangle", two corners; or
        "circle", centre and a point of it.
      points: of the shape.
    """

    kind: str
    points: Points

    def draw(self, size: Size) -> np.ndarray:
        """Return the inside and the outline."""
        points = np.array(self.points, float).reshape(-1, 2)
        mask = Image.new("L", (size[1], size[0]))
        draw = ImageDraw.Draw(mask)
        if self.kind == "polygon":
            _checked(points, size)
            if len(points) > 2:
                draw.polygon([tuple(point) for point in points], outline=1, fill=1)
        elif len(points) != 2:
            raise UserError(f"a {self.kind} of {len(points)} points; it has two")
        elif self.kind == "rectangle":
            _checked(points, size)
            corners = (*points.min(axis=0), *points.max(axis=0))
            draw.rectangle(corners, outline=1, fill=1)
        else:
            radius = math.dist(*points)
            box = np.stack([points[0] - radius, points[0] + radius])
            draw.ellipse(_checked(box, size).ravel().tolist(), outline=1, fill=1)
        return np.asarray(mask) > 0


@dataclass(frozen=True)
class Bitmap:
    """A mask in a box, as labelme stores it.

    Attributes:
      points: upper left and lower right pixel of the box, both inside.
      encoded: a PNG in base64.
    """

    points: Points
    encoded: str

    def draw(self, size: Size) -> np.ndarray:
        """Return the pixels of the mask that are not 0."""
        points = np.array(self.points, float).reshape(-1, 2)
        if len(points) != 2:
            raise UserError(f"a mask of {len(points)} points; its box has two corners")
        (left, top), (right, bottom) = _checked(points, size).astype(int)
        try:
            content = io.BytesIO(base64.b64decode(self.encoded, validate=True))
            with Image.open(content, formats=("PNG",)) as image:
                found = (image.height, image.width)
                fits = found == (bottom - top + 1, right - left + 1)
                pixels = np.asarray(image.convert("L")) > 0 if fits else None
        except Exception as error:  # Pillow raises many kinds on bad bytes
            raise UserError(f"a mask that is no PNG in base64 ({error})") from error
        if pixels is None:
            raise UserError(
                f"a mask of {found[1]}x{found[0]} pixels in a box of"
                f" {right - left + 1}x{bottom - top + 1}"
            )
        if top < 0 or left < 0 or bottom >= size[0] or right >= size[1]:
            raise UserError("a mask whose box is not inside the image")
        mask = np.zeros(size, bool)
        mask[top : bottom + 1, left : right + 1] = pixels
        return mask


@dataclass(frozen=True)
class FilledPolygon:
    """A polygon in shares of the image, by the rule of Ultralytics: OpenCV's fillPoly.

    Positions are cut to whole pixels; pixels that the outline touches are covered.

    Attributes:
      points: x, y, x, y, ..., each from 0 to 1.
    """

    points: Sequence[float]

    def draw(self, size: Size) -> np.ndarray:
        """Return the inside and the outline."""
        points = np.array(self.points, np.float32).reshape(-1, 2)
        points = _checked(points * np.array(size[::-1], np.float32), size)
        mask = np.zeros(size, np.uint8)
        cv2.fillPoly(mask, [points.astype(np.int32)], 1)
        return mask > 0


@dataclass(frozen=True)
class Ellipse:
    """An ellipse by the rule of CVAT's export of masks: OpenCV's ellipse.

    Attributes:
      centre: x and y.
      radii: along the axes.
      rotation: clockwise, degrees.
    """

    centre: tuple[float, float]
    radii: tuple[float, float]
    rotation: float = 0.0

    def draw(self, size: Size) -> np.ndarray:
        """Return the inside and the outline."""
        if not min(self.radii) >= 0:
            raise UserError("an ellipse of negative radii")
        centre, radii = np.array(self.centre), np.array(self.radii)
        _checked(np.stack([centre - radii, centre + radii]), size)
        if not math.isfinite(self.rotation):
            raise UserError("a rotation that is no number")
        mask = np.zeros(size, np.uint8)
        middle = (round(self.centre[0]), round(self.centre[1]))
        axes = (round(self.radii[0]), round(self.radii[1]))
        cv2.ellipse(mask, middle, axes, self.rotation, 0, 360, (1,), thickness=-1)
        return mask > 0


def rectangle(box: Sequence[float], rotation: float = 0.0) -> CocoPolygons:
    """Return a box as a polygon, as CVAT exports it.

    Args:
      box: left, top, right, bottom.
      rotation: clockwise about the box' centre, degrees.
    """
    left, top, right, bottom = box
    corners = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
    centre = np.array([left + (right - left) / 2, top + (bottom - top) / 2])
    cos, sin = math.cos(math.radians(rotation)), math.sin(math.radians(rotation))
    if rotation:
        corners = (corners - centre) @ np.array([[cos, sin], [-sin, cos]]) + centre
    return CocoPolygons((tuple(corners.ravel().tolist()),))


def _checked(points: np.ndarray, size: Size) -> np.ndarray:
    """Refuse points of a shape, `[n, 2]`, that cannot be of an image of this size."""
    if not np.isfinite(points).all():
        raise UserError("a position that is no number")
    if not len(points):
        return points
    ends = np.array(size[::-1])
    low, high = points.min(axis=0), points.max(axis=0)
    if (low >= ends).any() or (high < 0).any():
        raise UserError(
            f"it lies outside the image of {size[1]}x{size[0]}: columns"
            f" {low[0]:g} to {high[0]:g}, rows {low[1]:g} to {high[1]:g}"
        )
    reach = max(size)  # what is further out is of another image
    if (low < -reach).any() or (high > ends + reach).any():
        raise UserError(
            f"it reaches far outside the image of {size[1]}x{size[0]}: columns"
            f" {low[0]:g} to {high[0]:g}, rows {low[1]:g} to {high[1]:g}"
        )
    return points


def _decompressed(text: str) -> list[int]:
    """Return the run lengths of COCO's compressed form, `rleFrString` of its API."""
    lengths: list[int] = []
    number = place = 0
    for character in text.encode():
        bits = character - 48
        if not 0 <= bits < 64 or place == _LONGEST:
            raise UserError("run lengths that are no compressed ones")
        number |= (bits & 31) << 5 * place
        place += 1
        if bits & 32:
            continue
        if bits & 16:  # negative
            number -= 1 << 5 * place
        lengths.append(number + (lengths[-2] if len(lengths) > 2 else 0))
        number = place = 0
    if place:
        raise UserError("run lengths that end within a number")
    return lengths
