from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from jaxseg.data import images
from jaxseg.data.masks import read_mask
from jaxseg.errors import UserError

RGB = np.random.default_rng(0).integers(0, 256, (6, 9, 3), np.uint8)
VALUES = np.array([[0, 1, 2], [2, 1, 0]], np.uint8)


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


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.bmp", "a.gif"])
def test_a_grey_mask_gives_its_values(tmp_path, name):
    mask = read_mask(save(tmp_path / name, VALUES), colours=False)
    np.testing.assert_array_equal(mask, VALUES)


@pytest.mark.parametrize("colours", [False, True])
def test_a_palette_mask_gives_indices_and_never_colours(tmp_path, colours):
    image = Image.frombytes("P", (3, 2), VALUES.tobytes())
    image.putpalette([200, 0, 0, 0, 200, 0, 0, 0, 200])
    image.save(tmp_path / "a.png")
    mask = read_mask(tmp_path / "a.png", colours)
    np.testing.assert_array_equal(mask, VALUES)


def test_a_1_bit_mask_gives_0_and_1(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(VALUES > 0).save(path)
    mask = read_mask(path, colours=False)
    np.testing.assert_array_equal(mask, (VALUES > 0).astype(np.uint8))


def test_a_16_bit_mask_gives_values_beyond_255(tmp_path):
    path = save(tmp_path / "a.png", VALUES.astype(np.uint16) * 1000)
    mask = read_mask(path, colours=False)
    np.testing.assert_array_equal(mask, VALUES.astype(int) * 1000)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA"])
def test_a_mask_of_equal_channels_is_grey(tmp_path, mode):
    mask = read_mask(save(tmp_path / "a.png", VALUES, mode), colours=False)
    np.testing.assert_array_equal(mask, VALUES)


def test_a_coloured_mask_is_read_by_colour_where_that_is_meant(tmp_path):
    mask = read_mask(save(tmp_path / "a.png", RGB, "RGBA"), colours=True)
    np.testing.assert_array_equal(mask, RGB)


def test_a_coloured_mask_without_a_palette_is_refused(tmp_path):
    with pytest.raises(UserError, match="a.png: a mask in colours; give data.palette"):
        read_mask(save(tmp_path / "a.png", RGB), colours=False)


@pytest.mark.parametrize("name", ["a.jpg", "a.webp"])
def test_a_lossy_mask_is_refused(tmp_path, name):
    with pytest.raises(UserError, match="changes mask values; save as PNG"):
        read_mask(save(tmp_path / name, VALUES), colours=False)


def test_a_mask_of_fractions_is_refused(tmp_path):
    path = save(tmp_path / "a.tif", VALUES.astype(np.float32))
    with pytest.raises(UserError, match="a.tif: a mask of F pixels"):
        read_mask(path, colours=False)


def test_a_file_that_is_gone_is_an_error_of_one_line(tmp_path):
    with pytest.raises(UserError, match=r"^.*gone: cannot be read \(No such file.*$"):
        images.read_bytes(tmp_path / "gone")


def test_an_image_of_100_megapixels_is_read_without_a_warning(tmp_path):
    Image.new("1", (10_000, 10_000)).save(tmp_path / "a.png")
    assert images.read_image(tmp_path / "a.png")[1] == (10_000, 10_000)
    assert read_mask(tmp_path / "a.png", colours=False).shape == (10_000, 10_000)


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
