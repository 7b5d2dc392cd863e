"""The Lovász losses: values by hand, and the Jaccard index at hard predictions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from make_loss import QUICK, make_loss


def quick(text, task="multiclass"):
    return jax.jit(make_loss(text, task), compiler_options=QUICK)


def test_two_pixels_by_hand():
    # Class 0 is missed by 0.4 at its pixel, class 1 by 0.9: the other pixel's error is
    # the same for both, so the order is the second pixel, then the first.
    p = np.array([[0.6, 0.4], [0.9, 0.1]])
    logits = jnp.log(jnp.array(p, jnp.float32))[None, None]
    found = quick("lovasz")(logits, jnp.array([[[0, 1]]]))
    # Class 0: a false pixel of error 0.9 (index 1/2), then its own of 0.4 (index 0).
    # Class 1: its own pixel of error 0.9 (index 0), then a false one, which adds 0.
    expected = np.mean([0.9 / 2 + 0.4 / 2, 0.9])
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_hard_predictions_give_one_minus_the_mean_iou():
    rng = np.random.default_rng(0)
    label = rng.integers(0, 3, (2, 6, 5))
    found = rng.integers(0, 3, label.shape)
    logits = jnp.asarray(np.where(np.arange(3) == found[..., None], 80.0, -80.0))
    iou = [
        ((label == c) & (found == c)).sum() / ((label == c) | (found == c)).sum()
        for c in range(3)
    ]
    value = quick("lovasz")(logits, jnp.asarray(label))
    np.testing.assert_allclose(value, 1 - np.mean(iou), rtol=1e-5)


def test_an_absent_class_adds_nothing_and_has_no_gradient_of_its_own():
    logits = jnp.log(jnp.array([[[[0.5, 0.3, 0.2], [0.2, 0.7, 0.1]]]]))
    label = jnp.zeros((1, 1, 2), int)
    value = quick("lovasz")(logits, label)
    np.testing.assert_allclose(value, (0.5 + 0.8) / 2, rtol=1e-5)


def test_without_foreground_the_hinge_is_of_the_largest_score():
    logits = jnp.array([[[[0.5], [2.0], [-3.0]]]])
    value = quick("lovasz", "binary")(logits, jnp.zeros((1, 1, 3), int))
    np.testing.assert_allclose(value, 1 + 2.0, rtol=1e-6)


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_per_image_is_the_mean_over_the_images(task):
    rng = np.random.default_rng(1)
    classes = 1 if task == "binary" else 3
    logits = jnp.asarray(rng.normal(size=(3, 4, 5, classes)), jnp.float32)
    label = jnp.asarray(rng.integers(0, 2, (3, 4, 5))).at[2].set(255)
    alone = quick("lovasz", task)
    single = [float(alone(logits[i : i + 1], label[i : i + 1])) for i in range(2)]
    together = quick("lovasz(per_image=True)", task)(logits, label)
    np.testing.assert_allclose(together, np.mean(single), rtol=1e-5)


def test_weights_are_of_the_mean_over_the_classes():
    logits = jnp.log(jnp.array([[[[0.6, 0.4], [0.9, 0.1]]]]))
    found = quick("lovasz(weights=(3.0, 1.0))")(logits, jnp.array([[[0, 1]]]))
    np.testing.assert_allclose(found, (3 * 0.65 + 0.9) / 4, rtol=1e-6)
