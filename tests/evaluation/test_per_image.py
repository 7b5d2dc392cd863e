"""The overlaps of every image: means by hand, absent classes, the worst images."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxseg.data.labels import IGNORE
from jaxseg.evaluation.counting import (
    overlaps_of_confusions,
    overlaps_of_planes,
)
from jaxseg.evaluation.per_image import PerImage

NAN = float("nan")

# Three images and classes: intersection and union.
COUNTS = np.array(
    [
        [[1, 2], [3, 4], [0, 0]],  # lacks the third class
        [[0, 5], [6, 6], [1, 4]],
        [[0, 0], [0, 0], [0, 0]],  # ignored whole
    ]
)


def test_a_class_in_neither_does_not_count_in_the_mean_of_an_image():
    found = PerImage(COUNTS)
    np.testing.assert_array_equal(found.iou[0], [0.5, 0.75, NAN])
    np.testing.assert_allclose(found.score, [0.625, 1.25 / 3, NAN])
    np.testing.assert_allclose(found.dice[1], [0, 1, 0.4])


def test_mean_and_median_are_over_the_images_that_have_a_score():
    found = PerImage(np.concatenate([COUNTS, COUNTS[:1]])).summary()["per_image"]
    scores = [0.625, 0.625, 1.25 / 3]
    assert found["mean_iou"]["mean"] == pytest.approx(np.mean(scores))
    assert found["mean_iou"]["median"] == 0.625
    dice = [(2 / 3 + 6 / 7) / 2] * 2 + [1.4 / 3]
    assert found["mean_dice"]["mean"] == pytest.approx(np.mean(dice))
    assert list(found) == ["mean_iou", "mean_dice"]


def test_images_of_a_binary_task_are_ranked_by_the_foreground():
    counts = np.array([[[9, 9], [0, 0]], [[5, 8], [1, 4]], [[7, 8], [0, 1]]])
    found = PerImage(counts, "binary")
    assert found.worst() == [2, 1]  # the first has no foreground at all
    said = found.summary(["a", "b", "c"].__getitem__)
    assert said["per_image"]["iou"] == {"mean": 0.125, "median": 0.125}
    assert said["worst_images"] == [
        {"name": "c", "score": 0.0},
        {"name": "b", "score": 0.25},
    ]


def test_the_worst_images_are_ten_and_of_equal_ones_the_first():
    counts = np.ones((15, 1, 2), np.int64)
    counts[12, 0, 0] = 0
    assert PerImage(counts).worst() == [12, 0, 1, 2, 3, 4, 5, 6, 7, 8]


def test_without_any_counted_pixel_there_are_no_metrics():
    said = PerImage(COUNTS[2:]).summary()
    assert said["per_image"]["mean_iou"] == {"mean": None, "median": None}
    assert said["worst_images"] == []


def test_overlaps_are_read_off_a_confusion_matrix_of_each_image():
    confusions = np.array([[[3, 1], [2, 4]], [[0, 0], [5, 0]]], np.int32)
    expected = [[[3, 6], [4, 7]], [[0, 5], [0, 5]]]
    found = overlaps_of_confusions(jnp.array(confusions))
    assert np.asarray(found).tolist() == expected


def test_ignored_pixels_are_in_no_overlap():
    label = np.array([0, 0, 1, 1, IGNORE, IGNORE]).reshape(1, 2, 3, 1)
    prediction = np.array([0, 1, 0, 1, 0, 1]).astype(bool).reshape(1, 2, 3, 1)
    found = overlaps_of_planes(jnp.array(label), jnp.array(prediction))
    assert np.asarray(found).tolist() == [[[1, 3]]]
