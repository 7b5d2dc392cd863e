"""Mirror images and turns by hand values, and the shapes of what is not square."""

import numpy as np
import pytest

from jaxseg.data.labels import IGNORE
from jaxseg.data.orientation_transforms import QuarterTurns, VerticalFlip
from jaxseg.data.transforms import Compose, Pad


def numbered(height, width, planes=0):
    """Labels that number the pixels, row by row, as the image does."""
    label = np.arange(height * width, dtype=np.uint8).reshape(height, width)
    image = np.repeat(label[..., None], 3, axis=2)
    if planes:
        label = np.stack([label == 1] * planes, axis=-1).astype(np.uint8)
    return {"image": image, "label": label, "name": "numbered"}


def turned(sample, quarters):
    """The sample after a turn of so many quarters, by the first seed that draws it."""
    for seed in range(100):
        drawn = np.random.default_rng(seed)
        drawn.random()
        if drawn.integers(1, 4) == quarters:
            return QuarterTurns(1.0)(sample, np.random.default_rng(seed))
    raise AssertionError(f"no seed draws {quarters} quarters")


def test_a_vertical_flip_mirrors_top_and_bottom():
    out = VerticalFlip(1.0)(numbered(2, 3), np.random.default_rng(0))
    assert out["label"].tolist() == [[3, 4, 5], [0, 1, 2]]
    np.testing.assert_array_equal(out["image"][..., 1], out["label"])


@pytest.mark.parametrize("transform", [VerticalFlip(0.0), QuarterTurns(0.0)])
def test_what_is_never_applied_returns_the_sample(transform):
    sample = numbered(2, 2)
    assert transform(sample, np.random.default_rng(0)) is sample


@pytest.mark.parametrize(
    ("quarters", "expected"),
    [(1, [[1, 3], [0, 2]]), (2, [[3, 2], [1, 0]]), (3, [[2, 0], [3, 1]])],
)
def test_quarter_turns_by_hand(quarters, expected):
    out = turned(numbered(2, 2), quarters)
    assert out["label"].tolist() == expected
    assert out["image"][..., 0].tolist() == expected


def test_a_half_turn_keeps_all_of_a_sample_that_is_not_square():
    out = turned(numbered(2, 3), 2)
    assert out["label"].tolist() == [[5, 4, 3], [2, 1, 0]]


@pytest.mark.parametrize(
    ("quarters", "expected"), [(1, [[2, 6], [1, 5]]), (3, [[5, 1], [6, 2]])]
)
def test_a_quarter_turn_cuts_the_middle_out_of_what_is_not_square(quarters, expected):
    assert turned(numbered(2, 4), quarters)["label"].tolist() == expected
    tall = turned(numbered(4, 2), quarters)
    assert tall["label"].shape == (2, 2) and tall["image"].shape == (2, 2, 3)
    assert set(tall["label"].ravel().tolist()) == {2, 3, 4, 5}


def test_after_padding_a_crop_that_is_not_square_has_its_shape():
    chain = Compose((QuarterTurns(1.0), Pad((2, 4))))
    for seed in range(6):
        out = chain(numbered(2, 4), np.random.default_rng(seed))
        assert out["image"].shape == (2, 4, 3) and out["label"].shape == (2, 4)
        ignored = out["label"] == IGNORE
        assert not ignored.any() or ignored.tolist() == [[False, False, True, True]] * 2


def test_all_orientations_are_equally_often():
    turns, count = QuarterTurns(), 400
    corners = [
        int(turns(numbered(2, 2), np.random.default_rng(seed))["label"][0, 0])
        for seed in range(count)
    ]
    shares = np.bincount(corners, minlength=4) / count
    assert shares == pytest.approx([0.25] * 4, abs=0.07)


def test_planes_are_turned_with_the_image():
    out = turned(numbered(2, 4, planes=5), 1)
    np.testing.assert_array_equal(out["label"][..., 3], out["image"][..., 0] == 1)
    assert out["label"].shape == (2, 2, 5)
