from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from PIL import Image

from jaxseg.config import DataConfig
from jaxseg.data.catalog import open_dataset
from jaxseg.errors import UserError

LABEL = np.array([[0, 1, 1, 2], [2, 0, 1, 2]], np.uint8)
COLOURS = np.array([[0, 0, 0], [250, 50, 83], [0, 128, 0]], np.uint8)
LABEL_MAP = (
    "# label:color_rgb:parts:actions\nbackground:0,0,0::\ncell:250,50,83::\n"
    "leaf:0,128,0:stem,tip:\n"
)
CSV = "Pixel Value, Class\n0, background\n1, cell\n2, leaf\n"
NAMES = ("background", "cell", "leaf")


def write(root, masks):
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        (root / split).mkdir(parents=True, exist_ok=True)
        image = rng.integers(0, 256, (*LABEL.shape, 3), np.uint8)
        Image.fromarray(image).save(root / split / "a.jpg")
        Image.fromarray(masks).save(root / split / "a_mask.png")


@pytest.fixture
def config(tmp_path):
    root, cache = str(tmp_path / "raw"), str(tmp_path / "cache")
    return DataConfig(name="folder", root=root, cache=cache)


def test_a_label_map_gives_names_and_colours(tmp_path, config):
    write(tmp_path / "raw", COLOURS[LABEL])
    (tmp_path / "raw/labelmap.txt").write_text(LABEL_MAP)
    dataset = open_dataset(config)
    assert dataset.labels.names == NAMES
    assert dataset.labels.palette == tuple(map(tuple, COLOURS.tolist()))
    np.testing.assert_array_equal(dataset.samples("val")[0]["label"], LABEL)
    assert any("labelmap.txt: background, cell, leaf" in n for n in dataset.notes)


def test_a_list_of_classes_beside_the_masks_gives_names(tmp_path, config):
    write(tmp_path / "raw", LABEL)
    for split in ("train", "val"):
        (tmp_path / "raw" / split / "_classes.csv").write_text(CSV)
    dataset = open_dataset(config)
    assert dataset.labels.names == NAMES
    np.testing.assert_array_equal(dataset.samples("val")[0]["label"], LABEL)


def test_a_list_of_classes_gives_other_grey_values(tmp_path, config):
    write(tmp_path / "raw", LABEL * 100)
    text = CSV.replace("1,", "100,").replace("2,", "200,")
    (tmp_path / "raw/_classes.csv").write_text(text)
    dataset = open_dataset(config)
    np.testing.assert_array_equal(dataset.samples("val")[0]["label"], LABEL)


def test_an_option_for_the_classes_comes_before_a_table(tmp_path, config):
    write(tmp_path / "raw", LABEL)
    (tmp_path / "raw/_classes.csv").write_text(CSV)
    config = dataclasses.replace(config, class_names=("x", "y", "z"))
    dataset = open_dataset(config)
    assert dataset.labels.names == ("x", "y", "z") and not dataset.notes


def test_data_is_prepared_again_after_a_change_of_the_table(tmp_path, config):
    write(tmp_path / "raw", LABEL)
    (tmp_path / "raw/_classes.csv").write_text(CSV)
    open_dataset(config)
    (tmp_path / "raw/_classes.csv").write_text(CSV.replace("leaf", "twig"))
    assert open_dataset(config).labels.names == ("background", "cell", "twig")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "labelmap.txt",
            "background 0 0 0",
            "is not name:r,g,b:parts:actions; fix it",
        ),
        ("labelmap.txt", "cell:0,0::", "is not name:r,g,b"),
        ("labelmap.txt", "# none\n", "it holds no class; remove it"),
        ("labelmap.txt", "a:0,0,999::\nb:1,1,1::", "three values of 0..255"),
        ("_classes.csv", "value,name\nx,y\n", "its lines are not value,name; fix it"),
        ("_classes.csv", "value,name\n1\n", "its lines are not value,name"),
        ("_classes.csv", "value,name\n", "it holds no class"),
        ("val/_classes.csv", "v,n\n0,x\n1,y\n", "val/_classes.csv: other classes than"),
    ],
)
def test_a_wrong_table_is_refused(tmp_path, config, name, content, message):
    write(tmp_path / "raw", LABEL)
    if "/" in name:
        (tmp_path / "raw/train/_classes.csv").write_text(CSV)
    (tmp_path / "raw" / name).write_text(content)
    with pytest.raises(UserError, match=message) as error:
        open_dataset(config)
    assert "\n" not in str(error.value)
