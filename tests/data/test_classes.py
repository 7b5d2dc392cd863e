"""The classes of masks, and that the remedies of refusals work."""

from __future__ import annotations

import numpy as np
import pytest
from mask_files import (
    BLACK_RED_GREEN,
    COLOURS,
    LABEL,
    Masks,
    disc,
    jpeg,
)

from jaxseg.config import DataConfig
from jaxseg.data.classes import find_classes
from jaxseg.data.labels import IGNORE
from jaxseg.data.survey import survey_masks
from jaxseg.errors import UserError


@pytest.fixture
def masks(tmp_path):
    return lambda *masks: Masks(tmp_path, *masks)


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
    kept = listed.removesuffix(" 255")
    assert f"--data.mask_values {kept} if 255 is to be ignored, or " in said
    assert f"or --data.mask_values {listed} if it is a class" in said
    assert ", ignored)" in said and all(f"{value} (" in said for value in values)
    label = found.labels(f"--data.mask_values {listed}")[0]
    np.testing.assert_array_equal(label, [range(len(values))])
    label = found.labels(f"--data.mask_values {kept}")[0]
    np.testing.assert_array_equal(label, [[*range(len(values) - 1), 255]])


def test_values_that_are_all_ignored_are_refused(masks):
    assert "all ignored" in masks(LABEL * 0 + IGNORE).refused()


@pytest.mark.parametrize("words", ["", "--data.num_classes 2"])
def test_0_and_255_are_refused_with_the_remedy(masks, words):
    found = masks(disc())
    said = found.refused(words)
    assert "look black and white" in said and "pass --data.mask_values 0 255" in said
    label = found.labels(f"{words} --data.mask_values 0 255")[0]
    np.testing.assert_array_equal(label, disc() > 0)


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


@pytest.mark.parametrize("colour", [(1, 1, 256), (-1, 1, 1)])
def test_a_colour_that_is_not_rgb_of_8_bits_is_refused(masks, colour):
    survey = survey_masks({"train": masks(LABEL).paths})
    config = DataConfig(palette=((0, 0, 0), (2, 2, 2), colour))
    with pytest.raises(UserError, match="three values of 0..255"):
        find_classes(config, survey)


def test_values_of_no_class_are_listed_with_the_position_of_the_first(masks):
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


def test_colours_of_no_class_are_listed_with_the_position_of_the_first(masks):
    mask = COLOURS[LABEL]
    mask[1, 3] = 9, 9, 9
    found = masks(COLOURS[LABEL], mask)
    palette = f"--data.palette {BLACK_RED_GREEN}"
    said = found.refused(palette)
    assert "1.png: mask colour (9, 9, 9) at row 1, column 3 is in no class's" in said
    assert "1 of 2 masks hold such colours: (9, 9, 9) (6.25 %, 1 file)" in said
    label = found.labels(f"{palette} --data.nearest_colour True")[1]
    np.testing.assert_array_equal(label, LABEL)


def test_colours_from_jpeg_are_recognised_and_can_take_the_nearest_class(masks):
    label = np.kron(LABEL, np.ones((16, 16), np.uint8))
    found = masks(jpeg(COLOURS[label], 90))
    palette = f"--data.palette {BLACK_RED_GREEN}"
    said = found.refused(palette)
    assert "smoothed or JPEG once" in said
    assert "pass --data.nearest_colour True as well" in said
    told = found.labels(f"{palette} --data.nearest_colour True")[0]
    assert (told == label).mean() > 0.9
    np.testing.assert_array_equal(told[8::16, 8::16], LABEL)
