"""Bad masks of a data set."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from bad_input import SIZE, Case, Place, pixels, train
from broken_images import (
    END,
    HUGE,
    bmp_size,
    changed,
    chunk,
    data,
    encoded,
    encoded_array,
    gif_size,
    header,
    pages,
    png,
    tiff_of,
)
from PIL import Image

LARGE = "too large, more than 178,956,970 pixels"
UNREADABLE = "cannot be read as an image"


def mask(name: str, ending: str, content: bytes, said: str, *options: str) -> Case:
    """A training mask of some content."""

    def make(place: Place) -> list[str]:
        root = place.data()
        (root / "train" / "masks" / "3.png").unlink()
        place.write(f"data/train/masks/3.{ending}", content)
        return train(place.experiment(root), *options)

    return Case(name, make, said)


def values(value: float, kind: type = np.uint8) -> bytes:
    """Return a mask of one value, as PNG or, of other numbers, TIFF."""
    whole = kind in (np.uint8, np.uint16)
    return encoded_array("PNG" if whole else "TIFF", np.full(SIZE, value, kind))


COLOURS = ("--data.palette", *"000", *"999", *["7"] * 3)
CLASSES = ("--data.num_classes", "3")
BINARY = encoded_array("PNG", np.where(pixels()[..., 0] > 99, 255, 0).astype(np.uint8))
GIF = encoded("GIF", "L")


def every(
    name: str, change: Callable[[Path, int], None], said: str, *options: str
) -> Case:
    """Masks that are all changed, each given its number; there are ten."""

    def make(place: Place) -> list[str]:
        root = place.data()
        for number, path in enumerate(sorted(root.glob("*/masks/*.png"))):
            change(path, number)
        return train(place.experiment(root), *options)

    return Case(name, make, said)


def save(path: Path, array: np.ndarray) -> None:
    Image.fromarray(array.astype(np.uint8)).save(path)


def squares(value: int) -> np.ndarray:
    """Return a black mask with a square of a value."""
    array = np.zeros(SIZE, np.uint8)
    array[8:30, 8:30] = value
    return array


def once_jpeg(path: Path, _: int) -> None:
    save(path, decoded(encoded_array("JPEG", squares(255))))


def colours_once_jpeg(path: Path, _: int) -> None:
    red = np.repeat(squares(255)[..., None], 3, 2) * np.array([1, 0, 0], np.uint8)
    save(path, decoded(encoded_array("JPEG", red)))


def numbered(path: Path, number: int) -> None:
    """Draw as many objects as the mask's number and some more."""
    array = np.zeros(SIZE, np.uint8)
    for place in range(6 + number):
        row, column = 8 * (place // 7), 8 * (place % 7)
        array[row : row + 5, column : column + 5] = place + 1
    save(path, array)


def palettes(path: Path, number: int) -> None:
    image = Image.fromarray(squares(1) ^ number % 2)
    image.putpalette([[0, 0, 0, 255, 0, 0], [255, 0, 0, 0, 0, 0]][number % 2])
    image.save(path)


def bits_beside_bytes(path: Path, number: int) -> None:
    image = Image.fromarray(squares(255))
    (image.convert("1") if number % 2 else image).save(path)


def hidden_in_transparency(path: Path, _: int) -> None:
    save(path, np.stack([squares(255) * 0] * 3 + [squares(255)], -1))


def decoded(content: bytes) -> np.ndarray:
    """Decode an image."""
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image)


def all_of(value: int) -> Callable[[Path, int], None]:
    return lambda path, _: save(path, np.full(SIZE, value))


def only_to_evaluate(path: Path, _: int) -> None:
    """Leave the training masks, and ignore every pixel of the others."""
    if "val" in path.parts:
        save(path, np.full(SIZE, 255))


def black_and_white(path: Path, _: int) -> None:
    save(path, squares(255))


def three_greys(path: Path, _: int) -> None:
    array = squares(128)
    array[12:20, 12:20] = 255
    save(path, array)


ONE = ("--data.num_classes", "1")
SEVERAL = [
    every("one class of two", black_and_white, "pass --data.mask_values 0 255", *ONE),
    every(
        "one class of 0 and 1",
        lambda path, _: save(path, squares(1)),
        "background is a class too: in its place pass --data.num_classes 2",
        *ONE,
    ),
    every(
        "one name",
        black_and_white,
        "--data.class_names background lesion",
        "--data.class_names",
        "lesion",
    ),
    every("black and white", black_and_white, "pass --data.mask_values 0 255"),
    every(
        "three greys",
        three_greys,
        "pass .*--data.mask_values 0 128 if 255 .* 0 128 255 if",
    ),
    every("once JPEG", once_jpeg, "JPEG once.* pass --data.mask_map 0-127:0 128-255:1"),
    every(
        "once JPEG, for given values",
        once_jpeg,
        "10 of 10 masks hold such values.*--data.mask_map 0-127:0 128-255:1",
        *("--data.mask_values", "0", "255"),
    ),
    every(
        "colours once JPEG",
        colours_once_jpeg,
        "a mask in colours; give.*from smoothing or JPEG",
    ),
    every(
        "colours once JPEG, for given ones",
        colours_once_jpeg,
        "10 of 10 masks hold such colours.*--data.nearest_colour True",
        *("--data.palette", "0", "0", "0", "255", "0", "0"),
    ),
    every("numbers of objects", numbered, "numbers of objects.*0:0 1-65535:1"),
    every(
        "numbers of objects for two classes",
        numbered,
        "such values.* of objects.*0:0 1-65535:1 in place of data.num_classes",
        *("--data.num_classes", "2"),
    ),
    every("palettes that differ", palettes, "palettes of indexed masks differ"),
    every(
        "palettes that differ for given classes",
        palettes,
        "if the colours are the classes pass --data.palette 0 0 0 255 0 0",
        *("--data.num_classes", "2"),
    ),
    every("1 bit beside 8", bits_beside_bytes, "grey masks beside indexed or 1-bit"),
    every("in transparency", hidden_in_transparency, "transparent and opaque pixels"),
    every("all ignored", all_of(255), "all ignored"),
    every("all ignored for given classes", all_of(255), "no counted pixel", *CLASSES),
    every("one class everywhere", all_of(1), "class 'class 1' only", *CLASSES),
    every("one class and ignored", black_and_white, "'class 0' only.*255", *CLASSES),
    every("nothing to measure", only_to_evaluate, "nothing can be measured", *CLASSES),
]

MASKS = [
    *SEVERAL,
    mask("fractions", "tif", values(1, np.float32), "a mask of F pixels"),
    mask("NaN", "tif", values(np.nan, np.float32), "a mask of F pixels"),
    mask(
        "fractions for given classes", "tif", values(1, np.float32), "F pix", *CLASSES
    ),
    mask("colours without a palette", "png", encoded("PNG"), "give data.palette"),
    mask("colours in a TIFF", "tif", encoded("TIFF"), "give data.palette"),
    mask(
        "colours of no class", "png", encoded("PNG"), "mask colour .* palette", *COLOURS
    ),
    mask("CMYK", "tif", encoded("TIFF", "CMYK"), "a mask of CMYK pixels"),
    mask("Lab", "tif", encoded("TIFF", "LAB"), "a mask of LAB pixels"),
    mask("a JPEG", "jpg", encoded("JPEG", "L"), "JPEG changes mask values"),
    mask("a JPEG called PNG", "png", encoded("JPEG", "L"), "JPEG changes mask values"),
    mask("a WebP", "webp", encoded("WEBP", lossless=True), "WEBP changes mask values"),
    mask("an animation", "gif", pages(3, "GIF"), "several pages"),
    mask("a TIFF of several pages", "tif", pages(3, "TIFF"), "several pages"),
    mask(
        "a value of no class", "png", values(9), "value 9 at row 0, column 0", *CLASSES
    ),
    mask("16 bits of no class", "png", values(9999, np.uint16), "value 9999", *CLASSES),
    mask("negative", "tif", values(-1, np.int32), "0..65535"),
    mask("negative for given classes", "tif", values(-1, np.int32), "0..65", *CLASSES),
    mask("beyond 16 bits", "tif", values(70_000, np.int32), "0..65535"),
    mask("far between", "png", values(200), "cannot be inferred"),
    mask("another size", "png", encoded_array("PNG", pixels()[1:, :, 0] % 3), "56x47"),
    mask("turned", "png", encoded_array("PNG", pixels()[..., 0].T % 3), "48x56 pixels"),
    mask("one pixel", "png", encoded_array("PNG", np.zeros((1, 1), np.uint8)), "1x1"),
    mask(
        "binary among classes",
        "png",
        BINARY,
        "mask value 255|mask value",
        "--data.num_classes",
        "3",
        "--data.ignore_value",
        "9",
    ),
    mask("nothing", "png", b"", UNREADABLE),
    mask("words", "png", b"0 0 1 1\n", UNREADABLE),
    mask("cut", "png", encoded("PNG", "L")[:900], UNREADABLE),
    mask("a GIF cut", "gif", GIF[:500], UNREADABLE),
    mask("a GIF without colours", "gif", changed(GIF, 10, b"\0")[:900], UNREADABLE),
    mask("a BMP cut", "bmp", encoded("BMP", "L")[:1200], UNREADABLE),
    mask(
        "a palette cut",
        "png",
        png(header(56, 48, 8, 3), chunk(b"PLTE", b"\1")),
        UNREADABLE,
    ),
    mask("no palette", "png", png(header(56, 48, 8, 3), END), UNREADABLE),
    mask(
        "damaged",
        "png",
        png(header(56, 48, 8, 0), chunk(b"IDAT", b"x"), END),
        UNREADABLE,
    ),
    mask(
        "a PNG of 60000x60000", "png", png(header(HUGE, HUGE, 8, 0), data(), END), LARGE
    ),
    mask("a BMP of 60000x60000", "bmp", bmp_size(HUGE, HUGE), LARGE),
    mask("a GIF of 65535x65535", "gif", gif_size(65_535, 65_535), LARGE),
    mask("a TIFF of 60000x60000", "tif", tiff_of(HUGE, HUGE), LARGE),
    mask("a huge one for given classes", "tif", tiff_of(HUGE, HUGE), LARGE, *CLASSES),
]
