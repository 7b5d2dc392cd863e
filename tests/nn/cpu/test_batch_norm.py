"""Batch normalisation by compiled kernels: moments; Linen's value and gradient."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from closeness import assert_close

from jaxseg.nn.cpu import batch_norm as kernels
from jaxseg.nn.cpu.library import library
from jaxseg.nn.lowering import Target, compiling_for
from jaxseg.nn.normalization import BatchNorm

pytestmark = pytest.mark.skipif(library() is None, reason="needs a C++ compiler")


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("shape", [(2, 9, 11, 5), (3, 4, 4, 33), (4, 40, 40, 48)])
def test_batch_norm_equals_linens(shape, relu):
    rng = np.random.default_rng(0)
    x = rng.normal(3 * rng.normal(size=shape[-1]), 2, shape)
    x, gradient = (jnp.asarray(a, jnp.float32) for a in (x, rng.normal(size=shape)))
    norm = BatchNorm(relu=relu, epsilon=1e-3)

    def compute():
        variables = norm.init(jax.random.key(0), x, True)
        variables = jax.tree.map(
            lambda a: a + jnp.linspace(-0.2, 0.3, len(a)), variables
        )
        stats = {"batch_stats": variables["batch_stats"]}

        def apply(params, x):
            given = {"params": params, **stats}
            return norm.apply(given, x, True, mutable=["batch_stats"])

        y, pull, stats = jax.vjp(apply, variables["params"], x, has_aux=True)
        return y, pull(gradient), stats

    with compiling_for(Target("cpu", 1)):
        text = str(jax.make_jaxpr(compute)())
        found = jax.jit(compute)()
    assert "jaxseg_moments" in text and "jaxseg_normalization_sums" in text
    with compiling_for(Target("cpu", 2)):
        expected = jax.jit(compute)()
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for got, want in zip(
        jax.tree.leaves(found), jax.tree.leaves(expected), strict=True
    ):
        assert_close(got, want, epsilons=16)


def test_moments_keep_their_digits_far_from_zero():
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.normal(1e4, 1, (4, 64, 64, 3)), jnp.float32)
    _, mean, variance = kernels.normalize(x, jnp.ones(3), jnp.zeros(3), 0.0, False)
    exact = np.asarray(x, np.float64)
    np.testing.assert_allclose(mean, exact.mean((0, 1, 2)), rtol=1e-7)
    np.testing.assert_allclose(variance, exact.var((0, 1, 2)), rtol=1e-5)


def test_a_nan_in_the_image_is_one_in_its_moments():
    x = jnp.zeros((2, 4, 4, 3)).at[1, 2, 3, 1].set(jnp.nan)
    _, *found = kernels.normalize(x, jnp.ones(3), jnp.zeros(3), 1e-5, False)
    for values in found:
        assert jnp.isnan(values).tolist() == [False, True, False]
