"""Large TIFFs row by row: the pixels of `load_image`, and refusals."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from jaxseg.data import tiff_rows
from jaxseg.data.images import load_image
from jaxseg.data.tiff_rows import TiffRows, is_large_tiff
from jaxseg.errors import UserError

RGB = np.random.default_rng(0).integers(0, 256, (101, 130, 3), dtype=np.uint8)
GREY = RGB[..., 0]


def written(tmp_path, pixels, **options):
    path = tmp_path / "image.tif"
    given = {"photometric": "rgb" if pixels.ndim == 3 else "minisblack"}
    tifffile.imwrite(path, pixels, **(given | options))
    return path


def saved(tmp_path, image, **options):
    path = tmp_path / "image.tif"
    image.save(path, **options)
    return path


def assert_same(path):
    expected, found = load_image(path), TiffRows(path)
    height = len(expected)
    assert found.size == expected.shape[:2]
    np.testing.assert_array_equal(found.rows(np.arange(height)), expected)
    some = np.array([height - 1, 3, 40, 40, 0])
    np.testing.assert_array_equal(found.rows(some), expected[some])


@pytest.mark.parametrize("pixels", [RGB, GREY], ids=["rgb", "grey"])
@pytest.mark.parametrize(
    "options",
    [
        {"tile": (32, 48)},
        {"tile": (32, 48), "byteorder": ">", "compression": "zlib"},
        {"tile": (32, 48), "bigtiff": True, "compression": "zlib"},
        {"tile": (32, 144)},
        {"tile": (32, 128), "compression": "zlib"},
        {"rowsperstrip": 16, "compression": "zlib"},
        {"rowsperstrip": 16},
        {},
    ],
    ids=str,
)
def test_rows_are_those_of_the_whole_image(tmp_path, pixels, options):
    assert_same(written(tmp_path, pixels, **options))


@pytest.mark.parametrize("kind", ["jpeg", "tiff_lzw", "packbits", "tiff_adobe_deflate"])
@pytest.mark.parametrize("mode", ["RGB", "L", "P", "LA", "CMYK"])
def test_strips_of_any_compression_have_the_same_pixels(tmp_path, kind, mode):
    if kind == "jpeg" and mode in ("P", "LA"):
        pytest.skip("there is no such JPEG")
    image = Image.fromarray(RGB).convert("L" if mode == "LA" else mode)
    if mode == "LA":
        image.putalpha(Image.fromarray(RGB[..., 1]))
    options = {"compression": kind, "tiffinfo": {278: 16}}
    assert_same(saved(tmp_path, image, **options))


def test_tiles_as_wide_as_the_image_are_no_strips(tmp_path):
    assert_same(written(tmp_path, RGB[:, :128], tile=(32, 128), compression="zlib"))


def test_only_the_bands_of_the_last_rows_are_kept(tmp_path, monkeypatch):
    found = TiffRows(written(tmp_path, RGB, tile=(32, 48)))
    decoded = []
    plain = TiffRows._band
    monkeypatch.setattr(
        TiffRows, "_band", lambda self, i: decoded.append(i) or plain(self, i)
    )
    for first in (0, 20, 40, 80, 0):
        found.rows(np.arange(first, first + 20))
    assert decoded == [0, 1, 2, 3, 0]


@pytest.mark.parametrize(
    "pixels, options, reason",
    [
        (RGB, {"planarconfig": "separate", "photometric": "rgb"}, "in planes"),
        (RGB, {"extratags": [(274, 3, 1, 6, True)]}, "turned"),
        (GREY.astype(np.uint16), {"tile": (32, 48)}, "16 bits per channel"),
        (np.dstack([RGB, RGB]), {"planarconfig": "contig"}, "6 bands"),
    ],
)
def test_a_tiff_that_cannot_be_read_by_rows_is_refused(
    tmp_path, pixels, options, reason
):
    if options.get("planarconfig") == "separate":
        pixels = np.moveaxis(pixels, 2, 0)
    with pytest.raises(UserError, match=reason):
        TiffRows(written(tmp_path, pixels, **options))


def test_a_strip_that_holds_all_rows_compressed_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(tiff_rows, "PART", 5000)
    path = written(tmp_path, RGB, compression="zlib", rowsperstrip=101)
    with pytest.raises(
        UserError, match=r"101x130 pixels.*save it as an upright, tiled"
    ):
        TiffRows(path)


def test_a_damaged_tile_is_refused_by_name(tmp_path):
    path = written(tmp_path, RGB, tile=(32, 48), compression="zlib")
    with tifffile.TiffFile(path) as file:
        place = file.pages[0].dataoffsets[4]
    content = bytearray(path.read_bytes())
    content[place : place + 40] = bytes(40)
    path.write_bytes(content)
    found = TiffRows(path)
    found.rows(np.arange(20))
    with pytest.raises(UserError, match=r"image.tif: cannot be read as an image"):
        found.rows(np.arange(40))


def test_a_large_tiff_is_recognised_by_its_header(tmp_path, monkeypatch):
    path = written(tmp_path, RGB, tile=(32, 48))
    assert not is_large_tiff(path)
    monkeypatch.setattr(tiff_rows, "LARGEST", 1000)
    assert is_large_tiff(path)
    assert not is_large_tiff(saved(tmp_path, Image.fromarray(RGB), format="PNG"))
    assert not is_large_tiff(tmp_path / "missing.tif")
