"""A grid of training samples: each image beside its label, with one legend."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from jaxseg.data.labels import IGNORE, LabelSet
from jaxseg.report import lettering, overlaps
from jaxseg.report.marks import marks_of
from jaxseg.report.pictures import present, resize, stack
from jaxseg.report.sheets import coloured

_GAP = 8  # pixels between two samples
_WIDEST = 1600  # pixels of a row
_SMALLEST = 160  # longer side to which smaller samples are enlarged


def sample_grid(
    images: Sequence[np.ndarray], masks: Sequence[np.ndarray], labels: LabelSet
) -> np.ndarray:
    """Draw samples in rows, and below them what the colours mean.

    Args:
      images: RGB uint8 `[H, W, 3]`, all of one size.
      masks: of each the label, uint8 `[H, W]`, or `[H, W, classes]` of classes that
        may overlap; `IGNORE` where it is ignored.
      labels: names and colours of the classes.

    Returns:
      uint8 `[H', W', 3]`.
    """
    longer = max(images[0].shape[:2])
    factor = -(-_SMALLEST // longer) if longer < _SMALLEST else 1
    height, width = (factor * side for side in images[0].shape[:2])
    cells = []
    for image, mask in zip(images, masks, strict=True):
        image, mask = resize(image, mask, height, width)
        cells.append(np.concatenate([image, coloured(mask, labels)], axis=1))
    columns = min(max(_WIDEST // (2 * width + _GAP), 1), len(cells))
    rows = []
    for start in range(0, len(cells), columns):
        row = np.full(
            (height + _GAP, columns * (2 * width + _GAP) - _GAP, 3),
            lettering.PAPER,
            np.uint8,
        )
        for place, cell in enumerate(cells[start : start + columns]):
            left = place * (2 * width + _GAP)
            row[:height, left : left + 2 * width] = cell
        rows.append(row)
    legend = list(present(labels, *masks))
    if any(_ignored(mask).any() for mask in masks):
        legend.append(("ignored", marks_of(labels).ignored))
    return stack([*rows, lettering.legend(legend, rows[0].shape[1])])


def _ignored(mask: np.ndarray) -> np.ndarray:
    return overlaps.ignored(mask) if mask.ndim == 3 else mask == IGNORE
