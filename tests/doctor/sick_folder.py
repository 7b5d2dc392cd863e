"""A folder of images and masks, clean, and the faults that are planted in it."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

SIZE = (48, 56)
COUNT = {"train": 12, "val": 6}


def picture(seed: int) -> np.ndarray:
    """Draw noise of a few colours, unlike that of any other seed."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (6, 7, 3), dtype=np.uint8)
    return cv2.resize(small, SIZE[::-1], interpolation=cv2.INTER_CUBIC)


def labels(seed: int) -> np.ndarray:
    """Draw a square of class 1 and two discs of class 2 on class 0."""
    top, left = np.random.default_rng(seed).integers(0, 12, 2)
    mask = np.zeros(SIZE, np.uint8)
    mask[top : top + 16, left : left + 16] = 1
    for x in (32, 48):
        cv2.circle(mask, (x, 38), 6, 2, -1)
    return mask


def clean(root: Path) -> Path:
    """Make a data set without faults: SPLIT/images and SPLIT/masks."""
    for place, (split, count) in enumerate(COUNT.items()):
        for index in range(count):
            seed = 100 * place + index
            save(root / split / "images" / f"{split}{index}.png", picture(seed))
            save(root / split / "masks" / f"{split}{index}.png", labels(seed))
    return root


def save(path: Path, pixels: np.ndarray | Image.Image) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(pixels) if isinstance(pixels, np.ndarray) else pixels
    image.save(path)


def jpeg(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=80)
    return file.getvalue()


def indexed(pixels: np.ndarray, colours: list[int]) -> Image.Image:
    image = Image.frombytes("P", pixels.shape[::-1], pixels.tobytes())
    image.putpalette(colours)
    return image


class Planted:
    """Files to spoil, by what they are."""

    def __init__(self, root: Path):
        self.images, self.masks = root / "train" / "images", root / "train" / "masks"
        self.val = root / "val" / "images"

    def image(self, index: int) -> Path:
        return self.images / f"train{index}.png"

    def mask(self, index: int) -> Path:
        return self.masks / f"train{index}.png"


Plant = Callable[[Planted], Path]


def truncated(at: Planted) -> Path:
    path = at.image(0)
    path.write_bytes(path.read_bytes()[:-400])
    return path


def no_image(at: Planted) -> Path:
    at.mask(1).write_bytes(b"text")
    return at.mask(1)


def other_size(at: Planted) -> Path:
    save(at.mask(2), labels(2)[:-1])
    return at.mask(2)


def turned(at: Planted) -> Path:
    save(at.mask(2), labels(2).T.copy())
    return at.mask(2)


def wrong_mode(at: Planted) -> Path:
    path = at.mask(3).with_suffix(".tif")
    Image.fromarray(labels(3).astype(np.float32)).save(path)
    at.mask(3).unlink()
    return path


def jpeg_mask(at: Planted) -> Path:
    at.mask(4).write_bytes(jpeg(100 * labels(4)))
    return at.mask(4)


def jpeg_as_png(at: Planted) -> Path:
    encoded = jpeg(120 * labels(5))
    save(at.mask(5), Image.open(io.BytesIO(encoded)))
    return at.mask(5)


def anti_aliased(at: Planted) -> Path:
    blurred = cv2.GaussianBlur(255 * (labels(6) > 0).astype(np.uint8), (5, 5), 0)
    save(at.mask(6), blurred)
    return at.mask(6)


def unexpected(at: Planted) -> Path:
    mask = labels(7)
    mask[:3, :3] = 77
    save(at.mask(7), mask)
    return at.mask(7)


def black_and_white(at: Planted) -> Path:
    save(at.mask(8), 255 * (labels(8) > 0).astype(np.uint8))
    return at.mask(8)


def grey_levels(at: Planted) -> Path:
    save(at.mask(8), np.array([0, 128, 255], np.uint8)[labels(8)])
    return at.mask(8)


def coloured(at: Planted) -> Path:
    colours = np.array([[0, 0, 0], [255, 0, 0], [0, 255, 0]], np.uint8)
    save(at.mask(9), colours[labels(9)])
    return at.mask(9)


def instances(at: Planted) -> Path:
    mask = np.zeros(SIZE, np.uint8)
    for number in range(12):
        row, column = divmod(number, 4)
        mask[12 * row : 12 * row + 8, 12 * column : 12 * column + 8] = number + 1
    save(at.mask(10), mask)
    return at.mask(10)


def empty(at: Planted) -> Path:
    save(at.mask(11), np.zeros(SIZE, np.uint8))
    return at.mask(11)


def constant(at: Planted) -> Path:
    save(at.mask(11), np.ones(SIZE, np.uint8))
    return at.mask(11)


def ignored(at: Planted) -> Path:
    save(at.mask(11), np.full(SIZE, 255, np.uint8))
    return at.mask(11)


def without_mask(at: Planted) -> Path:
    at.mask(0).unlink()
    return at.image(0)


def without_image(at: Planted) -> Path:
    at.image(0).unlink()
    return at.mask(0)


def copy_by_name(at: Planted) -> Path:
    for folder, draw in ((at.images, picture), (at.masks, labels)):
        save(folder / "train3 (1).png", draw(777))
    return at.images / "train3 (1).png"


def case_alone(at: Planted) -> Path:
    for folder, draw in ((at.images, picture), (at.masks, labels)):
        save(folder / "TRAIN3.PNG", draw(777))
    return at.images / "TRAIN3.PNG"


def duplicate(at: Planted) -> Path:
    save(at.image(4), picture(1))
    return at.image(4)


def near_duplicate(at: Planted) -> Path:
    path = at.image(4).with_suffix(".jpg")
    at.image(4).unlink()
    path.write_bytes(jpeg(picture(1)))
    return path


def leak(at: Planted) -> Path:
    save(at.val / "val2.png", picture(5))
    return at.val / "val2.png"


def deep_image(at: Planted) -> Path:
    save(at.image(6), Image.fromarray(picture(6)[..., 0].astype(np.uint16)))
    return at.image(6)


def blank(at: Planted) -> Path:
    save(at.image(7), np.full((*SIZE, 3), 9, np.uint8))
    return at.image(7)


FAULTS: dict[Plant, tuple[str, str]] = {
    truncated: ("unreadable", "error"),
    no_image: ("unreadable", "error"),
    other_size: ("size", "error"),
    turned: ("size", "error"),
    wrong_mode: ("mask mode", "error"),
    jpeg_mask: ("lossy mask", "error"),
    jpeg_as_png: ("JPEG saved as PNG", "error"),
    anti_aliased: ("anti-aliased mask", "error"),
    unexpected: ("unexpected values", "error"),
    black_and_white: ("black and white mask", "warning"),
    grey_levels: ("unexpected values", "error"),
    coloured: ("mask mode", "error"),
    instances: ("instance numbers", "error"),
    empty: ("empty mask", "note"),
    constant: ("constant mask", "note"),
    ignored: ("all ignored", "warning"),
    without_mask: ("image without mask", "error"),
    without_image: ("mask without image", "error"),
    copy_by_name: ("look-alike name", "warning"),
    case_alone: ("look-alike name", "warning"),
    duplicate: ("duplicate", "warning"),
    near_duplicate: ("near duplicate", "note"),
    leak: ("leakage", "error"),
    deep_image: ("deep image", "error"),
    blank: ("blank image", "note"),
}
"""What is planted -> the kind and severity of what must be found."""

TOGETHER = (
    *(truncated, no_image, other_size, wrong_mode, jpeg_mask, jpeg_as_png),
    *(anti_aliased, unexpected, black_and_white, coloured, instances, empty, leak),
)
"""Faults of files of their own, which may lie in one folder."""
