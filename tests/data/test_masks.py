"""Mask files as the numbers or colours they hold."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from jaxseg.data.masks import read_mask
from jaxseg.errors import UserError

RGB = np.random.default_rng(0).integers(0, 256, (6, 9, 3), np.uint8)
VALUES = np.array([[0, 1, 2], [2, 1, 0]], np.uint8)
COLOURS = [[200, 0, 0], [0, 200, 0], [0, 0, 200]]


def save(path, pixels, mode=None, **options):
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(path, **options)
    return path


def indexed():
    image = Image.frombytes("P", (3, 2), VALUES.tobytes())
    image.putpalette(sum(COLOURS, []))
    return image


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.bmp", "a.gif"])
def test_a_grey_mask_gives_its_values(tmp_path, name):
    mask = read_mask(save(tmp_path / name, VALUES))
    np.testing.assert_array_equal(mask.pixels, VALUES)


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.bmp", "a.gif"])
def test_an_indexed_mask_gives_indices_and_their_colours(tmp_path, name):
    indexed().save(tmp_path / name)
    mask = read_mask(tmp_path / name)
    np.testing.assert_array_equal(mask.palette[mask.pixels], np.array(COLOURS)[VALUES])


def test_an_indexed_mask_with_an_alpha_channel_gives_its_indices(tmp_path):
    indexed().convert("PA").save(tmp_path / "a.tif")
    mask = read_mask(tmp_path / "a.tif")
    np.testing.assert_array_equal(mask.palette[mask.pixels], np.array(COLOURS)[VALUES])


def test_indices_beyond_a_palette_are_black_as_pillow_paints_them(tmp_path):
    image = Image.frombytes("P", (3, 2), VALUES.tobytes())
    image.putpalette(sum(COLOURS[:2], []))
    image.save(tmp_path / "a.gif")
    mask = read_mask(tmp_path / "a.gif")
    with Image.open(tmp_path / "a.gif") as file:
        shown = np.asarray(file.convert("RGB"))
    np.testing.assert_array_equal(mask.palette[mask.pixels], shown)


def test_an_indexed_mask_with_transparency_gives_its_indices(tmp_path):
    image = indexed()
    image.save(tmp_path / "a.png", transparency=0)
    np.testing.assert_array_equal(read_mask(tmp_path / "a.png").pixels, VALUES)


def test_a_1_bit_mask_gives_0_and_1_in_black_and_white(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(VALUES > 0).save(path)
    mask = read_mask(path)
    np.testing.assert_array_equal(mask.pixels, (VALUES > 0).astype(np.uint8))
    np.testing.assert_array_equal(mask.palette, [[0, 0, 0], [255, 255, 255]])


def test_a_16_bit_mask_gives_values_beyond_255(tmp_path):
    path = save(tmp_path / "a.png", VALUES.astype(np.uint16) * 1000)
    np.testing.assert_array_equal(read_mask(path).pixels, VALUES.astype(int) * 1000)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA"])
def test_a_mask_of_equal_channels_is_grey(tmp_path, mode):
    mask = read_mask(save(tmp_path / "a.png", VALUES, mode))
    np.testing.assert_array_equal(mask.pixels, VALUES)
    assert mask.palette is None


def test_a_mask_in_colours_gives_them(tmp_path):
    mask = read_mask(save(tmp_path / "a.png", RGB, "RGBA"))
    np.testing.assert_array_equal(mask.pixels, RGB)


def test_a_mask_that_differs_in_transparency_alone_is_refused(tmp_path):
    shape = np.zeros((4, 4, 4), np.uint8)
    shape[1:3, 1:3, 3] = 255  # black on transparent black
    path = save(tmp_path / "a.png", shape)
    with pytest.raises(
        UserError, match=r"a.png: transparent .* same value \(0, 0, 0\)"
    ):
        read_mask(path)
    with pytest.raises(UserError, match=r"same value \(0\)"):
        read_mask(save(tmp_path / "b.png", shape[..., 2:]))


def test_transparent_pixels_may_have_their_own_colour(tmp_path):
    shape = np.zeros((4, 4, 4), np.uint8)
    shape[1:3, 1:3] = (9, 0, 0, 255)
    mask = read_mask(save(tmp_path / "a.png", shape))
    np.testing.assert_array_equal(mask.pixels, shape[..., :3])


@pytest.mark.parametrize("name", ["a.jpg", "a.webp"])
def test_a_lossy_mask_is_read_only_if_that_is_allowed(tmp_path, name):
    path = save(tmp_path / name, VALUES)
    with pytest.raises(UserError, match="changes mask values; .*--data.mask_map 0-127"):
        read_mask(path)
    assert read_mask(path, lossy=True).pixels.shape == VALUES.shape


def test_a_mask_of_fractions_is_refused(tmp_path):
    path = save(tmp_path / "a.tif", VALUES.astype(np.float32))
    with pytest.raises(UserError, match="a.tif: a mask of F pixels"):
        read_mask(path)


@pytest.mark.parametrize("value", [-1, 70_000])
def test_a_value_outside_16_bits_is_refused_naming_the_file(tmp_path, value):
    path = save(tmp_path / "a.tif", np.full((2, 2), value, np.int32))
    with pytest.raises(UserError, match="a.tif: mask values must lie in 0..65535"):
        read_mask(path)


def test_a_mask_of_100_megapixels_is_read_without_a_warning(tmp_path):
    Image.new("1", (10_000, 10_000)).save(tmp_path / "a.png")
    assert read_mask(tmp_path / "a.png").pixels.shape == (10_000, 10_000)
