"""Schedules by hand, decay masks, the backbone's factor, clipping."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxseg.errors import UserError
from jaxseg.training.optimizer import constant, cosine, create_optimizer, poly

PARAMS = {
    "backbone": {"conv": {"kernel": jnp.ones((2, 2))}, "norm": {"scale": jnp.ones(2)}},
    "head": {"conv": {"kernel": jnp.ones((2, 2)), "bias": jnp.ones(2)}},
}
ZERO = jax.tree.map(jnp.zeros_like, PARAMS)
ONE = jax.tree.map(jnp.ones_like, PARAMS)


def updates(gradient, steps=1, **options):
    optimizer = create_optimizer(schedule=optax.constant_schedule(0.1), **options)
    state, params = optimizer.init(PARAMS), PARAMS
    for _ in range(steps):
        update, state = optimizer.update(gradient, state, params)
        params = optax.apply_updates(params, update)
    return update


def test_poly_is_mmsegmentations_formula():
    schedule = poly(0.01, 1e-4, 100)
    for step in (0, 1, 37, 99, 100, 200):
        share = (1 - min(step, 100) / 100) ** 0.9
        expected = (0.01 - 1e-4) * share + 1e-4
        np.testing.assert_allclose(schedule(step), expected, rtol=1e-5)


def test_cosine_starts_at_the_peak_and_ends_at_the_final_rate():
    schedule = cosine(1.0, 0.1, 50)
    np.testing.assert_allclose(
        [schedule(0), schedule(25), schedule(50)], [1, 0.55, 0.1]
    )


@pytest.mark.parametrize("kind", [poly, cosine, constant])
def test_warm_up_climbs_linearly_to_the_peak(kind):
    schedule = kind(1.0, 0.0, 100, warmup=4)
    values = [float(schedule(step)) for step in range(5)]
    np.testing.assert_allclose(values, [0.25, 0.4375, 0.625, 0.8125, 1.0])


def test_decay_spares_norms_and_biases():
    update = updates(ZERO, name="sgd", weight_decay=0.5)
    np.testing.assert_allclose(update["head"]["conv"]["kernel"], -0.05)
    np.testing.assert_allclose(update["head"]["conv"]["bias"], 0)
    np.testing.assert_allclose(update["backbone"]["norm"]["scale"], 0)


def test_sgd_gathers_momentum():
    update = updates(ONE, steps=2, name="sgd", momentum=0.9)
    np.testing.assert_allclose(update["head"]["conv"]["bias"], -0.19, rtol=1e-6)


def test_adamw_decays_apart_from_the_gradient():
    update = updates(ONE, name="adamw", weight_decay=0.5)
    np.testing.assert_allclose(update["head"]["conv"]["bias"], -0.1, rtol=1e-4)
    np.testing.assert_allclose(update["head"]["conv"]["kernel"], -0.15, rtol=1e-4)


def test_the_backbone_has_its_own_rate():
    update = updates(ONE, name="sgd", momentum=0.0, backbone_factor=0.1)
    np.testing.assert_allclose(update["head"]["conv"]["kernel"], -0.1)
    np.testing.assert_allclose(update["backbone"]["conv"]["kernel"], -0.01, rtol=1e-6)


def test_a_frozen_backbone_does_not_even_decay():
    update = updates(ONE, name="sgd", weight_decay=0.5, freeze_backbone=True)
    assert all((leaf == 0).all() for leaf in jax.tree.leaves(update["backbone"]))
    assert (update["head"]["conv"]["kernel"] != 0).all()


def test_clipping_bounds_the_global_norm():
    large = jax.tree.map(lambda leaf: 100.0 * leaf, ONE)
    update = updates(large, name="sgd", momentum=0.0, clip_norm=1.0)
    np.testing.assert_allclose(optax.tree.norm(update), 0.1, rtol=1e-5)


def test_an_unknown_optimizer_is_refused_with_the_nearest():
    with pytest.raises(UserError, match="'adamw'"):
        updates(ONE, name="adam")
