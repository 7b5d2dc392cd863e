"""Bad image files, in a data set and handed to `predict`."""

from __future__ import annotations

import numpy as np
from bad_input import SIZE, Case, Place, pixels, predict, train
from broken_images import (
    END,
    HUGE,
    bmp_size,
    changed,
    chunk,
    data,
    encoded,
    encoded_array,
    gif_frame_size,
    gif_size,
    header,
    jpeg,
    jpeg2000_size,
    jpeg_size,
    pages,
    png,
    tiff,
    tiff_of,
    webp_size,
)

UNREADABLE = "cannot be read as an image"
LARGE = "too large, more than 178,956,970 pixels"
LARGE_TIFF = "too large to be predicted whole; give --window 512"


def in_data(name: str, ending: str, content: bytes, said: str = UNREADABLE) -> Case:
    """A training image of some content."""

    def make(place: Place) -> list[str]:
        root = place.data()
        (root / "train" / "images" / "3.png").unlink()
        place.write(f"data/train/images/3.{ending}", content)
        return train(place.experiment(root))

    return Case(f"{name}, in a data set", make, rf"images/3\.{ending}: .*{said}")


def to_predict(name: str, ending: str, content: bytes, said: str = UNREADABLE) -> Case:
    """An image to segment, of some content."""

    def make(place: Place) -> list[str]:
        path = place.write(f"photographs/3.{ending}", content)
        return predict(place.sound_run, place.image("photographs/1.png"), path)

    return Case(f"{name}, to predict", make, rf"photographs/3\.{ending}: .*{said}")


PNG, JPEG = encoded("PNG"), encoded("JPEG")
WORDS = b"<!DOCTYPE html><html>404</html>"

BROKEN = {
    "nothing": ("png", b""),
    "one byte": ("png", b"\x89"),
    "only zeros": ("jpg", bytes(1000)),
    "only the first bytes of a PNG": ("png", PNG[:8]),
    "only the first bytes of a JPEG": ("jpg", JPEG[:2]),
    "a web page": ("jpg", WORDS),
    "a pointer of git-lfs": ("png", b"version https://git-lfs.github.com/spec/v1\n"),
    "a picture in PostScript": (
        "png",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
    ),
    "an SVG": ("png", b'<svg xmlns="http://www.w3.org/2000/svg"/>'),
    "a PDF": ("png", b"%PDF-1.4\n"),
    "a zip": ("png", b"PK\x05\x06" + bytes(18)),
    "a pickle": ("png", b"\x80\x02cos\nsystem\n(S'true'\ntR."),
    **{f"a PNG cut at {cut}": ("png", PNG[:cut]) for cut in (16, 25, 33, 40, 60, 4000)},
    "a PNG cut near its end": ("png", PNG[: len(PNG) * 9 // 10]),
    **{f"a JPEG cut at {cut}": ("jpg", JPEG[:cut]) for cut in (4, 30, 170, 610)},
    "a JPEG cut in the middle": ("jpg", JPEG[: len(JPEG) // 2]),
    "a BMP cut": ("bmp", encoded("BMP")[:500]),
    "a BMP of 14 bytes": ("bmp", encoded("BMP")[:14]),
    "a TIFF cut": ("tif", encoded("TIFF")[:200]),
    "a TIFF of 8 bytes": ("tif", encoded("TIFF")[:8]),
    "a WebP cut": ("webp", encoded("WEBP")[:100]),
    "a PNG without pixels": ("png", png(header(), END)),
    "a PNG without a header": ("png", png(data(), END)),
    "a PNG of no width": ("png", png(header(0), data(), END)),
    "a PNG of no height": ("png", png(header(56, 0), data(), END)),
    "a PNG of 7 bits": ("png", png(header(56, 48, 7), data(), END)),
    "a PNG of no known colours": ("png", png(header(56, 48, 8, 5), data(), END)),
    "a PNG whose header is damaged": (
        "png",
        png(chunk(b"IHDR", header()[8:21], 7), data(), END),
    ),
    "a PNG whose pixels are damaged": ("png", png(header(), chunk(b"IDAT", bytes(99)))),
    "a PNG of too few rows": ("png", png(header(), data(bytes(700)), END)),
    "a PNG of unknown filters": ("png", png(header(), data(b"\xff" * 8112), END)),
    "a PNG of a chunk without end": (
        "png",
        png(header()) + b"\x7f\xff\xff\xffIDAT" + bytes(50),
    ),
    "a PNG whose profile is a bomb": (
        "png",
        png(
            header(),
            chunk(b"zTXt", b"a\0\0" + __import__("zlib").compress(bytes(1 << 28))),
        ),
    ),
    "a JPEG of two starts": ("jpg", jpeg(b"\xff\xd8" * 50)),
    "a JPEG without tables": (
        "jpg",
        changed(JPEG, JPEG.index(b"\xff\xdb"), b"\xff\xfe"),
    ),
    "a JPEG without a scan": ("jpg", JPEG[: JPEG.index(b"\xff\xda")] + b"\xff\xd9"),
    "a JPEG of no size": ("jpg", jpeg_size(0, 0)),
    "a JPEG of a segment of no length": ("jpg", jpeg(b"\xff\xe0\0\0" + bytes(40))),
    "a JPEG of 12 bits": ("jpg", changed(JPEG, JPEG.index(b"\xff\xc0") + 4, b"\x0c")),
    "a JPEG of 7 channels": ("jpg", changed(JPEG, JPEG.index(b"\xff\xc0") + 9, b"\7")),
    "a TIFF of no directory": ("tif", b"II*\0\xff\xff\xff\x7f"),
    "a TIFF of an empty directory": ("tif", tiff()),
    "a TIFF that points out of itself": ("tif", tiff_of(56, 48, tag273=2**31)),
    "a TIFF of no known compression": ("tif", tiff_of(56, 48, tag259=4711)),
    "a TIFF of 5 bits": ("tif", tiff_of(56, 48, tag258=5)),
    "a BMP of no known compression": ("bmp", changed(encoded("BMP"), 30, b"\x99")),
    "a BMP of no width": ("bmp", bmp_size(0, 48)),
    "a WebP of other bytes": ("webp", changed(encoded("WEBP"), 24, bytes(60))),
}

BOMBS = {
    "a PNG of 60000x60000": ("png", png(header(HUGE, HUGE), data(), END)),
    "a grey PNG of 60000x60000": ("png", png(header(HUGE, HUGE, 1, 0), data(), END)),
    "a PNG of 1x2 billion": ("png", png(header(1, 2**31 - 1), data(), END)),
    "a PNG of 4.6e18 pixels": ("png", png(header(2**31 - 1, 2**31 - 1), data(), END)),
    "a PNG too wide": ("png", png(header(1_000_001, 9), data(), END)),
    "a PNG just too large": ("png", png(header(13_378, 13_378), data(), END)),
    "a JPEG of 65535x65535": ("jpg", jpeg_size(65_535, 65_535)),
    "a BMP of 60000x60000": ("bmp", bmp_size(HUGE, HUGE)),
    "a BMP that stands on its head": ("bmp", bmp_size(HUGE, -HUGE)),
    "a TIFF of 60000x60000": ("tif", tiff_of(HUGE, HUGE)),
    "a TIFF of 4 billion squared": ("tif", tiff_of(2**32 - 1, 2**32 - 1)),
    "a WebP of 16777216x255": ("webp", webp_size(2**24, 255)),
}

FOREIGN_BOMBS = {
    "a GIF of 65535x65535": ("gif", gif_size(65_535, 65_535)),
    "a small GIF of a huge picture": ("gif", gif_frame_size(65_535, 65_535)),
    "a PPM of 60000x60000": ("ppm", b"P6 60000 60000 255\n"),
    "a JPEG 2000 of 60000x60000": ("jp2", jpeg2000_size(HUGE, HUGE)),
}

SIXTEEN = pixels()[..., 0].astype(np.uint16) * 257

DEEP = "images are read at 8 bits: convert all of them to 8 bits"

REFUSED = {
    "16 bits": ("png", encoded_array("PNG", SIXTEEN), f"16 bits per channel; {DEEP}"),
    "16 bits in colour": ("png", png(header(56, 48, 16), data(), END), "16 bits"),
    "32 bits": ("tif", encoded_array("TIFF", SIXTEEN.astype(np.int32)), DEEP),
    "fractions": (
        "tif",
        encoded_array("TIFF", np.zeros(SIZE, np.float32)),
        "floating-point numbers of 32 bits per channel",
    ),
    "colours of fractions": (
        "tif",
        tiff_of(56, 48, tag258=32, tag277=3, tag262=2, tag339=3),
        "floating-point numbers of 32 bits per channel",
    ),
    "four bands": ("tif", encoded("TIFF", "RGBA"), "4 bands, one marked as transp"),
    "seven bands": ("tif", tiff_of(56, 48, tag277=7, tag262=2), "7 bands; channels"),
    "several pages": ("tif", pages(3, "TIFF"), r"several pages or frames \(3\)"),
    "a moving GIF": ("gif", pages(3, "GIF"), r"several pages or frames \(3\)"),
    "a moving WebP": ("webp", pages(2, "WEBP"), r"several pages or frames \(2\)"),
    "a photograph in HEIC": (
        "png",
        b"\0\0\0\x18ftypheic" + bytes(100),
        "none of BMP, GIF, .*convert it to PNG",
    ),
    "an unknown compression": (
        "tif",
        tiff_of(56, 48, tag277=3, tag262=2, tag259=34887),
        "a TIFF of unknown compression or colours",
    ),
}

IMAGES = [
    *(in_data(name, *file) for name, file in BROKEN.items()),
    *(to_predict(name, *file) for name, file in BROKEN.items()),
    *(in_data(name, *file, LARGE) for name, file in BOMBS.items()),
    *(
        to_predict(name, *file, LARGE_TIFF if file[0] == "tif" else LARGE)
        for name, file in BOMBS.items()
    ),
    *(in_data(name, *file, LARGE) for name, file in FOREIGN_BOMBS.items()),
    *(to_predict(name, *file, LARGE) for name, file in FOREIGN_BOMBS.items()),
    *(in_data(name, *file) for name, file in REFUSED.items()),
    *(to_predict(name, *file) for name, file in REFUSED.items()),
    in_data("pages in a circle", "tif", tiff_of(56, 48)[:-4] + b"\x08\0\0\0", ""),
]
