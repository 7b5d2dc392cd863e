"""Convolutions as layers: padding, parameters, normalisation, Linen's own values."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from closeness import assert_close

from jaxseg.nn.convolution import Conv, ConvNorm


def test_conv_pads_as_pytorch_does():
    conv = Conv(2, 3, stride=2, name=None)
    assert conv.padding == ((1, 1), (1, 1))
    out, _ = conv.init_with_output(jax.random.key(0), jnp.ones((1, 6, 7, 3)))
    assert out.shape == (1, 3, 4, 2)


def test_conv_norm_normalises_and_rectifies():
    layer = ConvNorm(4)
    image = jax.random.normal(jax.random.key(0), (2, 8, 8, 3))
    variables = layer.init(jax.random.key(1), image)
    out, _ = layer.apply(variables, image, train=True, mutable=["batch_stats"])
    assert float(out.min()) == 0.0
    linear = ConvNorm(4, act=False)
    out, _ = linear.apply(variables, image, train=True, mutable=["batch_stats"])
    assert_close(out.mean((0, 1, 2)), 0, magnitude=1)
    # Less by what epsilon adds to the variance.
    np.testing.assert_allclose(out.std((0, 1, 2)), 1, atol=1e-2)


def test_separable_has_the_parameters_of_depthwise_and_pointwise():
    layer = ConvNorm(8, separable=True)
    params = layer.init(jax.random.key(0), jnp.ones((1, 5, 5, 3)))["params"]
    assert params["depthwise"]["kernel"].shape == (3, 3, 1, 3)
    assert params["conv"]["kernel"].shape == (1, 1, 3, 8)


def test_linen_conv_with_our_lowering_equals_linens_own():
    image = jax.random.normal(jax.random.key(0), (2, 9, 9, 4))
    ours = Conv(4, 3, rate=2)
    theirs = nn.Conv(4, (3, 3), padding=2, kernel_dilation=2, use_bias=False)
    variables = ours.init(jax.random.key(1), image)
    assert_close(ours.apply(variables, image), theirs.apply(variables, image))
