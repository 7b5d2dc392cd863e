"""Images with masks painted over them.

Images and pictures are arrays, RGB uint8 `[H, W, 3]`.  Colours and names come from the
`LabelSet`.  `image_files.py` writes files, and `sheets.py` puts pictures side by side.
"""

from __future__ import annotations

import cv2
import numpy as np

from jaxseg.data.labels import IGNORE, Colour, LabelSet
from jaxseg.data.planes import each_plane
from jaxseg.errors import UserError
from jaxseg.report import lettering, overlaps

SMALLEST = 256
"""Longer side, pixels, to which a smaller picture with a legend is enlarged."""

_BLACK = (0, 0, 0)


def overlay(
    image: np.ndarray,
    mask: np.ndarray,
    labels: LabelSet,
    alpha: float = 0.5,
    legend: bool = False,
) -> np.ndarray:
    """Paint a mask over its image, with an outline along the borders of classes.

    Ignored pixels, and those of a class whose colour is black, show the image as it is.
    Classes that overlap alternate in stripes.

    Args:
      image: RGB uint8 `[H, W, 3]`.
      mask: int `[H, W]`, the class or `IGNORE`; of a multilabel set `[H, W, classes]`
        of 0, 1 and `IGNORE`.
      labels: names and colours of the classes.
      alpha: opacity of the colours, 0..1.
      legend: whether to add the names of the classes that occur below the picture, with
        a hollow chip for one that is not painted. A picture smaller than 256 pixels is
        enlarged first.

    Returns:
      uint8 `[H, W, 3]`; with a legend, larger.

    Raises:
      UserError: image and mask do not fit each other or the labels.
    """
    mask = checked(image, mask, labels)
    if not legend:
        return _paint(image, mask, labels, alpha)
    factor = -(-SMALLEST // max(mask.shape[:2]))
    if factor > 1:
        height, width = (factor * side for side in mask.shape[:2])
        image, mask = resize(image, mask, height, width)
    picture = _paint(image, mask, labels, alpha)
    names: list[tuple[str, Colour | None]] = [
        (name, None if colour == _BLACK else colour)
        for name, colour in present(labels, mask)
    ]
    hidden = overlaps.ignored(mask) if mask.ndim == 3 else mask == IGNORE
    names += [("ignored", None)] * bool(hidden.any())
    width = max(picture.shape[1], SMALLEST)
    return stack([picture, lettering.legend(names, width)])


def checked(image: np.ndarray, mask: np.ndarray, labels: LabelSet) -> np.ndarray:
    """Return the mask as uint8 if it fits the image and the labels.

    Args:
      image: RGB uint8 `[H, W, 3]`.
      mask: int `[H, W]`, the class or `IGNORE`; of a multilabel set `[H, W, classes]`.
      labels: the classes.

    Raises:
      UserError: the mask does not fit.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise UserError(
            f"a picture is uint8 [H, W, 3], not {image.dtype} {image.shape}"
        )
    if mask.shape != image.shape[:2] + labels.planes or not mask.size:
        raise UserError(f"mask {mask.shape} does not fit image {image.shape[:2]}")
    if labels.planes:
        return labels.encode(mask)
    classes = mask[mask != IGNORE]
    if classes.size and not 0 <= classes.min() <= classes.max() < labels.num_classes:
        raise UserError(
            f"mask values {classes.min()}..{classes.max()} exceed the"
            f" {labels.num_classes} classes"
        )
    return mask.astype(np.uint8)


def _paint(
    image: np.ndarray, mask: np.ndarray, labels: LabelSet, alpha: float
) -> np.ndarray:
    if mask.ndim == 3:
        return _paint_planes(image, mask, labels, alpha)
    colours = labels.colours(mask)
    painted = (mask != IGNORE) & colours.any(axis=2)
    picture = _blended(image, colours, painted, alpha)
    border = _border(mask) & painted
    picture[border] = _outline(labels)[mask[border]]
    return picture


def _paint_planes(
    image: np.ndarray, planes: np.ndarray, labels: LabelSet, alpha: float
) -> np.ndarray:
    width = overlaps.stripe(planes.shape)
    colours, painted = overlaps.colours(planes, labels, image, width)
    picture = _blended(image, colours, painted, alpha)
    outline = _outline(labels)
    for index in range(planes.shape[2]):
        has = (planes[..., index] == 1).astype(np.uint8)
        picture[_border(has) & (has == 1)] = outline[index]
    return picture


def _blended(
    image: np.ndarray, colours: np.ndarray, painted: np.ndarray, alpha: float
) -> np.ndarray:
    picture = image.copy()
    blend = (1 - alpha) * image[painted] + alpha * colours[painted]
    picture[painted] = np.rint(blend).astype(np.uint8)
    return picture


def _border(mask: np.ndarray) -> np.ndarray:
    """Return where a neighbourhood holds two values; it is wider on large pictures."""
    reach = 2 * max(round(min(mask.shape) / 600), 1) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_CROSS, (reach, reach))
    return cv2.morphologyEx(mask, cv2.MORPH_GRADIENT, kernel) != 0


def _outline(labels: LabelSet) -> np.ndarray:
    """Return uint8 `[256, 3]`: each colour, lighter if it is dark and else darker."""
    table = labels.colour_table().astype(np.float32)
    dark = table @ (0.299, 0.587, 0.114) < 128
    table = np.where(dark[:, None], table + 0.4 * (255 - table), 0.55 * table)
    return table.astype(np.uint8)


def present(labels: LabelSet, *masks: np.ndarray) -> list[tuple[str, Colour]]:
    """Return name and colour of the classes that occur in masks, in class order."""
    if labels.planes:
        has = np.any([(mask == 1).any(axis=(0, 1)) for mask in masks], axis=0)
        pairs = zip(labels.names, labels.palette, has, strict=True)
        return [(name, colour) for name, colour, there in pairs if there]
    values = np.unique(np.concatenate([mask.ravel() for mask in masks]))
    return [
        (labels.names[value], labels.palette[value])
        for value in values
        if value != IGNORE
    ]


def resize(
    image: np.ndarray, mask: np.ndarray, height: int, width: int
) -> tuple[np.ndarray, np.ndarray]:
    """Resize an image smoothly, and its mask without new values."""
    shrinks = height < image.shape[0]
    smooth = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    nearest = cv2.INTER_NEAREST_EXACT
    return (
        cv2.resize(image, (width, height), interpolation=smooth),
        each_plane(
            lambda plane: cv2.resize(plane, (width, height), interpolation=nearest),
            mask,
        ),
    )


def stack(parts: list[np.ndarray]) -> np.ndarray:
    """Put pictures below each other; narrower ones are padded in the page's colour."""
    width = max(part.shape[1] for part in parts)
    whole = np.full(
        (sum(len(part) for part in parts), width, 3), lettering.PAPER, np.uint8
    )
    top = 0
    for part in parts:
        whole[top : top + len(part), : part.shape[1]] = part
        top += len(part)
    return whole
