"""Noise, blur, gamma, grey and holes by hand values; labels stay but under holes."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from jaxseg.data.labels import IGNORE
from jaxseg.data.named_transforms import TRANSFORMS
from jaxseg.data.pixel_transforms import (
    CoarseDropout,
    Gamma,
    GaussianBlur,
    GaussianNoise,
    Grey,
)
from jaxseg.errors import UserError
from jaxseg.registry import check_class_options, parse

ALL = [CoarseDropout, Gamma, GaussianBlur, GaussianNoise, Grey]


def filled(value, height=4, width=6):
    image = np.full((height, width, 3), value, np.uint8)
    return {"image": image, "label": np.ones((height, width), np.uint8), "name": "a"}


def random(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("kind", ALL)
def test_a_probability_of_none_returns_the_sample(kind):
    sample = filled(9)
    assert kind(probability=0.0)(sample, random()) is sample


@pytest.mark.parametrize("kind", ALL)
def test_the_label_stays(kind):
    sample = filled(120)
    out = kind(probability=1.0)(sample, random())
    assert out["label"] is sample["label"] and out["name"] == "a"
    assert out["image"].shape == (4, 6, 3) and out["image"].dtype == np.uint8


@pytest.mark.parametrize("kind", ALL)
def test_a_probability_of_a_half_is_half_of_the_samples(kind):
    transform, image = kind(probability=0.5), np.zeros((8, 8, 3), np.uint8)
    image[::2, :, 1] = 200
    sample = {"image": image, "label": np.zeros((8, 8), np.uint8)}
    same = [transform(sample, random(seed)) is sample for seed in range(200)]
    assert np.mean(same) == pytest.approx(0.5, abs=0.1)


def test_noise_has_its_standard_deviation_and_no_mean():
    out = GaussianNoise(1.0, (10.0, 10.0))(filled(120, 60, 60), random())["image"]
    noise = out.astype(float) - 120
    assert noise.mean() == pytest.approx(0, abs=0.5)
    assert noise.std() == pytest.approx(10, rel=0.05)
    assert abs(np.corrcoef(noise[..., 0].ravel(), noise[..., 1].ravel())[0, 1]) < 0.1


def test_noise_of_none_is_the_identity_and_bytes_do_not_wrap():
    still = GaussianNoise(1.0, (0.0, 0.0))(filled(255), random())
    assert (still["image"] == 255).all()
    out = GaussianNoise(1.0, (5.0, 5.0))(filled(255, 40, 40), random())["image"]
    assert out.min() > 200 and (out == 255).mean() > 0.4


def test_blur_is_the_convolution_with_a_gaussian():
    image = random(1).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    sample = {**filled(0, 30, 40), "image": image}
    out = GaussianBlur(1.0, (1.5, 1.5))(sample, random())["image"]
    expected = gaussian_filter(
        image.astype(float), (1.5, 1.5, 0), mode="mirror", truncate=3
    )
    assert np.abs(out - expected).max() < 1.5


@pytest.mark.parametrize(("power", "expected"), [(2.0, 63), (0.5, 180), (1.0, 126)])
def test_gamma_by_hand(power, expected):
    # 126.49: the geometric mean of 255 / 4.06 and 255; 255 (126 / 255)^2 = 62.3.
    out = Gamma(1.0, (power, power))(filled(126), random())["image"]
    assert abs(int(out[0, 0, 0]) - expected) <= 1
    for end in (0, 255):
        ends = Gamma(1.0, (power, power))(filled(end), random())["image"]
        assert (ends == end).all()


def test_gamma_brightens_as_often_as_it_darkens():
    transform = Gamma(1.0, (0.5, 2.0))
    means = [transform(filled(100), random(seed))["image"].mean() for seed in range(99)]
    assert np.mean(np.array(means) > 100) == pytest.approx(0.5, abs=0.12)


def test_grey_is_the_luma_in_all_channels():
    sample = filled(0)
    sample["image"][:] = (200, 100, 50)
    out = Grey(1.0)(sample, random())["image"]
    # 0.299 * 200 + 0.587 * 100 + 0.114 * 50 = 124.2
    assert (out == 124).all() and out.shape == (4, 6, 3)


def holes(**options):
    given = dict(probability=1.0, holes=(1, 1), size=(0.5, 0.5), fill=(1, 2, 3))
    return CoarseDropout(**{**given, **options})


def test_a_hole_has_its_size_and_colour_and_lies_inside():
    for seed in range(20):
        out = holes()(filled(200), random(seed))
        hole = (out["image"] == (1, 2, 3)).all(axis=2)
        assert hole.any(axis=1).sum() == 2 and hole.any(axis=0).sum() == 3
        assert hole.sum() == 6 and (out["image"][~hole] == 200).all()
        assert (out["label"] == 1).all()


@pytest.mark.parametrize("planes", [False, True])
def test_what_is_under_a_hole_is_ignored_if_that_is_asked_for(planes):
    sample = filled(200)
    if planes:
        sample["label"] = np.ones((4, 6, 5), np.uint8)
    out = holes(ignore=True)(sample, random())
    hole = (out["image"] == (1, 2, 3)).all(axis=2)
    assert (out["label"][hole] == IGNORE).all() and (out["label"][~hole] == 1).all()
    assert (sample["label"] == 1).all()


def test_the_number_of_holes_is_drawn_from_its_range():
    transform = holes(holes=(1, 3), size=(0.02, 0.02))
    counts = {
        int((transform(filled(200, 50, 50), random(seed))["image"] != 200).sum() // 3)
        for seed in range(40)
    }
    assert counts <= {1, 2, 3} and {1, 3} <= counts


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("gamma(gamma=(2, 1))", "gamma of transform 'gamma', (2, 1): the smaller num"),
        ("gaussian_blur(sigma=(0, 1))", "'gaussian_blur', 0: must be greater than 0"),
        ("gaussian_noise(std=(1, 300))", "300: must be less than or equal to 255"),
        ("gaussian_noise(std=5)", "'gaussian_noise', 5: must be a valid tuple"),
        ("coarse_dropout(holes=(0, 2))", "'coarse_dropout', 0: must be greater than"),
        ("coarse_dropout(size=(0.1, 1.5))", "1.5: must be less than or equal to 1"),
        ("coarse_dropout(ignore=1)", "'coarse_dropout', 1: must be a valid boolean"),
        ("grey(share=1)", "has no option share; it has probability"),
        ("vertical_flip(probability=2)", "'vertical_flip', 2: must be less than"),
        ("quarter_turns(probability=-1)", "'quarter_turns', -1: must be greater than"),
    ],
)
def test_an_option_that_does_not_fit_is_one_line(text, said):
    named = parse("transform", text)
    owner = f"transform {named.name!r}"
    with pytest.raises(UserError) as caught:
        check_class_options(owner, TRANSFORMS[named.name], named.options)
    assert said in str(caught.value) and "\n" not in str(caught.value)
