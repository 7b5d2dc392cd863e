"""Resizing: values of PyTorch's interpolate, computed by hand."""

import jax
import jax.numpy as jnp
import numpy as np
from closeness import assert_close
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.test_util import check_grads

from jaxseg.nn.upsampling import resize_bilinear, resize_nearest


def column(values):
    return jnp.asarray(values, jnp.float32).reshape(1, -1, 1, 1)


def test_bilinear_doubles_with_pixel_centres_at_one_half():
    out = resize_bilinear(column([0, 1]), (4, 1))
    np.testing.assert_allclose(out.ravel(), [0, 0.25, 0.75, 1])


def test_bilinear_to_an_odd_size():
    # Centres at 1/6, 3/6, 5/6 of two pixels: -1/6, 1/2, 7/6 before clipping.
    out = resize_bilinear(column([0, 1]), (3, 1))
    assert_close(out.ravel(), [0, 0.5, 1], epsilons=8)


def test_bilinear_shrinks_without_antialiasing():
    out = resize_bilinear(column([0, 1, 2, 3]), (2, 1))
    np.testing.assert_allclose(out.ravel(), [0.5, 2.5])


@settings(max_examples=6, deadline=None)
@given(st.integers(1, 7), st.integers(1, 7), st.integers(7, 15), st.integers(7, 15))
def test_bilinear_upsampling_equals_jax_image(h, w, height, width):
    x = jax.random.normal(jax.random.key(h * 10 + w), (2, h, w, 3))
    expected = jax.image.resize(x, (2, height, width, 3), "bilinear")
    assert_close(resize_bilinear(x, (height, width)), expected)


def test_bilinear_gradient():
    x = jax.random.normal(jax.random.key(0), (1, 3, 2, 2))
    check_grads(
        lambda x: resize_bilinear(jnp.asarray(x), (5, 7)), (x,), order=1, modes=("rev",)
    )


def test_same_size_is_the_identity():
    x = jax.random.normal(jax.random.key(0), (1, 3, 2, 2))
    assert resize_bilinear(x, (3, 2)) is x


def test_nearest_takes_the_floor():
    out = resize_nearest(column([0, 1, 2]), (5, 1))
    np.testing.assert_array_equal(out.ravel(), [0, 0, 1, 1, 2])


def test_nearest_doubling_repeats():
    x = jnp.arange(6.0).reshape(1, 2, 3, 1)
    expected = np.repeat(np.repeat(x, 2, 1), 2, 2)
    np.testing.assert_array_equal(resize_nearest(x, (4, 6)), expected)
