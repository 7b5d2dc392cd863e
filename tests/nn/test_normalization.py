"""Normalisation of images and features."""

import jax
import jax.numpy as jnp
import numpy as np
from closeness import assert_close

from jaxseg.nn.normalization import BatchNorm, normalize_image


def test_normalize_image_is_the_formula():
    image = np.array([[[0, 128, 255]]], np.uint8)
    mean, std = (0.5, 0.4, 0.3), (0.2, 0.3, 0.4)
    expected = (image / 255 - np.array(mean)) / np.array(std)
    assert_close(normalize_image(jnp.asarray(image), mean, std), expected, epsilons=8)


def test_batch_norm_of_a_single_value_is_the_identity_at_first():
    x = jnp.full((1, 1, 1, 3), 5.0)
    norm = BatchNorm()
    variables = norm.init(jax.random.key(0), x)
    out, changed = norm.apply(variables, x, train=True, mutable=["batch_stats"])
    np.testing.assert_allclose(out, x, rtol=1e-4)
    assert all(
        jnp.array_equal(a, b)
        for a, b in zip(
            jax.tree.leaves(changed["batch_stats"]),
            jax.tree.leaves(variables["batch_stats"]),
            strict=True,
        )
    )


def test_running_statistics_move_by_a_tenth():
    x = jnp.full((2, 4, 4, 1), 10.0)
    norm = BatchNorm()
    variables = norm.init(jax.random.key(0), x)
    _, changed = norm.apply(variables, x, train=True, mutable=["batch_stats"])
    np.testing.assert_allclose(changed["batch_stats"]["bn"]["mean"], 1.0)
    np.testing.assert_allclose(changed["batch_stats"]["bn"]["var"], 0.9)


def test_statistics_stay_float32_in_bfloat16():
    x = jnp.ones((2, 4, 4, 1), jnp.bfloat16)
    norm = BatchNorm(dtype=jnp.bfloat16)
    variables = norm.init(jax.random.key(0), x)
    assert norm.apply(variables, x).dtype == jnp.bfloat16
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype("float32")}
