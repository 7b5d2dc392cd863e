"""Which classes masks have, and that what a refusal names works when it is done."""

from __future__ import annotations

import io
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from jaxseg.config import Config, override
from jaxseg.data.classes import find_classes
from jaxseg.data.labels import IGNORE
from jaxseg.data.masks import read_mask
from jaxseg.data.survey import survey_masks
from jaxseg.errors import UserError

LABEL = np.array([[0, 1, 2, 1], [2, 1, 0, 0]], np.uint8)
BLACK_RED_GREEN = "0 0 0 255 0 0 0 255 0"
COLOURS = np.array(BLACK_RED_GREEN.split(), np.uint8).reshape(3, 3)


class Masks:
    """Mask files in a folder, and what options make of them."""

    def __init__(self, folder, *masks: np.ndarray | Image.Image) -> None:
        self.paths = []
        for index, mask in enumerate(masks):
            image = mask if isinstance(mask, Image.Image) else Image.fromarray(mask)
            self.paths.append(folder / f"{index}.png")
            image.save(self.paths[-1])

    def coding(self, words: str = "") -> Any:
        data = override(Config(), words.split()).data
        lossy = bool(data.mask_map or data.nearest_colour)
        return find_classes(data, survey_masks({"train": self.paths}, lossy))

    def labels(self, words: str = "") -> list[np.ndarray]:
        """Return the label of each mask."""
        coding = self.coding(words)
        return [coding.encode(read_mask(path), "mask") for path in self.paths]

    def refused(self, words: str = "") -> str:
        with pytest.raises(UserError) as error:
            self.coding(words)
        assert "\n" not in str(error.value)
        return str(error.value)


@pytest.fixture
def masks(tmp_path):
    return lambda *masks: Masks(tmp_path, *masks)


def disc(value=255, size=64, radius=15, centre=(30, 30)):
    mask = np.zeros((size, size), np.uint8)
    return cv2.circle(mask, centre, radius, value, -1)


def jpeg(mask, quality=75):
    file = io.BytesIO()
    Image.fromarray(mask).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def objects(seed, first=1, count=None):
    """Draw squares that do not touch, each with a number of its own."""
    rng = np.random.default_rng(seed)
    mask = np.zeros((64, 64), np.uint16)
    places = rng.permutation(64)[: count or rng.integers(6, 20)]
    for number, place in enumerate(places, first):
        row, column = 8 * (place // 8), 8 * (place % 8)
        mask[row : row + 6, column : column + 6] = number
    return mask


def indexed(label, order):
    """Store colours with a palette in which class `order[i]` has index i."""
    indices = np.argsort(order)[label].astype(np.uint8)
    image = Image.frombytes("P", label.shape[::-1], indices.tobytes())
    image.putpalette(COLOURS[list(order)].tobytes())
    return image


# Inference


def test_values_from_0_on_are_the_classes(masks):
    assert masks(LABEL, LABEL * 0).coding().labels.num_classes == 3


def test_a_value_that_is_missing_between_is_refused_with_both_ways_on(masks):
    found = masks(LABEL * 2)
    said = found.refused()
    assert "0 (37.5 %, 1 file), 2 (37.5 %, 1 file), 4 (25 %, 1 file)" in said
    assert "--data.mask_values 0 2 4, or --data.num_classes 5 if" in said
    np.testing.assert_array_equal(found.labels("--data.mask_values 0 2 4")[0], LABEL)
    np.testing.assert_array_equal(found.labels("--data.num_classes 5")[0], LABEL * 2)


def test_masks_without_0_are_refused_with_their_values(masks):
    found = masks(LABEL + 1)
    assert "--data.mask_values 1 2 3, or --data.num_classes 4 if" in found.refused()
    np.testing.assert_array_equal(found.labels("--data.mask_values 1 2 3")[0], LABEL)


@pytest.mark.parametrize("values", [(0, 128, 255), (0, 100, 200, 255), (1, 2, 255)])
def test_no_value_is_lost_by_what_is_named_though_255_is_ignored_by_default(
    masks, values
):
    found = masks(np.array([values], np.uint8))
    listed = " ".join(map(str, values))
    said = found.refused()
    assert f"--data.mask_values {listed} (without 255 if it is to be ignored)" in said
    assert ", ignored)" in said and all(f"{value} (" in said for value in values)
    label = found.labels(f"--data.mask_values {listed}")[0]
    np.testing.assert_array_equal(label, [range(len(values))])


def test_values_that_are_all_ignored_are_refused(masks):
    assert "all ignored" in masks(LABEL * 0 + IGNORE).refused()


@pytest.mark.parametrize("words", ["", "--data.num_classes 2"])
def test_0_and_255_are_refused_with_the_remedy(masks, words):
    found = masks(disc())
    said = found.refused(words)
    assert "look black and white" in said and "pass --data.mask_values 0 255" in said
    label = found.labels(f"{words} --data.mask_values 0 255")[0]
    np.testing.assert_array_equal(label, disc() > 0)


SMOOTHED = {
    "blurred": lambda: cv2.GaussianBlur(disc(), (0, 0), 1.5),
    "resized larger": lambda: cv2.resize(
        disc(size=27, radius=6, centre=(13, 13)), (64, 64)
    ),
    "once JPEG": lambda: jpeg(disc()),
    "once poor JPEG": lambda: jpeg(disc(), 30),
    "drawn with soft edges": lambda: cv2.circle(disc(0), (30, 30), 15, 255, -1, 16),
}


@pytest.mark.parametrize("words", ["", "--data.num_classes 2"])
@pytest.mark.parametrize("kind", SMOOTHED)
def test_smoothed_black_and_white_is_refused_and_can_be_thresholded(masks, kind, words):
    mask = SMOOTHED[kind]()
    found = masks(mask)
    said = found.refused(words)
    assert "black-and-white masks that were smoothed, resized or JPEG once" in said
    assert "pass --data.mask_map 0-127:0 128-255:1" in said
    label = found.labels(f"{words} --data.mask_map 0-127:0 128-255:1")[0]
    np.testing.assert_array_equal(label, mask > 127)


def test_values_near_those_given_are_refused_and_can_be_thresholded(masks):
    found = masks(jpeg(disc()))
    said = found.refused("--data.mask_values 0 255")
    assert "at row" in said and "1 of 1 masks hold such values" in said
    assert "--data.mask_map 0-127:0 128-255:1 in place of data.mask_values" in said


def test_three_smoothed_levels_keep_their_third(masks):
    mask = disc(128, 128, 40, (50, 50))
    mask = jpeg(cv2.circle(mask, (50, 50), 15, 255, -1))
    found = masks(mask)
    remedy = "--data.mask_map 0-64:0 65-191:1 192-255:2"
    said = found.refused()
    assert "3-level masks that were smoothed" in said and f"pass {remedy}" in said
    label = found.labels(remedy)[0]
    np.testing.assert_array_equal(label, np.digitize(mask, [65, 192]))


def test_classes_with_a_wide_ignored_border_are_not_taken_for_smoothed(masks):
    mask = np.zeros((100, 100), np.uint8)
    mask[:20] = IGNORE
    mask[-21:] = np.arange(21)[:, None]
    assert masks(mask).coding().labels.num_classes == 21


def test_levels_without_strays_are_not_taken_for_smoothed(masks):
    said = masks(np.array([range(0, 256, 51)], np.uint8)).refused()
    assert "smoothed" not in said and "--data.mask_values 0 51 102 153 204 255" in said


@pytest.mark.parametrize("continued", [False, True])
def test_numbers_of_objects_are_refused_and_can_be_one_class(masks, continued):
    drawn, first = [], 1
    for seed in range(6):
        drawn.append(objects(seed, first))
        first = int(drawn[-1].max()) + 1 if continued else 1
    found = masks(*drawn)
    said = found.refused()
    assert "look like numbers of objects" in said
    remedy = "--data.mask_map 0:0 1-65535:1"
    assert f"pass {remedy};" in said
    for label, mask in zip(found.labels(remedy), drawn, strict=True):
        np.testing.assert_array_equal(label, mask > 0)


def test_more_than_254_objects_are_recognised_too(masks):
    rows = np.arange(24 * 24).reshape(24, 24)
    few, many = rows * (rows < 200), rows * (rows < 400)
    drawn = [np.kron(mask, np.ones((3, 3))).astype(np.uint16) for mask in (few, many)]
    assert "look like numbers of objects" in masks(*drawn).refused()


def test_many_classes_all_the_same_are_taken_if_asked_for(masks):
    found = masks(*(objects(seed) for seed in range(6)))
    number = found.refused().rpartition("pass ")[2]
    assert found.coding(number).labels.num_classes == int(number.split()[1])


def test_many_classes_in_pieces_here_and_there_are_inferred(masks):
    rng = np.random.default_rng(0)
    drawn = [rng.permutation(30)[: 8 + seed].astype(np.uint8) for seed in range(12)]
    drawn = [np.resize(values, (20, 20)) for values in drawn]
    assert masks(*drawn).coding().labels.num_classes == 30


def test_pictures_in_place_of_masks_are_refused(masks):
    rng = np.random.default_rng(0)
    picture = cv2.GaussianBlur(rng.integers(0, 256, (64, 64), np.uint8), (0, 0), 1)
    assert "look like pictures, measurements" in masks(picture).refused()


# One class


@pytest.mark.parametrize(
    ("value", "words", "remedy"),
    [
        (255, "--data.num_classes 1", "--data.mask_values 0 255"),
        (1, "--data.num_classes 1", "--data.num_classes 2"),
        (255, "--data.mask_values 255", "--data.mask_values 0 255"),
        (7, "--data.mask_map 7:0 0:ignore", "--data.mask_values 0 7"),
    ],
)
def test_one_class_is_refused_and_two_are_taken(masks, value, words, remedy):
    found = masks(disc(value))
    remedy += " --data.class_names background object"
    assert f"in its place pass {remedy} (" in found.refused(words)
    np.testing.assert_array_equal(found.labels(remedy)[0], disc() > 0)


def test_one_named_class_keeps_its_name(masks):
    found = masks(jpeg(disc()))
    said = found.refused("--data.class_names lesion")
    remedy = "--data.mask_map 0-127:0 128-255:1 --data.class_names background lesion"
    assert remedy in said
    assert found.coding(remedy).labels.names == ("background", "lesion")


def test_one_class_of_objects_or_of_many_values_is_all_above_0(masks):
    found = masks(LABEL)
    remedy = "--data.mask_map 0:0 1-65535:1 --data.class_names background object"
    assert remedy in found.refused("--data.num_classes 1")
    np.testing.assert_array_equal(found.labels(remedy)[0], LABEL > 0)


def test_one_class_beside_an_ignored_border_leaves_it_ignored(masks):
    found = masks(np.array([[0, 1, 255]], np.uint8))
    remedy = "--data.num_classes 2 --data.class_names background object"
    assert remedy in found.refused("--data.num_classes 1")
    np.testing.assert_array_equal(found.labels(remedy)[0], [[0, 1, IGNORE]])


def test_one_colour_is_refused_with_those_found(masks):
    found = masks(COLOURS[:2][LABEL[:, :2] % 2])
    said = found.refused("--data.palette 255 0 0")
    palette = "--data.palette 0 0 0 255 0 0"
    assert f"each colour of the masks, {palette} (" in said
    np.testing.assert_array_equal(found.labels(palette)[0], LABEL[:, :2] % 2)


# Ignored and merged values


def test_an_ignored_0_is_refused_with_options_that_keep_every_class(masks):
    found = masks(np.array([range(6)], np.uint8))
    remedy = "--data.ignore_values 0 --data.mask_values 1 2 3 4 5"
    for words in ("--data.ignore_values 0", "--data.ignore_value 0"):
        assert remedy in found.refused(words)
        assert remedy in found.refused(f"{words} --data.num_classes 5")
        said = found.refused(f"{words} --data.num_classes 6")
        assert (
            f"{remedy}, which leaves it out, in place of --data.num_classes 6" in said
        )
    np.testing.assert_array_equal(found.labels(remedy)[0], [[IGNORE, 0, 1, 2, 3, 4]])


def test_several_values_are_ignored(masks):
    found = masks(np.array([range(6)], np.uint8))
    words = "--data.ignore_values 0 5 --data.mask_values 1 2 3 4"
    np.testing.assert_array_equal(
        found.labels(words)[0], [[IGNORE, 0, 1, 2, 3, IGNORE]]
    )
    inferred = found.labels("--data.ignore_values 4 5")[0]
    np.testing.assert_array_equal(inferred, [[0, 1, 2, 3, IGNORE, IGNORE]])


def test_several_values_are_one_class(masks):
    found = masks(np.array([[0, 128, 255, 7]], np.uint8))
    coding = found.coding("--data.mask_map 0:0 128:1 255:1 7:ignore")
    assert coding.labels.raw_values == (0, 128)
    label = found.labels("--data.mask_map 0:0 128:1 255:1 7:ignore")[0]
    np.testing.assert_array_equal(label, [[0, 1, 1, IGNORE]])


def test_255_is_ignored_beside_a_map_that_does_not_name_it(masks):
    label = masks(np.array([[0, 1, 255]], np.uint8)).labels("--data.mask_map 0:0 1:1")
    np.testing.assert_array_equal(label[0], [[0, 1, IGNORE]])


def test_no_value_is_ignored_if_none_is_to_be(masks):
    found = masks(np.array([[0, 1, 255]], np.uint8))
    assert "mask value 255 at row 0, column 2" in found.refused(
        "--data.ignore_value -1 --data.num_classes 2"
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--data.mask_map 0:0 1:1 --data.mask_values 0 1", "give one of them"),
        (
            "--data.mask_map 0:0 1:1 --data.num_classes 3",
            "num_classes 3, data.mask_map 2",
        ),
        ("--data.mask_map 0:ignore", "ignores every value"),
        (
            "--data.ignore_values 1 --data.mask_values 0 1 2",
            "ignore_values 1: also the",
        ),
        (
            "--data.ignore_values 9 --data.mask_map 0:0 1-9:1",
            "ignore_values 9: also the",
        ),
        ("--data.nearest_colour True", "nearest_colour takes data.palette"),
    ],
)
def test_options_that_disagree_are_refused(masks, words, said):
    assert said in masks(LABEL).refused(words)


# Values and colours of no class


def test_values_of_no_class_are_all_said_with_the_place_of_the_first(masks):
    second = LABEL.copy()
    second[1, 2:] = 9, 7
    found = masks(LABEL, second, second)
    said = found.refused("--data.num_classes 3")
    assert "1.png: mask value 9 at row 1, column 2 is not one of 3 classes" in said
    assert "2 of 3 masks hold such values: 7 (8.33 %, 2 files), 9 (8.33 %, 2" in said
    ignoring, adding = "--data.ignore_values 255 7 9", "--data.mask_values 0 1 2 7 9"
    assert ignoring in said and f"{adding} in place of data.num_classes" in said
    label = found.labels(f"--data.num_classes 3 {ignoring}")[1]
    np.testing.assert_array_equal(label[1], [2, 1, IGNORE, IGNORE])
    np.testing.assert_array_equal(found.labels(adding)[1][1], [2, 1, 4, 3])


def test_values_that_a_map_does_not_name_can_be_ignored(masks):
    found = masks(LABEL)
    remedy = "--data.mask_map 0:0 1:1 2:ignore"
    assert f"pass {remedy}" in found.refused("--data.mask_map 0:0 1:1")
    np.testing.assert_array_equal(
        found.labels(remedy)[0], np.where(LABEL == 2, IGNORE, LABEL)
    )


def test_colours_of_no_class_are_all_said_with_the_place_of_the_first(masks):
    mask = COLOURS[LABEL]
    mask[1, 3] = 9, 9, 9
    found = masks(COLOURS[LABEL], mask)
    palette = f"--data.palette {BLACK_RED_GREEN}"
    said = found.refused(palette)
    assert "1.png: mask colour (9, 9, 9) at row 1, column 3 is in no class's" in said
    assert "1 of 2 masks hold such colours: (9, 9, 9) (6.25 %, 1 file)" in said
    label = found.labels(f"{palette} --data.nearest_colour True")[1]
    np.testing.assert_array_equal(label, LABEL)


def test_colours_from_jpeg_are_recognised_and_can_be_told_by_the_nearest(masks):
    label = np.kron(LABEL, np.ones((16, 16), np.uint8))
    found = masks(jpeg(COLOURS[label], 90))
    palette = f"--data.palette {BLACK_RED_GREEN}"
    said = found.refused(palette)
    assert "smoothed or JPEG once" in said
    assert "pass --data.nearest_colour True as well" in said
    told = found.labels(f"{palette} --data.nearest_colour True")[0]
    assert (told == label).mean() > 0.9
    np.testing.assert_array_equal(told[8::16, 8::16], LABEL)


# Colours and palettes


def test_colours_without_a_palette_are_refused_with_those_found(masks):
    found = masks(COLOURS[LABEL])
    said = found.refused()
    palette = "--data.palette 0 0 0 0 255 0 255 0 0"
    assert (
        f"a mask in colours; give data.palette, the RGB of each class: {palette}"
        in said
    )
    np.testing.assert_array_equal(found.labels(palette)[0], np.array([0, 2, 1])[LABEL])


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 0, 2)])
def test_an_indexed_mask_is_read_by_the_colours_that_are_given(masks, order):
    coded = masks(indexed(LABEL, order), COLOURS[LABEL], LABEL[:, :1] * 0)
    labels = coded.labels(f"--data.palette {BLACK_RED_GREEN}")
    np.testing.assert_array_equal(labels[0], LABEL)
    np.testing.assert_array_equal(labels[1], LABEL)
    np.testing.assert_array_equal(labels[2], [[0], [0]])


def test_grey_is_a_colour_beside_masks_in_colours(masks):
    found = masks(LABEL * 0, COLOURS[LABEL])
    red_black_green = "--data.palette 255 0 0 0 0 0 0 255 0"
    np.testing.assert_array_equal(found.labels(red_black_green)[0], LABEL * 0 + 1)


def test_grey_values_that_only_fit_as_colours_are_read_so(masks):
    label = masks(disc()).labels("--data.palette 255 255 255 0 0 0")[0]
    np.testing.assert_array_equal(label, disc() == 0)


def test_a_palette_only_paints_grey_masks_of_classes(masks):
    label = masks(LABEL).labels("--data.palette 9 0 0 0 0 0 1 1 1")[0]
    np.testing.assert_array_equal(label, LABEL)


def test_a_palette_of_other_colours_only_paints_indexed_masks(masks):
    label = masks(indexed(LABEL, (0, 1, 2))).labels("--data.palette 7 7 7 8 8 8 9 9 9")
    np.testing.assert_array_equal(label[0], LABEL)


def test_indices_are_meant_where_their_values_are_given(masks):
    found = masks(indexed(LABEL, (2, 0, 1)))
    indices = np.asarray(indexed(LABEL, (2, 0, 1)))
    words = f"--data.palette {BLACK_RED_GREEN} --data.mask_values 0 1 2"
    np.testing.assert_array_equal(found.labels(words)[0], indices)


def test_a_palette_that_is_partly_the_masks_is_refused_with_both_ways_on(masks):
    found = masks(indexed(LABEL, (0, 1, 2)))
    palette = "--data.palette 0 0 0 7 7 7 8 8 8"
    said = found.refused(palette)
    assert "--data.palette 0 0 0 0 255 0 255 0 0 (" in said
    assert "pass --data.mask_values 0 1 2 as well" in said
    np.testing.assert_array_equal(
        found.labels(f"{palette} --data.mask_values 0 1 2")[0], LABEL
    )


def test_an_ignored_index_stays_ignored_among_colours(masks):
    pixels = np.array([[0, 1, 2, 255]], np.uint8)
    image = Image.frombytes("P", (4, 1), pixels.tobytes())
    palette = np.full((256, 3), 200, np.uint8)
    palette[:3] = COLOURS
    image.putpalette(palette.tobytes())
    label = masks(image).labels(f"--data.palette {BLACK_RED_GREEN}")[0]
    np.testing.assert_array_equal(label, pixels)


def test_palettes_that_differ_are_refused_with_both_ways_on(masks):
    found = masks(indexed(LABEL, (0, 1, 2)), indexed(LABEL, (2, 0, 1)))
    for words in ("", "--data.num_classes 3"):
        said = found.refused(words)
        assert "index 0 is (0, 0, 0) in " in said and "(0, 255, 0) in " in said
        assert "--data.palette 0 0 0 0 255 0 255 0 0 (" in said
        assert "if the numbers are, pass --data.mask_values 0 1 2" in said
    by_colour = found.labels("--data.palette 0 0 0 0 255 0 255 0 0")
    np.testing.assert_array_equal(by_colour[0], np.array([0, 2, 1])[LABEL])
    np.testing.assert_array_equal(*by_colour)
    by_number = found.labels("--data.mask_values 0 1 2")
    np.testing.assert_array_equal(by_number[0], LABEL)


def test_palettes_that_differ_where_no_pixel_is_are_equal(masks):
    one, two = (indexed(LABEL, (0, 1, 2)) for _ in range(2))
    one.putpalette(COLOURS.tobytes() + b"\1\2\3")
    two.putpalette(COLOURS.tobytes() + b"\7\7\7\7\7\7")
    for label in masks(one, two).labels():
        np.testing.assert_array_equal(label, LABEL)


def test_1_bit_masks_beside_0_and_255_are_refused_with_both_ways_on(masks):
    found = masks(disc(), disc(radius=9) > 0)
    said = found.refused()
    assert "(255, 255, 255) is value 255 in the former and index 1" in said
    palette = "--data.palette 0 0 0 255 255 255"
    assert f"pass {palette} (" in said
    assert said.endswith(
        "--data.mask_values 0 1 255 (without 255 if it is to be ignored)"
    )
    labels = found.labels(palette)
    np.testing.assert_array_equal(labels[0], disc() > 0)
    np.testing.assert_array_equal(labels[1], disc(radius=9) > 0)


def test_1_bit_masks_are_two_classes(masks):
    label = masks(disc() > 0).labels()[0]
    np.testing.assert_array_equal(label, disc() > 0)


def test_a_class_in_few_pixels_is_among_those_said(masks):
    mask = np.zeros((100, 100), np.uint8)
    mask[0, 0], mask[50:, :] = 3, 200
    said = masks(mask).refused()
    assert "0 (50 %, 1 file), 3 (0.01 %, 1 file), 200 (50 %, 1 file)" in said
