from __future__ import annotations

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
    refused(tmp_path, "validation and val are both split 'val'")


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


def test_too_few_images_to_split_are_refused_with_the_remedy(tmp_path):
    touch(tmp_path, "images/a.jpg", "masks/a.png")
    refused(tmp_path, "too few images .* list them in train.txt and val.txt")


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
    touch(tmp_path, "train/images/.keep", "train/masks/.keep")
    refused(tmp_path, "split 'train' holds no images")


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
