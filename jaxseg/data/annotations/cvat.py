"""CVAT's XML "for images 1.1": polygons, boxes, ellipses and masks with a z-order.

Format: https://docs.cvat.ai/docs/manual/advanced/xml_format/
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from jaxseg.data.annotations.entries import Contents, Entry, Format, Shape
from jaxseg.data.annotations.regions import (
    CocoPolygons,
    Ellipse,
    Region,
    RunLengths,
    rectangle,
)
from jaxseg.data.folders import SPLITS
from jaxseg.errors import UserError

FORMAT = Format("CVAT", "the one of the higher z_order, else the later one in the file")

_NO_AREA = ("polyline", "points", "cuboid", "skeleton")
_NO_SHAPE = ("tag", "attribute")


def parsed(path: Path, content: bytes) -> ElementTree.Element | None:
    """Return the root of an XML file of CVAT, None where it is another XML file.

    Raises:
      UserError: it is no XML.
    """
    if b"<!ENTITY" in content:  # entities may grow without bounds
        raise UserError(f"{path}: XML that declares entities; CVAT writes none")
    try:
        root = ElementTree.fromstring(content)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise UserError(
            f"{path}: cannot be read as XML ({error}); export it anew"
        ) from error
    return root if root.tag == "annotations" else None


def read(path: Path, root: ElementTree.Element) -> Contents:
    """Read the XML of a task or a project.

    Args:
      path: of the file, for messages.
      root: the parsed file.

    Raises:
      UserError: tracks of a video, a shape without an area, or anything that is not as
        the format says.
    """
    if root.find("track") is not None:
        raise UserError(
            f"{path}: tracks of a video; export the task as 'CVAT for images 1.1'"
        )
    declared = [
        label.findtext("name", "") for label in root.iterfind("meta//labels/label")
    ]
    entries, found, thin = [], {}, 0
    for image in root.iterfind("image"):
        name = image.get("name", "")
        where = f"{path}: image {name!r}"
        size = (_number(image, "height", where), _number(image, "width", where))
        ranked = []
        for shape in image:
            if shape.tag in _NO_SHAPE:
                continue
            label = shape.get("label", "")
            region = _region(shape, f"{where}: {shape.tag} {label!r}")
            thin += isinstance(region, CocoPolygons) and len(region.parts[0]) < 6
            ranked.append((_number(shape, "z_order", where, 0.0), Shape(label, region)))
            found[label] = None
        ranked.sort(key=lambda pair: pair[0])
        split = SPLITS.get(image.get("subset", "").lower(), "")
        whole = (int(size[0]), int(size[1]))
        entries.append(Entry(path, name, whole, [shape for _, shape in ranked], split))
    if unknown := [label for label in found if declared and label not in declared]:
        raise UserError(
            f"{path}: label {unknown[0]!r} of a shape is none of those that the file"
            f" declares: {', '.join(declared)}; export it anew"
        )
    return Contents(entries, list(dict.fromkeys(declared or found)), thin=thin)


def _region(shape: ElementTree.Element, where: str) -> Region:
    """Return the region of an element."""

    def numbers(*names: str) -> list[float]:
        return [_number(shape, name, where) for name in names]

    rotation = _number(shape, "rotation", where, 0.0)
    if shape.tag == "polygon":
        points = shape.get("points", "").replace(";", ",").split(",")
        return CocoPolygons((tuple(_floats(points, "points", where)),))
    if shape.tag == "box":
        return rectangle(numbers("xtl", "ytl", "xbr", "ybr"), rotation)
    if shape.tag == "ellipse":
        x, y, across, down = numbers("cx", "cy", "rx", "ry")
        return Ellipse((x, y), (across, down), rotation)
    if shape.tag == "mask":
        counts = _floats(shape.get("rle", "").split(","), "rle", where)
        left, top, width, height = map(int, numbers("left", "top", "width", "height"))
        runs = tuple(int(count) for count in counts)
        return RunLengths(runs, (height, width), (top, left), by_rows=True)
    if shape.tag in _NO_AREA:
        raise UserError(
            f"{where}: it has no area; draw it as a polygon or a mask, or remove it"
        )
    raise UserError(f"{where}: no shape that is known; remove it")


def _number(
    shape: ElementTree.Element, name: str, where: str, default: float | None = None
) -> float:
    text = shape.get(name)
    if text is None and default is not None:
        return default
    return next(_floats([text or ""], name, where))


def _floats(texts: list[str], name: str, where: str) -> Iterator[float]:
    """Yield finite numbers."""
    for text in texts:
        try:
            number = float(text)
        except ValueError as error:
            raise UserError(f"{where}: {name} {text!r} is no number") from error
        if not abs(number) < 1e9:
            raise UserError(f"{where}: {name} {text!r} is no position in an image")
        yield number
