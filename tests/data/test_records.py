from __future__ import annotations

import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from jaxseg.data import records
from jaxseg.data.builders import digit_scenes
from jaxseg.errors import UserError


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    directory = digit_scenes.prepare(tmp_path_factory.mktemp("cache"), train=20, val=2)
    return records.open_records("digit_scenes", directory)


@pytest.fixture
def damaged(tmp_path):
    """Records of our own to break."""
    directory = digit_scenes.prepare(tmp_path, train=2, val=1)
    return records.open_records("digit_scenes", directory)


def test_a_sample_has_image_label_and_name(dataset):
    sample = dataset.samples("train")[0]
    assert sorted(sample) == ["image", "label", "name"]
    assert sample["image"].shape == (*sample["label"].shape, 3)
    assert sample["image"].dtype == sample["label"].dtype == np.uint8
    assert isinstance(sample["name"], str)


def test_samples_end_where_the_split_ends(dataset):
    samples = dataset.samples("train")
    assert len(samples) == len(list(samples)) == 20
    with pytest.raises(IndexError):
        samples[20]
    with pytest.raises(IndexError):
        samples[-1]


def test_an_unknown_split_is_refused_with_the_known_ones(dataset):
    with pytest.raises(UserError, match="'vall'.*Did you mean 'val'.*train, val"):
        dataset.samples("vall")


def test_an_empty_split_is_refused(dataset):
    empty = records.RecordDataset("x", dataset.labels, {"train": 0}, dataset.directory)
    with pytest.raises(UserError, match="split 'train' is empty"):
        empty.samples("train")


def test_sizes_are_those_of_the_decoded_images(dataset):
    decoded = [sample["image"].shape[:2] for sample in dataset.samples("train")]
    assert dataset.sizes("train") == decoded


def test_many_threads_read_what_one_reads(dataset):
    samples = dataset.samples("train")
    alone = [sample["image"] for sample in dataset.samples("train")]
    indices = [*range(20)] * 10
    with ThreadPoolExecutor(8) as pool:
        together = pool.map(lambda index: samples[index]["image"], indices)
    for index, image in zip(indices, together, strict=True):
        np.testing.assert_array_equal(image, alone[index])


def test_data_sets_and_samples_survive_pickling(dataset):
    samples = dataset.samples("val")
    again = pickle.loads(pickle.dumps(samples))
    assert len(again) == 2
    np.testing.assert_array_equal(again[1]["label"], samples[1]["label"])
    assert pickle.loads(pickle.dumps(dataset)) == dataset


def test_a_damaged_record_is_an_error_that_says_what_to_delete(damaged):
    path = next(damaged.directory.glob("*train.array_record*"))
    content = bytearray(path.read_bytes())
    content[1000] ^= 255
    path.write_bytes(content)
    with pytest.raises(UserError, match=f"damaged; delete {damaged.directory}"):
        list(damaged.samples("train"))


def test_missing_records_are_an_error_that_says_what_to_delete(damaged):
    next(damaged.directory.glob("*val.array_record*")).unlink()
    with pytest.raises(UserError, match="damaged; delete"):
        damaged.samples("val")[0]


def test_a_damaged_description_is_an_error_that_says_what_to_delete(damaged):
    (damaged.directory / "dataset_info.json").write_text("{")
    with pytest.raises(UserError, match="dataset_info.json: damaged; delete"):
        records.open_records("digit_scenes", damaged.directory)


def test_a_cache_that_cannot_be_written_is_an_error_with_the_remedy(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot write .*folder by --data.cache"):
        digit_scenes.prepare(tmp_path / "file", train=1, val=1)


def test_reading_and_writing_never_import_tensorflow(tmp_path):
    code = (
        "import sys; from pathlib import Path; from jaxseg.data import records;"
        "from jaxseg.data.builders import digit_scenes;"
        "place = digit_scenes.prepare(Path(sys.argv[1]), train=1, val=1);"
        "records.open_records('x', place).samples('val')[0];"
        "sys.exit('tensorflow' in sys.modules or 'jax' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
