from __future__ import annotations

import functools
import subprocess
import sys

import numpy as np
import pytest

from jaxseg.config import DataConfig
from jaxseg.data import camvid_files
from jaxseg.data.builders import digit_scenes
from jaxseg.data.catalog import DATASETS, open_dataset
from jaxseg.data.published import PUBLISHED
from jaxseg.data.tfds_datasets import TFDS_DATASETS
from jaxseg.errors import UserError


def test_the_catalog_lists_every_data_set():
    assert list(DATASETS) == [
        "digit_scenes",
        "digits",
        "folder",
        "camvid",
        *PUBLISHED,
        "oxford_iiit_pet",
        "cityscapes",
    ]


@pytest.mark.parametrize("name", sorted(DATASETS))
def test_every_description_is_one_line(name):
    assert DATASETS[name].description
    assert "\n" not in DATASETS[name].description


def test_the_number_of_classes_is_that_of_the_labels():
    labels = {"digit_scenes": digit_scenes.LABELS, "digits": digit_scenes.LABELS}
    labels["camvid"] = camvid_files.LABELS
    labels |= {name: entry.labels for name, entry in TFDS_DATASETS.items()}
    published = {name: entry.num_classes for name, entry in PUBLISHED.items()}
    known = published | {name: each.num_classes for name, each in labels.items()}
    assert known | {"folder": None} == {
        name: entry.num_classes for name, entry in DATASETS.items()
    }


def test_an_unknown_data_set_is_refused_with_the_nearest():
    with pytest.raises(UserError, match="unknown data set 'camvidd'.*mean 'camvid'"):
        open_dataset(DataConfig(name="camvidd"))


@pytest.mark.slow
def test_the_default_data_set_opens_without_a_download(tmp_path):
    dataset = open_dataset(DataConfig(cache=str(tmp_path)))
    assert dataset.name == "digit_scenes"
    assert dataset.splits == {"train": 4000, "val": 500}
    assert dataset.labels == digit_scenes.LABELS
    assert len(dataset.samples("val")) == 500


def test_digits_open_without_a_download(tmp_path, monkeypatch):
    few = functools.partial(digit_scenes.prepare_digits, train=22, val=11)
    monkeypatch.setattr(digit_scenes, "prepare_digits", few)
    dataset = open_dataset(DataConfig(name="digits", cache=str(tmp_path)))
    assert dataset.splits == {"train": 22, "val": 11}
    assert dataset.labels == digit_scenes.LABELS
    sample = dataset.samples("val")[3]
    image, label = digit_scenes.render_digit(0, "val", 3)
    np.testing.assert_array_equal(sample["image"], image)
    np.testing.assert_array_equal(sample["label"], label)


def test_listing_imports_neither_tfds_nor_jax():
    code = (
        "import sys; from jaxseg.data.catalog import DATASETS;"
        "sys.exit(not {'tensorflow_datasets', 'jax'}.isdisjoint(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_a_folder_that_may_not_be_read_is_an_error_of_one_line(monkeypatch, tmp_path):
    def denied(self):
        raise PermissionError(13, "Permission denied", str(tmp_path))

    monkeypatch.setattr("pathlib.Path.iterdir", denied)
    with pytest.raises(UserError, match="Permission denied"):
        open_dataset(DataConfig(name="folder", root=str(tmp_path)))
