"""What annotation files of all formats are read into: shapes of images.

A format is a file of this folder, whose `read` returns `Contents`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from jaxseg.data.annotations.regions import Region, Size
from jaxseg.errors import UserError, listed

Refuse = Callable[[UserError], None]
"""Is called with what is wrong with one file or image; what it does not raise is left
out, and the others are read."""


def raising(error: UserError) -> None:
    """Refuse at the first error."""
    raise error


class Shape(NamedTuple):
    """A region of one label.

    Attributes:
      label: its name.
      region: its pixels.
      crowd: whether it marks many objects roughly, so that its pixels are ignored where
        no other shape lies.
    """

    label: str
    region: Region
    crowd: bool = False


class Entry(NamedTuple):
    """What a file says of an image.

    Attributes:
      file: of the annotation.
      image: name of the image, maybe with folders; of a format that does not name it,
        without its ending.
      size: of the image as the file says it, or None.
      shapes: from the lowest to the one on top.
      split: that the file says the image is of, or empty.
      other: another name that the image may have, without its ending.
    """

    file: Path
    image: str
    size: Size | None
    shapes: Sequence[Shape]
    split: str = ""
    other: str = ""


class Contents(NamedTuple):
    """The content of an annotation file.

    Attributes:
      entries: of its images.
      labels: that it declares, or that its shapes have, in their order.
      unused: labels that it declares only to group others.
      thin: how many polygons have fewer than three points.
    """

    entries: Sequence[Entry]
    labels: Sequence[str]
    unused: Sequence[str] = ()
    thin: int = 0


class Format(NamedTuple):
    """What is particular to a format.

    Attributes:
      name: for messages.
      order: which of two shapes lies on top, in words.
      upright: whether its shapes are of the upright image where an EXIF orientation
        leaves that unclear.
      lists_images: whether an image without an entry is left out; otherwise it is one
        without any shape.
      lists_labels: whether files declare all labels in an order; otherwise the labels
        of the shapes are sorted.
    """

    name: str
    order: str
    upright: bool = False
    lists_images: bool = True
    lists_labels: bool = True


def checked(adapter: Any, value: Any, path: Path, name: str) -> Any:
    """Return a value of a file as its type.

    Args:
      adapter: of the type, a pydantic.TypeAdapter, which beartype does not know.
      value: parsed.
      path: of the file, for the message.
      name: of the format, for the message.

    Raises:
      UserError: it is not of that type.
    """
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        inner = [part for part in fault["loc"] if not str(part).startswith("_")]
        place = ".".join(str(part) for part in inner[:4])
        reason = fault["msg"].replace("Input should", "must")
        raise UserError(
            f"{path}: not {name}: {place}: {reason[:1].lower()}{reason[1:]}"
        ) from error


def refuse_boxes(path: Path, boxes: Sequence[str], shapes: int, remedy: str) -> None:
    """Refuse objects of which a file has boxes only, if there are any.

    Args:
      path: of the file.
      boxes: their images.
      shapes: how many objects the file has.
      remedy: in words.

    Raises:
      UserError: there are.
    """
    if boxes:
        names = listed(list(dict.fromkeys(boxes)))
        raise UserError(
            f"{path}: {len(boxes)} of {shapes} objects have a box and no outline"
            f" ({names}), and a box does not say which pixels are the object's;"
            f" {remedy}"
        )
