"""Masks of classes that may overlap: bits of one file, or one file per class."""

from __future__ import annotations

import dataclasses
import shlex

import numpy as np
import pytest
from PIL import Image

from jaxseg.command_line import changed
from jaxseg.config import Config, DataConfig
from jaxseg.data.catalog import open_dataset
from jaxseg.data.labels import IGNORE
from jaxseg.errors import UserError

SIZE = (6, 8)
NAMES = ("car", "road", "wet")


def planes(seed, classes=3):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 2, (*SIZE, classes)).astype(np.uint8)


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def write_image(path, seed):
    save(path, np.random.default_rng(seed).integers(0, 256, (*SIZE, 3), np.uint8))


LABELS = {
    split: {f"{split}{index}": planes(seed + index) for index in range(2)}
    for seed, split in ((0, "train"), (10, "val"))
}


def data(root, mask, value=255, image="{split}/images/{name}.png"):
    """Write images, and for each class a mask under the name `mask` says."""
    for split, labels in LABELS.items():
        for seed, (name, label) in enumerate(labels.items()):
            write_image(root / image.format(split=split, name=name), seed + len(split))
            for index, of in enumerate(NAMES):
                path = root / mask.format(split=split, name=name, of=of)
                save(path, label[..., index] * np.uint8(value))
    return root


def bits(root, kind=np.uint8, classes=3, ignored=None):
    for seed, split in ((0, "train"), (10, "val")):
        for index in range(2):
            label = planes(seed + index, classes)
            value = (label.astype(np.int64) << np.arange(classes)).sum(2)
            if ignored is not None:
                value[0, 0] = ignored
            write_image(root / split / "images" / f"{index}.png", seed + index)
            save(root / split / "masks" / f"{index}.png", value.astype(kind))
    return root


def opened(root, words="", task="multilabel"):
    words = ["--data.task", task, *shlex.split(words)]
    config = changed(Config(data=DataConfig(name="folder")), words).data
    cache = str(root.parent / "cache")
    return open_dataset(dataclasses.replace(config, root=str(root), cache=cache))


def labels_of(dataset, split):
    samples = dataset.samples(split)
    found = [samples[index] for index in range(len(samples))]
    return {sample["name"]: sample["label"] for sample in found}


def refused(root, words="", said="", task="multilabel"):
    with pytest.raises(UserError, match=said) as error:
        opened(root, words, task)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        ("{split}/masks/{of}/{name}.png", ""),
        ("masks/{split}/{of}/{name}.png", ""),
        ("{split}/masks/{name}_{of}.png", ""),
        ("{split}/masks/{name}-{of}.png", "--data.class_names car road wet"),
        ("{split}/masks/{of}/{name}_mask.png", ""),
        (
            "truth/{of}/{split}/{name}.png",
            "--data.images {split}/images/*.png"
            " --data.masks truth/{class}/{split}/*.png",
        ),
        (
            "{split}/truth_{name}_{of}_x.png",
            "--data.images {split}/images/*.png"
            " --data.masks {split}/truth_*_{class}_x.png",
        ),
    ],
)
def test_a_file_a_class_in_any_layout(tmp_path, mask, words):
    images = "images/{split}/{name}.png"
    images = images if mask.startswith("masks") else "{split}/images/{name}.png"
    dataset = opened(data(tmp_path / "raw", mask, image=images), words)
    assert dataset.labels.names == NAMES
    assert dataset.labels.task == "multilabel"
    for split, labels in LABELS.items():
        found = labels_of(dataset, split)
        assert found.keys() == labels.keys()
        for name, label in labels.items():
            np.testing.assert_array_equal(found[name], label)


FOLDERS = "{split}/masks/{of}/{name}.png"


def test_the_order_of_the_names_is_that_of_the_classes(tmp_path):
    root = data(tmp_path / "raw", FOLDERS)
    found = opened(root, "--data.class_names wet car road")
    expected = LABELS["val"]["val0"][..., [2, 0, 1]]
    np.testing.assert_array_equal(labels_of(found, "val")["val0"], expected)


@pytest.mark.parametrize("value", [1, 255])
def test_contents_are_counted_and_described(tmp_path, value):
    held = opened(data(tmp_path / "raw", FOLDERS, value)).contents["train"]
    expected = sum(label.sum((0, 1)) for label in LABELS["train"].values())
    assert held.pixels == tuple(expected.tolist())
    assert f"{value} (" in held.found


def test_a_missing_file_is_refused_or_means_that_the_class_is_absent(tmp_path):
    root = data(tmp_path / "raw", FOLDERS)
    (root / "train/masks/road/train1.png").unlink()
    said = "1 of 12 mask files are missing: road of train1.png; .*--data.absent_masks"
    refused(root, "", said)
    found = labels_of(opened(root, "--data.absent_masks True"), "train")["train1"]
    expected = LABELS["train"]["train1"] * np.array([1, 0, 1], np.uint8)
    np.testing.assert_array_equal(found, expected)


def test_an_image_without_any_mask_may_have_none_of_the_classes(tmp_path):
    root = data(tmp_path / "raw", FOLDERS)
    for name in NAMES:
        (root / "train/masks" / name / "train1.png").unlink()
    refused(root, "", "no mask in .* for train1.png")
    dataset = opened(root, "--data.absent_masks True")
    assert "3 of 12 mask files are absent" in dataset.notes[0]
    found = labels_of(dataset, "train")
    np.testing.assert_array_equal(found["train0"], LABELS["train"]["train0"])
    assert found["train1"].shape == (*SIZE, 3) and not found["train1"].any()


def test_which_file_is_missing_makes_other_records(tmp_path):
    roots = []
    for index, gone in enumerate(("road", "car")):
        root = data(tmp_path / str(index) / "raw", FOLDERS)
        for name in ("car", "road"):  # two masks that are alike
            save(root / f"train/masks/{name}/train1.png", np.full(SIZE, 255, np.uint8))
        (root / f"train/masks/{gone}/train1.png").unlink()
        roots.append(root)
    first, second = (opened(root, "--data.absent_masks True") for root in roots)
    assert first.fingerprint("train") != second.fingerprint("train")


@pytest.mark.parametrize("value", [1, 255])
def test_ignored_pixels_are_those_of_a_plane(tmp_path, value):
    root = data(tmp_path / "raw", FOLDERS, value)
    path, mask = root / "val/masks/wet/val0.png", LABELS["val"]["val0"][..., 2].copy()
    mask = mask * np.uint8(value)
    mask[0, 0] = 7
    save(path, mask)
    words = f"--data.mask_map 0:0 {value}:1 7:ignore"
    found = labels_of(opened(root, words), "val")["val0"]
    assert found[0, 0, 2] == IGNORE
    assert (found[0, 0, :2] != IGNORE).all()


def mixed(root):
    for path in (root / "train/masks/car").iterdir():
        save(path, np.asarray(Image.open(path)) // 255)


def stray(root):
    save(root / "train/masks/train0.png", np.zeros(SIZE, np.uint8))


def second(root):
    path = root / "train/masks/car/train0.png"
    path.rename(path.with_name("train0.bmp"))
    save(path, np.zeros(SIZE, np.uint8))


@pytest.mark.parametrize(
    ("spoil", "words", "said"),
    [
        (mixed, "", "255 is the class or ignored; .*--data.mask_map 0:0 1:1 255:1"),
        (stray, "", "unclear which say the class; .*masks/{class}"),
        (second, "", "a second mask of class 'car'"),
        (None, "--data.class_names car road", "4 mask files of none of the classes"),
        (None, "--data.num_classes 2", "num_classes 2, .* 3 classes: car, road, wet"),
        (None, "--data.images a/*.png --data.masks b/*.png", "{class} stands for it"),
    ],
)
def test_files_of_classes_that_are_unclear_are_refused(tmp_path, spoil, words, said):
    root = data(tmp_path / "raw", FOLDERS)
    if spoil:
        spoil(root)
    refused(root, words, said)


def test_values_of_both_kinds_may_be_named(tmp_path):
    root = data(tmp_path / "raw", FOLDERS)
    mixed(root)
    found = opened(root, "--data.mask_map 0:0 1:1 255:1")
    expected = LABELS["train"]["train0"]
    np.testing.assert_array_equal(labels_of(found, "train")["train0"], expected)


def test_one_class_is_refused_with_binary_as_the_remedy(tmp_path):
    root = data(tmp_path / "raw", FOLDERS)
    for split in LABELS:
        for name in ("car", "wet"):
            for path in (root / split / "masks" / name).iterdir():
                path.unlink()
    refused(root, "", "masks of one class, road; .*--data.task binary")


def test_a_class_in_a_pattern_is_of_multilabel_masks(tmp_path):
    root = data(tmp_path / "raw", FOLDERS)
    words = (
        "--data.images {split}/images/*.png --data.masks {split}/masks/{class}/*.png"
    )
    refused(root, words, "pass --data.task multilabel", task="binary")
    assert opened(root, words).labels.names == NAMES


@pytest.mark.parametrize(
    ("kind", "classes"), [(np.uint8, 3), (np.uint8, 8), (np.uint16, 9), (np.uint16, 16)]
)
@pytest.mark.parametrize("said", [False, True])
def test_bits_are_classes(tmp_path, kind, classes, said):
    root = bits(tmp_path / "raw", kind, classes)
    words = f"--data.mask_bits True --data.num_classes {classes}"
    dataset = opened(root, words if said else "--data.mask_bits True")
    assert dataset.labels.num_classes == classes
    assert dataset.form.bits
    for seed, split in ((0, "train"), (10, "val")):
        for index in range(2):
            found = labels_of(dataset, split)[str(index)]
            np.testing.assert_array_equal(found, planes(seed + index, classes))


@pytest.mark.parametrize("classes", [3, 7])
def test_255_is_ignored_where_it_is_no_combination_of_classes(tmp_path, classes):
    root = bits(tmp_path / "raw", classes=classes, ignored=255)
    found = labels_of(opened(root, "--data.mask_bits True"), "train")["0"]
    assert (found[0, 0] == IGNORE).all()
    np.testing.assert_array_equal(found[1:], planes(0, classes)[1:])


def test_255_of_eight_classes_is_all_of_them(tmp_path):
    root = bits(tmp_path / "raw", classes=8, ignored=255)
    found = labels_of(opened(root, "--data.mask_bits True"), "train")["0"]
    assert (found[0, 0] == 1).all()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("", "4 masks have no class in their path.*--data.mask_bits True"),
        ("--data.mask_bits True --data.num_classes 2", "bits of more than the 2 clas"),
        ("--data.mask_bits True --data.num_classes 17", "17 classes as bits"),
        ("--data.mask_bits True --data.mask_values 0 1", "leave one of the two out"),
        (
            "--data.mask_bits True --data.num_classes 3 --data.class_names a b",
            "numbers of classes that differ",
        ),
    ],
)
def test_bits_that_are_unclear_are_refused(tmp_path, words, said):
    refused(bits(tmp_path / "raw"), words, said)
