"""Extents compared with the Jacobian, which shows what each output element reads."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxseg.analysis.dependence import Dependence
from jaxseg.nn.convolution import Conv, convolve
from jaxseg.nn.lowering import Target, compiling_for
from jaxseg.nn.upsampling import resize_bilinear, resize_nearest

SHAPE = (1, 12, 4, 2)

as_products = compiling_for(Target("cpu", 2))(convolve)


def conv(stride=1, rate=1, edge=1, spread=1, groups=1, function=lax):
    kernel = jnp.asarray(np.random.default_rng(0).normal(size=(3, 3, 2 // groups, 2)))
    run = as_products if function is as_products else lax.conv_general_dilated
    return lambda x: run(
        x,
        kernel.astype(x.dtype),
        (stride, stride),
        ((edge, edge), (edge, edge)),
        (spread, spread),
        (rate, rate),
        ("NHWC", "HWIO", "NHWC"),
        feature_group_count=groups,
    )


def attention(x):
    tokens = x.reshape(1, -1, 2)
    weights = jax.nn.softmax(jnp.einsum("bqc,bkc->bqk", tokens, tokens))
    return jnp.einsum("bqk,bkc->bqc", weights, tokens).reshape(x.shape)


def window_attention(x):
    windows = x.reshape(3, 4, 1, 4, 2).transpose(0, 2, 1, 3, 4)
    out = attention_in_each(windows.reshape(3, 16, 2))
    return out.reshape(3, 1, 4, 4, 2).transpose(0, 2, 1, 3, 4).reshape(x.shape)


def attention_in_each(tokens):
    weights = jax.nn.softmax(jnp.einsum("bqc,bkc->bqk", tokens, tokens))
    return jnp.einsum("bqk,bkc->bqc", weights, tokens)


def space_to_depth(x):
    parts = [x[:, row::2, column::2] for row in (0, 1) for column in (0, 1)]
    return jnp.concatenate(parts, -1)


def masked(x):
    mask = np.arange(12)[None, :, None, None] < 5
    return jnp.where(mask, x, jnp.roll(x, 3, axis=1))


FUNCTIONS = {
    "conv": conv(),
    "conv of stride 2": conv(stride=2),
    "conv of rate 2": conv(rate=2, edge=2),
    "conv of rate 2 as products": conv(rate=2, edge=2, function=as_products),
    "conv without padding": conv(edge=0),
    "transposed conv": conv(spread=2, edge=2),
    "depthwise conv": conv(groups=2),
    "depthwise conv as products": conv(groups=2, function=as_products),
    "grouped conv of shifted channels": lambda x: conv(groups=2)(
        jnp.concatenate([x[..., :1], jnp.roll(x[..., 1:], 2, axis=1)], -1)
    ),
    "max pooling": lambda x: nn.max_pool(x, (3, 3), (2, 2), ((1, 1), (1, 1))),
    "average pooling": lambda x: nn.avg_pool(x, (2, 2), (2, 2)),
    "bilinear up": lambda x: resize_bilinear(x, (24, 8)),
    "bilinear to an odd size": lambda x: resize_bilinear(x, (17, 5)),
    "bilinear down": lambda x: resize_bilinear(x, (5, 2)),
    "nearest up": lambda x: resize_nearest(x, (24, 8)),
    "nearest to an odd size": lambda x: resize_nearest(x, (17, 5)),
    "matrix on the right": lambda x: jnp.einsum(
        "bhwc,hH->bwcH", x, jnp.eye(12) + jnp.eye(12, k=2)
    ),
    "strided slice": lambda x: x[:, 1:11:3],
    "reversal": lambda x: x[:, ::-1],
    "roll": lambda x: jnp.roll(x, -5, axis=1),
    "padding": lambda x: lax.pad(
        x, 0.0, ((0, 0, 0), (2, -1, 1), (0, -1, 0), (0, 0, 0))
    ),
    "split": lambda x: jnp.split(x, [3, 7], axis=1)[1] * 2,
    "space to depth": space_to_depth,
    "depth to space": lambda x: x.reshape(1, 12, 4, 1, 2).reshape(1, 24, 4),
    "take": lambda x: jnp.take(x, np.array([5, 0, 11, 5]), axis=1),
    "take of rows and columns": lambda x: x[:, np.array([0, 3]), np.array([1, 2])],
    "one row": lambda x: x[:, 7],
    "dynamic slice": lambda x: lax.dynamic_slice(x, (0, 3, 0, 0), (1, 5, 4, 2)),
    "known mask": masked,
    "mean over channels": lambda x: x - x.mean(-1, keepdims=True),
    "global mean": lambda x: x * nn.sigmoid(x.mean((1, 2), keepdims=True)),
    "attention": attention,
    "attention in windows": window_attention,
    "relu, silu, gelu": lambda x: nn.relu(x) + nn.silu(x) * nn.gelu(x),
    "recomputed": jax.checkpoint(conv()),
    "constant": lambda x: jnp.ones((1, 12, 4, 2)),
}


def truth(function, draws=25):
    """First and last row that each output element's gradient reaches in any draw."""

    @jax.jit
    def touched(x):
        jacobian = jax.jacobian(function)(x)
        return jnp.any(jacobian != 0, (-4, -2, -1))

    images = jax.random.normal(jax.random.key(0), (draws, *SHAPE))
    reads = np.any([touched(image) for image in images], axis=0)
    rows = np.arange(SHAPE[1])
    low = np.where(reads, rows, SHAPE[1]).min(-1)
    return low, np.where(reads, rows, -1).max(-1)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_extents_are_what_the_jacobian_reads(name):
    dependence = Dependence(SHAPE[1])
    image = jax.ShapeDtypeStruct(SHAPE, jnp.float32)
    extent = dependence.trace(FUNCTIONS[name], 1, image)
    low, high = truth(FUNCTIONS[name])
    reads = high >= 0
    for bound, expected in ((extent.low, low), (extent.high, high)):
        got = np.broadcast_to(bound, expected.shape)
        np.testing.assert_array_equal(got[reads], expected[reads])
    empty = np.broadcast_to(extent.low > extent.high, reads.shape)
    np.testing.assert_array_equal(empty, ~reads)
    assert not dependence.approximated


def test_a_primitive_without_a_rule_gives_an_upper_bound_and_is_named():
    dependence = Dependence(12)
    image = jax.ShapeDtypeStruct(SHAPE, jnp.float32)
    extent = dependence.trace(lambda x: jnp.sort(x[:, 2:5], axis=1), 1, image)
    assert (extent.low.min(), extent.high.max()) == (2, 4)
    assert dependence.approximated == {"sort"}


def test_parameters_are_not_the_image():
    dependence = Dependence(12)
    image = jax.ShapeDtypeStruct(SHAPE, jnp.float32)
    weight = jax.ShapeDtypeStruct((12, 12), jnp.float32)

    def mix(x, trees):
        return jnp.einsum("oh,bhwc->bowc", trees["weight"], x), trees["weight"].sum()

    mixed, alone = dependence.trace(mix, 1, image, {"weight": weight})
    assert (mixed.low.max(), mixed.high.min()) == (0, 11)
    assert alone.low > alone.high


def test_image_level_sums_can_be_left_out():
    def run(x):
        return conv()(x) * nn.sigmoid(x.mean((1, 2), keepdims=True))

    image = jax.ShapeDtypeStruct(SHAPE, jnp.float32)
    everything = Dependence(12).trace(run, 1, image)
    assert (everything.low.max(), everything.high.min()) == (0, 11)
    local = Dependence(12, image_level=False).trace(run, 1, image)
    np.testing.assert_array_equal(local.low.ravel(), np.maximum(np.arange(12) - 1, 0))
    np.testing.assert_array_equal(local.high.ravel(), np.minimum(np.arange(12) + 1, 11))


def test_a_columns_extent_ignores_rows():
    image = jax.ShapeDtypeStruct((1, 5, 30, 1), jnp.float32)
    module = Conv(1, 7)
    variables = jax.eval_shape(module.init, jax.random.key(0), image)
    extent = Dependence(30).trace(lambda x, v: module.apply(v, x), 2, image, variables)
    assert extent.shape == (1, 1, 30, 1)
    assert (extent.high - extent.low).max() == 6
