from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits

from jaxseg.data import records
from jaxseg.data.builders import digit_scenes
from jaxseg.data.labels import IGNORE
from jaxseg.errors import UserError


@pytest.fixture(scope="module")
def scenes():
    return [digit_scenes.render(0, "train", index) for index in range(40)]


def test_a_scene_is_a_function_of_seed_split_and_index():
    first = digit_scenes.render(3, "val", 7)
    digit_scenes.render(3, "val", 8)
    for one, again in zip(first, digit_scenes.render(3, "val", 7), strict=True):
        np.testing.assert_array_equal(one, again)


@pytest.mark.parametrize("other", [(1, "train", 0), (0, "val", 0), (0, "train", 1)])
def test_another_seed_split_or_index_is_another_scene(other):
    image, _ = digit_scenes.render(0, "train", 0)
    assert (image != digit_scenes.render(*other)[0]).any()


def test_an_unknown_split_is_refused():
    with pytest.raises(UserError, match="unknown split 'vall'.*Known: train, val"):
        digit_scenes.render(0, "vall", 0)


def test_image_and_label_are_bytes_of_one_size(scenes):
    for image, label in scenes:
        assert image.dtype == label.dtype == np.uint8
        assert image.shape == (96, 96, 3) and label.shape == (96, 96)


def test_labels_are_background_ten_digits_and_ignored(scenes):
    present = set(np.unique([label for _, label in scenes]).tolist())
    assert present == {*range(11), IGNORE}
    assert digit_scenes.LABELS.num_classes == 11


def test_every_scene_shows_one_to_five_digits(scenes):
    for _, label in scenes:
        assert 1 <= len(set(np.unique(label)) - {0, IGNORE}) <= 5


def test_ink_never_touches_background_without_an_ignored_rim(scenes):
    for _, label in scenes:
        for one, other in ((label[1:], label[:-1]), (label[:, 1:], label[:, :-1])):
            digit_beside_ground = ((one == 0) & (other > 0) & (other != IGNORE)) | (
                (other == 0) & (one > 0) & (one != IGNORE)
            )
            assert not digit_beside_ground.any()


def test_the_rim_is_thin(scenes):
    labels = np.stack([label for _, label in scenes])
    assert (labels == IGNORE).mean() < 0.5 * ((labels > 0) & (labels < IGNORE)).mean()


def test_ink_stands_out_from_the_background(scenes):
    image, label = scenes[0]
    for value in set(np.unique(label)) - {0, IGNORE}:
        ink = image[label == value].astype(float)
        assert ink.std(axis=0).max() < 40  # one colour, up to the soft edge
        ground = image[label == 0].mean(axis=0)
        assert np.linalg.norm(ink.mean(axis=0) - ground) > 50


def test_no_writer_of_val_occurs_in_train():
    targets = load_digits().target
    start = len(digit_scenes._glyphs("train")[1])
    assert start + len(digit_scenes._glyphs("val")[1]) == len(targets)
    # Every writer's block opens with the digits in order, three times.
    np.testing.assert_array_equal(targets[start : start + 30], [*range(10)] * 3)


def test_backgrounds_of_train_and_val_are_disjoint_parts_of_the_photographs():
    parts = zip(
        digit_scenes._photographs("train"),
        digit_scenes._photographs("val"),
        strict=True,
    )
    for train, val in parts:
        assert train.shape[1] + val.shape[1] == 640
        assert min(train.shape[:2] + val.shape[:2]) >= 96


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    cache = tmp_path_factory.mktemp("cache")
    directory = digit_scenes.prepare(cache, seed=5, train=7, val=3)
    return cache, records.open_records("digit_scenes", directory)


def test_the_records_hold_the_rendered_scenes_in_order(prepared):
    _, dataset = prepared
    assert dataset.splits == {"train": 7, "val": 3}
    for split, count in dataset.splits.items():
        samples = dataset.samples(split)
        for index in range(count):
            image, label = digit_scenes.render(5, split, index)
            np.testing.assert_array_equal(samples[index]["image"], image)
            np.testing.assert_array_equal(samples[index]["label"], label)
            assert samples[index]["name"] == f"{split}_{index:05d}"


def test_the_records_know_their_labels(prepared):
    assert prepared[1].labels == digit_scenes.LABELS


def test_prepared_scenes_are_not_drawn_again(prepared, monkeypatch):
    cache, dataset = prepared
    monkeypatch.setattr(digit_scenes, "render", None)
    directory = digit_scenes.prepare(cache, seed=5, train=7, val=3)
    assert directory == dataset.directory


def test_another_seed_is_prepared_beside_the_first(prepared):
    cache, dataset = prepared
    other = digit_scenes.prepare(cache, seed=6, train=1, val=1)
    assert other != dataset.directory and dataset.directory.is_dir()


def test_preparing_prints_nothing(tmp_path, capfd):
    digit_scenes.prepare(tmp_path, train=2, val=1)
    assert capfd.readouterr() == ("", "")


def test_an_image_of_one_digit_has_its_class_everywhere():
    for index in range(33):
        image, label = digit_scenes.render_digit(0, "train", index)
        assert image.shape == (48, 48, 3) and image.dtype == np.uint8
        assert (label == index % 11).all() and label.dtype == np.uint8
        again, _ = digit_scenes.render_digit(0, "train", index)
        np.testing.assert_array_equal(image, again)


def test_an_image_without_a_digit_is_plain_background(monkeypatch):
    def refuse(*_):
        raise AssertionError("something was drawn")

    monkeypatch.setattr(digit_scenes, "_paste", refuse)
    digit_scenes.render_digit(0, "val", 22)
    with pytest.raises(AssertionError):
        digit_scenes.render_digit(0, "val", 23)
