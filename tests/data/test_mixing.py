"""What is pasted, by hand; mixed batches are a function of (seed, epoch, index)."""

import json

import numpy as np
import pytest

from jaxseg.build_augmentation import build_augmentation
from jaxseg.config import AugmentConfig, Config, DataConfig, TrainConfig
from jaxseg.data.frequencies import ClassFrequencies
from jaxseg.data.labels import IGNORE
from jaxseg.data.mixing import (
    Augmentation,
    ClassMix,
    CopyPaste,
    CutMix,
    mixed,
    parse_mix,
)
from jaxseg.data.pipeline import TrainingStream
from jaxseg.data.transforms import Compose, RandomScaleCrop
from jaxseg.errors import UserError


def random(seed=0):
    return np.random.default_rng(seed)


def sample(label, value):
    """A sample whose image has one value."""
    label = np.array(label, np.uint8)
    image = np.full((*label.shape[:2], 3), value, np.uint8)
    return {"image": image, "label": label, "name": str(value)}


def test_pasted_pixels_come_with_their_labels_and_nothing_else_changes():
    first, partner = sample([[0, 1], [2, 3]], 10), sample([[4, IGNORE], [6, 7]], 20)
    out = mixed(first, partner, np.array([[True, True], [False, False]]))
    assert out["label"].tolist() == [[4, IGNORE], [2, 3]]
    assert out["image"][..., 2].tolist() == [[20, 20], [10, 10]]
    assert out["name"] == "10"
    assert first["label"].tolist() == [[0, 1], [2, 3]] and (first["image"] == 10).all()


def test_planes_are_pasted_together():
    first = sample(np.zeros((1, 2, 3)), 10)
    partner = sample(np.ones((1, 2, 3)), 20)
    out = mixed(first, partner, np.array([[False, True]]))
    assert out["label"].tolist() == [[[0, 0, 0], [1, 1, 1]]]


def test_the_rectangle_of_cutmix_has_an_area_of_one_minus_lambda():
    partner, mix = sample(np.zeros((64, 96)), 0), CutMix(1.0, alpha=1.0)
    shares = []
    for seed in range(300):
        pasted = mix.pasted(partner, random(seed))
        rows, columns = pasted.any(axis=1), pasted.any(axis=0)
        assert pasted.sum() == rows.sum() * columns.sum()  # one rectangle
        whole = not (rows[0] or rows[-1] or columns[0] or columns[-1])
        if whole and pasted.any():  # its edges are not cut: it has the image's shape
            assert columns.sum() == pytest.approx(1.5 * rows.sum(), abs=3)
            area = 1 - random(seed).beta(1.0, 1.0)
            assert pasted.mean() == pytest.approx(area, abs=0.07)
        shares.append(pasted.mean())
    assert min(shares) < 0.02 and max(shares) > 0.6


@pytest.mark.parametrize(
    ("label", "count"),
    [
        ([[0, 1, 2, 3]], 2),
        ([[0, 1, 2, IGNORE]], 1),
        ([[5, 5, 5, 5]], 0),
        ([[IGNORE] * 4], 0),
    ],
)
def test_classmix_pastes_half_of_the_classes_rounded_down(label, count):
    partner = sample(label, 0)
    for seed in range(8):
        pasted = ClassMix().pasted(partner, random(seed))
        assert pasted.sum() == count
        assert IGNORE not in partner["label"][pasted]


def test_classmix_pastes_each_class_as_often():
    partner = sample([[0, 1, 2, 3]], 0)
    drawn = [ClassMix().pasted(partner, random(seed))[0] for seed in range(200)]
    assert np.mean(drawn, axis=0) == pytest.approx([0.5] * 4, abs=0.1)


def test_classmix_of_planes_pastes_what_has_a_chosen_class():
    planes = np.array([[[1, 0], [0, 1], [1, 1], [0, 0]]], np.uint8)
    found = {
        tuple(ClassMix().pasted(sample(planes, 0), random(s))[0]) for s in range(9)
    }
    assert found == {(True, False, True, False), (False, True, True, False)}


COUNTED = ClassFrequencies((900, 90, 10, 0), (1000,) * 4, ((0,), (0, 1), (0, 2)))


def test_rare_classes_are_those_below_the_threshold_that_occur():
    assert CopyPaste(threshold=0.05).with_classes(COUNTED).classes == (2,)
    assert CopyPaste(threshold=0.5).with_classes(COUNTED).classes == (1, 2)
    assert CopyPaste(classes=(1,)).with_classes(COUNTED).classes == (1,)


def test_copy_paste_pastes_the_pixels_of_rare_classes():
    partner = sample([[0, 1, 2, IGNORE]], 0)
    pasted = CopyPaste(classes=(1, 2)).pasted(partner, random())
    assert pasted.tolist() == [[False, True, True, False]]
    planes = sample([[[1, 0, 0], [0, 0, 1], [IGNORE, 0, 0]]], 0)
    assert CopyPaste(classes=(2,)).pasted(planes, random()).tolist() == [
        [False, True, False]
    ]


@pytest.mark.parametrize(
    ("mix", "said"),
    [
        (CopyPaste(threshold=0.001), "the rarest has 0.01 of the training pixels"),
        (CopyPaste(classes=(7,)), "no training image has class 7, of 4 classes"),
        (CopyPaste(classes=(3,)), "no training image has class 3, of 4 classes"),
    ],
)
def test_rare_classes_that_there_are_not_are_refused(mix, said):
    with pytest.raises(UserError) as caught:
        mix.with_classes(COUNTED)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("mixup", "unknown augment.mix 'mixup'. Did you mean 'cutmix'"),
        ("cutmix(alpha=0)", "option alpha of augment.mix 'cutmix', 0: must be greater"),
        (
            "cutmix(beta=1)",
            "augment.mix 'cutmix' has no option beta; it has alpha, pro",
        ),
        ("classmix(probability=2)", "'classmix', 2: must be less than or equal to 1"),
        ("copy_paste(threshold=0)", "'copy_paste', 0: must be greater than 0"),
        ("cutmix 1", "unknown augment.mix 'cutmix 1'"),
    ],
)
def test_a_mix_that_is_none_is_one_line(text, said):
    with pytest.raises(UserError) as caught:
        parse_mix(text)
    assert said in str(caught.value) and "\n" not in str(caught.value)


class Scenes:
    """Images of one value, their index; class 1 in half of each, class 2 in two."""

    def __len__(self):
        return 10

    def __getitem__(self, index):
        label = np.zeros((12, 16), np.uint8)
        label[:, 8:] = 1
        if index in (3, 7):
            label[5, 2] = 2
        image = np.full((12, 16, 3), index, np.uint8)
        return {"image": image, "label": label, "name": str(index)}


RARE = ClassFrequencies(
    (94, 96, 2),
    (192,) * 3,
    tuple((0, 1, 2) if i in (3, 7) else (0, 1) for i in range(10)),
)


def augmentation(*mixes, crop=(8, 8)):
    images = [[i for i in range(10) if c in RARE.images[i]] for c in range(3)]
    given = tuple(
        mix.with_classes(RARE) if isinstance(mix, CopyPaste) else mix for mix in mixes
    )
    chain = Compose((RandomScaleCrop(crop),))
    return Augmentation(chain, given, images=tuple(map(tuple, images)))


ALL = [CutMix(), ClassMix(), CopyPaste()]


def stream(process=0, processes=1, threads=2, repeats=(), mixes=ALL):
    scenes = Scenes()
    return TrainingStream(
        scenes,
        augmentation(*mixes).of(scenes, repeats),
        batch_size=4,
        seed=3,
        repeats=repeats,
        threads=threads,
        process_index=process,
        process_count=processes,
    )


def take(source, count):
    return [next(source) for _ in range(count)]


def same(first, second):
    return all(
        np.array_equal(a[name], b[name])
        for a, b in zip(first, second, strict=True)
        for name in ("image", "label")
    )


@pytest.mark.parametrize("repeats", [(), (1.0,) * 8 + (2.5, 1.5)])
def test_mixed_batches_are_the_same_with_any_number_of_threads(repeats):
    whole = take(stream(threads=1, repeats=repeats), 6)
    assert same(whole, take(stream(threads=5, repeats=repeats), 6))
    # Some images are of two values, that is, mixed.
    values = [len(np.unique(image)) for batch in whole for image in batch["image"]]
    assert 4 < sum(count > 1 for count in values)


@pytest.mark.parametrize("steps", [0, 1, 4])
def test_mixed_batches_are_the_same_in_any_processes_after_a_resume(steps):
    first = stream()
    take(first, steps)
    place = json.loads(json.dumps(first.state()))
    whole = take(first, 4)
    parts = [stream(process, 2) for process in (0, 1)]
    for part in parts:
        part.restore(place)
    shared = [take(part, 4) for part in parts]
    joined = [
        {name: np.concatenate([one[name], two[name]]) for name in ("image", "label")}
        for one, two in zip(*shared, strict=True)
    ]
    assert same(whole, joined)


def test_a_label_is_that_of_the_image_that_a_pixel_comes_from():
    scenes = Scenes()
    transform = augmentation(CutMix(1.0), crop=(12, 16)).of(scenes)
    for seed in range(20):
        out = transform(scenes[0], random(seed))
        for value in np.unique(out["image"]):
            there = out["image"][..., 0] == value
            expected = scenes[value]["label"]
            np.testing.assert_array_equal(out["label"][there], expected[there])


def test_the_partners_of_copy_paste_show_a_rare_class():
    scenes = Scenes()
    transform = augmentation(CopyPaste(1.0)).of(scenes)
    seen = set()
    for seed in range(20):
        out = transform(scenes[0], random(seed))
        assert (out["label"] == 2).sum() == 1
        seen |= set(out["image"][out["label"] == 2].ravel().tolist())
    assert seen == {3, 7}


def test_partners_are_drawn_as_often_as_an_epoch_draws_them():
    scenes, repeats = Scenes(), (1.0,) * 9 + (11.0,)
    transform = augmentation(CutMix(1.0, alpha=0.01), crop=(12, 16)).of(scenes, repeats)
    values = [transform(scenes[0], random(seed))["image"].max() for seed in range(300)]
    # Of 20 draws 11 are of the last; half of the rectangles are empty.
    assert np.mean(np.array(values) == 9) == pytest.approx(0.5 * 11 / 20, abs=0.08)


def test_without_a_mix_nothing_but_the_chain_is_done():
    chain = Compose((RandomScaleCrop((8, 8)),))
    assert Augmentation(chain).of(Scenes()) == chain


def test_weights_of_borders_are_those_of_the_mixed_label():
    config = Config(
        data=DataConfig(task="binary"),
        augment=AugmentConfig(
            crop=(33, 33), scale=(1.0, 1.0), photometric=False, mix=("cutmix",)
        ),
        train=TrainConfig(border_weight=10.0),
    )
    *_, cutmix, border = build_augmentation(config).of(Scenes()).transforms
    assert cutmix.mix == CutMix() and border.w0 == 10
