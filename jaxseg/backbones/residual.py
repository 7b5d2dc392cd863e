"""The blocks of residual networks (He et al. 2016, arXiv:1512.03385, fig. 5).

The arithmetic is torchvision's and timm's: the 3x3 convolution of a bottleneck has its
stride ("v1.5"), and a squeeze-and-excitation gate comes before the sum.  The inner
width of the gate is a 16th of the channels, rounded to a multiple of 8.  Deviation in
dilated stages: if the stride of a shortcut is dropped, its average pooling takes pixels
at the stage's first rate and does not count padding, so that dilation changes no value;
timm's pooling does not do this.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxseg.nn.blocks import SqueezeExcite, scaled
from jaxseg.nn.convolution import conv_norm
from jaxseg.nn.pooling import average_pool

ONE, TWO, THREE = (("conv1", "norm1"), ("conv2", "norm2"), ("conv3", "norm3"))
"""Names of a block's convolutions and their normalisations, from its input on."""


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut (paper, fig. 5 left).

    Attributes:
      channels: the stage's width.
      stride: of the first convolution.
      first_rate: atrous rate of the first convolution.
      rate: atrous rate of the second convolution.
      project: whether the shortcut is a 1x1 convolution.
      average: see `shortcut`.
      squeeze_excite: whether channels are gated before the sum.
      residual: whether there is a shortcut at all.
      dtype: compute type.
    """

    expansion = 1
    channels: int
    stride: int = 1
    first_rate: int = 1
    rate: int = 1
    project: bool = False
    average: bool = False
    squeeze_excite: bool = False
    residual: bool = True
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """Map `[B, H, W, C]` to `[B, H / stride, W / stride, channels]`."""
        conv = functools.partial(conv_norm, train=train, dtype=self.dtype)
        y = conv(
            x,
            channels=self.channels,
            kernel=3,
            stride=self.stride,
            rate=self.first_rate,
            relu=True,
            names=ONE,
        )
        residual = shortcut(self, x, train) if self.residual else None
        last = functools.partial(
            conv, y, channels=self.channels, kernel=3, rate=self.rate, names=TWO
        )
        return finish_block(last, self.squeeze_excite, residual)


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 convolutions and a shortcut (paper, fig. 5 right).

    Attributes:
      channels: the stage's width; the output has four times as many.
      stride: of the 3x3 convolution.
      first_rate: atrous rate of the 3x3 convolution.
      rate: atrous rate of the later blocks of the stage.
      project: whether the shortcut is a 1x1 convolution.
      average: see `shortcut`.
      squeeze_excite: whether channels are gated before the sum.
      groups: channel groups of the 3x3 convolution (Xie et al. 2017, arXiv:1611.05431).
      base_width: channels of one group, in the stage whose `channels` are 64.
      dtype: compute type.
    """

    expansion = 4
    channels: int
    stride: int = 1
    first_rate: int = 1
    rate: int = 1
    project: bool = False
    average: bool = False
    squeeze_excite: bool = False
    groups: int = 1
    base_width: int = 64
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """Map `[B, H, W, C]` to `[B, H / stride, W / stride, 4 * channels]`."""
        conv = functools.partial(conv_norm, train=train, dtype=self.dtype)
        inner = max(1, self.channels * self.base_width // 64) * self.groups
        y = conv(x, channels=inner, relu=True, names=ONE)
        y = conv(
            y,
            channels=inner,
            kernel=3,
            stride=self.stride,
            rate=self.first_rate,
            groups=self.groups,
            relu=True,
            names=TWO,
        )
        residual = shortcut(self, x, train)
        channels = self.channels * self.expansion
        last = functools.partial(conv, y, channels=channels, names=THREE)
        return finish_block(last, self.squeeze_excite, residual)


def finish_block(
    last: Callable[..., jax.Array], squeeze_excite: bool, residual: jax.Array | None
) -> jax.Array:
    """End a block: its last convolution, the gate, the sum with the shortcut, a ReLU.

    Args:
      last: the last convolution; takes `residual` and `relu` of `conv_norm`.
      squeeze_excite: whether channels are gated.
      residual: the shortcut's output `[B, H, W, C]`, or None.
    """
    if not squeeze_excite:
        return last(residual=residual, relu=True)
    y = gate(last())
    return nn.relu(y if residual is None else y + residual)


def gate(y: jax.Array) -> jax.Array:
    """Scale the channels of `[B, H, W, C]` (Hu et al. 2018, arXiv:1709.01507)."""
    squeezed = scaled(y.shape[-1], 1 / 16)
    return SqueezeExcite(squeezed, dtype=y.dtype, name="squeeze_excite")(y)


def shortcut(block: BasicBlock | Bottleneck, x: jax.Array, train: bool) -> jax.Array:
    """Bring a block's input to the shape of its output, if the block projects.

    Where the stage has a stride and `block.average` is set, 2x2 pixels are averaged
    before the 1x1 convolution, which then has no stride (He et al. 2019,
    arXiv:1812.01187, fig. 2c).

    Args:
      block: whose submodules these are.
      x: `[B, H, W, C]`.
      train: use batch statistics.
    """
    if not block.project:
        return x
    stride = block.stride
    if block.average and max(stride, block.rate) > 1:
        x = average_pool(x, stride, block.first_rate)
        stride = 1
    return conv_norm(
        x,
        train,
        block.channels * block.expansion,
        stride=stride,
        names=("shortcut_conv", "shortcut_norm"),
        dtype=block.dtype,
    )
