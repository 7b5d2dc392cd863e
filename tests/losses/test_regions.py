"""Losses of regions: values by hand, absent classes, weights."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from make_loss import make_loss

from jaxseg.losses.regions import power

# Softmax 0.75 or 0.25; four pixels, two of class 0 and two of class 1.
LOGITS = jnp.log(jnp.array([[[[3.0, 1], [1, 1 / 3], [3, 1], [1 / 3, 1]]]]) / 4)
LABEL = jnp.array([[[0, 0, 1, 1]]])
# Class 0: overlap 1.5, predicted 2.5, labelled 2; class 1: 1, 1.5, 2.


@pytest.mark.parametrize(
    "text, scores",
    [
        ("dice", (3 / 4.5, 2 / 3.5)),
        ("dice(smooth=1.0)", (4 / 5.5, 3 / 4.5)),
        ("jaccard", (1.5 / 3, 1 / 2.5)),
        ("tversky(alpha=0.2, beta=0.6)", (1.5 / (1.5 + 0.2 + 0.3), 1 / (1 + 0.7))),
    ],
)
def test_one_minus_the_mean_score_of_two_classes(text, scores):
    found = make_loss(text)(LOGITS, LABEL)
    np.testing.assert_allclose(found, 1 - np.mean(scores), rtol=1e-6)


def test_focal_tversky_is_the_mean_of_powers():
    losses = np.array([1 - 1.5 / (1.5 + 0.3 + 0.35), 1 - 1 / (1 + 0.15 + 0.7)])
    found = make_loss("focal_tversky")(LOGITS, LABEL)
    np.testing.assert_allclose(found, np.mean(losses**0.75), rtol=1e-6)
    mean = make_loss("tversky(alpha=0.3, beta=0.7, gamma=0.75)")(LOGITS, LABEL)
    np.testing.assert_allclose(mean, np.mean(losses) ** 0.75, rtol=1e-6)


def test_generalised_dice_weighs_by_the_square_of_the_pixels():
    label = jnp.array([[[0, 0, 0, 1]]])  # overlap 2.25 and 0.75, predicted 2.5 and 1.5
    weights = np.array([1 / 9, 1])
    above = 2 * (weights * [2.25, 0.75]).sum()
    below = (weights * [5.5, 2.5]).sum()
    found = make_loss("generalised_dice")(LOGITS, label)
    np.testing.assert_allclose(found, 1 - above / below, rtol=1e-6)


@pytest.mark.parametrize("text", ["dice", "jaccard", "tversky", "focal_tversky"])
def test_an_absent_class_adds_nothing_to_the_mean_over_all(text):
    loss = make_loss(text)
    three = jnp.concatenate([LOGITS, jnp.full_like(LOGITS[..., :1], -50.0)], -1)
    found = loss(three, LABEL)
    np.testing.assert_allclose(found, loss(LOGITS, LABEL) * 2 / 3, rtol=1e-5)


def test_an_absent_class_can_be_made_to_count():
    label = jnp.zeros_like(LABEL)
    zero = make_loss("dice")(LOGITS, label)
    count = make_loss("dice(absent='count')")(LOGITS, label)
    np.testing.assert_allclose(count - zero, 0.5, rtol=1e-6)


def test_weights_are_of_the_mean_and_leave_a_class_out():
    only = make_loss("dice(weights=(0.0, 2.0))")(LOGITS, LABEL)
    np.testing.assert_allclose(only, 1 - 2 / 3.5, rtol=1e-6)
    both = make_loss("dice(weights=(1.0, 3.0))")(LOGITS, LABEL)
    expected = 1 - (3 / 4.5 + 3 * 2 / 3.5) / 4
    np.testing.assert_allclose(both, expected, rtol=1e-6)
    general = make_loss("generalised_dice(weights=(0.0, 1.0))")(LOGITS, LABEL)
    np.testing.assert_allclose(general, 1 - 2 / 3.5, rtol=1e-6)


def test_a_pixels_factor_is_its_weight_in_the_sums():
    twice = make_loss("dice")(LOGITS, LABEL, jnp.array([[[2.0, 2, 2, 0]]]))
    once = make_loss("dice")(LOGITS[:, :, :3], LABEL[:, :, :3])
    np.testing.assert_allclose(twice, once, rtol=1e-6)


@pytest.mark.parametrize("text", ["dice", "focal_tversky", "generalised_dice"])
def test_a_perfect_prediction_has_loss_0(text):
    logits = jnp.where(jnp.arange(2) == LABEL[..., None], 60.0, -60.0)
    assert float(make_loss(text)(logits, LABEL)) == pytest.approx(0, abs=1e-6)


def test_regions_of_a_million_pixels_still_have_a_generalised_dice():
    whole, overlap = jnp.full(2, 1e6), jnp.array([5e5, 2.5e5])
    found = make_loss("generalised_dice").of_sums(overlap, whole, whole)
    np.testing.assert_allclose(found, 1 - 1.5 / 4, rtol=1e-5)


def test_a_power_has_no_infinite_gradient():
    assert float(jax.grad(power)(jnp.float32(0), 0.5)) == 0
    assert float(power(jnp.float32(4), 0.5)) == 2
