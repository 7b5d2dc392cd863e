"""Scores become the same probabilities and predictions everywhere."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from closeness import assert_close

from jaxseg.config import EvaluationConfig
from jaxseg.evaluation.counting import Counter
from jaxseg.evaluation.histograms import Histogram, rounded_threshold
from jaxseg.evaluation.probabilities import Probabilities


def scores(classes):
    return 3 * jax.random.normal(jax.random.key(0), (2, 8, 9, classes))


@pytest.mark.parametrize("logits", [True, False])
def test_the_probability_of_the_class_predicted_is_the_largest(logits):
    said, given = Probabilities("multiclass", logits), scores(5)
    given = given if logits else jax.nn.softmax(given)
    assert_close(said.top(given), said(given).max(-1), epsilons=4)


def test_a_binary_probability_is_that_of_the_second_of_two_classes():
    given = scores(1)
    both = jnp.concatenate([jnp.zeros_like(given), given], axis=-1)
    expected = jax.nn.softmax(both)[..., 1]
    assert_close(Probabilities("binary")(given), expected, epsilons=4)


@pytest.mark.parametrize("task, classes", [("binary", 1), ("multilabel", 3)])
def test_a_prediction_is_what_the_histogram_counts_at_the_threshold(task, classes):
    said, given = Probabilities(task), scores(classes)
    bounds = [rounded_threshold(each) for each in (0.3, 0.5, 0.8)[:classes]]
    predicted = np.asarray(said.predict(given, bounds)).reshape(-1, classes)
    label = np.random.default_rng(0).integers(0, 2, predicted.shape, np.int32)
    shape = given.shape[:3] if task == "binary" else given.shape
    counts = Counter(max(2, classes), said)(given, jnp.array(label.reshape(shape)))
    histogram = Histogram(np.asarray(counts["histogram"]).astype(np.int64))
    found = histogram.confusion_at(bounds)
    for plane in range(classes):
        expected = np.zeros((2, 2), np.int64)
        np.add.at(expected, (label[:, plane], predicted[:, plane]), 1)
        np.testing.assert_array_equal(found[plane], expected)


@pytest.mark.parametrize(
    "options, logits",
    [
        ({}, True),
        ({"flip": True}, False),
        ({"turns": True}, False),
        ({"crf": 1}, False),
        ({"window": 64}, True),
    ],
)
def test_one_view_without_a_crf_gives_logits(options, logits):
    said = Probabilities.of("binary", EvaluationConfig(**options))
    assert said == Probabilities("binary", logits)
