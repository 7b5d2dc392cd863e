"""Data sets are distinguished by their content, and differences are described."""

import json
import os
import shutil

import numpy as np
import pytest
from PIL import Image

from jaxseg.config import DataConfig
from jaxseg.data.catalog import open_dataset
from jaxseg.data.identity import Identity
from jaxseg.errors import UserError

BOTH = ("train", "val")


def write(root, split, name, seed):
    rng = np.random.default_rng(seed)
    for kind, shape, end in (("images", (40, 50, 3), 256), ("masks", (40, 50), 3)):
        path = root / split / kind / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, end, shape, np.uint8)).save(path)


@pytest.fixture
def root(tmp_path):
    """A folder of five training images, a to e, and two to validate with."""
    for first, split, names in ((0, "train", "abcde"), (10, "val", "xy")):
        for seed, name in enumerate(names, first):
            write(tmp_path / "data", split, name, seed)
    return tmp_path / "data"


@pytest.fixture
def opened(tmp_path):
    def call(root, cache="cache"):
        config = DataConfig(name="folder", root=str(root), cache=str(tmp_path / cache))
        return open_dataset(config)

    return call


@pytest.fixture
def before(root, opened):
    return Identity.of(opened(root), BOTH)


def test_a_folder_that_was_moved_touched_or_prepared_again_is_the_same(
    root, opened, before, tmp_path
):
    moved = root.rename(tmp_path / "elsewhere")
    for path in moved.rglob("*.png"):
        os.utime(path, (1, 1))
    for cache in ("cache", "another"):
        assert before.difference(opened(moved, cache), BOTH) is None
        assert Identity.of(opened(moved, cache), BOTH) == before


def test_masks_that_are_compressed_otherwise_are_the_same(root, opened, before):
    for path in (root / "train" / "masks").iterdir():
        Image.open(path).save(path, compress_level=0)
    assert before.difference(opened(root), BOTH) is None


def test_what_changed_is_named(root, opened, before):
    write(root, "train", "b", seed=77)
    for kind in ("images", "masks"):
        (root / "val" / kind / "x.png").unlink()
    write(root, "val", "z", seed=78)
    said = before.difference(opened(root), BOTH)
    assert said == (
        "train has 5 images: 1 changed (b); val has 2 images: 1 new (z), 1 gone (x)"
    )


def test_a_mask_alone_may_have_changed(root, opened, before):
    path = root / "val" / "masks" / "y.png"
    Image.fromarray(2 - np.asarray(Image.open(path))).save(path)
    assert before.difference(opened(root), ["train"]) is None
    assert before.difference(opened(root), BOTH) == "val has 2 images: 1 changed (y)"


def test_three_of_many_are_named_with_their_number(root, opened, before):
    for name in "fghi":
        write(root, "train", name, seed=9)
    assert before.difference(opened(root), BOTH) == (
        "train has 9 images, not 5: 4 new (f, g, h, ...)"
    )


def test_without_the_earlier_records_the_counts_are_compared(
    root, opened, before, tmp_path
):
    write(root, "train", "b", seed=77)
    shutil.rmtree(tmp_path / "cache")
    said = before.difference(opened(root), BOTH)
    assert said == "train has 5 images as before, but others"
    write(root, "train", "f", seed=77)
    shutil.rmtree(tmp_path / "cache")
    assert before.difference(opened(root), BOTH) == "train has 6 images, not 5"


def test_a_split_that_is_not_compared_may_change(root, opened, before):
    write(root, "test", "t", seed=5)
    assert before.difference(opened(root), BOTH) is None
    assert before.difference(opened(root), ["test"]) is None


def test_it_is_read_as_it_was_written(before, tmp_path):
    (tmp_path / "data.json").write_text(before.write())
    assert Identity.read(tmp_path / "data.json") == before


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "null",
        "[" * 100_000,
        '{"name": "folder"}',
        '{"name": "folder", "splits": []}',
        '{"name": "folder", "splits": {"train": 7}}',
        '{"name": "folder", "splits": {"train": {"images": 7}}}',
        '{"splits": {"train": {"images": "7", "fingerprint": "a"}}, "name": ""}',
    ],
)
def test_another_file_is_refused(tmp_path, content):
    (tmp_path / "data.json").write_text(content)
    with pytest.raises(UserError, match=r"data.json: not a description of data"):
        Identity.read(tmp_path / "data.json")


def test_records_without_a_stored_fingerprint_are_distinguished_too(
    root, opened, before
):
    dataset = opened(root)
    path = dataset.directory / "metadata.json"
    content = json.loads(path.read_text())
    del content["fingerprints"]
    path.write_text(json.dumps(content))
    first = Identity.of(opened(root), ["val"])
    assert list(first.splits) == ["val"]
    assert Identity.of(opened(root), ["val"]) == first
    assert first.difference(opened(root, "another"), ["val"]) is None
    write(root, "val", "x", seed=78)
    assert first.difference(opened(root), ["val"]) == (
        "val has 2 images as before, but others"
    )
