"""Pictures: what is painted, what is left alone, and files read and written."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from jaxseg.data.images import image_size
from jaxseg.data.labels import IGNORE, LabelSet
from jaxseg.errors import UserError
from jaxseg.report import pictures

LABELS = LabelSet(
    ("background", "cell", "wall"), ((0, 0, 0), (200, 0, 0), (0, 100, 250))
)


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)


@pytest.fixture
def mask() -> np.ndarray:
    mask = np.zeros((40, 60), np.int32)
    mask[10:30, 10:30] = 1
    mask[10:30, 40:50] = 2
    mask[:5] = IGNORE
    return mask


# --- overlay -----------------------------------------------------------------------


def test_the_inside_of_a_class_is_blended_with_its_colour(image, mask):
    picture = pictures.overlay(image, mask, LABELS, alpha=0.25)
    expected = np.rint(0.75 * image[12:28, 12:28] + 0.25 * np.array([200, 0, 0]))
    np.testing.assert_array_equal(picture[12:28, 12:28], expected)


def test_ignored_pixels_show_the_image(image, mask):
    mask[5:10] = 1  # a class right beside them
    picture = pictures.overlay(image, mask, LABELS)
    np.testing.assert_array_equal(picture[:5], image[:5])


def test_a_black_class_shows_the_image(image, mask):
    picture = pictures.overlay(image, mask, LABELS)
    np.testing.assert_array_equal(picture[mask == 0], image[mask == 0])


def test_a_first_class_with_a_colour_is_painted(image):
    labels = LabelSet(("sky",), ((128, 128, 128),))
    picture = pictures.overlay(image, np.zeros((40, 60), int), labels, alpha=1.0)
    assert (picture == 128).all()


def test_the_border_of_a_class_has_one_colour_unlike_its_inside(image, mask):
    picture = pictures.overlay(image, mask, LABELS, alpha=1.0)
    border = {tuple(pixel) for pixel in picture[10, 10:30].tolist()}
    assert len(border) == 1
    assert border != {(200, 0, 0)}


def test_the_image_given_is_not_changed(image, mask):
    before = image.copy()
    pictures.overlay(image, mask, LABELS, alpha=1.0)
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("size", [(96, 96), (20, 300), (300, 20)])
def test_a_legend_stands_below_a_picture_of_at_least_256_pixels(size):
    image = np.full((*size, 3), 7, np.uint8)
    mask = np.ones(size, np.int64)
    picture = pictures.overlay(image, mask, LABELS, legend=True)
    plain = pictures.overlay(image, mask, LABELS)
    factor = -(-256 // max(size))
    assert picture.shape[0] > factor * size[0]
    assert picture.shape[1] == max(factor * size[1], 256)
    np.testing.assert_array_equal(
        picture[: factor * size[0] : factor, : factor * size[1] : factor], plain
    )


def test_a_legend_names_only_the_classes_present(image, mask):
    def colours(picture):
        below = picture[200:].reshape(-1, 3)
        return {tuple(pixel) for pixel in below.tolist()}

    with_both = colours(pictures.overlay(image, mask, LABELS, legend=True))
    with_one = colours(pictures.overlay(image, mask * (mask == 1), LABELS, legend=True))
    assert {(200, 0, 0), (0, 100, 250)} <= with_both
    assert (200, 0, 0) in with_one
    assert (0, 100, 250) not in with_one


def test_a_legend_says_of_what_is_not_painted_that_it_is_ignored(image, mask):
    whole = mask.copy()
    whole[mask == IGNORE] = 0
    with_ignored = pictures.overlay(image, mask, LABELS, legend=True)
    without = pictures.overlay(image, whole, LABELS, legend=True)
    assert with_ignored.shape == without.shape
    inked = [(sheet[200:] < 128).all(axis=2).sum() for sheet in (with_ignored, without)]
    assert inked[0] > inked[1]


def test_the_text_of_a_legend_grows_with_the_picture():
    mask = np.ones((300, 4000), np.uint8)
    picture = pictures.overlay(np.zeros((300, 4000, 3), np.uint8), mask, LABELS)
    legend = pictures.overlay(
        np.zeros((300, 4000, 3), np.uint8), mask, LABELS, legend=True
    )[len(picture) :]
    rows = np.flatnonzero((legend[:, 90:] < 255).any(axis=(1, 2)))
    assert np.ptp(rows) >= 36, "1 per cent of the width"


def test_a_long_or_foreign_name_keeps_the_legend_within_the_picture(image):
    labels = LabelSet(("x" * 500, "Straßenbelag"), ((9, 9, 9), (1, 2, 3)))
    mask = np.arange(2400).reshape(40, 60) % 2
    picture = pictures.overlay(image, mask, labels, legend=True)
    assert picture.shape[1] == 300
    assert (picture[200:, -6:] == 255).all()


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.zeros((40, 61), int), r"mask \(40, 61\) does not fit image \(40, 60\)"),
        (np.full((40, 60), 3), "mask values 3..3 exceed the 3 classes"),
        (np.full((40, 60), -1), "mask values -1..-1 exceed the 3 classes"),
    ],
)
def test_a_mask_that_does_not_fit_is_the_users_to_mend(image, mask, message):
    with pytest.raises(UserError, match=message):
        pictures.overlay(image, mask, LABELS)


def test_a_picture_of_floats_is_refused(mask):
    with pytest.raises(UserError, match=r"uint8 \[H, W, 3\], not float64"):
        pictures.overlay(np.zeros((40, 60, 3)), mask, LABELS)


# --- files -------------------------------------------------------------------------


def test_a_saved_mask_reads_back_exactly_with_the_palette(tmp_path, mask):
    path = tmp_path / "new" / "mask.png"
    pictures.save_mask(path, mask, LABELS)
    with Image.open(path) as file:
        assert file.mode == "P"
        np.testing.assert_array_equal(np.asarray(file), mask)
        np.testing.assert_array_equal(
            np.asarray(file.convert("RGB")), LABELS.colours(mask)
        )


def test_every_value_survives_in_a_saved_mask(tmp_path):
    mask = np.arange(256).reshape(16, 16)
    pictures.save_mask(tmp_path / "mask.png", mask, LABELS)
    with Image.open(tmp_path / "mask.png") as file:
        np.testing.assert_array_equal(np.asarray(file), mask)


def test_a_mask_is_not_written_as_jpeg(tmp_path, mask):
    with pytest.raises(UserError, match="written as .png"):
        pictures.save_mask(tmp_path / "mask.jpg", mask, LABELS)


@pytest.mark.parametrize("mask", [np.full((2, 2), 256), np.zeros((2, 2, 1), int)])
def test_a_mask_that_no_png_can_hold_is_refused(tmp_path, mask):
    with pytest.raises(UserError, match="values 0..255"):
        pictures.save_mask(tmp_path / "mask.png", mask, LABELS)


def test_a_saved_picture_reads_back(tmp_path, image):
    pictures.save_picture(tmp_path / "deep" / "er" / "a.png", image)
    np.testing.assert_array_equal(
        pictures.load_image(tmp_path / "deep" / "er" / "a.png"), image
    )


def test_a_picture_of_unknown_format_is_refused(tmp_path, image):
    with pytest.raises(UserError, match=r"a\.nothing: cannot be written"):
        pictures.save_picture(tmp_path / "a.nothing", image)


def stored(tmp_path, image: Image.Image, name="a.png", **options) -> np.ndarray:
    image.save(tmp_path / name, **options)
    return pictures.load_image(tmp_path / name)


def test_a_grey_image_becomes_rgb(tmp_path):
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4)
    loaded = stored(tmp_path, Image.fromarray(grey))
    np.testing.assert_array_equal(loaded, np.stack([grey] * 3, axis=2))


def test_transparent_pixels_lie_on_white(tmp_path):
    rgba = np.zeros((1, 3, 4), np.uint8)
    rgba[0, :, 3] = 0, 255, 51
    loaded = stored(tmp_path, Image.fromarray(rgba))
    assert loaded[0, :, 0].tolist() == [255, 0, 204]


def test_a_palette_image_is_shown_in_its_colours(tmp_path):
    image = Image.fromarray(np.array([[0, 1]], np.uint8))
    image.putpalette([10, 20, 30, 40, 50, 60])
    assert stored(tmp_path, image).tolist() == [[[10, 20, 30], [40, 50, 60]]]


def test_a_transparent_palette_colour_lies_on_white(tmp_path):
    image = Image.fromarray(np.array([[0, 1]], np.uint8))
    image.putpalette([10, 20, 30, 40, 50, 60])
    loaded = stored(tmp_path, image, transparency=0)
    assert loaded.tolist() == [[[255, 255, 255], [40, 50, 60]]]


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_sixteen_bits_are_scaled_to_eight(tmp_path, name):
    image = Image.fromarray(np.array([[0, 257, 65535]], np.uint16))
    assert stored(tmp_path, image, name)[0, :, 0].tolist() == [0, 1, 255]


@pytest.mark.parametrize(
    ("values", "expected"),
    [([0.0, 0.5, 1.0], [0, 128, 255]), ([0, 9, 300], [0, 9, 255])],
)
def test_floating_values_are_taken_as_shares_or_as_levels(tmp_path, values, expected):
    image = Image.fromarray(np.array([values], np.float32))
    assert stored(tmp_path, image, "a.tiff")[0, :, 0].tolist() == expected


@pytest.mark.parametrize("mode", ["1", "LA", "CMYK", "YCbCr"])
def test_every_mode_becomes_rgb(tmp_path, mode):
    name = {"LA": "a.png", "1": "a.png"}.get(mode, "a.jpg")
    loaded = stored(tmp_path, Image.new("L", (5, 4), 255).convert(mode), name)
    assert loaded.dtype == np.uint8
    assert loaded.shape == (4, 5, 3)
    assert (loaded > 250).all()


def test_a_photograph_is_turned_upright_by_its_exif(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera lay on its side
    image = Image.fromarray(np.array([[10, 20, 30]], np.uint8))
    loaded = stored(tmp_path, image, exif=exif)
    assert loaded[:, :, 0].tolist() == [[10], [20], [30]]


def test_broken_exif_does_not_make_a_sound_image_unreadable(tmp_path):
    image = Image.new("RGB", (3, 2), "red")
    loaded = stored(tmp_path, image, "a.jpg", exif=b"Exif\0\0II*\0garbage")
    assert loaded.shape == (2, 3, 3)


@pytest.mark.parametrize(
    "content", [b"", b"no image", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"]
)
def test_a_file_that_is_no_image_is_the_users_to_mend(tmp_path, content):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(UserError, match=r"a\.png: cannot be read as an image"):
        pictures.load_image(tmp_path / "a.png")


def test_a_truncated_file_is_the_users_to_mend(tmp_path, image):
    pictures.save_picture(tmp_path / "a.png", image)
    whole = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"a\.png: cannot be read"):
        pictures.load_image(tmp_path / "a.png")


def test_a_missing_image_is_named(tmp_path):
    with pytest.raises(UserError, match=r"a\.png: no such image"):
        pictures.load_image(tmp_path / "a.png")


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif", "a.webp"])
@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_the_size_of_a_turned_image_is_known_before_it_is_read(
    tmp_path, image, name, orientation
):
    exif = Image.Exif()
    exif[0x0112] = orientation
    for pixels in (image, image[..., 0]):
        Image.fromarray(pixels).save(tmp_path / name, exif=exif)
        size = image_size(tmp_path / name)
        assert size == pictures.load_image(tmp_path / name).shape[:2]
        assert size == ((60, 40) if orientation == 6 else (40, 60))


def test_a_decompression_bomb_is_refused(tmp_path):
    header = b"IHDR" + struct.pack(">IIBBBBB", 100_000, 100_000, 8, 0, 0, 0, 0)
    end = b"IEND"
    content = b"\x89PNG\r\n\x1a\n"
    for chunk in (header, b"IDAT" + zlib.compress(b"\0"), end):
        checksum = struct.pack(">I", zlib.crc32(chunk))
        content += struct.pack(">I", len(chunk) - 4) + chunk + checksum
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(UserError, match="too large, more than 178,956,970 pixels"):
        pictures.load_image(tmp_path / "a.png")


def test_an_image_of_100_megapixels_is_read_without_a_warning(tmp_path):
    Image.new("1", (10_000, 10_000)).save(tmp_path / "a.png")
    assert image_size(tmp_path / "a.png") == (10_000, 10_000)
    assert pictures.load_image(tmp_path / "a.png").shape == (10_000, 10_000, 3)


# --- find_images -------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    for name in ("b.JPG", "a.png", "notes.txt", ".hidden.png", "deep/er/c.webp"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    return tmp_path


def test_a_folder_gives_its_images_sorted_at_all_depths(folder):
    found = pictures.find_images([folder])
    assert [path.relative_to(folder).as_posix() for path in found] == [
        "a.png",
        "b.JPG",
        "deep/er/c.webp",
    ]


def test_files_come_in_the_order_given_and_once(folder):
    found = pictures.find_images([folder / "b.JPG", str(folder / "a.png"), folder])
    assert [path.name for path in found] == ["b.JPG", "a.png", "c.webp"]


def test_one_path_needs_no_list(folder):
    assert pictures.find_images(str(folder / "a.png")) == [folder / "a.png"]


def test_a_missing_path_is_named(folder):
    with pytest.raises(UserError, match="missing: no such file or folder"):
        pictures.find_images([folder, folder / "missing"])


def test_a_folder_without_images_is_named(tmp_path):
    with pytest.raises(UserError, match=f"{tmp_path.name}: no image"):
        pictures.find_images([tmp_path])


def test_no_path_at_all_is_the_users_to_mend():
    with pytest.raises(UserError, match="no image"):
        pictures.find_images([])
