"""Digit scenes: handwritten digits pasted on photographs, made without a download.

This is the data set of first runs and of tests.  `digits` is its companion for
classifiers: one digit, or none, in the middle of a small image.  The digits are those
of `sklearn.datasets.load_digits` (UCI optical recognition, 8x8 pixels), and the
backgrounds are crops of scikit-learn's two sample photographs.  A scene is a pure
function of (seed, split, index), and the builder stores scenes.  The writers of the
`val` digits, and the part of the photographs behind them, never occur in `train`.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from jaxseg.data.builders import base
from jaxseg.data.labels import IGNORE, LabelSet
from jaxseg.errors import choose

SIDE = 96
"""Height and width of a scene, pixels."""
LABELS = LabelSet(names=("background", *(f"digit {digit}" for digit in range(10))))

CROP = 48
"""Height and width of an image of one digit, pixels."""

_SPLITS = {"train": 0, "val": 1}
_FIRST_VAL_DIGIT = 1415
"""Start of a writer's block in load_digits (each block begins with 0..9 three times),
the nearest to four fifths of the whole."""
_FIRST_VAL_COLUMN = 460
"""First column of the photographs that val uses; they are 640 columns wide."""
_CELL = 8
"""Factor by which the sides of a digit are enlarged."""


def render(seed: int, split: str, index: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw one scene, a pure function of the arguments.

    Args:
      seed: chooses the whole set; 0 is the set that `digit_scenes` stores.
      split: `train` or `val`.
      index: number of the scene in its split, from 0.

    Returns:
      image: uint8 `[96, 96, 3]`, RGB.
      label: uint8 `[96, 96]`: 0 background, 1 + digit on ink, 255 on the ink's rim.

    Raises:
      UserError: an unknown split.
    """
    rng = np.random.default_rng([seed, choose("split", split, _SPLITS), index])
    image = _background(rng, split)
    label = np.zeros((SIDE, SIDE), np.uint8)
    glyphs, digits = _glyphs(split)
    for _ in range(rng.integers(2, 6)):
        chosen = rng.integers(len(glyphs))
        ink = _transform(rng, glyphs[chosen])
        place = _find_place(rng, label, ink)
        if place is not None:
            _paste(rng, image[place], label[place], ink, 1 + int(digits[chosen]))
    return np.rint(image).astype(np.uint8), label


def render_digit(seed: int, split: str, index: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw one image with one digit, or with none, a pure function of the arguments.

    Args:
      seed: chooses the whole set; 0 is the set that `digits` stores.
      split: `train` or `val`.
      index: number of the image in its split; its class is `index % 11`.

    Returns:
      image: uint8 `[48, 48, 3]`, RGB.
      label: uint8 `[48, 48]`, the image's class everywhere: 0 for no digit, else
        1 + digit.

    Raises:
      UserError: an unknown split.
    """
    number = choose("split", split, _SPLITS)
    rng = np.random.default_rng([seed, number, index, CROP])
    image, value = _background(rng, split), index % LABELS.num_classes
    if value:
        glyphs, digits = _glyphs(split)
        ink = _transform(rng, glyphs[rng.choice(np.flatnonzero(digits == value - 1))])
        place = []
        for extent in ink.shape:
            slack = max(0, (CROP - extent) // 2)
            start = (SIDE - extent) // 2 + int(rng.integers(-slack, slack + 1))
            place.append(slice(start, start + extent))
        label = np.zeros((SIDE, SIDE), np.uint8)
        _paste(rng, image[tuple(place)], label[tuple(place)], ink, value)
    middle = slice((SIDE - CROP) // 2, (SIDE + CROP) // 2)
    image = np.rint(image[middle, middle]).astype(np.uint8)
    return image, np.full((CROP, CROP), value, np.uint8)


@functools.cache
def _glyphs(split: str) -> tuple[np.ndarray, np.ndarray]:
    """Return a split's digits, float32 `[N, 80, 80]` of ink 0..1, and their values."""
    from sklearn.datasets import load_digits

    data: Any = load_digits()
    part = _part(split, _FIRST_VAL_DIGIT)
    small = np.pad(data.images[part] / 16, ((0, 0), (1, 1), (1, 1))).astype(np.float32)
    side = small.shape[1] * _CELL
    large = [
        cv2.resize(ink, (side, side), interpolation=cv2.INTER_CUBIC) for ink in small
    ]
    return np.clip(large, 0, 1), data.target[part]


@functools.cache
def _photographs(split: str) -> list[np.ndarray]:
    from sklearn.datasets import load_sample_images

    part = _part(split, _FIRST_VAL_COLUMN)
    return [photograph[:, part] for photograph in load_sample_images().images]


def _part(split: str, first_of_val: int) -> slice:
    return slice(first_of_val) if split == "train" else slice(first_of_val, None)


def _background(rng: np.random.Generator, split: str) -> np.ndarray:
    """Cut a random square from a photograph: float32 `[96, 96, 3]` of 0..255."""
    photographs = _photographs(split)
    photograph = photographs[rng.integers(len(photographs))]
    side = rng.integers(SIDE // 2, min(photograph.shape[:2]))
    top, left = (rng.integers(size - side + 1) for size in photograph.shape[:2])
    crop = photograph[top : top + side, left : left + side]
    if rng.random() < 0.5:
        crop = crop[:, ::-1]
    method = cv2.INTER_AREA if side > SIDE else cv2.INTER_LINEAR
    crop = cv2.resize(np.ascontiguousarray(crop), (SIDE, SIDE), interpolation=method)
    return crop.astype(np.float32)


def _transform(rng: np.random.Generator, glyph: np.ndarray) -> np.ndarray:
    """Scale, rotate and shear a digit; return its opacity 0..1, cut to ink and rim."""
    scale = rng.uniform(24, 48) / (8 * _CELL)
    angle = np.deg2rad(rng.uniform(-25, 25))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = scale * turn @ np.array([[1, rng.uniform(-0.2, 0.2)], [0, 1]])
    side = 80  # holds the largest digit at any angle
    centre = (glyph.shape[0] - 1) / 2
    shift = (side - 1) / 2 - matrix @ (centre, centre)
    ink = cv2.warpAffine(glyph, np.column_stack([matrix, shift]), (side, side))
    opacity = np.clip((ink - 0.3) / 0.3, 0, 1)  # a crisp edge on blurred ink
    left, top, width, height = cv2.boundingRect((opacity > 0).astype(np.uint8))
    # One pixel more on each side, for the rim.
    return opacity[top - 1 : top + height + 1, left - 1 : left + width + 1]


def _find_place(
    rng: np.random.Generator, label: np.ndarray, ink: np.ndarray
) -> tuple[slice, slice] | None:
    """Find a random place where the ink covers almost nothing drawn before."""
    height, width = ink.shape
    for _ in range(20):
        top = rng.integers(SIDE - height + 1)
        left = rng.integers(SIDE - width + 1)
        place = slice(top, top + height), slice(left, left + width)
        if ((label[place] != 0) & (ink > 0)).sum() <= 0.05 * (ink > 0).sum():
            return place
    return None


def _paste(
    rng: np.random.Generator,
    image: np.ndarray,
    label: np.ndarray,
    opacity: np.ndarray,
    value: int,
) -> None:
    """Draw a digit in a colour far from what lies beneath; write its label."""
    beneath = image[opacity > 0].mean(axis=0)
    colours = rng.integers(0, 256, (16, 3))
    distance = np.linalg.norm(colours - beneath, axis=1)
    far = distance > 150
    colour = colours[far.argmax() if far.any() else distance.argmax()]
    image += opacity[..., None] * (colour - image)
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    label[cv2.dilate((opacity > 0.5).astype(np.uint8), cross) > 0] = IGNORE
    label[opacity > 0.75] = value


class DigitScenes(base.RecordBuilder, skip_registration=True):
    """Writes scenes 0, 1, ... of each split, in order."""

    IN_ORDER = True
    RENDER = staticmethod(render)

    def __init__(self, cache: Path, seed: int, sizes: dict[str, int]) -> None:
        self._seed, self._sizes = seed, sizes
        counts = (f"{split}{count}" for split, count in sizes.items())
        super().__init__(cache, "_".join([f"seed{seed}", *counts]), LABELS, sizes)

    def _generate_examples(self, split: str) -> Iterator[tuple[int, dict[str, Any]]]:
        for index in range(self._sizes[split]):
            image, label = self.RENDER(self._seed, split, index)
            name = f"{split}_{index:05d}"
            yield index, base.record(base.encode_png(image), label, name)


class Digits(DigitScenes, skip_registration=True):
    """Writes images of one digit."""

    RENDER = staticmethod(render_digit)


def prepare(cache: Path, seed: int = 0, train: int = 4000, val: int = 500) -> Path:
    """Write the scenes unless they exist (a few seconds); return their directory.

    Args:
      cache: folder in which `digit_scenes/` is made.
      seed: as in `render`.
      train: number of scenes in the `train` split.
      val: number of scenes in the `val` split.
    """
    return base.prepare(DigitScenes(cache, seed, {"train": train, "val": val}))


def prepare_digits(
    cache: Path, seed: int = 0, train: int = 8800, val: int = 1100
) -> Path:
    """Write the images of one digit, like `prepare`; classes are equally frequent."""
    return base.prepare(Digits(cache, seed, {"train": train, "val": val}))
