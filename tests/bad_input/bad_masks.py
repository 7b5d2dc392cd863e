"""Bad masks of a data set."""

from __future__ import annotations

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

MASKS = [
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
    mask("a value of no class", "png", values(9), "mask value 9 is not one", *CLASSES),
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
