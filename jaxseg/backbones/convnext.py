"""ConvNeXt (Liu et al. 2022, arXiv:2201.03545).

The arithmetic is torchvision's and timm's on images whose sides are multiples of 32.
There is no feature of stride 2: the first map has no channels.  Deviations:

- Other sizes are padded with zeros at the end before each stride, so that they round
  up; PyTorch drops the odd pixels.
- Below output stride 32 the strides of downsampling become atrous rates and the 2x2
  convolutions are padded at the end, so that dilation changes no value.  timm does the
  same, except that it centres the 2x2 convolution of rate 2, which shifts its last
  stage at output stride 8.
- A width factor and a cap on channels.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxseg.backbones.classifier import pool_window
from jaxseg.backbones.entry import BackboneEntry, plan_stages
from jaxseg.nn.blocks import ACTIVATIONS, StochasticDepth, scaled
from jaxseg.nn.convolution import Conv
from jaxseg.nn.normalization import LayerNorm
from jaxseg.nn.remat import block_output

INITIAL = nn.initializers.truncated_normal(0.02)
"""The initialiser of every kernel (paper, table 5)."""


class ConvNeXtBlock(nn.Module):
    """7x7 depthwise convolution, normalisation, two dense layers (paper, fig. 4).

    Attributes:
      rate: atrous rate of the depthwise convolution.
      drop: probability of dropping the block in training.
      dtype: compute type.
    """

    rate: int = 1
    drop: float = 0.0
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """Map `[B, H, W, C]` to the same shape."""
        channels = x.shape[-1]
        y = Conv(
            channels,
            7,
            rate=self.rate,
            groups=channels,
            bias=True,
            kernel_init=INITIAL,
            dtype=self.dtype,
            name="depthwise",
        )(x)
        y = LayerNorm(self.dtype, "norm")(y)
        dense = functools.partial(nn.Dense, kernel_init=INITIAL, dtype=self.dtype)
        y = ACTIVATIONS["gelu"](dense(4 * channels, name="expand")(y))
        y = dense(channels, name="reduce")(y)
        scale = self.param("layer_scale", nn.initializers.constant(1e-6), (channels,))
        y = y * scale.astype(y.dtype)
        return x + StochasticDepth(self.drop, name="stochastic_depth")(y, train)


class ConvNeXt(nn.Module):
    """A ConvNeXt as five feature maps, the first of no channels.

    Attributes:
      blocks: number of blocks in each of the four stages.
      channels: of the first stage; each further stage has twice as many.
      stochastic_depth: probability of dropping the last block in training; it grows
        linearly from 0 at the first.
      width: factor on the channels.
      max_channels: upper bound on them.
      output_stride: 32, 16 or 8.
      uniform_dilation: see `plan_stages`.
      dtype: compute type.
    """

    blocks: tuple[int, int, int, int]
    channels: int
    stochastic_depth: float
    width: float = 1.0
    max_channels: int | None = None
    output_stride: int = 32
    uniform_dilation: bool = False
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, image: jax.Array, train: bool = False) -> tuple[jax.Array, ...]:
        """Map `[B, H, W, 3]` to features of strides 2, 4, 8, 16, 32 before dilation."""
        plan = plan_stages((4, 2, 2, 2), self.output_stride, self.uniform_dilation)
        last = sum(self.blocks) - 1
        drops = iter([self.stochastic_depth * i / last for i in range(last + 1)])
        x = image.astype(self.dtype)
        batch, height, width, _ = x.shape
        half = (batch, -(-height // 2), -(-width // 2), 0)
        features = [jnp.zeros(half, self.dtype)]
        for number, (stage, count) in enumerate(zip(plan, self.blocks, strict=True), 1):
            channels = scaled(
                self.channels * 2 ** (number - 1), self.width, self.max_channels
            )
            conv = functools.partial(
                Conv, channels, bias=True, kernel_init=INITIAL, dtype=self.dtype
            )
            if number == 1:
                x = pad_behind(x, 4)
                x = conv(4, 4, padding=0, name="stem_conv")(x)
                x = LayerNorm(self.dtype, "stem_norm")(x)
            else:
                x = LayerNorm(self.dtype, f"downsample{number}_norm")(x)
                x = pad_behind(x, stage.stride)
                padding = (0, stage.first_rate if stage.stride == 1 else 0)
                x = conv(
                    2,
                    stage.stride,
                    stage.first_rate,
                    padding=padding,
                    name=f"downsample{number}_conv",
                )(x)
            for place in range(1, count + 1):
                name = f"stage{number}_block{place}"
                block = ConvNeXtBlock(stage.rate, next(drops), self.dtype, name=name)
                x = block_output(block(x, train))
            features.append(x)
        return tuple(features)


def pad_behind(x: jax.Array, multiple: int) -> jax.Array:
    """Add zero rows and columns behind, up to a multiple."""
    behind = [(0, -size % multiple) for size in x.shape[1:-1]]
    return jnp.pad(x, ((0, 0), *behind, (0, 0)))


class NormalizedClassifier(nn.Module):
    """Average pooling, layer normalisation, one dense layer.

    Attributes:
      num_classes: number of classes.
      window: what is pooled, rows and columns of an undilated map; None is all.
      rate: by which the map is dilated.
      dtype: compute type.
    """

    num_classes: int
    window: tuple[int, int] | None = None
    rate: int = 1
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, features: Sequence[jax.Array], train: bool = False) -> jax.Array:
        """Map features to logits `[B, h, w, classes]`; 1 x 1 without a window."""
        x = pool_window(features[-1], self.window, self.rate)
        x = LayerNorm(self.dtype, "norm")(x)
        return nn.Dense(
            self.num_classes, dtype=self.dtype, kernel_init=INITIAL, name="classifier"
        )(x)


def _variant(
    parameters: int,
    blocks: tuple[int, int, int, int],
    channels: int,
    stochastic_depth: float,
) -> BackboneEntry:
    return BackboneEntry(
        functools.partial(
            ConvNeXt,
            blocks=blocks,
            channels=channels,
            stochastic_depth=stochastic_depth,
        ),
        "Liu et al. 2022, arXiv:2201.03545",
        parameters,
        classifier=NormalizedClassifier,
    )


CONVNEXTS: dict[str, BackboneEntry] = {
    "convnext_tiny": _variant(28_589_128, (3, 3, 9, 3), 96, 0.1),
    "convnext_small": _variant(50_223_688, (3, 3, 27, 3), 96, 0.4),
    "convnext_base": _variant(88_591_464, (3, 3, 27, 3), 128, 0.5),
}
"""Name -> entry; stochastic depths of the paper's table 5."""
