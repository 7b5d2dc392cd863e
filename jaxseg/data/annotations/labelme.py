"""LabelMe's JSON, a file an image: shapes of points, each with a label.

Format: that of labelme 3 to 5 (https://github.com/wkentaro/labelme).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from jaxseg.data.annotations.entries import Contents, Entry, Format, Shape, checked
from jaxseg.data.annotations.regions import Bitmap, PillowShape, Region
from jaxseg.errors import UserError

# labelme itself turns images upright before it shows them.
FORMAT = Format(
    "LabelMe", "the later one in the file", upright=True, lists_labels=False
)

_POLYGONS = ("polygon", "oriented_rectangle", "rotation", "")
_DRAWN = ("rectangle", "circle")


@dataclass(frozen=True, slots=True)
class _Shape:
    label: str
    points: list[tuple[float, float]] = field(default_factory=list)
    shape_type: str | None = None
    mask: str | None = None


@dataclass(frozen=True, slots=True)
class _File:
    shapes: list[_Shape]
    imagePath: str = ""  # noqa: N815  # the format's name
    imageHeight: int | None = None  # noqa: N815
    imageWidth: int | None = None  # noqa: N815


_FILE = TypeAdapter(_File)


def is_of(content: dict[str, Any]) -> bool:
    """Whether a JSON object is a LabelMe file."""
    return "shapes" in content and ("imagePath" in content or "imageData" in content)


def read(path: Path, content: dict[str, Any]) -> Contents:
    """Read a LabelMe file.

    Args:
      path: of the file; the image has its name, or the one that the file says.
      content: the parsed file.

    Raises:
      UserError: it is not as the format says, or a shape that has no area.
    """
    file: _File = checked(_FILE, content, path, "LabelMe")
    shapes = [Shape(each.label, _region(path, each)) for each in file.shapes]
    size = None
    if file.imageHeight and file.imageWidth:
        size = (file.imageHeight, file.imageWidth)
    entry = Entry(path, file.imagePath, size, shapes, other=path.stem)
    thin = sum(
        (each.shape_type or "") in _POLYGONS and len(each.points) < 3
        for each in file.shapes
    )
    return Contents([entry], list(dict.fromkeys(s.label for s in shapes)), thin=thin)


def _region(path: Path, shape: _Shape) -> Region:
    kind = shape.shape_type or ""
    if kind == "mask" and shape.mask is not None:
        return Bitmap(shape.points, shape.mask)
    if kind in _POLYGONS:
        return PillowShape("polygon", shape.points)
    if kind in _DRAWN:
        return PillowShape(kind, shape.points)
    raise UserError(
        f"{path}: shape {shape.label!r} is a {kind}, which has no area; draw it as a"
        " polygon, rectangle or circle, or remove it"
    )
