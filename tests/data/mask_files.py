"""Mask files in a folder, and what options make of them; drawings to fill them."""

from __future__ import annotations

import io
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from jaxseg.command_line import changed
from jaxseg.config import Config
from jaxseg.data.classes import find_classes
from jaxseg.data.masks import read_mask
from jaxseg.data.survey import survey_masks
from jaxseg.errors import UserError

LABEL = np.array([[0, 1, 2, 1], [2, 1, 0, 0]], np.uint8)
BLACK_RED_GREEN = "0 0 0 255 0 0 0 255 0"
COLOURS = np.array(BLACK_RED_GREEN.split(), np.uint8).reshape(3, 3)


class Masks:
    """Mask files in a folder, and what options make of them."""

    def __init__(self, folder, *masks: np.ndarray | Image.Image) -> None:
        self.paths = []
        for index, mask in enumerate(masks):
            image = mask if isinstance(mask, Image.Image) else Image.fromarray(mask)
            self.paths.append(folder / f"{index}.png")
            image.save(self.paths[-1])

    def coding(self, words: str = "") -> Any:
        data = changed(Config(), words.split()).data
        lossy = bool(data.mask_map or data.nearest_colour)
        return find_classes(data, survey_masks({"train": self.paths}, lossy))

    def labels(self, words: str = "") -> list[np.ndarray]:
        """Return the label of each mask."""
        coding = self.coding(words)
        return [coding.encode(read_mask(path), "mask") for path in self.paths]

    def refused(self, words: str = "") -> str:
        with pytest.raises(UserError) as error:
            self.coding(words)
        assert "\n" not in str(error.value)
        return str(error.value)


def disc(value=255, size=64, radius=15, centre=(30, 30)):
    mask = np.zeros((size, size), np.uint8)
    return cv2.circle(mask, centre, radius, value, -1)


def jpeg(mask, quality=75):
    file = io.BytesIO()
    Image.fromarray(mask).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def objects(seed, first=1, count=None):
    """Draw squares that do not touch, each with a number of its own."""
    rng = np.random.default_rng(seed)
    mask = np.zeros((64, 64), np.uint16)
    places = rng.permutation(64)[: count or rng.integers(6, 20)]
    for number, place in enumerate(places, first):
        row, column = 8 * (place // 8), 8 * (place % 8)
        mask[row : row + 6, column : column + 6] = number
    return mask


def indexed(label, order):
    """Store colours with a palette in which class `order[i]` has index i."""
    indices = np.argsort(order)[label].astype(np.uint8)
    image = Image.frombytes("P", label.shape[::-1], indices.tobytes())
    image.putpalette(COLOURS[list(order)].tobytes())
    return image
