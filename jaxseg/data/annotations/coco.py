"""COCO's JSON: images, categories, and annotations as polygons or run lengths.

Format: https://cocodataset.org/#format-data (object detection).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from jaxseg.data.annotations.entries import (
    Contents,
    Entry,
    Format,
    Shape,
    checked,
    refuse_boxes,
)
from jaxseg.data.annotations.regions import CocoPolygons, Region, RunLengths
from jaxseg.errors import UserError, listed

FORMAT = Format("COCO", "the later one in the file")

Id = int | str


@dataclass(frozen=True, slots=True)
class _Image:
    id: Id
    file_name: str
    width: int | None = None
    height: int | None = None


@dataclass(frozen=True, slots=True)
class _Runs:
    size: tuple[int, int]
    counts: str | list[int]


@dataclass(frozen=True, slots=True)
class _Annotation:
    image_id: Id
    category_id: Id
    segmentation: list[list[float]] | _Runs | None = None
    iscrowd: int | None = 0


@dataclass(frozen=True, slots=True)
class _Category:
    id: Id
    name: str
    supercategory: str | None = None


@dataclass(frozen=True, slots=True)
class _File:
    images: list[_Image]
    annotations: list[_Annotation]
    categories: list[_Category]


_FILE = TypeAdapter(_File)


def is_of(content: dict[str, Any]) -> bool:
    """Whether a JSON object is a COCO file of objects."""
    return {"images", "annotations", "categories"} <= content.keys()


def read(path: Path, content: dict[str, Any]) -> Contents:
    """Read a COCO file.

    Args:
      path: of the file, for messages.
      content: the parsed file.

    Raises:
      UserError: it is not as the format says, ids that it does not declare or declares
        twice, or objects without an outline.
    """
    file: _File = checked(_FILE, content, path, "COCO")
    names = _by_id(
        path, "categories", [(each.id, each.name) for each in file.categories]
    )
    images = _by_id(path, "images", [(each.id, each) for each in file.images])
    _check_ids(
        path, "category_id", [each.category_id for each in file.annotations], names
    )
    _check_ids(path, "image_id", [each.image_id for each in file.annotations], images)
    shapes: dict[Id, list[Shape]] = {id_: [] for id_ in images}
    boxes, thin = [], 0
    for each in file.annotations:
        found = each.segmentation
        if not found or found == [[]]:
            boxes.append(images[each.image_id].file_name)
            continue
        region: Region
        if isinstance(found, _Runs):
            region = RunLengths(found.counts, found.size)
        else:
            region = CocoPolygons(found)
            thin += sum(len(part) < 6 for part in found)
        shape = Shape(names[each.category_id], region, bool(each.iscrowd))
        shapes[each.image_id].append(shape)
    refuse_boxes(
        path, boxes, len(file.annotations), "export them with outlines (segmentation)"
    )
    entries = [
        Entry(path, each.file_name, _size(each), shapes[each.id])
        for each in file.images
    ]
    used = {each.category_id for each in file.annotations}
    unused = _groups([each for each in file.categories if each.id not in used], file)
    labels = [name for name in names.values() if name not in unused]
    return Contents(entries, list(dict.fromkeys(labels)), unused, thin)


def _size(image: _Image) -> tuple[int, int] | None:
    if image.width is None or image.height is None:
        return None
    return image.height, image.width


def _groups(unused: list[_Category], file: _File) -> list[str]:
    """Return the categories without objects that others name as their supercategory.

    Roboflow's exports begin with such a one, which is no class.
    """
    above = {
        each.supercategory
        for each in file.categories
        if each.supercategory != each.name
    }
    return [each.name for each in unused if each.name in above]


def _by_id(path: Path, what: str, pairs: list[tuple[Id, Any]]) -> dict[Id, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        ids = [id_ for id_, _ in pairs]
        twice = next(id_ for id_ in ids if ids.count(id_) > 1)
        raise UserError(
            f"{path}: two {what} have id {twice!r}; give each an id of its own"
        )
    return found


def _check_ids(path: Path, what: str, ids: list[Id], known: dict[Id, Any]) -> None:
    unknown = [id_ for id_ in ids if id_ not in known]
    if unknown:
        names = listed([repr(id_) for id_ in dict.fromkeys(unknown)])
        raise UserError(
            f"{path}: {len(unknown)} of {len(ids)} annotations: their {what} is none"
            f" that the file declares: {names}; export it anew, or take them out"
        )
