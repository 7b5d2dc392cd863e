"""Cross-entropy and focal loss of sigmoids: values by hand, weights, refusals."""

import jax.numpy as jnp
import numpy as np
import pytest
from make_loss import make_loss

from jaxseg.data.labels import IGNORE

# Probability 0.75, 0.2, 0.5.
P = np.array([0.75, 0.2, 0.5])
LOGITS = jnp.log(jnp.array(P / (1 - P), jnp.float32)).reshape(1, 1, 3, 1)
LABEL = jnp.array([[[1, 0, 1]]])
EACH = -np.log([0.75, 0.8, 0.5])


@pytest.mark.parametrize("text", ["cross_entropy", "binary_cross_entropy"])
def test_the_mean_over_the_pixels(text):
    found = make_loss(text, "binary")(LOGITS, LABEL)
    np.testing.assert_allclose(found, EACH.mean(), rtol=1e-6)


def test_class_weights_are_the_backgrounds_and_the_foregrounds():
    loss = make_loss("cross_entropy(class_weights=(1.0, 3.0))", "binary")
    expected = (EACH * [3, 1, 3]).sum() / 7
    np.testing.assert_allclose(loss(LOGITS, LABEL), expected, rtol=1e-6)


def test_pos_weight_is_not_in_the_normaliser():
    expected = (EACH * [3, 1, 3]).mean()
    for value in ("3.0", "(3.0,)"):
        loss = make_loss(f"binary_cross_entropy(pos_weight={value})", "binary")
        np.testing.assert_allclose(loss(LOGITS, LABEL), expected, rtol=1e-6)


def test_several_labels_are_averaged_over_pixels_and_classes():
    logits = jnp.concatenate([LOGITS, -LOGITS], -1)
    label = jnp.stack([LABEL, 1 - LABEL], -1).at[0, 0, 2, 1].set(IGNORE)
    loss = make_loss("cross_entropy", "multilabel")
    expected = (2 * EACH[:2].sum() + EACH[2]) / 5
    np.testing.assert_allclose(loss(logits, label), expected, rtol=1e-6)
    weighted = make_loss("cross_entropy(class_weights=(1.0, 2.0))", "multilabel")
    expected = (3 * EACH[:2].sum() + EACH[2]) / 7
    np.testing.assert_allclose(weighted(logits, label), expected, rtol=1e-6)


@pytest.mark.parametrize("task", ["multiclass", "binary"])
def test_focal_without_gamma_is_cross_entropy(task):
    logits = jnp.concatenate([LOGITS, -LOGITS], -1) if task == "multiclass" else LOGITS
    options = "class_weights=(1.0, 3.0)"
    focal = make_loss(f"focal(gamma=0.0, {options})", task)(logits, LABEL)
    plain = make_loss(f"cross_entropy({options})", task)(logits, LABEL)
    np.testing.assert_allclose(focal, plain, rtol=1e-6)


def test_focal_weighs_right_pixels_less():
    right = np.exp(-EACH)
    found = make_loss("focal(gamma=3.0, alpha=0.25)", "binary")(LOGITS, LABEL)
    expected = (np.array([0.25, 0.75, 0.25]) * (1 - right) ** 3 * EACH).mean()
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize(
    "text, task, said",
    [
        ("binary_cross_entropy", "multiclass", "--train.loss cross_entropy is the"),
        ("focal(alpha=0.5)", "multiclass", "give one_vs_rest=True with it"),
        ("focal(one_vs_rest=True)", "binary", "one_vs_rest is of multiclass labels"),
    ],
)
def test_meaningless_options_are_refused(text, task, said):
    with pytest.raises(ValueError, match=said):
        make_loss(text, task)
