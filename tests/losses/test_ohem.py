"""Hard examples: which pixels are chosen, and their mean."""

import jax.numpy as jnp
import numpy as np
import pytest
from make_loss import make_loss

from jaxseg.data.labels import IGNORE

# Probabilities of the right class, one image of eight pixels; the last is ignored.
RIGHT = np.array([0.9, 0.5, 0.95, 0.6, 0.8, 0.99, 0.7, 0.1])
LOGITS = jnp.log(jnp.array(np.stack([RIGHT, 1 - RIGHT], -1), jnp.float32))[None, None]
LABEL = jnp.array([[[0] * 7 + [IGNORE]]])


@pytest.mark.parametrize(
    "options, chosen",
    [
        ("threshold=0.65, kept=0.0", [0.5, 0.6]),
        ("threshold=0.65, kept=0.6", [0.5, 0.6, 0.7, 0.8]),  # 4 of 7
        ("threshold=0.85, kept=0.3", [0.5, 0.6, 0.7, 0.8]),
        ("threshold=0.4, kept=0.0", []),
        ("threshold=1.0", RIGHT[:7]),
        ("kept=1.0", RIGHT[:7]),
    ],
)
def test_the_mean_is_over_the_hardest_pixels(options, chosen):
    found = make_loss(f"ohem({options})")(LOGITS, LABEL)
    expected = -np.log(chosen).mean() if len(chosen) else 0
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_pixels_of_the_same_loss_are_chosen_together():
    chosen = make_loss("ohem(threshold=0.01, kept=0.4)").chosen(
        jnp.zeros((1, 1, 5, 2)), jnp.zeros((1, 1, 5), int)
    )
    assert chosen.tolist() == [[[1.0] * 5]]


def test_class_weights_do_not_change_which_pixels_are_hard():
    text = "ohem(threshold=0.65, kept=0.0, class_weights=(1.0, 100.0))"
    label = LABEL.at[0, 0, 0].set(1)  # the first pixel is wrong: 0.1 is right
    weights, right = np.array([100, 1, 1]), np.array([0.1, 0.5, 0.6])
    expected = -(weights * np.log(right)).sum() / weights.sum()
    found = make_loss(text)(LOGITS, label)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_pixel_of_several_labels_is_as_hard_as_their_mean():
    logits = jnp.array([[[[4.0, 4.0], [-4.0, 4.0], [-4.0, 4.0]]]])
    label = jnp.array([[[[1, 1], [1, 1], [IGNORE, 1]]]])
    loss = make_loss("ohem(threshold=0.5, kept=0.0)", "multilabel")
    assert loss.chosen(logits, label).tolist() == [[[0.0, 1.0, 0.0]]]
