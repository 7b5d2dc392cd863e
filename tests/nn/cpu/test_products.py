"""Products over taps against `lax.conv_general_dilated`, forward and gradient."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from closeness import assert_close
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import lax

from jaxseg.nn.convolution import NHWC, convolve
from jaxseg.nn.lowering import Target, compiling_for


def reference(image, kernel, strides, padding, rates, groups):
    return lax.conv_general_dilated(
        image, kernel, strides, padding, (1, 1), rates, NHWC, groups
    )


@compiling_for(Target("cpu", 2))
def ours(image, kernel, strides, padding, rates, groups):
    return convolve(
        image,
        kernel,
        strides,
        padding,
        rhs_dilation=rates,
        feature_group_count=groups,
    )


def assert_twins(shape, kernel_shape, stride, edge, rate, groups):
    rng = np.random.default_rng(0)
    image = jnp.asarray(rng.normal(size=shape), jnp.float32)
    kernel = jnp.asarray(rng.normal(size=kernel_shape), jnp.float32)
    settings = ((stride, stride), ((edge, edge), (edge, edge)), (rate, rate), groups)

    def sum_of_squares(function):
        return lambda *args: jnp.sum(function(*args, *settings) ** 2)

    expected = reference(image, kernel, *settings)
    assert_close(ours(image, kernel, *settings), expected, magnitude=1)
    gradients = jax.jit(jax.grad(sum_of_squares(ours), (0, 1)))(image, kernel)
    references = jax.jit(jax.grad(sum_of_squares(reference), (0, 1)))(image, kernel)
    for got, want in zip(gradients, references, strict=True):
        assert_close(got, want, magnitude=1)


@pytest.mark.parametrize("stride", [1, 2])
def test_pointwise_equals_lax(stride):
    assert_twins((2, 7, 6, 5), (1, 1, 5, 4), stride, 0, 1, 1)


@pytest.mark.parametrize("rate", [2, 3, 6, 9, 36])
def test_atrous_equals_lax_even_where_taps_leave_the_image(rate):
    assert_twins((2, 9, 8, 3), (3, 3, 3, 4), 1, rate, rate, 1)


def test_atrous_with_less_padding_than_rate_equals_lax():
    assert_twins((1, 9, 11, 3), (3, 3, 3, 2), 1, 1, 2, 1)


@pytest.mark.parametrize(("stride", "rate"), [(1, 1), (2, 1), (1, 4)])
def test_depthwise_equals_lax(stride, rate):
    assert_twins((2, 9, 8, 6), (3, 3, 1, 6), stride, rate, rate, 6)


@settings(max_examples=12, deadline=None)
@given(
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    kernel=st.sampled_from([2, 3, 5]),
    rate=st.integers(1, 3),
    stride=st.integers(1, 3),
    before=st.integers(0, 3),
    after=st.integers(0, 3),
)
def test_depthwise_of_any_geometry_equals_lax(
    size, kernel, rate, stride, before, after
):
    field = (kernel - 1) * rate + 1
    before = max(before, field - min(size))  # else there is no output
    rng = np.random.default_rng(0)
    image = jnp.asarray(rng.normal(size=(2, *size, 3)), jnp.float32)
    weights = jnp.asarray(rng.normal(size=(kernel, kernel, 1, 3)), jnp.float32)
    settings = ((stride, stride), ((before, after), (before, after)), (rate, rate), 3)
    expected, pull = jax.vjp(
        jax.jit(lambda *x: reference(*x, *settings)), image, weights
    )
    got, ours_pull = jax.vjp(jax.jit(lambda *x: ours(*x, *settings)), image, weights)
    assert_close(got, expected, magnitude=1)
    gradient = jnp.asarray(rng.normal(size=got.shape), jnp.float32)
    for mine, theirs in zip(ours_pull(gradient), pull(gradient), strict=True):
        assert_close(mine, theirs, magnitude=1)


@settings(max_examples=6, deadline=None)
@given(
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    channels=st.sampled_from([1, 3]),
    rate=st.integers(1, 5),
    stride=st.integers(1, 2),
)
def test_any_size_equals_lax(size, channels, rate, stride):
    shape = (1, *size, channels)
    assert_twins(shape, (3, 3, channels, 2), stride, rate, rate, 1)


def test_bfloat16_taps_are_summed_in_float32():
    image = jnp.full((1, 5, 5, 1), 1.0, jnp.bfloat16)
    kernel = jnp.full((3, 3, 1, 1), 1.0, jnp.bfloat16).at[0, 0].set(256.0)
    out = ours(image, kernel, (1, 1), ((2, 2), (2, 2)), (2, 2), 1)
    # 256 + 8 ones; in bfloat16 each single one would round away.
    assert out.dtype == jnp.bfloat16
    assert float(out[0, 2, 2, 0]) == 264.0
