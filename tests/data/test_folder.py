from __future__ import annotations

import dataclasses
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from jaxseg.commands.train import train
from jaxseg.config import Config, DataConfig
from jaxseg.data import images
from jaxseg.data.catalog import open_dataset
from jaxseg.data.labels import IGNORE
from jaxseg.errors import UserError

ROOT = Path(__file__).parents[2]
LABEL = np.array([[0, 1, 2, 1], [2, 1, 0, IGNORE]], np.uint8)


def picture(seed, shape=LABEL.shape):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (*shape, 3), np.uint8)


def add(root, split, name, mask=LABEL, image=None):
    """Write an image and its mask, both lossless, as `SPLIT/images + SPLIT/masks`."""
    seed = {"train": 1, "val": 5}[split]
    pictures = {"images": picture(seed, mask.shape[:2]) if image is None else image}
    for kind, pixels in (pictures | {"masks": mask}).items():
        path = root / split / kind / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)


@pytest.fixture
def root(tmp_path):
    add(tmp_path / "raw", "train", "a")
    add(tmp_path / "raw", "train", "b", image=picture(2))
    add(tmp_path / "raw", "val", "c")
    return tmp_path / "raw"


@pytest.fixture
def config(root, tmp_path):
    return DataConfig(name="folder", root=str(root), cache=str(tmp_path / "cache"))


def opened(config, **options):
    return open_dataset(dataclasses.replace(config, **options))


def refused(config, message, **options):
    with pytest.raises(UserError, match=message) as error:
        opened(config, **options)
    assert "\n" not in str(error.value)


def only_label(config, **options):
    """Open a folder of one mask in train and return it as a label."""
    return opened(config, **options).samples("train")[0]["label"]


def test_images_and_masks_come_back_as_they_were(config):
    dataset = opened(config)
    assert dataset.splits == {"train": 2, "val": 1}
    samples = dataset.samples("train")
    found = {sample["name"]: sample for sample in samples}
    assert sorted(found) == ["a", "b"]
    np.testing.assert_array_equal(found["a"]["image"], picture(1))
    np.testing.assert_array_equal(found["b"]["image"], picture(2))
    np.testing.assert_array_equal(found["a"]["label"], LABEL)


def test_the_number_of_classes_is_inferred_from_the_masks(config):
    assert opened(config).labels.names == ("class 0", "class 1", "class 2")


def test_names_and_palette_are_known_when_it_is_opened_again(config):
    options = {
        "class_names": ("x", "y", "z"),
        "palette": ((1, 2, 3), (4, 5, 6), (7, 8, 9)),
    }
    opened(config, **options)
    labels = opened(config, **options).labels
    assert (labels.names, labels.palette) == (*options.values(),)


@pytest.mark.parametrize("content", ["", "[]", "null", "[" * 100_000])
def test_a_damaged_list_of_prepared_records_is_written_again(config, content):
    directory = opened(config).directory
    known = directory.parents[1] / "signatures.json"
    sound = known.read_text()
    known.write_text(content)
    assert opened(config).directory == directory
    assert known.read_text() == sound


def test_masks_of_other_values_become_classes(root, config):
    shutil.rmtree(root / "val")
    add(root, "train", "a", np.array([[0, 7, 40]], np.uint8))
    add(root, "train", "b", np.array([[0, 7, 40]], np.uint8))
    label = only_label(config, mask_values=(40, 0, 7))
    np.testing.assert_array_equal(label, [[1, 2, 0]])


def test_masks_of_16_bits_become_classes(root, config):
    shutil.rmtree(root / "val")
    for name in "ab":
        add(root, "train", name, np.array([[0, 1000, 60000]], np.uint16))
    label = only_label(config, mask_values=(0, 1000, 60000))
    np.testing.assert_array_equal(label, [[0, 1, 2]])


def test_masks_in_colours_become_classes(root, config):
    colours = ((0, 0, 0), (255, 0, 0), (0, 0, 255))
    shutil.rmtree(root / "val")
    for name in "ab":
        mask = np.array(colours, np.uint8)[LABEL[:, :3]]
        add(root, "train", name, mask)
    label = only_label(config, palette=colours)
    np.testing.assert_array_equal(label, LABEL[:, :3])


def test_a_colour_of_no_class_is_refused_naming_the_file(root, config):
    colours = ((0, 0, 0), (255, 0, 0), (0, 0, 255))
    for split, name in (("train", "a"), ("train", "b"), ("val", "c")):
        mask = np.array(colours, np.uint8)[LABEL[:, :3]]
        mask[1, 1] = 9 if split == "val" else 0
        add(root, split, name, mask)
    message = r"val/masks/c.png: mask colour \(9, 9, 9\) at row 1, column 1"
    refused(config, message, palette=colours)


def test_the_ignored_value_can_be_chosen(root, config):
    add(root, "val", "c", np.array([[0, 1, 2, 200]], np.uint8))
    add(root, "train", "a", np.array([[0, 1, 2, 200]], np.uint8))
    add(root, "train", "b", np.array([[0, 1, 2, 200]], np.uint8))
    label = only_label(config, ignore_values=(200,))
    np.testing.assert_array_equal(label, [[0, 1, 2, IGNORE]])


def test_255_is_a_class_and_not_ignored_where_mask_values_say_so(root, config):
    mask = np.array([[0, 255], [255, 0]], np.uint8)
    for split, name in (("train", "a"), ("train", "b"), ("val", "c")):
        add(root, split, name, mask)
    refused(config, "look black and white, .* pass --data.mask_values 0 255")
    label = only_label(config, mask_values=(0, 255))
    np.testing.assert_array_equal(label, [[0, 1], [1, 0]])


def test_lossy_masks_are_read_where_ranges_of_values_have_a_class(root, config):
    mask = np.zeros((32, 32), np.uint8)
    mask[8:24, 8:24] = 255
    for split, name in (("train", "a"), ("train", "b"), ("val", "c")):
        add(root, split, name, mask)
        path = root / split / "masks" / f"{name}.png"
        Image.fromarray(mask).save(path.with_suffix(".jpg"), quality=60)
        path.unlink()
    refused(config, "a.jpg: JPEG changes mask values", mask_values=(0, 255))
    label = only_label(config, mask_map=("0-127:0", "128-255:1"))
    np.testing.assert_array_equal(label, mask > 0)


def test_indexed_masks_are_stored_by_the_colours_that_are_given(root, config):
    colours = ((0, 0, 0), (255, 0, 0), (0, 255, 0))
    for split, name, order in (("train", "a", [2, 0, 1]), ("train", "b", [1, 2, 0])):
        image = Image.fromarray(np.argsort(order)[LABEL[:, :3]].astype(np.uint8))
        image.putpalette(np.array(colours, np.uint8)[order].tobytes())
        add(root, split, name, LABEL[:, :3])
        image.save(root / split / "masks" / f"{name}.png")
    add(root, "val", "c", np.array(colours, np.uint8)[LABEL[:, :3]])
    refused(config, "val/masks/c.png: a mask in colours")
    shutil.rmtree(root / "val")
    refused(config, "the palettes of indexed masks differ: index 0")
    for sample in opened(config, palette=colours).samples("train"):
        np.testing.assert_array_equal(sample["label"], LABEL[:, :3])


def test_the_pixels_of_each_class_are_known_when_it_is_opened_again(root, config):
    add(root, "val", "c", np.array([[0, 0, 1, IGNORE]], np.uint8))
    for dataset in (opened(config), opened(config)):
        assert dataset.contents["train"].pixels == (4, 6, 4)
        assert dataset.contents["train"].ignored == 2
        assert dataset.contents["val"].pixels == (2, 1, 0)
        found = "0 (50 %, 1 file), 1 (25 %, 1 file), 255 (25 %, 1 file, ignored)"
        assert dataset.contents["val"].found == found


def test_a_class_that_no_training_mask_has_is_a_warning_before_training(root, config):
    dataset = opened(config, class_names=("a", "b", "c", "d"))
    (said,) = dataset.check_classes(config)
    assert "split 'train' has no pixel of class d" in said


def test_classes_of_a_split_to_train_on_are_two_or_it_is_refused(root, config):
    add(root, "val", "c", LABEL * 0)
    dataset = opened(config)
    assert (
        "split 'val' has pixels of class class 0 only"
        in dataset.check_classes(config)[0]
    )
    with pytest.raises(
        UserError, match="split 'val' holds pixels of class 'class 0' only"
    ):
        dataset.check_classes(dataclasses.replace(config, train_split="val"))


def test_ignored_values_become_classes_when_they_are_named(root, config):
    for name in "ab":
        add(root, "train", name, np.array([[0, 255], [255, 0]], np.uint8))
    dataset = opened(config, num_classes=3)
    with pytest.raises(UserError, match=r"'class 0' only.*255 .50 %, 2 files, ignored"):
        dataset.check_classes(config)
    named = opened(config, mask_values=(0, 1, 2, 255))
    assert named.contents["train"].pixels == (4, 0, 0, 4)
    assert "no pixel of class class 1, class 2:" in named.check_classes(config)[0]


def test_classes_are_the_same_for_options_of_earlier_versions(root, config):
    before = opened(config, ignore_value=IGNORE)
    assert before.directory == opened(config).directory


def test_counts_of_classes_that_differ_are_refused(config):
    message = "differ: data.num_classes 3, data.class_names 2"
    refused(config, message, num_classes=3, class_names=("a", "b"))


def test_a_mask_value_outside_the_classes_is_refused_naming_the_file(root, config):
    add(root, "val", "c", np.full((2, 4), 9, np.uint8))
    refused(
        config,
        "val/masks/c.png: mask value 9 .*; fix the masks; or to ignore",
        num_classes=3,
    )


def test_a_mask_of_another_size_is_refused_naming_both(root, config):
    add(root, "val", "c", LABEL, image=picture(3, (5, 4)))
    refused(config, "val/masks/c.png: 4x2 pixels, but .*images/c.png has 4x5")


def test_a_truncated_image_is_refused_naming_it(root, config):
    path = root / "train/images/a.png"
    path.write_bytes(path.read_bytes()[:60])
    refused(config, "train/images/a.png: cannot be read as an image")


def test_a_root_is_asked_for(config):
    refused(config, "pass --data.root FOLDER", root="")


def test_a_failed_preparation_leaves_nothing_to_open(root, config):
    good = (root / "val/images/c.png").read_bytes()
    (root / "val/images/c.png").write_bytes(good[:60])
    for _ in range(2):
        refused(config, "c.png: cannot be read")
    assert not list(Path(config.cache).rglob("dataset_info.json"))
    (root / "val/images/c.png").write_bytes(good)
    assert opened(config).splits == {"train": 2, "val": 1}


def test_an_unchanged_folder_is_not_read_again(config, monkeypatch):
    first = opened(config)
    monkeypatch.setattr(images, "read_bytes", None)
    monkeypatch.setattr(images, "read_image", None)
    assert opened(config).directory == first.directory


def test_touched_files_are_not_prepared_again(root, config, monkeypatch):
    first = opened(config)
    os.utime(root / "train/images/a.png", ns=(1, 1))
    monkeypatch.setattr(images, "read_image", None)
    assert opened(config).directory == first.directory


def test_a_moved_folder_is_not_prepared_again(root, config, monkeypatch, tmp_path):
    first = opened(config)
    root.rename(tmp_path / "moved")
    monkeypatch.setattr(images, "read_image", None)
    second = opened(config, root=str(tmp_path / "moved"))
    assert second.directory == first.directory


def test_a_changed_file_is_prepared_again(root, config):
    first = opened(config)
    add(root, "train", "a", image=picture(9))
    second = opened(config)
    assert second.directory != first.directory
    images = [sample["image"].tolist() for sample in second.samples("train")]
    assert picture(9).tolist() in images


def test_an_added_image_is_found(root, config):
    opened(config)
    add(root, "train", "d")
    assert opened(config).splits == {"train": 3, "val": 1}


def test_data_is_prepared_again_for_other_label_options(config):
    first = opened(config)
    second = opened(config, class_names=("x", "y", "z"))
    assert second.directory != first.directory


def test_deleted_records_are_made_again(config):
    shutil.rmtree(opened(config).directory)
    assert len(opened(config).samples("val")) == 1


def test_records_of_an_older_version_are_prepared_again(config):
    first = Path(opened(config).directory)
    first.rename(first.with_name("1.0.0"))
    assert Path(opened(config).directory) == first and first.is_dir()


def test_nothing_is_written_into_the_folder(root, config):
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    opened(config)
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before


def test_preparing_prints_nothing(config, capfd):
    opened(config)
    assert capfd.readouterr() == ("", "")


def test_an_image_turned_by_exif_is_stored_upright(root, config):
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = np.rot90(picture(4)).copy()
    Image.fromarray(turned).save(root / "val/images/c.png", exif=exif)
    np.testing.assert_array_equal(opened(config).samples("val")[0]["image"], picture(4))


masks = arrays(
    np.uint8,
    st.tuples(st.integers(1, 6), st.integers(1, 6)),
    elements=st.sampled_from([0, 1, 2, 3, IGNORE]),
)


@given(masks)
@settings(deadline=None, max_examples=15)
def test_any_label_survives_the_way_through_files_and_records(mask):
    with tempfile.TemporaryDirectory() as place:
        add(Path(place) / "raw", "train", "a", mask)
        config = DataConfig(
            name="folder", root=f"{place}/raw", cache=f"{place}/cache", num_classes=4
        )
        np.testing.assert_array_equal(only_label(config), mask)


PREPARE = """
import sys
from jaxseg.config import (Config, DataConfig)
from jaxseg.data.catalog import open_dataset
sys.stdin.readline()
config = DataConfig(name="folder", root=sys.argv[1], cache=sys.argv[2])
print(len(open_dataset(config).samples("train")))
"""


def test_two_processes_may_prepare_at_once(shapes_folder, tmp_path):
    command = [sys.executable, "-W", "error", "-c", PREPARE, shapes_folder, tmp_path]
    both = [
        subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for process in both:
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate() for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert [out for out, _ in said] == ["12\n", "12\n"]
    assert len(list(tmp_path.glob("folder/*/*/dataset_info.json"))) == 1
    assert not list(tmp_path.rglob("*incomplete*"))


def test_the_remains_of_a_killed_preparation_are_removed(shapes_folder, tmp_path):
    config = DataConfig(name="folder", root=str(shapes_folder), cache=str(tmp_path))
    place = Path(open_dataset(config).directory)
    left = place.with_name("incomplete.ABCDEF_1.0.0")
    place.rename(left)
    (left / "dataset_info.json").unlink()
    assert len(open_dataset(config).samples("train")) == 12
    assert not left.exists()


def test_patterns_choose_the_files(root, config):
    for split in ("train", "val"):
        (root / split / "masks").rename(root / split / "truth")
    dataset = opened(config, images="{split}/images/*", masks="{split}/truth/*")
    assert dataset.splits == {"train": 2, "val": 1}


def test_names_of_nested_folders_stay_apart(root, config):
    for town in "xy":
        for kind in ("images", "masks"):
            (root / "train" / kind / town).mkdir()
            source = root / "train" / kind / ("a.png" if town == "x" else "b.png")
            shutil.copy(source, root / "train" / kind / town / "1.png")
    samples = opened(config).samples("train")
    assert {sample["name"] for sample in samples} == {"a", "b", "x/1", "y/1"}


def test_a_split_that_is_not_there_is_refused_with_one_that_works(root, config):
    (root / "val").rename(root / "test")
    with pytest.raises(
        UserError, match="Known: train, test; pass --data.eval_split te"
    ):
        opened(config).samples("val", "data.eval_split")
    assert len(opened(config).samples("test", "data.eval_split")) == 1


def test_train_alone_is_refused_with_options_that_split_it(root, config):
    shutil.rmtree(root / "val")
    for number in range(20):
        add(root, "train", str(number), image=picture(100 + number))
    with pytest.raises(UserError, match="Known: train; pass --data.images") as error:
        opened(config).samples("val", "data.eval_split")
    words = shlex.split(str(error.value).split("pass ")[-1])
    dataset = opened(config, images=words[1], masks=words[3])
    assert dataset.splits["train"] + dataset.splits["val"] == 22


def test_training_reports_the_choices_that_were_made(root, config, capfd):
    (root / "val").rename(root / "test")
    shutil.rmtree(root / "test" / "masks")
    with pytest.raises(UserError, match="unknown split"):
        train(Config(data=config))
    said = "split 'test' has images but no masks; it is left out"
    assert said in capfd.readouterr().err.splitlines()
