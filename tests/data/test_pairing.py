from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxseg.data.pairing import match


def matched(images, masks):
    found = match(*({n: Path(f"{n}.png") for n in names} for names in (images, masks)))
    return found, {pair.name: pair.mask.stem for pair in found.pairs}


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("a", "a"),
        ("a", "a_mask"),
        ("a", "mask_a"),
        ("a", "a-segmentation"),
        ("a", "a.label"),
        ("a", "a_L"),
        ("image_3", "mask_3"),
        ("image3", "mask3"),
        ("img 3", "lbl 3"),
        ("a_leftImg8bit", "a_gtFine_labelIds"),
        ("a_sat", "a_mask"),
        ("a_0000", "a"),
        ("a.jpg", "a_mask"),
        ("a", "a.jpg"),
        ("a", "a_colors"),
    ],
)
def test_words_of_a_kind_are_no_part_of_the_name(image, mask):
    assert matched([image, "zz"], [mask, "zz"])[1] == {image: mask, "zz": "zz"}


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("a", "b"),
        ("a", "a1"),
        ("a_1", "a"),
        ("a", "amask"),
        ("a_l", "a_L_2"),
        ("1", "01"),
    ],
)
def test_other_words_are_part_of_the_name(image, mask):
    found, pairs = matched([image, "zz"], [mask, "zz"])
    assert pairs == {"zz": "zz"}
    assert len(found.images_without_mask) == len(found.masks_without_image) == 1


def test_an_equal_name_comes_before_one_without_words():
    assert matched(["a", "a_mask"], ["a", "a_mask"])[1] == {
        "a": "a",
        "a_mask": "a_mask",
    }


def test_a_mask_that_two_images_could_have_is_left_over():
    found, pairs = matched(["img_1", "photo_1"], ["mask_1"])
    assert not pairs and len(found.masks_without_image) == 1


def test_two_masks_of_an_image_are_both_named():
    found, _ = matched(["a"], ["a", "a_mask"])
    assert found.seconds == [(Path("a_mask.png"), Path("a.png"))]


def test_colour_pictures_and_object_numbers_beside_classes_are_left_out():
    masks = [f"{n}_{k}" for n in "ab" for k in ("color", "instanceIds", "labelIds")]
    found, pairs = matched("ab", masks)
    assert pairs == {"a": "a_labelIds", "b": "b_labelIds"}
    assert "without color, instanceIds at the end" in found.notes[0]


def test_beginnings_and_ends_that_all_names_share_do_not_count():
    found, pairs = matched(["21_training", "22_training"], ["v21_x1", "v22_x1"])
    assert pairs == {"21_training": "v21_x1", "22_training": "v22_x1"}
    assert "21_training.png is paired with v21_x1.png" in found.notes[0]


def test_shared_letters_are_cut_at_whole_words_and_numbers_only():
    assert not matched(["1", "2", "3"], ["10", "20", "30"])[1]
    assert not matched(["car", "cat"], ["bar", "bat"])[1]
    assert matched(["s10", "s11"], ["t10", "t11"])[1] == {"s10": "t10", "s11": "t11"}


def test_shared_words_count_if_a_file_would_be_left_over():
    found, pairs = matched(["s_1", "s_2", "s_3"], ["t_1", "t_2"])
    assert not pairs and len(found.images_without_mask) == 3


def test_a_single_image_has_nothing_to_share():
    assert not matched(["cat"], ["dog"])[1]


NAMES = st.lists(st.text(st.sampled_from("ab1_mask.0"), min_size=1), unique=True)


@given(NAMES, NAMES)
def test_every_file_is_in_one_place_of_the_answer(images, masks):
    found = match({n: Path("i") / n for n in images}, {n: Path("m") / n for n in masks})
    of_masks = [pair.mask for pair in found.pairs] + found.masks_without_image
    of_masks += [mask for mask, _ in found.seconds]
    if not any("without" in note for note in found.notes):
        assert len(of_masks) == len(set(of_masks)) == len(masks)
    assert len(found.pairs) + len(found.images_without_mask) == len(images)
    assert len({pair.name for pair in found.pairs}) == len(found.pairs)


@given(NAMES)
def test_equal_names_always_pair(names):
    _, pairs = matched(names, names)
    assert all(found == Path(f"{name}.png").stem for name, found in pairs.items())
