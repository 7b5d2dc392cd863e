"""Colours of ignored pixels and errors, distinct from those of the classes.

They are chosen for each palette so that none is taken for a class, even by people who
cannot tell red from green.  `sheets.py` decides which pixels have them.
"""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass

import cv2
import numpy as np

from jaxseg.data.labels import IGNORE, Colour, LabelSet

DARKENED = 0.35
"""Brightness of the grey image under painted errors, as a share of the image's own."""

CLEAR = 10.0
"""Distance, in CIE 1976 units, from which on two colours are easily told apart."""

# Machado, Oliveira & Fernandes 2009: linear RGB as seen with normal vision, without
# the cones for red, and without those for green.
_VISIONS = np.array(
    [
        [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ],
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ],
    ]
)


@dataclass(frozen=True)
class Marks:
    """Colours beside those of the classes, all different.

    Attributes:
      ignored: ignored pixels; grey if no class has a similar colour.
      wrong: pixels predicted wrong if there are more than two classes; false positives
        if there are two, the second of which is the positive one. A warm colour if no
        class has a similar one.
      missed: false negatives if there are two classes; a cool colour if no class has a
        similar one.
      both: if classes may overlap, pixels that are a false positive of one class and a
        false negative of another.
    """

    ignored: Colour
    wrong: Colour
    missed: Colour
    both: Colour = (255, 255, 255)


def distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return how different colours look to people of normal and impaired vision.

    Args:
      first: RGB 0..255 `[M, 3]`.
      second: RGB 0..255 `[N, 3]`.

    Returns:
      float32 `[3, M, N]`, CIE 1976 units: for normal vision, and for eyes without the
      cones for red and without those for green.
    """
    pairs = zip(_lab(first), _lab(second), strict=True)
    return np.stack(
        [np.linalg.norm(one[:, None] - other, axis=2) for one, other in pairs]
    )


@functools.lru_cache(maxsize=16)
def marks_of(labels: LabelSet) -> Marks:
    """Choose the colours that are farthest from a label set's own."""
    grid = np.array(list(itertools.product(range(0, 256, 17), repeat=3)))
    red, green, blue = grid.T
    lightness = _lab(grid)[0, :, 0]
    bright = lightness >= 50  # visible on a darkened image
    middle = bright & (lightness <= 85)  # and beside ignored pixels
    warm = middle & (red >= 221) & (green <= red)
    cool = middle & (blue >= 221) & (red <= 170)
    usual = labels.colour_table()[[IGNORE]]
    taken = np.array(labels.palette)
    ignored = _farthest(taken, usual, grid[(red == green) & (green == blue)], grid)
    darkened = np.linspace(0, DARKENED * 255, 3).repeat(3).reshape(3, 3)
    taken = np.concatenate([taken, darkened, [ignored]])
    wrong = _farthest(taken, grid[warm], grid[bright])
    taken = np.concatenate([taken, [wrong]])
    missed = _farthest(taken, grid[cool], grid[bright])
    if labels.task != "multilabel":
        return Marks(ignored, wrong, missed)
    taken = np.concatenate([taken, [missed]])
    return Marks(ignored, wrong, missed, _farthest(taken, grid[bright]))


def _farthest(taken: np.ndarray, *choices: np.ndarray) -> Colour:
    """Return the colour farthest from those taken, of the first list with a clear one.

    Args:
      taken: RGB `[M, 3]`.
      *choices: RGB `[N, 3]` each, the preferred first.
    """
    nearest = [distances(choice, taken).min(axis=(0, 2)) for choice in choices]
    clear = [index for index, each in enumerate(nearest) if each.max() >= CLEAR]
    index = clear[0] if clear else -1
    red, green, blue = choices[index][nearest[index].argmax()].tolist()
    return red, green, blue


def _lab(colours: np.ndarray) -> np.ndarray:
    """Turn RGB 0..255 `[N, 3]` into float32 CIE L*a*b* `[3, N, 3]`, for each vision."""
    shares = np.asarray(colours, np.float64) / 255
    linear = np.where(
        shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4
    )
    seen = np.clip(linear @ _VISIONS.transpose(0, 2, 1), 0, 1).astype(np.float32)
    return cv2.cvtColor(seen, cv2.COLOR_LRGB2LAB)
