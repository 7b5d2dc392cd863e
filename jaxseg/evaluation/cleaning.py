"""Removes small components from predicted masks, and fills their holes.

Evaluation does not clean masks, since it measures the network.
"""

from __future__ import annotations

import cv2
import numpy as np

from jaxseg.data.labels import LabelSet, Task
from jaxseg.data.planes import each_plane
from jaxseg.errors import UserError

_NEIGHBOURS = [(r, c) for r in (-1, 0, 1) for c in (-1, 0, 1) if (r, c) != (0, 0)]


def clean_mask(
    mask: np.ndarray, labels: LabelSet, components: int = 0, fill_holes: float = 0
) -> np.ndarray:
    """Fill the holes of a predicted mask, then drop its small components.

    A component is connected by the eight neighbours of a pixel.  Dropped pixels of a
    binary mask, and of a class that may overlap others, become 0.  In a multiclass mask
    class 0 has components too, and a dropped component takes the most frequent class of
    the pixels around it, in a tie the lowest; pixels of other small components do not
    count until they have their new class.  If all components are small, the largest one
    stays.

    A hole is a connected part of the background (by four neighbours) that does not
    touch the edge of the image, as in `scipy.ndimage.binary_fill_holes`.

    Args:
      mask: int `[H, W]`, or of a multilabel task uint8 `[H, W, classes]` of 0 and 1, as
        a `Predictor` returns it.
      labels: the classes; only their task is used.
      components: components of fewer pixels than this are dropped; 0 drops none.
      fill_holes: holes of at most this many pixels are filled; 0 fills none, `math.inf`
        all.

    Returns:
      A new mask of the same shape and dtype.

    Raises:
      UserError: a number below 0, or holes in a multiclass mask.
    """
    check_cleaning(labels.task, components, fill_holes)
    if not (components or fill_holes):
        return mask.copy()
    if labels.task == "multiclass":
        return _without_small(mask, components)

    def clean(plane: np.ndarray) -> np.ndarray:
        there = plane == 1
        if fill_holes:
            there = there | _holes(there, fill_holes)
        if components:
            there = there & ~_small(there, components)
        return there.astype(mask.dtype)

    return each_plane(clean, mask)


def check_cleaning(task: Task, components: int, fill_holes: float) -> None:
    """Refuse a number below 0, and holes of a task that has none.

    Raises:
      UserError: as for `clean_mask`.
    """
    for name, pixels in (("components", components), ("fill_holes", fill_holes)):
        if not pixels >= 0:
            raise UserError(f"{name} {pixels}: a number of pixels, 0 or more")
    if fill_holes and task == "multiclass":
        raise UserError(
            "fill_holes: this run is multiclass, where a hole is a component of another"
            " class; give components N, which drops those of fewer than N pixels"
        )


def _holes(there: np.ndarray, most: float) -> np.ndarray:
    """Return where holes of at most `most` pixels are, bool `[H, W]`."""
    ids, sizes = _components(~there, 4)
    chosen = sizes <= most
    for edge in (ids[0], ids[-1], ids[:, 0], ids[:, -1]):
        chosen[edge] = False
    chosen[0] = False
    return chosen[ids]


def _small(there: np.ndarray, least: int) -> np.ndarray:
    """Return where components of fewer than `least` pixels are, bool `[H, W]`."""
    ids, sizes = _components(there, 8)
    chosen = sizes < least
    chosen[0] = False
    return chosen[ids]


def _components(there: np.ndarray, connectivity: int) -> tuple[np.ndarray, np.ndarray]:
    """Return int32 `[H, W]`, 0 or the number of a component, and each one's pixels."""
    _, ids, figures, _ = cv2.connectedComponentsWithStats(
        there.astype(np.uint8), connectivity=connectivity
    )
    return ids, figures[:, cv2.CC_STAT_AREA]


def _without_small(mask: np.ndarray, least: int) -> np.ndarray:
    """Give each component of fewer than `least` pixels the class around it."""
    ids, sizes = np.zeros(mask.shape, np.int32), np.zeros(0, np.int32)
    for value in np.unique(mask):
        found, pixels = _components(mask == value, 8)
        ids += np.where(found > 0, found - 1 + len(sizes), 0)
        sizes = np.concatenate([sizes, pixels[1:]])
    small = sizes < least
    small[sizes.argmax()] = False
    cleaned, left = mask.copy(), small[ids]
    while left.any():  # each round settles the small components beside settled pixels
        around = _classes_around(cleaned, left, ids, len(sizes))
        known = left & (around >= 0)[ids]
        cleaned[known] = around[ids[known]]
        left &= ~known
    return cleaned


def _classes_around(
    mask: np.ndarray, left: np.ndarray, ids: np.ndarray, count: int
) -> np.ndarray:
    """Return the most frequent class of the settled pixels around each component.

    Args:
      mask: int `[H, W]`.
      left: bool `[H, W]`, the pixels that are not settled.
      ids: int32 `[H, W]`, the component of each pixel.
      count: number of components.

    Returns:
      int64 `[count]`, -1 where a component touches no settled pixel.
    """
    outer = np.pad(~left, 1).astype(np.uint8)
    border = cv2.dilate(outer, np.ones((3, 3), np.uint8))[1:-1, 1:-1] > 0
    rows, columns = np.nonzero(left & border)
    touching = []
    for down, right in _NEIGHBOURS:
        settled = outer[rows + 1 + down, columns + 1 + right] > 0
        row, column = rows[settled], columns[settled]
        place = (row + down) * mask.shape[1] + column + right
        touching.append(ids[row, column].astype(np.int64) * mask.size + place)
    # A pixel counts once for a component, even if it touches it at several places.
    component, place = np.divmod(np.unique(np.concatenate(touching)), mask.size)
    classes = int(mask.max()) + 1
    votes = component * classes + mask.ravel()[place]
    votes, times = np.unique(votes, return_counts=True)
    component, value = np.divmod(votes, classes)
    order = np.lexsort((value, -times, component))
    component, first = np.unique(component[order], return_index=True)
    around = np.full(count, -1, np.int64)
    around[component] = value[order][first]
    return around
