"""Measures of probabilities equal scikit-learn's on the same rounded predictions."""

import jax.numpy as jnp
import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics
from sklearn.calibration import calibration_curve

from jaxseg.data.labels import IGNORE
from jaxseg.evaluation.histograms import (
    BINS,
    Histogram,
    count_probabilities,
    rounded_threshold,
)


def drawn(seed, count=4000, share=0.3, spread=0.3):
    """Draw labels and float32 probabilities that know something of them."""
    rng = np.random.default_rng(seed)
    label = (rng.random(count) < share).astype(np.int32)
    probability = np.clip(rng.normal(0.35 + 0.3 * label, spread), 0, 1)
    return label, probability.astype(np.float32)


def counted(label, probability):
    counts = count_probabilities(jnp.array(label), jnp.array(probability))
    return Histogram(np.asarray(counts).astype(np.int64))


def rounded(probability):
    """Return the middle of each probability's bin."""
    level = np.minimum(np.floor(probability.astype(np.float64) * BINS), BINS - 1)
    return (level + 0.5) / BINS


CASES = [(0, 0.3), (1, 0.01), (2, 0.9)]


@pytest.mark.parametrize("seed, share", CASES)
def test_areas_equal_scikit_learns(seed, share):
    label, probability = drawn(seed, share=share)
    found, near = counted(label[:, None], probability[:, None]), rounded(probability)
    expected = sklearn_metrics.roc_auc_score(label, near)
    np.testing.assert_allclose(found.roc_auc, [expected], rtol=1e-12)
    expected = sklearn_metrics.average_precision_score(label, near)
    np.testing.assert_allclose(found.average_precision, [expected], rtol=1e-12)


def test_ties_count_half():
    label = np.array([0, 1, 1, 0], np.int32)[:, None]
    found = counted(label, np.full((4, 1), 0.25, np.float32))
    np.testing.assert_array_equal(found.roc_auc, [0.5])
    np.testing.assert_array_equal(found.average_precision, [0.5])


@pytest.mark.parametrize("seed, share", CASES)
def test_no_threshold_has_a_better_iou_than_the_best(seed, share):
    label, probability = drawn(seed, count=200, share=share)
    found = counted(label[:, None], probability[:, None])
    (best,) = found.best_thresholds
    (iou,) = found.iou_at([best])
    jaccard = sklearn_metrics.jaccard_score
    np.testing.assert_allclose(iou, jaccard(label, probability >= best), rtol=1e-12)
    for threshold in np.maximum(1, np.floor(probability * BINS)) / BINS:
        assert jaccard(label, probability >= threshold) <= iou + 1e-12


def test_of_equal_thresholds_the_nearest_to_one_half_is_the_best():
    label = np.array([0, 1], np.int32)[:, None]
    for values, best in (((0.1, 0.9), 0.5), ((0.6, 0.9), (0.6 * BINS // 1 + 1) / BINS)):
        found = counted(label, np.array(values, np.float32)[:, None])
        np.testing.assert_array_equal(found.best_thresholds, [best])
        np.testing.assert_array_equal(found.iou_at([best]), [1.0])


def test_the_confusion_at_a_threshold_counts_predictions_from_there_on():
    label, probability = drawn(3)
    threshold = rounded_threshold(0.4)
    found = counted(label[:, None], probability[:, None]).confusion_at([threshold])
    expected = sklearn_metrics.confusion_matrix(label, probability >= threshold)
    np.testing.assert_array_equal(found, [expected])


@pytest.mark.parametrize("parts", [1, 10, 15])
def test_calibration_equals_scikit_learns(parts):
    label, probability = drawn(4, spread=0.15)
    (found,) = counted(label[:, None], probability[:, None]).reliability(parts)
    near = rounded(probability)
    frequency, confidence = calibration_curve(label, near, n_bins=parts)
    there = found.pixels > 0
    np.testing.assert_allclose(found.frequency[there], frequency, rtol=1e-12)
    np.testing.assert_allclose(found.confidence[there], confidence, rtol=1e-12)
    pixels = np.histogram(near, parts, (0, 1))[0]
    np.testing.assert_array_equal(found.pixels, pixels)
    distance = np.abs(frequency - confidence) * pixels[there]
    np.testing.assert_allclose(found.error, distance.sum() / len(label), rtol=1e-12)


def test_planes_are_counted_apart_and_ignored_pixels_not_at_all():
    (first, a), (second, b) = drawn(5, 50), drawn(6, 50)
    label = np.stack([first, np.where(b < 0.5, IGNORE, second)], axis=-1)
    both = counted(label, np.stack([a, b], axis=-1))
    kept = b >= 0.5
    for plane, alone in enumerate(
        (
            counted(first[:, None], a[:, None]),
            counted(second[kept][:, None], b[kept][:, None]),
        )
    ):
        np.testing.assert_array_equal(both.counts[plane], alone.counts[0])


def test_a_label_that_does_not_occur_leaves_the_areas_undefined():
    zeros = np.zeros((4, 1), np.int32)
    none = counted(zeros, np.full((4, 1), 0.2, np.float32))
    assert np.isnan([none.roc_auc, none.average_precision]).all()
    np.testing.assert_array_equal(none.best_thresholds, [0.5])
    every = counted(zeros + 1, np.full((4, 1), 0.2, np.float32))
    assert np.isnan(every.roc_auc).all()
    np.testing.assert_array_equal(every.average_precision, [1.0])


def test_the_ends_of_the_scale_and_nan_have_a_bin():
    values = np.array([0.0, 1.0, np.nan], np.float32)[:, None]
    found = counted(np.array([0, 1, 1], np.int32)[:, None], values)
    assert found.counts[0, 0, 0] == found.counts[0, 1, 0] == 1
    assert found.counts[0, 1, BINS - 1] == 1


@pytest.mark.parametrize("given", [1e-9, 0.3, 0.5, 1 - 1e-9])
def test_a_threshold_is_a_bound_of_a_bin_that_float32_holds(given):
    threshold = rounded_threshold(given)
    assert 0 < threshold < 1
    assert float(np.float32(threshold)) == threshold
    assert abs(threshold - given) <= 1 / BINS
