"""The compiled convolutions equal lax', and so do their gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from closeness import assert_close
from fresh_process import run
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import lax

from jaxseg.nn.convolution import NHWC
from jaxseg.nn.cpu import convolutions as kernels
from jaxseg.nn.cpu.library import library

pytestmark = pytest.mark.skipif(library() is None, reason="needs a C++ compiler")


def assert_twins(shape, kernel_shape, strides, padding, rates, groups=1):
    """Compare results and gradients with those of float64, as far as lax' are."""
    rng = np.random.default_rng(0)
    image = rng.normal(size=shape)
    kernel = rng.normal(size=kernel_shape)

    def reference(image, kernel):
        # Padded first: where every output lies in the padding, XLA's own gradient for
        # the kernel is wrong (jax 0.10.2).
        padded = jnp.pad(image, ((0, 0), *padding, (0, 0)))
        return lax.conv_general_dilated(
            padded, kernel, strides, "VALID", (1, 1), rates, NHWC, groups
        )

    def ours(image, kernel):
        convolve = kernels.convolve
        convolve = convolve if groups == 1 else kernels.convolve_channels
        return convolve(image, kernel, (strides, padding, rates))

    with jax.enable_x64(True):
        value, pull = jax.vjp(reference, jnp.asarray(image), jnp.asarray(kernel))
        gradient = rng.normal(size=value.shape)
        expected = (value, *pull(jnp.asarray(gradient)))
    value, pull = jax.vjp(
        jax.jit(ours), *(jnp.asarray(x, jnp.float32) for x in (image, kernel))
    )
    found = (value, *pull(jnp.asarray(gradient, jnp.float32)))
    for got, want in zip(found, expected, strict=True):
        assert_close(got, want, epsilons=32, magnitude=1)


@settings(max_examples=30, deadline=None)
@given(
    size=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    channels=st.integers(1, 40),
    outputs=st.integers(1, 70),
    kernel=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    strides=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    rates=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    edges=st.tuples(*[st.integers(0, 4)] * 4),
)
def test_any_geometry_equals_lax(
    size, channels, outputs, kernel, strides, rates, edges
):
    padding = ((edges[0], edges[1]), (edges[2], edges[3]))
    spans = [(kernel[a] - 1) * rates[a] + 1 for a in (0, 1)]
    size = [max(size[a], spans[a] - sum(padding[a]), 1) for a in (0, 1)]
    shapes = (2, *size, channels), (*kernel, channels, outputs)
    assert_twins(*shapes, strides, padding, rates)


@settings(max_examples=20, deadline=None)
@given(
    size=st.tuples(st.integers(16, 45), st.integers(16, 45)),
    channels=st.sampled_from([16, 32, 48]),
    outputs=st.sampled_from([16, 32, 80]),
    rates=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    edges=st.tuples(*[st.integers(0, 3)] * 4),
)
def test_tiles_equal_lax(size, channels, outputs, rates, edges):
    padding = ((edges[0], edges[1]), (edges[2], edges[3]))
    shapes = (1, *size, channels), (3, 3, channels, outputs)
    assert_twins(*shapes, (1, 1), padding, rates)


@settings(max_examples=20, deadline=None)
@given(
    size=st.tuples(st.integers(1, 40), st.integers(1, 20)),
    channels=st.integers(2, 150),
    kernel=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    strides=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    rates=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    edges=st.tuples(*[st.integers(0, 4)] * 4),
)
def test_depthwise_equals_lax(size, channels, kernel, strides, rates, edges):
    padding = ((edges[0], edges[1]), (edges[2], edges[3]))
    spans = [(kernel[a] - 1) * rates[a] + 1 for a in (0, 1)]
    size = [max(size[a], spans[a] - sum(padding[a]), 1) for a in (0, 1)]
    shapes = (2, *size, channels), (*kernel, 1, channels)
    assert_twins(*shapes, strides, padding, rates, channels)


@pytest.mark.parametrize(
    ("shape", "kernel", "stride", "edge", "rate"),
    [
        ((2, 64, 64, 3), (7, 7, 3, 64), 2, 3, 1),  # a ResNet's stem
        ((1, 16, 16, 640), (1, 1, 640, 21), 1, 0, 1),  # channels in several passes
        ((1, 24, 24, 64), (3, 3, 64, 32), 1, 24, 24),  # only the centre meets the image
        ((1, 14, 16, 600), (3, 3, 600, 8), 1, 12, 12),  # few taps meet it, in passes
        ((3, 300, 9, 8), (3, 3, 8, 24), 2, 1, 1),  # rows longer than a segment
        ((4, 24, 24, 160), (3, 3, 160, 64), 1, 1, 1),  # chunks of channels
        ((2, 1, 1, 96), (1, 1, 96, 33), 1, 0, 1),  # a pooled map
    ],
)
def test_shapes_of_networks_equal_lax(shape, kernel, stride, edge, rate):
    assert_twins(shape, kernel, (stride,) * 2, ((edge, edge),) * 2, (rate,) * 2)


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("added", [False, True])
@pytest.mark.parametrize(
    ("shape", "kernel", "stride"),
    [
        ((2, 20, 24, 32), (3, 3, 32, 21), 1),  # by tiles
        ((2, 20, 24, 32), (3, 3, 32, 48), 1),
        ((2, 9, 11, 700), (1, 1, 700, 40), 1),  # channels in several passes
        ((2, 9, 11, 5), (3, 3, 5, 33), 2),
        ((2, 10, 12, 48), (1, 1, 48, 64), 1),  # whole cache lines
    ],
)
def test_what_follows_a_convolution_equals_the_steps(
    shape, kernel, stride, added, relu
):
    rng = np.random.default_rng(0)
    edge = kernel[0] // 2
    geometry = ((stride,) * 2, ((edge, edge),) * 2, (1, 1))
    image, weights, scale, offset = (
        jnp.asarray(rng.normal(size=size), jnp.float32)
        for size in (shape, kernel, kernel[-1], kernel[-1])
    )

    def steps(image, weights, scale, offset, plus):
        y = lax.conv_general_dilated(
            image, weights, *geometry[:2], (1, 1), geometry[2], NHWC
        )
        y = y * scale + offset
        y = y if plus is None else y + plus
        return jax.nn.relu(y) if relu else y

    def ours(image, weights, scale, offset, plus):
        return kernels.convolve_affine(
            image, weights, geometry, scale, offset, plus, relu
        )

    plain = jax.eval_shape(steps, image, weights, scale, offset, None)
    random = (jnp.asarray(rng.normal(size=plain.shape), jnp.float32) for _ in range(2))
    plus, gradient = random
    operands = (image, weights, scale, offset, plus if added else None)
    results = []
    for function in (steps, ours):
        value, pull = jax.vjp(jax.jit(function), *operands)
        results.append(jax.tree.leaves((value, pull(gradient))))
    for want, got in zip(*results, strict=True):
        assert_close(got, want)


def test_an_update_needs_no_copy_of_the_weights():
    geometry = ((1, 1), ((1, 1), (1, 1)), (1, 1))
    image, weights = jnp.ones((1, 16, 16, 64)), jnp.ones((2, 3, 3, 64, 64))

    def step(weights, image):
        def loss(weights):
            y = image
            for kernel in weights:
                y = jnp.sin(kernels.convolve(y, kernel, geometry))
            return y.sum()

        return jax.tree.map(jnp.subtract, weights, jax.grad(loss)(weights))

    compiled = jax.jit(step, donate_argnums=0).lower(list(weights), image).compile()
    lines = compiled.as_text().splitlines()
    assert any("jaxseg_input_gradient" in line for line in lines)
    assert not [line for line in lines if "f32[3,3,64,64]" in line and " copy(" in line]


def test_a_rectified_nan_stays():
    geometry = ((1, 1), ((0, 0), (0, 0)), (1, 1))
    image = jnp.full((1, 2, 2, 3), jnp.nan)
    one = jnp.ones(4)
    arguments = (image, jnp.ones((1, 1, 3, 4)), geometry, one, one, None, True)
    assert jnp.isnan(kernels.convolve_affine(*arguments)).all()


def test_vectorised_over_another_axis():
    rng = np.random.default_rng(0)
    image = jnp.asarray(rng.normal(size=(2, 1, 6, 6, 4)), jnp.float32)
    kernel = jnp.asarray(rng.normal(size=(3, 3, 4, 5)), jnp.float32)
    geometry = ((1, 1), ((1, 1), (1, 1)), (1, 1))
    both = jax.vmap(lambda x: kernels.convolve(x, kernel, geometry))(image)
    for one, x in zip(both, image, strict=True):
        assert (one == kernels.convolve(x, kernel, geometry)).all()


SUMS = """
import hashlib, os
if {cores}: os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:{cores}])
import jax, jax.numpy as jnp
from jaxseg.nn.convolution import Conv
digest = hashlib.sha256()
for channels, rate in ((3, 1), (32, 1), (64, 2), (160, 1), (48, 1)):
    image = jax.random.normal(jax.random.key(0), (2, 40, 40, channels))
    groups = channels if channels == 48 else 1
    conv = Conv(48, 3, rate=rate, groups=groups)
    params = conv.init(jax.random.key(1), image)
    loss = lambda params, image: jnp.square(conv.apply(params, image)).sum()
    for leaf in jax.tree.leaves(jax.jit(jax.grad(loss, (0, 1)))(params, image)):
        digest.update(bytes(leaf))
print(digest.hexdigest())
"""


def test_the_number_of_threads_changes_no_bit():
    assert run(SUMS.format(cores=0)) == run(SUMS.format(cores=1))
