from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from jaxseg.data import images
from jaxseg.errors import UserError

RGB = np.random.default_rng(0).integers(0, 256, (6, 9, 3), np.uint8)


def save(path, pixels, mode=None, **options):
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(path, **options)
    return path


def pixels_of(encoded):
    return np.asarray(Image.open(io.BytesIO(encoded)))


@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_upright_png_and_jpeg_are_kept_byte_for_byte(tmp_path, name):
    path = save(tmp_path / name, RGB)
    encoded, size = images.read_image(path)
    assert encoded == path.read_bytes() and size == (6, 9)


@pytest.mark.parametrize("name", ["a.bmp", "a.tif", "a.tiff"])
def test_other_lossless_formats_become_png_with_the_same_pixels(tmp_path, name):
    encoded, size = images.read_image(save(tmp_path / name, RGB))
    assert encoded.startswith(b"\x89PNG") and size == (6, 9)
    np.testing.assert_array_equal(pixels_of(encoded), RGB)


def test_webp_becomes_png(tmp_path):
    encoded, _ = images.read_image(save(tmp_path / "a.webp", RGB, lossless=True))
    np.testing.assert_array_equal(pixels_of(encoded), RGB)


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
@pytest.mark.parametrize("pixels", [RGB, RGB[..., 0]])
@pytest.mark.parametrize(("orientation", "turns"), [(3, 2), (6, 3), (8, 1)])
def test_a_turned_image_is_set_upright(tmp_path, name, pixels, orientation, turns):
    exif = Image.Exif()
    exif[0x0112] = orientation
    encoded, size = images.read_image(save(tmp_path / name, pixels, exif=exif))
    upright = np.asarray(Image.open(io.BytesIO(encoded)).convert("RGB"))
    np.testing.assert_array_equal(upright[..., 0], np.rot90(RGB, turns)[..., 0])
    assert size == np.rot90(RGB, turns).shape[:2]


def test_a_cmyk_jpeg_becomes_rgb(tmp_path):
    encoded, _ = images.read_image(save(tmp_path / "a.jpg", RGB, "CMYK"))
    assert pixels_of(encoded).shape == RGB.shape


@pytest.mark.parametrize("keep", [0, 10, 100, 200])
@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_a_truncated_image_is_refused(tmp_path, name, keep):
    path = save(tmp_path / name, RGB)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(UserError, match=f"{name}: cannot be read as an image"):
        images.read_image(path)


def test_an_image_of_16_bits_is_refused(tmp_path):
    path = save(tmp_path / "a.png", RGB[..., 0].astype(np.uint16))
    with pytest.raises(UserError, match="a.png: more than 8 bits a channel"):
        images.read_image(path)


def test_a_tiff_of_several_pages_is_refused(tmp_path):
    page = Image.fromarray(RGB)
    page.save(tmp_path / "a.tif", save_all=True, append_images=[page])
    with pytest.raises(UserError, match="a.tif: a TIFF of several pages"):
        images.read_image(tmp_path / "a.tif")


def test_a_file_that_is_gone_is_an_error_of_one_line(tmp_path):
    with pytest.raises(UserError, match=r"^.*gone: cannot be read \(No such file.*$"):
        images.read_bytes(tmp_path / "gone")


def test_an_image_of_100_megapixels_is_read_without_a_warning(tmp_path):
    Image.new("1", (10_000, 10_000)).save(tmp_path / "a.png")
    assert images.read_image(tmp_path / "a.png")[1] == (10_000, 10_000)


def test_an_image_may_not_claim_more_pixels_than_the_largest(tmp_path):
    rows = images.LARGEST // 60_000
    for count, said in ((rows, "truncated"), (rows + 1, "178,956,970 pixels")):
        header = b"IHDR" + struct.pack(">IIBBBBB", 60_000, count, 8, 0, 0, 0, 0)
        content = b"\x89PNG\r\n\x1a\n"
        for chunk in (header, b"IDAT" + zlib.compress(b"\0")):
            content += struct.pack(">I", len(chunk) - 4) + chunk
            content += struct.pack(">I", zlib.crc32(chunk))
        (tmp_path / "a.png").write_bytes(content)
        with pytest.raises(UserError, match=said):
            images.read_image(tmp_path / "a.png")
