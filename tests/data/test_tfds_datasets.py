from __future__ import annotations

import dataclasses
import io
import json
import tempfile

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from jaxseg.config import DataConfig
from jaxseg.data.builders import base
from jaxseg.data.catalog import open_dataset
from jaxseg.data.identity import Identity, Split
from jaxseg.data.labels import IGNORE
from jaxseg.data.tfds_datasets import TFDS_DATASETS
from jaxseg.errors import UserError

IMAGE = np.random.default_rng(0).integers(0, 256, (2, 3, 3), np.uint8)


def png(pixels):
    encoded = io.BytesIO()
    Image.fromarray(pixels).save(encoded, "PNG")
    return encoded.getvalue()


class Stand(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """Writes records as a dataset builder of TFDS does: same names, same features."""

    VERSION = tfds.core.Version("4.0.0")

    def __init__(self, name, masks, place):
        dataset = TFDS_DATASETS[name]
        self.name, _, config = dataset.builder.partition("/")
        self.fields, self.masks = dataset.fields, masks
        config = (
            tfds.core.BuilderConfig(name=config, version="4.0.0") if config else None
        )
        with base.quiet():
            super().__init__(data_dir=place, config=config, file_format="array_record")

    def _info(self):
        features = {
            self.fields.image: tfds.features.Image(),
            self.fields.label: tfds.features.Image(shape=(None, None, 1)),
            self.fields.name: tfds.features.Text(),
        }
        return tfds.core.DatasetInfo(
            builder=self, features=tfds.features.FeaturesDict(features)
        )

    def _split_generators(self, dl_manager):
        return {split: self._generate_examples(split) for split in self.masks}

    def _generate_examples(self, split):
        mask = png(self.masks[split])
        record = dict(zip(self.fields, (png(IMAGE), mask, "one"), strict=True))
        yield split, record


def prepared(name, masks, place):
    with base.quiet():
        Stand(name, masks, place).download_and_prepare()


TRIMAP = np.array([[1, 2, 3], [3, 2, 1]], np.uint8)
IDS = np.array([[7, 0, 33], [26, 4, 255]], np.uint8)


@pytest.fixture(autouse=True)
def temporary_folder(tmp_path, monkeypatch):
    """TFDS' builders leave an empty temporary folder behind; let it be in ours."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


@pytest.fixture
def pets(tmp_path):
    prepared("oxford_iiit_pet", {"train": TRIMAP, "test": TRIMAP}, tmp_path)
    return DataConfig(name="oxford_iiit_pet", root=str(tmp_path))


def test_pets_trimaps_become_pet_background_and_outline(pets):
    dataset = open_dataset(pets)
    sample = dataset.samples("train")[0]
    np.testing.assert_array_equal(sample["label"], TRIMAP - 1)
    np.testing.assert_array_equal(sample["image"], IMAGE)
    assert sample["name"] == "one"
    assert dataset.labels.names == ("pet", "background", "outline")


def test_the_test_split_of_pets_serves_as_val(pets):
    assert open_dataset(pets).splits == {"train": 1, "val": 1, "test": 1}
    assert len(open_dataset(pets).samples("val")) == 1


def test_cityscapes_ids_become_the_19_training_classes(tmp_path):
    prepared("cityscapes", {"train": IDS, "validation": IDS}, tmp_path)
    dataset = open_dataset(DataConfig(name="cityscapes", root=str(tmp_path)))
    label = dataset.samples("val")[0]["label"]
    np.testing.assert_array_equal(label, [[0, IGNORE, 18], [13, IGNORE, IGNORE]])
    assert dataset.labels.num_classes == 19
    assert dataset.labels.names[13] == "car"


def test_records_are_found_in_the_cache(pets):
    config = DataConfig(name="oxford_iiit_pet", cache=pets.root)
    assert open_dataset(config).splits["train"] == 1


def test_records_are_found_where_tfds_keeps_them(pets, tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", pets.root)
    config = DataConfig(name="oxford_iiit_pet", cache=str(tmp_path / "empty"))
    assert open_dataset(config).splits["train"] == 1


def test_the_root_may_be_the_prepared_directory_itself(pets):
    directory = open_dataset(pets).directory
    config = DataConfig(name="oxford_iiit_pet", root=str(directory))
    assert open_dataset(config).directory == directory


@pytest.mark.parametrize("name", sorted(TFDS_DATASETS))
def test_missing_records_are_refused_at_once_with_the_command(
    name, tmp_path, monkeypatch
):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
    with pytest.raises(UserError) as error:
        open_dataset(DataConfig(name=name, cache=str(tmp_path)))
    message = str(error.value)
    assert message.startswith(f"{name}: not found in {tmp_path}, {tmp_path}/tfds.")
    assert (
        f"tfds.builder('{TFDS_DATASETS[name].builder}', file_format='array_rec"
        in message
    )
    assert f"data_dir='{tmp_path}/tfds').download_and_prepare()" in message
    assert "\n" not in message


def test_records_in_another_format_are_refused_with_the_command(pets):
    path = open_dataset(pets).directory / "dataset_info.json"
    info = json.loads(path.read_text()) | {"fileFormat": "tfrecord"}
    path.write_text(json.dumps(info))
    with pytest.raises(UserError, match="not in array_record format.*download_and_pre"):
        open_dataset(pets)


@pytest.mark.parametrize("name", sorted(TFDS_DATASETS))
def test_the_feature_names_are_those_of_the_installed_tfds(name, tmp_path):
    dataset = TFDS_DATASETS[name]
    features = tfds.builder(dataset.builder, data_dir=tmp_path).info.features
    assert features is not None and set(dataset.fields) <= set(features)


def test_records_are_distinguished_if_the_root_is_a_bare_name(
    pets, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path / "oxford_iiit_pet")
    dataset = open_dataset(dataclasses.replace(pets, root="4.0.0"))
    before = Identity(pets.name, {"train": Split(5, "others")})
    assert before.difference(dataset, ["train"]) == "train has 1 images, not 5"
