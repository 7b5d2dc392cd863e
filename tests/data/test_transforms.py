"""Image and mask stay aligned under every transform; ranges and caps hold."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxseg.data.labels import IGNORE
from jaxseg.data.orientation_transforms import QuarterTurns, VerticalFlip
from jaxseg.data.pixel_transforms import (
    CoarseDropout,
    Gamma,
    GaussianBlur,
    GaussianNoise,
    Grey,
)
from jaxseg.data.transforms import (
    Compose,
    ElasticDeformation,
    Pad,
    PhotometricDistortion,
    RandomFlip,
    RandomRotation,
    RandomScaleCrop,
    training_transforms,
)
from jaxseg.errors import UserError

COLOURS = np.array([[10, 10, 10], [120, 120, 120], [240, 240, 240]], np.uint8)


def scene(height=60, width=80, seed=0):
    """Blocks of 10 pixels; the colour of a pixel depends on its class."""
    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, 3, (-(-height // 10), -(-width // 10)), dtype=np.uint8)
    label = np.kron(blocks, np.ones((10, 10), np.uint8))[:height, :width]
    return {"image": COLOURS[label], "label": label, "name": "scene"}


def agreement(sample):
    """The share of counted pixels whose colour is that of their class."""
    kept = sample["label"] != IGNORE
    distance = np.abs(
        sample["image"][kept][:, None, 0].astype(int) - COLOURS[None, :, 0].astype(int)
    )
    return (distance.argmin(1) == sample["label"][kept]).mean()


TRANSFORMS = {
    "crop": RandomScaleCrop((32, 40)),
    "scale up": RandomScaleCrop((32, 40), (1.5, 2.0)),
    "scale down": RandomScaleCrop((32, 40), (0.4, 0.7)),
    "crop by class": RandomScaleCrop((32, 40), (1.0, 1.5), by_class=1.0),
    "rotate": RandomRotation(30.0),
    "bend": ElasticDeformation(4.0),
    "flip": RandomFlip(1.0),
    "vertical flip": VerticalFlip(1.0),
    "quarter turns": QuarterTurns(1.0),
    "noise": GaussianNoise(1.0),
    "blur": GaussianBlur(1.0, (0.3, 0.6)),
    "gamma": Gamma(1.0),
    "grey": Grey(1.0),
    "ignored holes": CoarseDropout(1.0, ignore=True, fill=(255, 0, 0)),
    "pad": Pad((90, 100)),
    "all": training_transforms(
        (48, 48), scale=(0.5, 2.0), flip=0.5, rotation=15.0, max_class_share=0.75
    ),
}


@pytest.mark.parametrize("name", TRANSFORMS)
def test_image_and_mask_stay_aligned(name):
    for seed in range(8):
        out = TRANSFORMS[name](scene(seed=seed), np.random.default_rng(seed))
        assert out["image"].shape[:2] == out["label"].shape
        assert out["image"].dtype == out["label"].dtype == np.uint8
        # Block edges are blended by interpolation in the image alone.
        assert agreement(out) > (0.85 if name in ("scale down", "all") else 0.93)


@pytest.mark.parametrize("name", TRANSFORMS)
def test_a_transform_is_a_function_of_sample_and_generator(name):
    first, second = (
        TRANSFORMS[name](scene(), np.random.default_rng(7)) for _ in range(2)
    )
    np.testing.assert_array_equal(first["image"], second["image"])
    np.testing.assert_array_equal(first["label"], second["label"])


@pytest.mark.parametrize("name", TRANSFORMS)
def test_the_input_is_not_changed(name):
    sample = scene()
    before = {key: np.copy(value) for key, value in sample.items() if key != "name"}
    TRANSFORMS[name](sample, np.random.default_rng(0))
    for key, value in before.items():
        np.testing.assert_array_equal(sample[key], value)


@settings(max_examples=40, deadline=None)
@given(
    st.tuples(st.integers(1, 70), st.integers(1, 70)),
    st.floats(0.3, 3.0),
    st.integers(0, 99),
)
def test_any_image_becomes_exactly_the_crop(size, factor, seed):
    chain = training_transforms((33, 40), scale=(factor, factor), rotation=5.0)
    out = chain(scene(*size), np.random.default_rng(seed))
    assert out["image"].shape == (33, 40, 3)
    assert out["label"].shape == (33, 40)
    assert (out["label"] != IGNORE).any()


def test_a_crop_without_scaling_is_a_window_of_the_image():
    sample = scene()
    out = RandomScaleCrop((30, 30))(sample, np.random.default_rng(3))
    windows = np.lib.stride_tricks.sliding_window_view(sample["label"], (30, 30))
    assert (windows == out["label"]).all((2, 3)).any()


def test_scaling_by_two_doubles_every_pixel():
    sample = scene(16, 20)
    out = RandomScaleCrop((32, 40), (2.0, 2.0))(sample, np.random.default_rng(0))
    doubled = np.kron(sample["label"], np.ones((2, 2), np.uint8))
    np.testing.assert_array_equal(out["label"], doubled)


def test_a_crop_of_one_class_is_drawn_again():
    label = np.zeros((40, 400), np.uint8)
    label[:, 200:210] = 1
    sample = {"image": np.zeros((40, 400, 3), np.uint8), "label": label, "name": ""}
    shares = {}
    for cap in (1.0, 0.75):
        crop = RandomScaleCrop((40, 30), max_class_share=cap)
        outs = [crop(sample, np.random.default_rng(i))["label"] for i in range(60)]
        shares[cap] = np.mean([out.any() for out in outs])
    assert shares[0.75] > 3 * shares[1.0]


def rare(planes=False):
    """One pixel of class 1 at row 5, column 300, and ten columns of class 2."""
    label = np.zeros((40, 400), np.uint8)
    label[5, 300], label[:, 100:110] = 1, 2
    if planes:
        label = np.stack([label == 1, label == 2], axis=-1).astype(np.uint8)
    return {"image": np.zeros((40, 400, 3), np.uint8), "label": label, "name": ""}


@pytest.mark.parametrize("planes", [False, True])
def test_crops_by_class_have_each_class_of_the_image_equally_often(planes):
    crop = RandomScaleCrop((9, 9), by_class=1.0)
    sample, count = rare(planes), 300
    found = [crop(sample, np.random.default_rng(i))["label"] for i in range(count)]
    centres = [each[..., 0] if planes else each == 1 for each in found]
    # Of two or three classes one is drawn; the pixel is a centre, as far as may be.
    shares = np.mean([centre[4, 4] for centre in centres])
    assert shares == pytest.approx(1 / 2 if planes else 1 / 3, abs=0.07)


def test_a_crop_by_class_may_be_of_some_classes_only():
    crop = RandomScaleCrop((9, 9), by_class=1.0, classes=(1, 9))
    for seed in range(5):
        assert crop(rare(), np.random.default_rng(seed))["label"][4, 4] == 1
    anywhere = RandomScaleCrop((9, 9), by_class=1.0, classes=(9,))
    assert anywhere(rare(), np.random.default_rng(0))["label"].shape == (9, 9)


def test_a_crop_by_class_at_the_border_lies_inside_the_image():
    sample = rare()
    sample["label"][:] = 255
    sample["label"][0, 399] = 1
    out = RandomScaleCrop((9, 9), by_class=1.0)(sample, np.random.default_rng(0))
    assert out["label"].shape == (9, 9) and out["label"][0, 8] == 1


@pytest.mark.parametrize("planes", [False, True])
def test_an_image_of_ignored_pixels_is_cropped_by_class_anywhere(planes):
    sample = rare(planes)
    sample["label"][:] = IGNORE
    anyhow, by_class = (
        RandomScaleCrop((9, 9), by_class=share)(sample, np.random.default_rng(0))
        for share in (0.0, 1.0)
    )
    assert by_class["label"].shape == anyhow["label"].shape


def test_a_flip_mirrors_both():
    sample = scene()
    out = RandomFlip(1.0)(sample, np.random.default_rng(0))
    np.testing.assert_array_equal(out["image"], sample["image"][:, ::-1])
    np.testing.assert_array_equal(out["label"], sample["label"][:, ::-1])
    same = RandomFlip(0.0)(sample, np.random.default_rng(0))
    np.testing.assert_array_equal(same["label"], sample["label"])


def test_pixels_that_a_rotation_adds_are_ignored():
    sample = scene()
    out = RandomRotation(45.0, fill=(1, 2, 3))(sample, np.random.default_rng(1))
    outside = out["label"] == IGNORE
    assert 0 < outside.mean() < 0.7
    assert (sample["label"] != IGNORE).all()


def test_no_displacement_is_the_identity():
    sample = scene()
    out = ElasticDeformation(0.0)(sample, np.random.default_rng(0))
    np.testing.assert_array_equal(out["image"], sample["image"])
    np.testing.assert_array_equal(out["label"], sample["label"])


def test_pixels_that_a_deformation_adds_are_ignored_and_filled():
    white = {"image": np.full((60, 80, 3), 250, np.uint8), "name": "white"}
    white["label"] = np.ones((60, 80), np.uint8)
    out = ElasticDeformation(10.0, fill=(1, 2, 3))(white, np.random.default_rng(1))
    outside = out["label"] == IGNORE
    assert 0 < outside.mean() < 0.5
    # The image is blended with the filling over one pixel at the edge.
    filled = (out["image"] == (1, 2, 3)).all(-1)
    assert outside[filled].all()
    assert filled.sum() > 0.8 * outside.sum()


def test_a_deformation_is_smooth_and_as_large_as_asked():
    """An image whose values are positions shows where its pixels came from."""
    columns = np.broadcast_to(np.arange(200, dtype=np.uint8), (200, 200))
    sample = {
        "image": np.stack([columns, columns.T, 0 * columns], -1),
        "label": np.zeros((200, 200), np.uint8),
    }
    shifts = []
    for seed in range(40):
        out = ElasticDeformation(6.0)(sample, np.random.default_rng(seed))
        inner = out["image"][60:140, 60:140, :2].astype(float)
        shift = inner - sample["image"][60:140, 60:140, :2]
        assert np.abs(np.diff(shift, axis=0)).max() <= 2
        assert np.abs(np.diff(shift, axis=1)).max() <= 2
        shifts.append(shift[40, 40])
    # The middle of the grid is drawn with the standard deviation itself.
    assert 4.5 < np.std(shifts) < 7.5


def test_a_sample_larger_than_its_padding_is_an_error():
    with pytest.raises(ValueError, match="larger"):
        Pad((8, 200))(scene(), np.random.default_rng(0))


def test_padding_is_ignored_and_filled():
    out = Pad((70, 90), fill=(1, 2, 3))(scene(), np.random.default_rng(0))
    assert (out["label"][60:] == IGNORE).all()
    assert (out["image"][60:] == (1, 2, 3)).all()
    np.testing.assert_array_equal(out["label"][:60, :80], scene()["label"])


def test_photometric_distortion_leaves_the_mask_and_changes_the_image():
    changed = 0
    for seed in range(20):
        sample = scene()
        out = PhotometricDistortion()(sample, np.random.default_rng(seed))
        assert out["label"] is sample["label"]
        assert out["image"].dtype == np.uint8
        changed += not np.array_equal(out["image"], sample["image"])
    assert changed >= 12  # one in sixteen draws nothing, greys have no hue


def test_neutral_photometric_distortion_is_the_identity_on_grey():
    neutral = PhotometricDistortion(0.0, (1.0, 1.0), (1.0, 1.0), 0.0)
    out = neutral(scene(), np.random.default_rng(0))
    np.testing.assert_array_equal(out["image"], scene()["image"])


def test_hue_turns_red_towards_green():
    red = {**scene(), "image": np.full((60, 80, 3), (200, 0, 0), np.uint8)}
    turned = PhotometricDistortion(0.0, (1.0, 1.0), (1.0, 1.0), 90.0)
    means = [
        turned(red, np.random.default_rng(seed))["image"].mean((0, 1))
        for seed in range(20)
    ]
    assert any(mean[1] > 20 for mean in means)


def test_a_chain_passes_on_one_generator():
    chain = Compose((RandomFlip(0.5), RandomFlip(0.5)))
    rng = np.random.default_rng(0)
    chain(scene(), rng)
    expected = np.random.default_rng(0)
    expected.random(2)
    assert rng.random() == expected.random()


def test_scales_that_are_out_of_order_are_refused():
    with pytest.raises(UserError, match=r"augment.scale 2 1: give the smaller factor"):
        training_transforms((32, 32), scale=(2.0, 1.0))


def several_planes(label):
    """A plane for each class, whose pixels may belong to two of them."""
    planes = [label == 0, label == 1, label == 2, label > 0, label < 2]
    planes = np.stack(planes, axis=-1).astype(np.uint8)
    planes[label == IGNORE] = IGNORE
    return planes


@pytest.mark.parametrize("name", TRANSFORMS)
def test_planes_are_changed_as_one_mask_is(name):
    for seed in range(3):
        sample = scene(seed=seed)
        sample["label"][:4, :9] = IGNORE
        changed = TRANSFORMS[name](sample, np.random.default_rng(seed))
        sample["label"] = several_planes(sample["label"])
        found = TRANSFORMS[name](sample, np.random.default_rng(seed))
        if name in ("all", "crop by class"):  # where they cut depends on the classes
            assert found["label"].shape == (*changed["label"].shape, 5)
            planes = several_planes(np.arange(3, dtype=np.uint8))
            sure = (found["label"] != IGNORE).all(axis=2)
            known = {tuple(plane) for plane in planes}
            assert set(map(tuple, found["label"][sure])) <= known
            continue
        np.testing.assert_array_equal(found["image"], changed["image"])
        expected = several_planes(changed["label"])
        np.testing.assert_array_equal(found["label"], expected)


def test_a_crop_without_any_of_overlapping_classes_is_drawn_again():
    label = np.zeros((40, 40, 2), np.uint8)
    label[20:24, 20:24] = 1
    sample = {"image": np.zeros((40, 40, 3), np.uint8), "label": label, "name": "a"}
    crop = RandomScaleCrop((8, 8), max_class_share=0.95)
    found = [crop(sample, np.random.default_rng(seed))["label"] for seed in range(40)]
    anyhow = RandomScaleCrop((8, 8))
    other = [anyhow(sample, np.random.default_rng(seed))["label"] for seed in range(40)]
    assert sum(each.any() for each in found) > 2 * sum(each.any() for each in other)
