"""YOLO's segmentation labels: a text file an image, a polygon a line.

A line is the class' number, then x and y of each point as shares of the image's width
and height.  `data.yaml` or `classes.txt` names the classes.
Format: https://docs.ultralytics.com/datasets/segment/
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from jaxseg.data.annotations.entries import (
    Contents,
    Entry,
    Format,
    Shape,
    refuse_boxes,
)
from jaxseg.data.annotations.regions import FilledPolygon
from jaxseg.data.folders import inside
from jaxseg.data.images import read_bytes
from jaxseg.data.splits import read_list
from jaxseg.errors import UserError

# Ultralytics turns images upright, and takes images without a file as background.
FORMAT = Format("YOLO", "the later one in the file", upright=True, lists_images=False)

_TABLES = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml")
_LISTS = ("classes.txt", "labels.txt", "obj.names")
NO_LABELS = frozenset((*_LISTS, "notes.txt", "readme.txt", "requirements.txt"))
"""Names of text files, in lower case, that are no labels."""


def find_names(root: Path, given: Sequence[str]) -> tuple[tuple[str, ...], str]:
    """Return the names of the classes by their numbers, and the file that says them.

    Args:
      root: the folder that holds a table of names, itself or in `labels`.
      given: names to take where no file says any.

    Raises:
      UserError: there are none, or a table that cannot be read.
    """
    for name in _TABLES:
        path = root / name
        if path.is_file():
            inside(path, root)
            return _of_yaml(path), str(path)
    for folder in (root, root / "labels"):
        for name in _LISTS:
            path = folder / name
            if path.is_file():
                inside(path, root)
                return tuple(read_list(path)), str(path)
    if given:
        return tuple(given), "data.class_names"
    raise UserError(
        f"{root}: the numbers in YOLO's labels have no names: lay data.yaml or"
        " classes.txt into it, or pass --data.class_names in the order of the numbers"
    )


def _of_yaml(path: Path) -> tuple[str, ...]:
    try:
        content: Any = yaml.safe_load(read_bytes(path))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        said = " ".join(str(error).split())
        raise UserError(f"{path}: cannot be read as YAML ({said})") from error
    names = content.get("names") if isinstance(content, dict) else None
    if isinstance(names, dict):
        if sorted(names, key=str) != sorted(range(len(names)), key=str):
            raise UserError(f"{path}: names must be of the numbers 0, 1, 2, ...")
        names = [names[number] for number in range(len(names))]
    if not isinstance(names, list) or not names:
        raise UserError(f"{path}: it has no names of classes; add names: [...]")
    if not all(isinstance(name, str | int) for name in names):
        raise UserError(f"{path}: names must be text")
    return tuple(str(name) for name in names)


def read(path: Path, names: Sequence[str], where: str) -> Contents:
    """Read the labels of an image.

    Args:
      path: of the file, whose name is the image's but for the ending.
      names: of the classes.
      where: they come from, for messages.

    Raises:
      UserError: a line that is no polygon, or a class without a name.
    """
    shapes, boxes, thin = [], 0, 0
    for number, line in enumerate(read_list(path), 1):
        said = f"{path}: line {number}"
        words = line.split()
        try:
            index, points = int(words[0]), tuple(float(word) for word in words[1:])
        except ValueError as error:
            raise UserError(f"{said} is not a class and points x y x y ...") from error
        if not 0 <= index < len(names):
            raise UserError(
                f"{said}: class {index}, and {where} names {len(names)}, from 0 to"
                f" {len(names) - 1}"
            )
        boxes += len(points) == 4
        if len(points) % 2:
            raise UserError(f"{said} has {len(points)} positions, which is odd")
        if any(not -0.01 <= point <= 1.01 for point in points):
            raise UserError(
                f"{said}: positions are shares of the image, from 0 to 1, not pixels"
            )
        thin += len(points) < 6
        if len(points) >= 6:
            shapes.append(Shape(names[index], FilledPolygon(points)))
    remedy = "export the labels as polygons (YOLO segmentation)"
    refuse_boxes(path, [path.stem] * boxes, len(shapes) + boxes, remedy)
    labels = list(dict.fromkeys(names))
    entry = Entry(path, "", None, shapes, other=path.stem)
    return Contents([entry], labels, thin=thin - boxes)
