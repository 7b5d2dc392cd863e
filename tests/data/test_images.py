from __future__ import annotations

import io
import resource
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from jaxseg.data import images
from jaxseg.data.masks import read_mask
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


@pytest.mark.parametrize("name", ["a.tif", "a.webp"])
def test_other_formats_become_png(tmp_path, name):
    options = {"lossless": True} if name == "a.webp" else {}
    encoded, size = images.read_image(save(tmp_path / name, RGB, **options))
    assert encoded.startswith(b"\x89PNG") and size == (6, 9)
    np.testing.assert_array_equal(pixels_of(encoded), RGB)


def test_a_file_that_the_records_would_decode_otherwise_becomes_png(
    tmp_path, monkeypatch
):
    path = save(tmp_path / "a.jpg", RGB)
    other = images.load_image(path) // 2
    monkeypatch.setattr(images, "decode_image", lambda *_: other)
    encoded, _ = images.read_image(path)
    np.testing.assert_array_equal(pixels_of(encoded), images.load_image(path))


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_jpeg_is_kept_since_both_decoders_agree(tmp_path, mode, subsampling):
    smooth = Image.fromarray(RGB).resize((97, 61))
    path = tmp_path / "a.jpg"
    smooth.convert(mode).save(path, subsampling=subsampling, progressive=True)
    encoded, _ = images.read_image(path)
    assert encoded == path.read_bytes()
    decoded = images.decode_image(encoded, "a")
    np.testing.assert_array_equal(decoded, images.load_image(path))


def test_a_chunk_that_claims_4_gb_is_not_left_to_opencv(tmp_path):
    path = save(tmp_path / "a.png", RGB)
    content = path.read_bytes()
    place = content.index(b"IDAT") - 4
    path.write_bytes(content[:place] + b"\xff\xff\0\0" + content[place + 4 :])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    encoded, _ = images.read_image(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < before + 1_000_000
    np.testing.assert_array_equal(pixels_of(encoded), RGB)


def test_a_record_that_was_not_made_here_is_shown_on_white(tmp_path):
    path = save(tmp_path / "a.png", np.full((2, 2, 4), 51, np.uint8))
    assert (images.decode_image(path.read_bytes(), "a") == 214).all()


@pytest.mark.parametrize("keep", [0, 10, 100, 200])
@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_a_truncated_image_is_refused(tmp_path, name, keep):
    path = save(tmp_path / name, RGB)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(UserError, match=f"{name}: cannot be read as an image"):
        images.read_image(path)


def test_a_missing_file_is_an_error_of_one_line(tmp_path):
    with pytest.raises(UserError, match=r"^.*gone: cannot be read \(No such file.*$"):
        images.read_bytes(tmp_path / "gone")


# --- load_image, image_size -----------------------------------------------------------


def stored(tmp_path, image: Image.Image, name="a.png", **options) -> np.ndarray:
    image.save(tmp_path / name, **options)
    return images.load_image(tmp_path / name)


def test_transparent_pixels_are_blended_with_white(tmp_path):
    rgba = np.zeros((1, 3, 4), np.uint8)
    rgba[0, :, 3] = 0, 255, 51
    loaded = stored(tmp_path, Image.fromarray(rgba))
    assert loaded[0, :, 0].tolist() == [255, 0, 204]


def test_a_photograph_is_turned_upright_by_its_exif(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera lay on its side
    image = Image.fromarray(np.array([[10, 20, 30]], np.uint8))
    loaded = stored(tmp_path, image, exif=exif)
    assert loaded[:, :, 0].tolist() == [[10], [20], [30]]


@pytest.mark.parametrize("read", [images.load_image, images.image_size])
@pytest.mark.parametrize("name", ["a.jpg", "a.webp"])
def test_broken_exif_does_not_make_a_sound_image_unreadable(tmp_path, name, read):
    path = tmp_path / name
    Image.new("RGB", (3, 2), "red").save(path, exif=b"Exif\0\0II*\0garbage")
    read(path)
    assert images.read_image(path)[1] == (2, 3)


@pytest.mark.parametrize(
    "content", [b"", b"no image", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"]
)
def test_a_file_that_is_no_image_is_a_user_error(tmp_path, content):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(UserError, match=r"a\.png: cannot be read as an image"):
        images.load_image(tmp_path / "a.png")


def test_a_file_of_another_kind_is_refused_with_the_kinds_that_are_read(tmp_path):
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(100))
    with pytest.raises(UserError, match="a.heic: .*none of BMP, .*; convert it to PNG"):
        images.load_image(tmp_path / "a.heic")


def test_a_missing_image_is_named(tmp_path):
    with pytest.raises(UserError, match=r"a\.png: no such image"):
        images.load_image(tmp_path / "a.png")


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif", "a.webp"])
@pytest.mark.parametrize("orientation", [1, 3, 6])
@pytest.mark.parametrize("pixels", [RGB, RGB[..., 0]])
def test_the_size_of_a_turned_image_is_known_before_it_is_read(
    tmp_path, name, orientation, pixels
):
    exif = Image.Exif()
    exif[0x0112] = orientation
    loaded = stored(tmp_path, Image.fromarray(pixels), name, exif=exif)
    size = images.image_size(tmp_path / name)
    assert size == loaded.shape[:2] == ((9, 6) if orientation == 6 else (6, 9))


# What the messages advise.


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_deep_pixels_brought_to_8_bits_by_one_factor_are_read(tmp_path, name):
    deep = RGB[..., 0].astype(np.uint16) * 16
    with pytest.raises(UserError, match="convert all of them to 8 bits"):
        stored(tmp_path, Image.fromarray(deep), name)
    loaded = stored(tmp_path, Image.fromarray((deep / 16).astype(np.uint8)), name)
    np.testing.assert_array_equal(loaded[..., 0], RGB[..., 0])


def test_three_bands_saved_as_rgb_are_read(tmp_path):
    bands = np.dstack([RGB, RGB[..., 0]])
    with pytest.raises(UserError, match="or three as RGB"):
        stored(tmp_path, Image.fromarray(bands), "a.tif")
    loaded = stored(tmp_path, Image.fromarray(bands[..., :3].copy()), "a.tif")
    np.testing.assert_array_equal(loaded, RGB)


def test_lab_converted_to_rgb_is_read(tmp_path):
    from PIL import ImageCms

    profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    there = ImageCms.buildTransform(*profiles, "RGB", "LAB")
    back = ImageCms.buildTransform(*profiles[::-1], "LAB", "RGB")
    lab = ImageCms.applyTransform(Image.fromarray(RGB), there)
    assert lab is not None
    with pytest.raises(UserError, match="pixels of LAB; convert it to RGB"):
        stored(tmp_path, lab, "a.tif")
    again = ImageCms.applyTransform(lab, back)
    assert again is not None
    assert stored(tmp_path, again, "a.tif").shape == RGB.shape


# --- large images ---------------------------------------------------------------------


def test_an_image_of_100_megapixels_is_read_without_a_warning(tmp_path):
    Image.new("1", (10_000, 10_000)).save(tmp_path / "a.png")
    size = (10_000, 10_000)
    assert images.image_size(tmp_path / "a.png") == size
    assert images.read_image(tmp_path / "a.png")[1] == size
    assert images.load_image(tmp_path / "a.png").shape == (*size, 3)
    assert read_mask(tmp_path / "a.png").pixels.shape == (10_000, 10_000)


def test_an_image_may_not_claim_more_pixels_than_the_largest(tmp_path):
    rows = images.LARGEST // 60_000
    for count, said in ((rows, "truncated"), (rows + 1, "178,956,970 pixels")):
        header = b"IHDR" + struct.pack(">IIBBBBB", 60_000, count, 8, 0, 0, 0, 0)
        content = b"\x89PNG\r\n\x1a\n"
        for chunk in (header, b"IDAT" + zlib.compress(b"\0")):
            content += struct.pack(">I", len(chunk) - 4) + chunk
            content += struct.pack(">I", zlib.crc32(chunk))
        (tmp_path / "a.png").write_bytes(content)
        for read in (images.read_image, images.load_image):
            with pytest.raises(UserError, match=said):
                read(tmp_path / "a.png")
