"""Experiments on published data sets give batches, on tiny data of the same form."""

import tempfile
from pathlib import Path

import numpy as np
import published_layouts
import pytest
from test_tfds_datasets import IDS, TRIMAP, prepared

from jaxseg.build_augmentation import build_augmentation
from jaxseg.data.catalog import open_dataset
from jaxseg.data.labels import IGNORE
from jaxseg.data.pipeline import TrainingStream
from jaxseg.experiment import load_config

EXPERIMENTS = Path(__file__).parents[2] / "experiments"


def cityscapes(root):
    prepared("cityscapes", {"train": IDS, "validation": IDS}, root)


def pets(root):
    prepared("oxford_iiit_pet", {"train": TRIMAP, "test": TRIMAP}, root)


@pytest.mark.parametrize(
    ("experiment", "write", "crop", "classes"),
    [
        ("voc_deeplab", published_layouts.voc2012_aug, 512, {0, 1, 20}),
        ("ade20k_pspnet", published_layouts.ade20k, 480, {0, 1, 149}),
        ("cityscapes_segformer", cityscapes, 1024, {0, 13, 18}),
        ("pets_unet", pets, 256, {0, 1, 2}),
    ],
)
def test_an_experiment_makes_a_batch_of_its_crops(
    experiment, write, crop, classes, tmp_path, monkeypatch
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # TFDS leaves a folder
    (tmp_path / "data").mkdir()
    write(tmp_path / "data")
    places = ["--data.root", str(tmp_path / "data"), "--data.cache", str(tmp_path)]
    config = load_config(EXPERIMENTS / f"{experiment}.py", places)
    dataset = open_dataset(config.data)
    samples = dataset.samples(config.data.train_split)
    stream = TrainingStream(
        samples,
        build_augmentation(config).of(samples),
        batch_size=1,
        seed=config.seed,
        threads=1,
    )
    batch = next(stream)
    stream.close()
    assert batch["image"].shape == (1, crop, crop, 3)
    assert set(np.unique(batch["label"])) <= classes | {IGNORE}
    assert len(set(np.unique(batch["label"])) & classes) > 0
    assert dataset.labels.num_classes > max(classes)
