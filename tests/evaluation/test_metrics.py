"""The confusion matrix and its metrics, by hand and against scikit-learn."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics

from jaxseg.data.labels import IGNORE
from jaxseg.evaluation.metrics import Confusion, MultilabelConfusion, confusion_matrix

# Label 0: two right, one taken for 1; label 1: one right; class 2 never occurs.
HAND = Confusion(np.array([[2, 1, 0], [0, 1, 0], [0, 0, 0]]))


def test_counts_are_those_by_hand():
    label = jnp.array([[0, 0, 0], [1, IGNORE, IGNORE]])
    prediction = jnp.array([[0, 0, 1], [1, 2, 0]])
    counts = confusion_matrix(label, prediction, 3)
    assert counts.dtype == jnp.int32
    np.testing.assert_array_equal(counts, HAND.counts)


def test_metrics_are_those_by_hand():
    np.testing.assert_allclose(HAND.iou, [2 / 3, 1 / 2, np.nan])
    np.testing.assert_allclose(HAND.dice, [4 / 5, 2 / 3, np.nan])
    assert HAND.mean_iou == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert HAND.pixel_accuracy == pytest.approx(3 / 4)
    assert HAND.mean_accuracy == pytest.approx((2 / 3 + 1) / 2)
    expected = 3 / 4 * 2 / 3 + 1 / 4 * 1 / 2
    assert HAND.frequency_weighted_iou == pytest.approx(expected)


def test_a_class_that_is_only_predicted_counts_as_zero():
    confusion = Confusion(np.array([[3, 1], [0, 0]]))
    np.testing.assert_allclose(confusion.iou, [3 / 4, 0])
    assert confusion.mean_iou == pytest.approx(3 / 8)


def test_no_pixels_give_nan():
    zero = Confusion.zero(3)
    figures = (zero.mean_iou, zero.pixel_accuracy, zero.frequency_weighted_iou)
    assert np.isnan(figures).all()


def test_sums_are_exact_beyond_two_to_the_31():
    large = Confusion(np.full((2, 2), 2**31 - 1))
    assert int((large + large).counts[0, 0]) == 2**32 - 2
    device = np.full((2, 2), 2**31 - 1, np.int32)
    assert int((Confusion(device.astype(np.int64)) + device).counts[0, 0]) == 2**32 - 2


labels = st.lists(st.sampled_from([0, 1, 2, IGNORE]), min_size=1, max_size=40)


@settings(max_examples=40, deadline=None)
@given(labels, st.integers(0, 100))
def test_iou_and_dice_equal_scikit_learns(label, seed):
    label = np.array(label)
    prediction = np.random.default_rng(seed).integers(0, 3, label.shape)
    counts = np.asarray(confusion_matrix(jnp.array(label), jnp.array(prediction), 3))
    confusion = Confusion.zero(3) + counts
    kept = label != IGNORE
    if not kept.any():
        assert counts.sum() == 0
        return
    present = sorted({*label[kept], *prediction[kept]})
    expected = sklearn_metrics.jaccard_score(
        label[kept], prediction[kept], labels=present, average=None
    )
    np.testing.assert_allclose(confusion.iou[present], expected)
    expected = sklearn_metrics.f1_score(
        label[kept], prediction[kept], labels=present, average=None
    )
    np.testing.assert_allclose(confusion.dice[present], expected)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 5), st.integers(0, 100))
def test_the_matrix_of_a_whole_is_the_sum_of_its_parts(cut, seed):
    rng = np.random.default_rng(seed)
    label, prediction = jnp.array(rng.integers(0, 4, (2, 6, 7)))
    whole = confusion_matrix(label, prediction, 4)
    first = confusion_matrix(label[:cut], prediction[:cut], 4)
    second = confusion_matrix(label[cut:], prediction[cut:], 4)
    np.testing.assert_array_equal(whole, first + second)


def test_metrics_of_overlapping_classes_are_those_by_hand():
    # Class 0: 3 right, 1 too many, 2 missed; class 1: never there; 10 pixels.
    counts = np.array([[[4, 1], [2, 3]], [[10, 0], [0, 0]]])
    found = MultilabelConfusion(counts)
    np.testing.assert_allclose(found.iou, [3 / 6, np.nan])
    np.testing.assert_allclose(found.dice, [6 / 9, np.nan])
    assert found.mean_iou == pytest.approx(3 / 6)
    assert found.mean_dice == pytest.approx(6 / 9)
    assert found.pixel_accuracy == pytest.approx(17 / 20)
    assert found.mean_accuracy == pytest.approx(3 / 5)
    assert found.frequency_weighted_iou == pytest.approx(3 / 6)


def test_a_class_that_overlaps_is_measured_as_the_second_of_two():
    counts = np.array([[[4, 1], [2, 3]], [[1, 5], [3, 7]]])
    found = MultilabelConfusion(counts)
    for plane, alone in enumerate(map(Confusion, counts)):
        assert found.iou[plane] == alone.iou[1]
        assert found.dice[plane] == alone.dice[1]
