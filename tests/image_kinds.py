"""A small image of every kind, with its pixels, or the words by which it is refused."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (6, 9, 3), np.uint8)
GREY = RGB[..., 0].copy()
ALPHA = np.where(np.arange(9) < 3, 0, np.where(np.arange(9) < 6, 51, 255))
ALPHA = np.broadcast_to(ALPHA, (6, 9)).astype(np.uint8)
RGBA = np.dstack([RGB, ALPHA])
PALETTE = [250, 20, 30, 40, 250, 60, 70, 80, 250]
INDICES = (np.arange(54) % 3).reshape(6, 9).astype(np.uint8)
DEEP = GREY.astype(np.uint16) * 16  # 12 bits
TURNS: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda upright: upright,
    2: np.fliplr,
    3: lambda upright: np.rot90(upright, 2),
    4: np.flipud,
    5: lambda upright: upright.swapaxes(0, 1),
    6: lambda upright: np.rot90(upright, 1),
    7: lambda upright: np.rot90(upright, 2).swapaxes(0, 1),
    8: lambda upright: np.rot90(upright, 3),
}
"""How a camera stores an upright picture under each EXIF orientation."""


def on_white(colours: np.ndarray, alpha: np.ndarray = ALPHA) -> np.ndarray:
    """Blend colours with white."""
    share = alpha[..., None] / 255
    blended = colours.reshape(*alpha.shape, -1) * share + 255 * (1 - share)
    return np.broadcast_to(np.rint(blended), (*alpha.shape, 3)).astype(np.uint8)


def grey(values: np.ndarray) -> np.ndarray:
    """Show grey values as RGB."""
    return np.repeat(values[..., None], 3, axis=2).astype(np.uint8)


def saved(image: Image.Image | np.ndarray, kind: str, **options: object) -> bytes:
    """Encode an image with Pillow."""
    image = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def indexed(kind: str, **options: object) -> bytes:
    """Encode a palette image."""
    image = Image.frombytes("P", (9, 6), INDICES.tobytes())
    image.putpalette(PALETTE)
    return saved(image, kind, **options)


def png(
    rows: np.ndarray, width: int, depth: int, colour: int, *chunks: tuple[bytes, bytes]
) -> bytes:
    """Write a PNG of packed rows, uint8 `[H, bytes]`, with chunks before its pixels."""
    packed = np.pad(rows, ((0, 0), (1, 0))).tobytes()
    header = struct.pack(">IIBBBBB", width, len(rows), depth, colour, 0, 0, 0)
    parts = (b"IHDR", header), *chunks, (b"IDAT", zlib.compress(packed)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content))
        + name
        + content
        + struct.pack(">I", zlib.crc32(name + content))
        for name, content in parts
    )


def tiff(
    pixels: np.ndarray, photometric: int, extra: Sequence[int] = (), pages: int = 1
) -> bytes:
    """Write a TIFF of `[H, W, bands]`, which repeats as smaller copies of itself."""
    height, width, bands = pixels.shape
    kind = {"u": 1, "i": 2, "f": 3}[pixels.dtype.kind]
    tags: dict[int, Sequence[int]] = {
        254: [0], 256: [width], 257: [height], 258: [8 * pixels.itemsize] * bands,
        259: [1], 262: [photometric], 273: [8], 277: [bands], 278: [height],
        279: [pixels.nbytes], 338: extra, 339: [kind] * bands,
    }  # fmt: skip
    tags = {tag: values for tag, values in tags.items() if values}
    content = b"II*\0" + struct.pack("<I", 8 + pixels.nbytes) + pixels.tobytes()
    for page in range(pages):
        tags[254] = [min(page, 1)]
        entries, tail = b"", b""
        after = len(content) + 2 + 12 * len(tags) + 4
        for tag, values in tags.items():
            packed = struct.pack(f"<{len(values)}I", *values)
            if len(packed) > 4:
                packed, tail = struct.pack("<I", after + len(tail)), tail + packed
            entries += struct.pack("<HHI", tag, 4, len(values)) + packed
        following = after + len(tail) if page < pages - 1 else 0
        content += struct.pack("<H", len(tags)) + entries
        content += struct.pack("<I", following) + tail
    return content


def bmp_with_alpha() -> bytes:
    """Write a BMP whose header gives a mask to alpha."""
    body = np.ascontiguousarray(RGBA[::-1, :, [2, 1, 0, 3]]).tobytes()
    masks = struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    header = struct.pack("<IiiHHIIiiII", 108, 9, 6, 1, 32, 3, len(body), 0, 0, 0, 0)
    header += masks + b"BGRs" + bytes(48)
    start = 14 + len(header)
    return b"BM" + struct.pack("<IHHI", start + len(body), 0, 0, start) + header + body


def turned(kind: str, orientation: int, pixels: np.ndarray = RGB) -> bytes:
    """Encode a picture as a camera that was held otherwise does."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = np.ascontiguousarray(TURNS[orientation](pixels))
    options = {"lossless": True} if kind == "WEBP" else {}
    return saved(stored, kind, exif=exif, **options)


def by_libjpeg(content: bytes) -> np.ndarray:
    """Decode a JPEG of grey or YCbCr, as every program does."""
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def cmyk() -> Image.Image:
    """Return an image of four inks: pure cyan, and black by the fourth."""
    pixels = np.zeros((6, 9, 4), np.uint8)
    pixels[:, :5, 0], pixels[:, 5:, 3] = 255, 255
    return Image.frombytes("CMYK", (9, 6), pixels.tobytes())


INKS = np.zeros((6, 9, 3), np.uint8)
INKS[:, :5] = 0, 255, 255
COLOURS = np.array(PALETTE, np.uint8).reshape(3, 3)[INDICES]
FIRST_CLEAR = on_white(COLOURS, np.where(INDICES == 0, 0, 255))
BITS_2 = np.array([[0b00011011] * 2], np.uint8)  # 0 1 2 3 0 1 2 3
BITS_4 = np.array([[0x01, 0x9F]], np.uint8)  # 0 1 9 15
FIRST = bytes(RGB[0, 0])  # the pixel whose colour is the key
KEY = (b"tRNS", bytes([0, FIRST[0], 0, FIRST[1], 0, FIRST[2]]))
GREY_KEY = (b"tRNS", bytes([0, FIRST[0]]))
KEYED = np.where((RGB == RGB[0, 0]).all(2, keepdims=True), 255, RGB).astype(np.uint8)
GREY_KEYED = grey(np.where(GREY == GREY[0, 0], 255, GREY))
RGB_JPEG, GREY_JPEG = saved(RGB, "JPEG", quality=95), saved(GREY, "JPEG")
YCBCR = Image.fromarray(RGB).convert("YCbCr")
DEEP_RGB = np.dstack([DEEP] * 3)
BANDS = np.dstack([RGBA, GREY])

DEEP_BITS = "16 bits per channel; images are read at 8 bits: convert"
FLOATS = "floating-point numbers of 32 bits per channel; images are read at 8 bits"

KINDS: dict[str, tuple[str, bytes, np.ndarray | str]] = {
    "RGB PNG": ("png", saved(RGB, "PNG"), RGB),
    "RGB JPEG": ("jpg", RGB_JPEG, by_libjpeg(RGB_JPEG)),
    "RGB TIFF": ("tif", saved(RGB, "TIFF"), RGB),
    "RGB WebP": ("webp", saved(RGB, "WEBP", lossless=True), RGB),
    "RGB BMP": ("bmp", saved(RGB, "BMP"), RGB),
    "RGB PPM": ("ppm", saved(RGB, "PPM"), RGB),
    "RGB JPEG 2000": ("jp2", saved(RGB, "JPEG2000"), RGB),
    "grey PNG": ("png", saved(GREY, "PNG"), grey(GREY)),
    "grey JPEG": ("jpg", GREY_JPEG, by_libjpeg(GREY_JPEG)),
    "grey TIFF": ("tif", saved(GREY, "TIFF"), grey(GREY)),
    "grey TIFF, 0 is white": ("tif", tiff(GREY[..., None], 0), grey(255 - GREY)),
    "grey PGM": ("pgm", saved(GREY, "PPM"), grey(GREY)),
    "grey PGM of levels up to 15": ("pgm", b"P5 9 6 15\n" + bytes(GREY // 16),
                                    grey(GREY // 16 * 17)),
    "grey PNG of 2 bits": ("png", png(BITS_2, 8, 2, 0),
                           grey(np.array([[0, 85, 170, 255] * 2]))),
    "16-bit grey PNG": ("png", saved(DEEP, "PNG"), DEEP_BITS),
    "16-bit grey TIFF": ("tif", saved(DEEP, "TIFF"), DEEP_BITS),
    "16-bit grey PGM": ("pgm", b"P5 9 6 65535\n" + DEEP.astype(">u2").tobytes(),
                        DEEP_BITS),
    "12-bit grey PGM": ("pgm", b"P5 9 6 4095\n" + DEEP.astype(">u2").tobytes(),
                        "12 bits per channel; images are read at 8 bits"),
    "16-bit grey JPEG 2000": ("jp2", saved(DEEP, "JPEG2000"), DEEP_BITS),
    "16-bit RGB PNG": ("png", png(DEEP_RGB.astype(">u2").reshape(6, -1).view(np.uint8),
                                  9, 16, 2), DEEP_BITS),
    "16-bit RGBA PNG": ("png", png(np.repeat(DEEP_RGB.astype(">u2"), 4, 2)[..., :4]
                                   .reshape(6, -1).view(np.uint8), 9, 16, 6),
                        DEEP_BITS),
    "16-bit grey and alpha PNG": ("png", png(DEEP_RGB[..., :2].astype(">u2")
                                             .reshape(6, -1).view(np.uint8), 9, 16, 4),
                                  DEEP_BITS),
    "16-bit RGB TIFF": ("tif", tiff(DEEP_RGB, 2), DEEP_BITS),
    "12-bit RGB PPM": ("ppm", b"P6 9 6 4095\n" + DEEP_RGB.astype(">u2").tobytes(),
                       "12 bits per channel"),
    "32-bit TIFF": ("tif", tiff(DEEP[..., None].astype(np.uint32), 1),
                    "32 bits per channel"),
    "signed 8-bit TIFF": ("tif", tiff(GREY[..., None].view(np.int8), 1),
                          "signed integers of 8 bits per channel"),
    "signed 16-bit TIFF": ("tif", tiff(DEEP[..., None].astype(np.int16), 1),
                           "signed integers of 16 bits per channel"),
    "float TIFF": ("tif", tiff(DEEP[..., None].astype(np.float32), 1), FLOATS),
    "float RGB TIFF": ("tif", tiff(DEEP_RGB.astype(np.float32), 2), FLOATS),
    "double RGB TIFF": ("tif", tiff(DEEP_RGB.astype(np.float64), 2),
                        "floating-point numbers of 64 bits"),
    "float PFM": ("ppm", b"Pf 9 6 -1.0\n" + DEEP.astype(np.float32).tobytes(), FLOATS),
    "palette PNG": ("png", indexed("PNG"), COLOURS),
    "palette TIFF": ("tif", indexed("TIFF"), COLOURS),
    "palette BMP": ("bmp", indexed("BMP"), COLOURS),
    "palette PNG, a clear colour": ("png", indexed("PNG", transparency=0), FIRST_CLEAR),
    "palette PNG, half clear": ("png", indexed("PNG", transparency=bytes([51, 255, 0])),
                                on_white(COLOURS, np.array([51, 255, 0])[INDICES])),
    "GIF": ("gif", indexed("GIF"), COLOURS),
    "GIF, a clear colour": ("gif", indexed("GIF", transparency=0), FIRST_CLEAR),
    "RGBA PNG": ("png", saved(RGBA, "PNG"), on_white(RGB)),
    "RGBA PNG, opaque": ("png", saved(np.dstack([RGB, np.full_like(GREY, 255)]), "PNG"),
                         RGB),
    "RGBA WebP": ("webp", saved(RGBA, "WEBP", lossless=True, exact=True),
                  on_white(RGB)),
    "RGBA BMP": ("bmp", bmp_with_alpha(), on_white(RGB)),
    "BMP of 32 bits, no alpha": ("bmp", saved(RGBA, "BMP"), RGB),
    "LA PNG": ("png", saved(np.dstack([GREY, ALPHA]), "PNG"), on_white(GREY)),
    "LA TIFF": ("tif", tiff(np.dstack([GREY, ALPHA]), 1, [2]), on_white(GREY)),
    "LA TIFF, multiplied": ("tif", tiff(np.dstack([GREY, ALPHA]), 1, [1]),
                            "pixels of La; convert it to RGB"),
    "PNG colour key on RGB": ("png", png(RGB.reshape(6, -1), 9, 8, 2, KEY), KEYED),
    "PNG colour key on grey": ("png", png(GREY, 9, 8, 0, GREY_KEY), GREY_KEYED),
    "PNG colour key on 1 bit": ("png", png(BITS_2, 8, 1, 0, (b"tRNS", b"\0\0")),
                                grey(np.full((1, 8), 255))),
    "PNG colour key on 2 bits": ("png", png(BITS_2, 8, 2, 0, (b"tRNS", b"\0\1")),
                                 grey(np.array([[0, 255, 170, 255] * 2]))),
    "PNG colour key on 4 bits": ("png", png(BITS_4, 4, 4, 0, (b"tRNS", b"\0\x09")),
                                 grey(np.array([[0, 17, 255, 255]]))),
    "RGBA TIFF": ("tif", tiff(RGBA, 2, [2]), "4 bands, one marked as transparency, as"),
    "TIFF of four bands": ("tif", tiff(RGBA, 2, [0]), "4 bands; channels other than"),
    "TIFF of five bands": ("tif", tiff(BANDS, 2, [0, 0]), "5 bands; channels other"),
    "TIFF of five bands, one alpha": ("tif", tiff(BANDS, 2, [2, 0]), "5 bands, one"),
    "TIFF of eight bands": ("tif", tiff(np.dstack([RGBA] * 2), 2, [0] * 5), "8 bands"),
    "TIFF of two bands": ("tif", tiff(RGB[..., :2], 1, [0]), "2 bands; channels"),
    "16-bit TIFF of four bands": ("tif", tiff(np.dstack([DEEP] * 4), 2, [0]),
                                  "4 bands"),
    "JPEG 2000 of four bands": ("jp2", saved(RGBA, "JPEG2000"), "4 bands; channels"),
    "CMYK JPEG": ("jpg", saved(cmyk(), "JPEG", quality=100), INKS),
    "CMYK TIFF": ("tif", saved(cmyk(), "TIFF"), INKS),
    "YCbCr TIFF": ("tif", saved(YCBCR, "TIFF"), np.asarray(YCBCR.convert("RGB"))),
    "YCbCr TIFF, subsampled": ("tif", tiff(RGB, 6),
                               "pixels of subsampled YCbCr; convert it to RGB"),
    "LAB TIFF": ("tif", tiff(RGB, 8), "pixels of LAB; convert it to RGB"),
    "1-bit PNG": ("png", saved(GREY > 99, "PNG"), grey((GREY > 99) * 255)),
    "1-bit TIFF": ("tif", saved(GREY > 99, "TIFF"), grey((GREY > 99) * 255)),
    "1-bit BMP": ("bmp", saved(GREY > 99, "BMP"), grey((GREY > 99) * 255)),
    "1-bit PBM": ("pbm", saved(GREY > 99, "PPM"), grey((GREY > 99) * 255)),
    **{f"PNG turned by EXIF {turn}": ("png", turned("PNG", turn), RGB)
       for turn in TURNS},
    **{f"TIFF turned by EXIF {turn}": ("tif", turned("TIFF", turn), RGB)
       for turn in TURNS},
    **{f"WebP turned by EXIF {turn}": ("webp", turned("WEBP", turn), RGB)
       for turn in TURNS},
    "RGBA PNG turned by EXIF": ("png", turned("PNG", 6, RGBA), on_white(RGB)),
    "TIFF with a smaller copy": ("tif", tiff(RGB, 2, pages=3), RGB),
    "MPO of two pictures": ("mpo", saved(Image.fromarray(RGB), "MPO", save_all=True,
                            append_images=[Image.fromarray(RGB)], quality=95),
                            by_libjpeg(RGB_JPEG)),
    **{f"{kind} of two pictures": (kind.lower(), saved(Image.fromarray(RGB), kind,
                                   save_all=True,
                                   append_images=[Image.fromarray(255 - RGB)]),
                                   r"several pages or frames \(2\)")
       for kind in ("TIFF", "GIF", "WebP", "PNG")},
}  # fmt: skip
"""Name: the ending of the file, its content, and the pixels or the words."""
