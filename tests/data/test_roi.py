"""Regions of interest: found, read, left out of records, and part of the identity."""

import dataclasses
import shutil
from typing import Any

import numpy as np
import pytest
from PIL import Image

from jaxseg.config import DataConfig
from jaxseg.data import layout
from jaxseg.data.catalog import open_dataset
from jaxseg.data.identity import Identity
from jaxseg.data.labels import IGNORE
from jaxseg.data.roi import read_roi
from jaxseg.data.tasks import held
from jaxseg.errors import UserError

SIZE = (6, 8)
LABEL = np.zeros(SIZE, np.uint8)
LABEL[2:4, 1:7] = 1
LABEL[4:] = 2
INSIDE = np.zeros(SIZE, bool)
INSIDE[1:5, 2:6] = True
ROI = "{split}/roi/*.png"


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def add(root, split, name, mask=LABEL, inside=INSIDE, folders=("masks",)):
    seed = len(list(root.rglob("*.png")))
    image = np.random.default_rng(seed).integers(0, 256, (*SIZE, 3), np.uint8)
    save(root / split / "images" / f"{name}.png", image)
    for folder in folders:
        save(root / split / folder / f"{name}.png", mask)
    save(root / split / "roi" / f"{name}.png", inside * np.uint8(255))


@pytest.fixture
def root(tmp_path):
    for split, names in (("train", "ab"), ("val", "c")):
        for name in names:
            add(tmp_path / "raw", split, name)
    return tmp_path / "raw"


@pytest.fixture
def config(root, tmp_path):
    cache = str(tmp_path / "cache")
    return DataConfig(name="folder", root=str(root), cache=cache, roi=ROI)


def opened(config, **options) -> Any:
    return open_dataset(dataclasses.replace(config, **options))


def refused(config, message, **options):
    with pytest.raises(UserError, match=message) as error:
        opened(config, **options)
    assert "\n" not in str(error.value)


def labels(dataset, split="train"):
    return {each["name"]: each["label"] for each in dataset.samples(split)}


def test_outside_the_region_labels_are_ignored(config):
    found = labels(opened(config))
    expected = np.where(INSIDE, LABEL, IGNORE)
    for name in "ab":
        np.testing.assert_array_equal(found[name], expected)


def test_it_is_as_if_the_masks_were_ignored_there(root, config):
    dataset = opened(config)
    for path in root.rglob("masks/*.png"):
        save(path, np.where(INSIDE, LABEL, np.uint8(IGNORE)))
    ignored = opened(config, roi="")
    for split in ("train", "val"):
        assert dataset.fingerprint(split) == ignored.fingerprint(split)
        assert dataset.frequencies(split) == ignored.frequencies(split)
        one, other = dataset.contents[split], ignored.contents[split]
        assert (one.pixels, one.ignored) == (other.pixels, other.ignored)


def test_binary_masks_are_counted_inside_only(root, config):
    for path in root.rglob("masks/*.png"):
        save(path, (LABEL == 1) * np.uint8(255))
    dataset = opened(config, task="binary")
    np.testing.assert_array_equal(
        labels(dataset)["a"], np.where(INSIDE, LABEL == 1, IGNORE)
    )
    assert dataset.contents["train"].pixels == (16, 16)
    assert dataset.contents["train"].ignored == 2 * 32
    (line,) = held(dataset, ["train"])
    assert line.startswith(
        "train 2 images: 16.7 % background, 16.7 % foreground, 66.7 % ignored; its"
    )


@pytest.mark.parametrize("bits", [False, True])
def test_every_class_that_may_overlap_is_ignored_outside(root, config, bits):
    cells, walls = LABEL == 1, LABEL >= 1
    planes = {"cell": cells, "wall": walls}
    for path in list(root.rglob("masks/*.png")):
        if bits:
            save(path, cells + 2 * walls.astype(np.uint8))
            continue
        path.unlink()
        for name, plane in planes.items():
            save(path.parent / name / path.name, plane.astype(np.uint8))
    dataset = opened(config, task="multilabel", mask_bits=bits)
    stacked = np.stack([cells, walls], -1)
    expected = np.where(INSIDE[..., None], stacked, IGNORE)
    np.testing.assert_array_equal(labels(dataset)["a"], expected)
    assert dataset.contents["train"].pixels == (16, 24)


def test_an_absent_mask_is_ignored_outside_too(root, config):
    for path in list(root.rglob("masks/*.png")):
        for name in ("cell", "wall"):
            save(path.parent / name / path.name, LABEL.clip(0, 1))
        path.unlink()
    (root / "train/masks/wall/a.png").unlink()
    dataset = opened(config, task="multilabel", absent_masks=True)
    label = labels(dataset)["a"]
    assert (label[~INSIDE] == IGNORE).all()
    assert not label[INSIDE][:, 1].any()


def test_what_masks_hold_outside_need_not_be_a_class(root, config):
    for path in root.rglob("masks/*.png"):
        save(path, np.where(INSIDE, LABEL, np.uint8(77)))
    refused(config, "77", roi="")
    dataset = opened(config)
    assert dataset.labels.num_classes == 3
    np.testing.assert_array_equal(labels(dataset)["a"], np.where(INSIDE, LABEL, IGNORE))


def test_a_changed_region_is_changed_data(root, config):
    before = opened(config)
    identity = Identity.of(before, ["train", "val"])
    assert opened(config).directory == before.directory
    save(root / "train/roi/a.png", np.roll(INSIDE, 1, 0) * np.uint8(255))
    after = opened(config)
    assert after.directory != before.directory
    assert "1 changed (a)" in str(identity.difference(after, ["train", "val"]))
    without = opened(config, roi="")
    assert without.directory not in (before.directory, after.directory)
    assert "2 changed (a, b)" in str(identity.difference(without, ["train", "val"]))


def test_a_region_of_all_of_the_image_changes_nothing(root, config):
    for path in root.rglob("roi/*.png"):
        save(path, np.full(SIZE, 255, np.uint8))
    for split in ("train", "val"):
        with_roi, without = opened(config), opened(config, roi="")
        assert with_roi.fingerprint(split) == without.fingerprint(split)


def test_an_empty_region_is_noted_and_only_empty_regions_are_refused(root, config):
    save(root / "train/roi/a.png", np.zeros(SIZE, np.uint8))
    for _ in range(2):  # prepared, and known
        (line,) = held(opened(config), ["train"])
        assert line.endswith("nothing lies inside data.roi in a")
    assert (labels(opened(config))["a"] == IGNORE).all()
    for path in root.rglob("roi/*.png"):
        save(path, np.zeros(SIZE, np.uint8))
    refused(config, "all files of data.roi are 0 everywhere")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (
            lambda root: (root / "train/roi/a.png").unlink(),
            r"data.roi '{split}/roi/\*.png': no file for a.png; give each image a file",
        ),
        (
            lambda root: shutil.rmtree(root / "val/roi"),
            r"data.roi '{split}/roi/\*.png': no file for c.png",
        ),
        (
            lambda root: save(root / "train/roi/a.png", np.ones((6, 9), np.uint8)),
            "roi/a.png: 9x6 pixels, but .*a.png has 8x6",
        ),
        (
            lambda root: save(root / "val/roi/c.png", np.full(SIZE, 7, np.uint16)),
            None,
        ),
        (
            lambda root: save(root / "val/roi/c.png", np.eye(6, 8, dtype=np.uint8) + 1),
            "roi/c.png: 2 values or colours; .* a PNG of 0 and 255",
        ),
        (
            lambda root: save(
                root / "val/roi/c.png", np.arange(48, dtype=np.uint8).reshape(SIZE)
            ),
            "roi/c.png: 48 values or colours; .*: threshold it and save it",
        ),
        (
            lambda root: save(root / "val/roi/c_mask.png", INSIDE),
            "c_mask.png: a second file of data.roi for one image, beside c.png",
        ),
    ],
)
def test_files_that_are_no_regions_are_refused(root, config, spoil, said):
    spoil(root)
    if said is None:
        assert opened(config).splits["val"] == 1
    else:
        refused(config, said)


@pytest.mark.parametrize(
    ("roi", "said"),
    [
        ("{split}/region/*.png", "data.roi .*: no image file below"),
        ("../roi/*.png", "data.roi .*: it leads out of data.root"),
        ("roi/{class}/*.png", "data.roi .*: {class} stands for the class in"),
        ("{split}/masks/*", r"\(the files of data.roi '{split}/masks/\*' do not"),
        ("train/roi/*.png", "data.roi 'train/roi/.*': no file for c.png"),
    ],
)
def test_wrong_patterns_are_refused(config, roi, said):
    refused(config, said, roi=roi)


def test_a_name_in_two_splits_needs_the_split_in_the_pattern(tmp_path):
    for split in ("train", "val"):
        add(tmp_path, split, "a")
    save(tmp_path / "all/a.png", INSIDE)
    with pytest.raises(UserError, match="'a' is the name of an image in train and in"):
        layout.find(tmp_path, roi="all/*.png")
    assert layout.find(tmp_path, roi=ROI).splits["val"][0].roi


def test_a_field_of_view_beside_the_masks_is_told_from_them(tmp_path):
    for split, numbers in (("training", range(21, 25)), ("test", range(1, 3))):
        for number in numbers:
            names = [f"{split}/images/{number}_{split}.tif"]
            names.append(f"{split}/mask/{number}_{split}_mask.gif")
            if split == "training":
                names.append(f"{split}/1st_manual/{number}_manual1.gif")
            for name in names:
                (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
                (tmp_path / name).touch()
    with pytest.raises(UserError) as error:
        layout.find(tmp_path)
    options = str(error.value).partition("as --data.roi ")[2].split(" or ")
    assert "'{split}/mask/*'" in options
    found = layout.find(tmp_path, roi="{split}/mask/*")
    assert list(found.splits) == ["train"]
    pair = found.splits["train"][0]
    assert [pair.image.name, pair.mask.name, pair.roi and pair.roi.name] == [
        *("21_training.tif", "21_manual1.gif", "21_training_mask.gif")
    ]


def test_regions_beside_the_images_are_no_images(tmp_path):
    for name in ("train/1", "val/2"):
        for ending in (".jpg", "_mask.png", "_roi.png"):
            path = tmp_path / f"{name}{ending}"
            path.parent.mkdir(exist_ok=True)
            path.touch()
    found = layout.find(tmp_path, roi="{split}/*_roi.png")
    assert found.splits["train"][0].roi == tmp_path / "train/1_roi.png"
    assert found.splits["train"][0].mask == tmp_path / "train/1_mask.png"


def test_patterns_and_regions_agree_in_their_wildcards(root, config):
    found = opened(config, images="{split}/images/*.png", masks="{split}/masks/*.png")
    assert (labels(found)["a"][~INSIDE] == IGNORE).all()


def test_black_is_outside_whatever_the_kind_of_file(tmp_path):
    indexed = Image.fromarray((~INSIDE).astype(np.uint8)).convert("P")
    indexed.putpalette([255, 255, 255, 0, 0, 0])  # index 0 is white
    kinds = {
        "grey.png": Image.fromarray(INSIDE * np.uint8(200)),
        "bits.png": Image.fromarray(INSIDE),
        "deep.tif": Image.fromarray(INSIDE * np.uint16(60_000)),
        "indexed.gif": indexed,
        "colours.png": Image.fromarray(
            INSIDE[..., None] * np.array([9, 200, 0], np.uint8)
        ),
    }
    for name, image in kinds.items():
        image.save(tmp_path / name)
        found = read_roi(tmp_path / name, SIZE, tmp_path)
        np.testing.assert_array_equal(found, INSIDE, name)


def test_data_without_files_has_no_regions():
    from jaxseg.build import check
    from jaxseg.config import Config

    config = Config(data=DataConfig(name="digits", roi=ROI))
    with pytest.raises(UserError, match="'digits' does not read; give --data.name"):
        check(config)
