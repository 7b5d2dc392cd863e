from __future__ import annotations

import os
import shlex

import pytest

from jaxseg.data import layout
from jaxseg.errors import UserError


def touch(root, *names):
    """Make empty files; pairing goes by names and opens none."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def write_lines(path, *lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def names(root):
    splits = layout.find(root).splits
    return {split: [pair.name for pair in pairs] for split, pairs in splits.items()}


def refused(root, message):
    with pytest.raises(UserError, match=message) as error:
        layout.find(root)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("images", ["images", "imgs", "image", "img", "JPEGImages"])
@pytest.mark.parametrize(
    "masks", ["masks", "mask", "labels", "label", "annotations", "SegmentationClass"]
)
def test_split_folders_hold_images_and_masks_by_any_common_name(
    tmp_path, images, masks
):
    touch(tmp_path, f"train/{images}/a.jpg", f"train/{masks}/a.png")
    touch(tmp_path, f"val/{images}/b.jpg", f"val/{masks}/b.png")
    assert names(tmp_path) == {"train": ["a"], "val": ["b"]}


@pytest.mark.parametrize("split", ["train/", ""])
def test_a_name_that_is_not_utf8_is_refused(tmp_path, split):
    bad = os.fsdecode(b"caf\xe9")
    for name in (bad, *map(str, range(20))):
        touch(tmp_path, f"{split}images/{name}.jpg", f"{split}masks/{name}.png")
    refused(tmp_path, "a name that is not UTF-8; rename it and its mask")


def test_images_and_masks_hold_split_folders(tmp_path):
    touch(tmp_path, "images/train/a.jpg", "masks/train/a.png")
    touch(tmp_path, "images/test/b.jpg", "masks/test/b.png")
    assert names(tmp_path) == {"train": ["a"], "test": ["b"]}


@pytest.mark.parametrize(
    ("folder", "split"),
    [
        ("training", "train"),
        ("Train", "train"),
        ("valid", "val"),
        ("validation", "val"),
        ("testing", "test"),
    ],
)
def test_split_names_become_canonical(tmp_path, folder, split):
    touch(tmp_path, f"{folder}/images/a.jpg", f"{folder}/masks/a.png")
    assert names(tmp_path) == {split: ["a"]}


def test_two_folders_of_one_split_are_refused(tmp_path):
    for folder in ("val", "validation"):
        touch(tmp_path, f"{folder}/images/a.jpg", f"{folder}/masks/a.png")
    refused(tmp_path, "val and validation are both split 'val'")


@pytest.mark.parametrize("place", ["", "splits", "ImageSets/Segmentation"])
def test_lists_choose_the_images_of_each_split(tmp_path, place):
    for name in "abc":
        touch(tmp_path, f"images/{name}.jpg", f"masks/{name}.png")
    write_lines(tmp_path / place / "train.txt", "a", "", "# a comment", "b.jpg")
    write_lines(tmp_path / place / "val.txt", "images/c.jpg")
    assert names(tmp_path) == {"train": ["a", "b"], "val": ["c"]}


def test_images_on_no_list_need_no_mask(tmp_path):
    touch(tmp_path, "images/a.jpg", "images/b.jpg", "masks/a.png")
    write_lines(tmp_path / "train.txt", "a")
    assert names(tmp_path) == {"train": ["a"]}


def test_a_listed_name_without_files_is_refused(tmp_path):
    touch(tmp_path, "images/a.jpg", "masks/a.png")
    write_lines(tmp_path / "train.txt", "a", "z")
    refused(tmp_path, "train.txt: 'z' names no image that has a mask")


def test_a_name_listed_twice_is_refused(tmp_path):
    touch(tmp_path, "images/a.jpg", "masks/a.png")
    write_lines(tmp_path / "train.txt", "a", "a.jpg")
    refused(tmp_path, "train.txt: 'a.jpg' is listed twice")


@pytest.mark.parametrize("line", ["../../etc/passwd", "/etc/passwd", "..\\a"])
def test_a_list_that_leads_out_of_the_folder_is_refused(tmp_path, line):
    touch(tmp_path, "images/a.jpg", "masks/a.png")
    write_lines(tmp_path / "train.txt", line)
    refused(tmp_path, "leads out of the folder")


def test_a_list_that_is_no_text_is_refused(tmp_path):
    touch(tmp_path, "images/a.jpg", "masks/a.png")
    (tmp_path / "train.txt").write_bytes(b"\xff\xfe\x00")
    refused(tmp_path, "train.txt: cannot be read as text")


def test_an_empty_list_is_an_empty_split(tmp_path):
    touch(tmp_path, "images/a.jpg", "masks/a.png", "val.txt")
    write_lines(tmp_path / "train.txt", "a")
    refused(tmp_path, "split 'val' holds no images")


def test_without_splits_a_fifth_of_the_images_is_val(tmp_path):
    for index in range(100):
        touch(tmp_path, f"images/{index}.jpg", f"masks/{index}.png")
    found = names(tmp_path)
    assert len(found["train"]) + len(found["val"]) == 100
    assert 10 <= len(found["val"]) <= 30


def test_the_split_of_an_image_stays_when_images_are_added(tmp_path):
    for index in range(40):
        touch(tmp_path, f"images/{index}.jpg", f"masks/{index}.png")
    before = names(tmp_path)
    for index in range(40, 80):
        touch(tmp_path, f"images/{index}.jpg", f"masks/{index}.png")
    after = names(tmp_path)
    assert set(before["train"]) <= set(after["train"])
    assert set(before["val"]) <= set(after["val"])


@pytest.mark.parametrize(("count", "val"), [(2, 1), (3, 1), (12, 2)])
def test_a_small_set_of_which_the_hash_holds_none_back_has_a_fifth_in_val(
    tmp_path, count, val
):
    for index in range(count):
        touch(tmp_path, f"images/im{index:02}.jpg", f"masks/im{index:02}.png")
    found = names(tmp_path)
    assert len(found["val"]) == val and len(found["train"]) == count - val


def test_one_image_is_not_split(tmp_path):
    touch(tmp_path, "images/a.jpg", "masks/a.png")
    refused(tmp_path, "too few images: one cannot be both in train and in val")


@pytest.mark.parametrize("ending", ["_mask", "_label", "_gt", "_L", "-mask"])
def test_a_mask_may_carry_an_ending(tmp_path, ending):
    touch(tmp_path, "train/images/a.jpg", f"train/masks/a{ending}.png")
    assert names(tmp_path) == {"train": ["a"]}


def test_a_stem_that_itself_has_an_ending_is_matched_whole(tmp_path):
    touch(tmp_path, "train/images/a_L.jpg", "train/images/a.jpg")
    touch(tmp_path, "train/masks/a_L.png", "train/masks/a.png")
    assert names(tmp_path) == {"train": ["a", "a_L"]}


def test_hidden_and_foreign_files_are_passed_over(tmp_path):
    touch(tmp_path, "train/images/a.jpg", "train/masks/a.png")
    touch(tmp_path, "train/images/.DS_Store", "train/images/._a.jpg")
    touch(tmp_path, "train/images/Thumbs.db", "train/masks/notes.txt")
    assert names(tmp_path) == {"train": ["a"]}


def test_images_without_masks_are_refused_naming_three(tmp_path):
    touch(tmp_path, "train/masks/z.png", "train/images/z.jpg")
    touch(tmp_path, *(f"train/images/{name}.jpg" for name in "abcde"))
    refused(tmp_path, r"no mask in .*masks for a.jpg, b.jpg, c.jpg and 2 more")


def test_a_mask_without_an_image_is_refused(tmp_path):
    touch(tmp_path, "train/images/a.jpg", "train/masks/a.png", "train/masks/b.png")
    refused(tmp_path, r"no image in .*images for b.png; an image and its mask share")


def test_two_images_of_one_stem_are_refused(tmp_path):
    touch(tmp_path, "train/images/a.jpg", "train/images/a.png", "train/masks/a.png")
    refused(tmp_path, "a.png: a.jpg has the same stem")


def test_two_masks_of_one_image_are_refused(tmp_path):
    touch(tmp_path, "train/images/a.jpg", "train/masks/a.png")
    touch(tmp_path, "train/masks/a_mask.png")
    refused(tmp_path, "a_mask.png: a second mask of a")


def test_a_missing_root_is_refused(tmp_path):
    refused(tmp_path / "nowhere", "nowhere: no such folder")


def test_another_layout_is_refused_with_the_accepted_ones(tmp_path):
    touch(tmp_path, "pictures/a.jpg")
    refused(tmp_path, "the layout is none of SPLIT/images . SPLIT/masks, ")


@pytest.mark.parametrize("there", ["images", "masks"])
def test_a_split_with_only_one_of_the_folders_is_refused(tmp_path, there):
    touch(tmp_path, f"train/{there}/a.png")
    refused(tmp_path, f"{there}: no (masks|images) beside it for split 'train'")


def test_a_test_split_without_masks_is_left_out(tmp_path):
    touch(tmp_path, "train/images/a.jpg", "train/masks/a.png", "test/images/b.jpg")
    assert names(tmp_path) == {"train": ["a"]}


def test_a_split_without_images_is_refused(tmp_path):
    touch(tmp_path, "val/images/a.jpg", "val/masks/a.png")
    touch(tmp_path, "train/images/.keep", "train/masks/.keep")
    refused(tmp_path, "split 'train' holds no images")


def test_folders_without_any_image_are_refused_saying_so(tmp_path):
    touch(tmp_path, "train/images/.keep", "train/masks/.keep")
    refused(tmp_path, "It holds no image")


def test_a_file_linked_from_outside_is_refused(tmp_path):
    touch(tmp_path, "secret.png", "root/train/masks/a.png")
    (tmp_path / "root/train/images").mkdir()
    (tmp_path / "root/train/images/a.png").symlink_to(tmp_path / "secret.png")
    refused(tmp_path / "root", "a.png: a link that leads out of")


def test_a_folder_linked_from_outside_is_refused(tmp_path):
    touch(tmp_path, "elsewhere/a.png", "root/train/masks/a.png")
    (tmp_path / "root/train/images").symlink_to(tmp_path / "elsewhere")
    refused(tmp_path / "root", "images: a link that leads out of")


def test_a_list_linked_from_outside_is_refused(tmp_path):
    touch(tmp_path, "root/images/a.jpg", "root/masks/a.png")
    write_lines(tmp_path / "list", "a")
    (tmp_path / "root/train.txt").symlink_to(tmp_path / "list")
    refused(tmp_path / "root", "train.txt: a link that leads out of")


def test_links_within_the_folder_are_followed(tmp_path):
    touch(tmp_path, "train/images/a.png", "shared/a.png")
    (tmp_path / "train/masks").symlink_to(tmp_path / "shared")
    assert names(tmp_path) == {"train": ["a"]}


def test_a_link_to_nothing_is_refused(tmp_path):
    touch(tmp_path, "train/masks/a.png")
    (tmp_path / "train/images").mkdir()
    (tmp_path / "train/images/a.png").symlink_to("gone.png")
    refused(tmp_path, "a.png: a link to nothing")


def remedied(root, message):
    """Find `root` with the options that its refusal names after "pass"."""
    with pytest.raises(UserError, match=message) as error:
        layout.find(root)
    assert "\n" not in str(error.value)
    words = shlex.split(str(error.value).split("pass ")[-1])
    options = dict(zip(words[:4:2], words[1:4:2], strict=False))
    root = type(root)(options.get("--data.root", root))
    return layout.find(
        root, options.get("--data.images", ""), options.get("--data.masks", "")
    )


def pairs(found):
    return {
        split: [(pair.name, pair.image.name, pair.mask.name) for pair in inner]
        for split, inner in found.splits.items()
    }


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("img_dir/{}/a.png", "ann_dir/{}/a.png"),
        ("{}_images/a.png", "{}_masks/a.png"),
        ("images_{}/a.png", "labels-{}/a.png"),
        ("{}/a.jpg", "{}annot/a.png"),
        ("{}/a.jpg", "{}_masks/a.gif"),
        ("{}/a.jpg", "{}/a_mask.png"),
        ("{}/a.JFIF", "{}/a.png"),
        ("{}/a.jpg", "{}/a.png"),
        ("{}/a_sat.jpg", "{}/a_mask.png"),
        ("{}/images/a.jpg", "{}/images/a_label.png"),
        ("{}/images/a.gif", "{}/masks/a.png"),
        ("images/{}2017/a.jpg", "annotations/{}2017/a.png"),
    ],
)
def test_a_split_and_a_kind_may_stand_in_folder_names_in_any_way(tmp_path, image, mask):
    for split in ("train", "val"):
        touch(tmp_path, image.format(split), mask.format(split))
    found = layout.find(tmp_path)
    assert {split: len(inner) for split, inner in found.splits.items()} == {
        "train": 1,
        "val": 1,
    }
    for inner in found.splits.values():
        assert inner[0].image.name == image.split("/")[-1]
        assert inner[0].mask.name == mask.split("/")[-1]
    assert not found.notes


def test_short_split_names_are_understood_behind_another_word(tmp_path):
    touch(tmp_path, "imagesTr/a_0000.png", "labelsTr/a.png", "imagesTs/b_0000.png")
    touch(tmp_path, "labelsTs/b.png", "dataset.json")
    assert names(tmp_path) == {"train": ["a_0000"], "test": ["b_0000"]}


def test_folders_below_are_part_of_the_name(tmp_path):
    for town in ("x", "y/z"):
        touch(tmp_path, f"images/train/{town}/1.png", f"masks/train/{town}/1.png")
    found = layout.find(tmp_path)
    assert pairs(found) == {
        "train": [("x/1", "1.png", "1.png"), ("y/z/1", "1.png", "1.png")]
    }


def test_folders_below_must_be_the_same_on_both_sides(tmp_path):
    touch(tmp_path, "images/train/x/1.png", "masks/train/y/1.png")
    refused(tmp_path, "no mask in .*masks/train for 1.png")


def test_masks_beside_images_in_folders_of_patients_need_no_split(tmp_path):
    for patient in range(10):
        touch(
            tmp_path, f"p{patient}/{patient}_1.tif", f"p{patient}/{patient}_1_mask.tif"
        )
    found = layout.find(tmp_path)
    assert sum(map(len, found.splits.values())) == 10
    assert found.splits["val"][0].name.startswith("p")


def test_street_scenes_take_the_classes_and_say_so(tmp_path):
    for town, split in (("aachen", "train"), ("ulm", "val")):
        stem = f"{split}/{town}/{town}_000000"
        touch(tmp_path, f"leftImg8bit/{stem}_leftImg8bit.png")
        for kind in ("color.png", "instanceIds.png", "labelIds.png", "polygons.json"):
            touch(tmp_path, f"gtFine/{stem}_gtFine_{kind}")
    found = layout.find(tmp_path)
    mask = "aachen_000000_gtFine_labelIds.png"
    assert [pair.mask.name for pair in found.splits["train"]] == [mask]
    assert any("color, instanceIds" in note and mask in note for note in found.notes)


def test_two_kinds_of_class_masks_are_refused_with_options_that_choose(tmp_path):
    for split in ("train", "val"):
        stem = f"{split}/ulm/ulm_1"
        touch(tmp_path, f"leftImg8bit/{stem}_leftImg8bit.png")
        touch(tmp_path, f"gtFine/{stem}_gtFine_labelIds.png")
        touch(tmp_path, f"gtFine/{stem}_gtFine_labelTrainIds.png")
    found = remedied(tmp_path, "a second mask of ulm/ulm_1_leftImg8bit")
    assert found.splits["val"][0].mask.name == "ulm_1_gtFine_labelTrainIds.png"


@pytest.mark.parametrize("other", ["mask", "labels", "ground_truth"])
def test_two_folders_that_may_hold_the_masks_are_refused_with_options(tmp_path, other):
    for number in range(21, 25):
        touch(tmp_path, f"training/images/{number}_training.tif")
        touch(tmp_path, f"training/1st_manual/{number}_manual1.gif")
        touch(tmp_path, f"training/{other}/{number}_training_mask.gif")
        touch(tmp_path, f"test/images/0{number}_test.tif")
        touch(tmp_path, f"test/{other}/0{number}_test_mask.gif")
    refused(tmp_path, "only you know which; pass --data.images '{split}/images/")
    chosen = layout.find(tmp_path, "{split}/images/*", "{split}/1st_manual/*")
    assert {pair.mask.parent.name for pair in chosen.splits["train"]} == {"1st_manual"}
    assert list(chosen.splits) == ["train"]
    assert any("'test' has images but no masks" in note for note in chosen.notes)


def test_each_option_that_decides_between_folders_works(tmp_path):
    touch(
        tmp_path, "train/images/a.jpg", "train/masks/a.png", "train/annotations/a.png"
    )
    found = remedied(tmp_path, "only you know which; pass .* or --data.images")
    assert found.splits["train"][0].mask.parent.name == "annotations"


def test_a_folder_of_masks_without_images_of_theirs_is_no_rival(tmp_path):
    touch(tmp_path, "train/images/a.jpg", "train/masks/a.png", "train/labels/a.txt")
    touch(tmp_path, "train/annotations/other.png")
    assert names(tmp_path) == {"train": ["a"]}


@pytest.mark.parametrize("other", ["SegmentationObject", "SegmentationClassAug"])
def test_folders_of_other_names_that_hold_the_same_names_are_noted(tmp_path, other):
    for name in range(20):
        touch(tmp_path, f"JPEGImages/{name}.jpg", f"SegmentationClass/{name}.png")
        touch(tmp_path, f"{other}/{name}.png")
    (note,) = layout.find(tmp_path).notes
    assert (
        f"read from SegmentationClass; files of the same names lie in {other}" in note
    )


def test_words_that_all_files_share_are_no_part_of_the_name(tmp_path):
    for number in range(21, 25):
        touch(tmp_path, f"training/images/{number}_training.tif")
        touch(tmp_path, f"training/1st_manual/{number}_manual1.gif")
    found = layout.find(tmp_path)
    assert pairs(found)["train"][0] == (
        "21_training",
        "21_training.tif",
        "21_manual1.gif",
    )


def test_two_columns_of_a_list_are_an_image_and_its_mask(tmp_path):
    for name in "abc":
        touch(tmp_path, f"left/{name}.jpg", f"right/{name}9.png")
    write_lines(
        tmp_path / "train.txt", "left/a.jpg right/a9.png", "/left/b.jpg,right/b9.png"
    )
    write_lines(tmp_path / "val.txt", "left\\c.jpg\tright\\c9.png")
    assert names(tmp_path) == {"train": ["left/a", "left/b"], "val": ["left/c"]}


def test_two_columns_may_not_lead_out_of_the_folder(tmp_path):
    touch(tmp_path, "left/a.jpg", "a.png")
    (tmp_path / "left/b.png").symlink_to("../a.png")
    write_lines(tmp_path / "left/train.txt", "a.jpg b.png")
    refused(tmp_path / "left", "leads out of")


def test_a_line_that_is_no_two_files_among_others_is_refused(tmp_path):
    touch(tmp_path, "left/a.jpg", "right/a9.png")
    write_lines(
        tmp_path / "train.txt", "left/a.jpg right/a9.png", "left/b.jpg right/b.png"
    )
    refused(tmp_path, "'left/b.jpg right/b.png' is not an image and its mask")


def test_a_listed_name_of_two_images_wants_its_folder(tmp_path):
    for town in "xy":
        touch(tmp_path, f"images/{town}/1.png", f"masks/{town}/1.png")
    write_lines(tmp_path / "train.txt", "1")
    refused(
        tmp_path, "'1' may be .*x/1.png or .*y/1.png; list names with their folders"
    )
    write_lines(tmp_path / "train.txt", "x/1")
    assert names(tmp_path) == {"train": ["x/1"]}


def test_a_list_called_default_chooses_what_is_split_by_the_hash(tmp_path):
    for name in range(9):
        touch(tmp_path, f"JPEGImages/{name}.jpg", f"SegmentationClass/{name}.png")
    write_lines(tmp_path / "ImageSets/Segmentation/default.txt", *map(str, range(8)))
    assert sum(map(len, names(tmp_path).values())) == 8


@pytest.mark.parametrize("place", ["dataset", "download/v2", "a folder"])
def test_images_deeper_than_the_root_are_found_by_the_root_that_is_named(
    tmp_path, place
):
    touch(tmp_path, f"{place}/train/images/a.jpg", f"{place}/train/masks/a.png")
    found = remedied(tmp_path, f"seems to begin deeper: pass --data.root .*{place}")
    assert pairs(found) == {"train": [("a", "a.jpg", "a.png")]}


def test_folders_that_each_hold_images_and_masks_are_read_by_the_patterns_named(
    tmp_path,
):
    for number in range(10):
        touch(tmp_path, f"scan{number}/images/1.png", f"scan{number}/masks/1.png")
    found = remedied(tmp_path, "Each of its folders has its own: pass")
    assert sum(map(len, found.splits.values())) == 10


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("images/{}.png", "truth_v2/{}.png"),
        ("pictures/{}.jpg", "masks/{}.png"),
        ("photos/{}.jpg", "classes/{}.png"),
        ("photos/{}.png", "classes/{}.png"),
    ],
)
def test_folders_of_unknown_names_are_read_by_the_patterns_named(tmp_path, image, mask):
    for number in range(10):
        touch(tmp_path, image.format(number), mask.format(number))
    refused(tmp_path, "Files of the same names lie in")
    found = remedied(tmp_path, "Files of the same names lie in")
    assert sum(map(len, found.splits.values())) == 10


def test_the_content_of_an_unknown_layout_is_described(tmp_path):
    touch(tmp_path, "a/1.png", "a/2.png", "b/3.png", "c/1.heic", "c/2.heic")
    refused(
        tmp_path, "It holds 2 images in a, 1 image in b, 2 .heic in c .images end in"
    )


def test_images_of_an_unknown_ending_are_reported(tmp_path):
    touch(tmp_path, "train/images/1.heic", "train/masks/1.png")
    refused(
        tmp_path, r"1 .heic in .*train/images; images end in .bmp|1 .heic in train/im"
    )


def test_a_folder_linked_into_itself_is_refused(tmp_path):
    touch(tmp_path, "train/images/a.png", "train/masks/a.png")
    (tmp_path / "val").symlink_to("train")
    (tmp_path / "train/masks/val").symlink_to("..")
    refused(tmp_path, "val")


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("train/images/{}.png", "train/masks/{}.png"),
        ("images/train/x{}/1.png", "masks/train/x{}/1.png"),
        ("imagesTr/{}_0000.png", "labelsTr/{}.png"),
        ("train/{}.png", "train/{}_mask.png"),
    ],
)
def test_the_only_split_is_split_by_the_options_that_are_found(tmp_path, image, mask):
    for number in range(20):
        touch(tmp_path, image.format(number), mask.format(number))
    options = shlex.split(layout.find(tmp_path).options)
    named = dict(zip(options[::2], options[1::2], strict=True))
    root = type(tmp_path)(named.pop("--data.root", tmp_path))
    found = layout.find(root, *named.values())
    assert set(found.splits) == {"train", "val"}
    assert sum(map(len, found.splits.values())) == 20


def test_a_file_beside_folders_of_known_names_is_no_image(tmp_path):
    touch(tmp_path, "train/images/a.png", "train/masks/a.png", "train/a.png")
    found = layout.find(tmp_path)
    assert found.splits["train"][0].image.parent.name == "images"


def test_a_test_split_without_masks_may_hold_two_files_of_a_name(tmp_path):
    touch(tmp_path, "train/images/a.jpg", "train/masks/a.png")
    touch(tmp_path, "test/images/b.jpg", "test/images/b.png")
    assert names(tmp_path) == {"train": ["a"]}


@pytest.mark.parametrize("patterns", [(), ("a/*.jpg", "a/*.png")])
def test_a_root_that_holds_far_too_much_is_refused(tmp_path, monkeypatch, patterns):
    monkeypatch.setattr("jaxseg.data.folders.MOST", 10)
    touch(tmp_path, *(f"a/{number}.jpg" for number in range(20)))
    touch(tmp_path, *(f"a/{number}.png" for number in range(20)))
    with pytest.raises(UserError, match="more than 1,000,000 files and folders"):
        layout.find(tmp_path, *patterns)


def test_folders_of_known_names_are_read_whatever_is_beside_them(tmp_path, monkeypatch):
    monkeypatch.setattr("jaxseg.data.folders.MOST", 10)
    touch(tmp_path, *(f"a/{number}.jpg" for number in range(20)))
    for number in range(30):
        touch(tmp_path, f"train/images/{number}.jpg", f"train/masks/{number}.png")
    assert len(names(tmp_path)["train"]) == 30
