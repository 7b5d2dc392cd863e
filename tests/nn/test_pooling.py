"""Pooling by hand, against XLA's own, and its gradient."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from closeness import assert_close

from jaxseg.nn.pooling import adaptive_average, average_pool, max_pool


def test_max_pool_reads_a_dilated_window_from_its_first_pixel_on():
    row = jnp.asarray([5.0, 1, 4, 2, 3]).reshape(1, 1, 5, 1)

    def pooled(*arguments, **options):
        return max_pool(row, *arguments, **options).ravel().tolist()

    assert pooled(2, 2) == [5, 4, 3]
    assert pooled(2, 1, 2) == [5, 2, 4, 2, 3]
    assert pooled(3, 2) == [5, 4, 3]
    assert pooled(3, centred=True) == [5, 5, 4, 4, 3]
    assert pooled(3, rate=2, centred=True) == [5, 2, 5, 2, 4]


def test_max_pool_of_negative_values_ignores_what_lies_outside():
    assert max_pool(-jnp.ones((1, 3, 3, 1)), 2, 2).tolist() == [
        [[[-1.0], [-1.0]], [[-1.0], [-1.0]]]
    ]


def test_adaptive_average_uses_overlapping_windows():
    # 5 -> 3: pixels 0-1, 1-3, 3-4; 2 -> 3: pixels 0, 0-1, 1.
    x = jnp.asarray([0.0, 2, 4, 6, 10]).reshape(1, 5, 1, 1)
    x = jnp.concatenate([x, x + 1], axis=2)
    pooled = adaptive_average(x, (3, 3))[0, :, :, 0]
    np.testing.assert_allclose(
        pooled, [[1, 1.5, 2], [4, 4.5, 5], [8, 8.5, 9]], rtol=1e-6
    )


def test_adaptive_average_shares_pixels_where_the_size_does_not_divide():
    x = jnp.asarray([1.0, 2.0, 4.0, 8.0, 16.0])[None, :, None, None]
    pooled = adaptive_average(jnp.broadcast_to(x, (1, 5, 4, 1)), (2, 2))
    np.testing.assert_allclose(
        pooled[0, :, :, 0], [[7 / 3] * 2, [28 / 3] * 2], rtol=1e-6
    )


def test_adaptive_average_repeats_pixels_where_bins_outnumber_them():
    x = jnp.asarray([[1.0, 3.0]])[..., None, None]
    pooled = adaptive_average(jnp.swapaxes(x, 1, 2).reshape(1, 2, 1, 1), (3, 3))
    np.testing.assert_allclose(pooled[0, :, 0, 0], [1, 2, 3])


def test_one_window_is_the_mean():
    x = jax.random.normal(jax.random.key(0), (2, 7, 5, 3))
    pooled = adaptive_average(x, (1, 1))
    assert_close(pooled[:, 0, 0], x.mean((1, 2)), epsilons=8)


def test_max_pool_equals_xlas_own_with_its_gradient():
    x = jax.random.normal(jax.random.key(0), (2, 13, 10, 3))
    edge = ((1, 1), (1, 1))

    def own(x):
        return jnp.sin(max_pool(x, 3, 2, centred=True))

    def theirs(x):
        return jnp.sin(nn.max_pool(x, (3, 3), (2, 2), edge))

    np.testing.assert_array_equal(own(x), theirs(x))
    assert_close(
        jax.grad(lambda x: own(x).sum())(x),
        jax.grad(lambda x: theirs(x).sum())(x),
        epsilons=8,
    )


def test_of_equal_pixels_one_gets_the_gradient():
    x = jnp.ones((1, 4, 6, 1))
    gradient = jax.grad(lambda x: max_pool(x, 2, 2).sum())(x)[0, :, :, 0]
    np.testing.assert_array_equal(gradient.reshape(2, 2, 3, 2).sum((1, 3)), 1)
    assert set(gradient.ravel().tolist()) == {0, 1}


def test_average_pool_counts_only_what_lies_inside():
    row = jnp.asarray([1.0, 3, 5, 9, 4]).reshape(1, 1, 5, 1)
    assert average_pool(row, 2, 1).ravel().tolist() == [2, 7, 4]
    assert average_pool(row, 1, 2).ravel().tolist() == [3, 6, 4.5, 9, 4]
    column = row.reshape(1, 5, 1, 1)
    assert average_pool(column, 2, 1).ravel().tolist() == [2, 7, 4]


def test_average_pool_counts_no_padding():
    x = jnp.arange(1.0, 10.0).reshape(1, 3, 3, 1)
    halved = average_pool(x, 2, 1)[0, :, :, 0]
    np.testing.assert_array_equal(halved, [[3, 4.5], [7.5, 9]])
    apart = average_pool(x, 1, 2)[0, :, :, 0]
    np.testing.assert_array_equal(apart[0], [(1 + 3 + 7 + 9) / 4, (2 + 8) / 2, 6])
