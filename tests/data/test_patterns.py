from __future__ import annotations

import pytest

from jaxseg.data import layout
from jaxseg.errors import UserError


def touch(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def found(root, images, masks):
    splits = layout.find(root, images, masks).splits
    return {
        split: [(pair.name, *(p.relative_to(root).as_posix() for p in pair[1:3]))]
        for split, (pair, *_) in splits.items()
    }


def refused(root, images, masks, message):
    with pytest.raises(UserError, match=message) as error:
        layout.find(root, images, masks)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("images", "masks", "image", "mask", "name"),
    [
        (
            "{split}/img/*",
            "{split}/truth/*",
            "train/img/a.b.jpg",
            "train/truth/a.b.png",
            "a.b",
        ),
        ("{split}/*.tif", "{split}/*_m.png", "train/1.tif", "train/1_m.png", "1"),
        ("x_{split}/*.png", "y_{split}/*.png", "x_train/a.png", "y_train/a.png", "a"),
        (
            "i/{split}/**/*_l.png",
            "g/{split}/**/*_c.png",
            "i/train/u/v/1_l.png",
            "g/train/u/v/1_c.png",
            "u/v/1",
        ),
        (
            "{split}/s?/*.png",
            "{split}/m?/*.png",
            "train/s1/a.png",
            "train/m1/a.png",
            "1/a",
        ),
        ("{split}/*.png", "{split}/*/gt.png", "train/a.png", "train/a/gt.png", "a"),
        (
            "{split}/i/[0-9]*.png",
            "{split}/m/[0-9]*.png",
            "train/i/12.png",
            "train/m/12.png",
            "1/2",
        ),
        (
            "{split}/i/[!a]*.png",
            "{split}/m/*.png",
            "train/i/ba.png",
            "train/m/ba.png",
            None,
        ),
        (
            "i/{split}[[]1]/*.png",
            "m/{split}/*.png",
            "i/train[1]/a.png",
            "m/train/a.png",
            None,
        ),
    ],
)
def test_image_and_mask_share_the_text_that_wildcards_match(
    tmp_path, images, masks, image, mask, name
):
    touch(tmp_path, image, mask)
    if name is None:
        with pytest.raises(UserError, match="no mask in"):
            layout.find(tmp_path, images, masks)
    else:
        assert found(tmp_path, images, masks) == {"train": [(name, image, mask)]}


def test_words_such_as_mask_do_not_count_in_the_matched_text(tmp_path):
    touch(tmp_path, "train/a.jpg", "train/a_mask.png", "val/b.jpg", "val/b_mask.png")
    splits = layout.find(tmp_path, "{split}/*.jpg", "{split}/*.png").splits
    assert set(splits) == {"train", "val"}


def test_a_file_that_the_masks_match_is_no_image(tmp_path):
    touch(tmp_path, "train/a.png", "train/a_mask.png")
    assert found(tmp_path, "{split}/*.png", "{split}/*_mask.png") == {
        "train": [("a", "train/a.png", "train/a_mask.png")]
    }


@pytest.mark.parametrize("folder", ["training", "Train", "train2017", "tr"])
def test_split_stands_for_every_accepted_name(tmp_path, folder):
    touch(tmp_path, f"i/{folder}/a.png", f"m/{folder}/a.png")
    assert list(found(tmp_path, "i/{split}/*", "m/{split}/*")) == ["train"]


def test_without_split_the_lists_choose(tmp_path):
    touch(tmp_path, "i/a.png", "i/b.png", "m/a.png", "m/b.png")
    (tmp_path / "train.txt").write_text("a\n")
    (tmp_path / "val.txt").write_text("b\n")
    assert list(found(tmp_path, "i/*", "m/*")) == ["train", "val"]


def test_without_split_and_lists_a_fifth_is_val(tmp_path):
    for number in range(20):
        touch(tmp_path, f"i/{number}.png", f"m/{number}.png")
    assert list(found(tmp_path, "i/*", "m/*")) == ["train", "val"]


def test_patterns_decide_where_the_layout_has_two_answers(tmp_path):
    touch(tmp_path, "train/images/a.png", "train/mask/a.png", "train/manual/a.png")
    assert found(tmp_path, "{split}/images/*", "{split}/manual/*") == {
        "train": [("a", "train/images/a.png", "train/manual/a.png")]
    }


@pytest.mark.parametrize(
    ("images", "masks", "message"),
    [
        ("i/*", "", "go together"),
        ("", "m/*", "go together"),
        ("../i/*", "m/*", "data.images '../i/.*: it leads out"),
        ("/i/*", "m/*", "data.images '/i/.*: it leads out"),
        (
            "i/*.xyz",
            "m/*",
            "data.images 'i/.*.xyz': no other image file below .* matches",
        ),
        ("i/*", "n/*", "data.masks 'n/.*': no image file below .* matches"),
        ("m/*", "m/*", "data.images 'm/.*': no other image file"),
        ("i/*", "{split}/*", "{split} in both or in neither"),
        ("i/a.png", "m/a.png", "too few images"),
        ("i/?.png", "*/b.png", "no mask in"),
        ("i/*.png", "d/*/0.png", "no mask in"),
        ("i/*", "d/1/**", "no mask in"),
        ("d/*/0.png", "d/1/[0", "no image file"),
        ("d/[1-0]/*", "d/[z-a]/*", "not a pattern of names"),
    ],
)
def test_wrong_patterns_are_refused(tmp_path, images, masks, message):
    touch(tmp_path, "i/a.png", "m/a.png", "train/c.png", "x/b.png", "d/1/0.png")
    refused(tmp_path, images, masks, message)


def test_two_files_of_one_name_are_refused(tmp_path):
    touch(tmp_path, "i/a.png", "i/a.jpg", "m/a.png")
    refused(tmp_path, "i/*", "m/*", "share the name 'a'; only what wildcards stand for")


def test_a_file_linked_out_of_the_folder_is_refused(tmp_path):
    touch(tmp_path, "secret.png", "root/m/a.png", "root/m/b.png", "root/i/b.png")
    (tmp_path / "root/i/a.png").symlink_to(tmp_path / "secret.png")
    (tmp_path / "root/train.txt").write_text("a\n")
    refused(tmp_path / "root", "i/*", "m/*", "leads out of")
