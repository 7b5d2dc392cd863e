"""Mix Transformer, MiT-B0 to B5 (Xie et al. 2021, arXiv:2105.15203, sec. 3.1).

The arithmetic, epsilons included, is that of the authors' code and of
segmentation_models.pytorch 0.6.  There is no feature of stride 2: the first one has no
channels.  A stage's feature is layer-normalised.

Sequence reduction is a convolution whose kernel has the size of its stride; rows and
columns that do not fill a window are left out, as in PyTorch.

At output stride 16 or 8 the patch embedding of a dilated stage does not reduce the
size.  Its atrous rate, and that of the depthwise convolutions in the feed-forward
layers, follow `plan_stages`.  Attention has no rate: every token is a query, but keys
and values come from every `rate`-th token of every `rate`-th row.  Those are the tokens
of the strided network, so the features at these tokens equal the strided network's, and
attention costs `rate^2` instead of `rate^4` times as much.  With `uniform_dilation` all
tokens are keys and values.  At output stride 16 this is what
segmentation_models.pytorch computes; at 8 it also removes the stride of the sequence
reduction, which this module keeps.

Deviations: a width factor and a cap on channels.  The number of attention heads is then
the largest divisor of the channels with which a head has at least the paper's width.
"""

from __future__ import annotations

import functools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxseg.backbones.entry import Stage, plan_stages, registry
from jaxseg.nn.blocks import StochasticDepth, scaled
from jaxseg.nn.convolution import Conv
from jaxseg.nn.normalization import LayerNorm
from jaxseg.nn.remat import block_output

EPSILON = 1e-5
"""PyTorch's, of all normalisations but the blocks' and stages'."""

Dense = functools.partial(nn.Dense, kernel_init=nn.initializers.truncated_normal(0.02))

# Variance 2 / fan_out; a depthwise convolution's fan-out is its 9 taps.
_DEPTHWISE = nn.initializers.normal((2 / 9) ** 0.5)


class Attention(nn.Module):
    """Efficient self-attention: fewer keys than queries (paper, eq. 1 and 2).

    Attributes:
      heads: number of heads; it divides the channels.
      reduction: side of the windows that sequence reduction turns into one token.
      step: distance of the tokens that keys and values are made of.
      dtype: compute type; softmax is float32.
    """

    heads: int
    reduction: int = 1
    step: int = 1
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Map `[B, h, w, C]` to the same shape."""
        b, h, w, c = x.shape
        dense = functools.partial(Dense, dtype=self.dtype)
        query = dense(c, name="query")(x)
        source = x[:, :: self.step, :: self.step]
        if self.reduction > 1:
            source = Conv(
                c,
                self.reduction,
                self.reduction,
                bias=True,
                padding=0,
                dtype=self.dtype,
                name="reduction_conv",
            )(source)
            source = LayerNorm(self.dtype, "reduction_norm", EPSILON)(source)
        key, value = jnp.split(dense(2 * c, name="key_value")(source), 2, axis=-1)
        split = (b, -1, self.heads, c // self.heads)
        x = jax.nn.dot_product_attention(
            query.reshape(split), key.reshape(split), value.reshape(split)
        )
        return dense(c, name="projection")(x.reshape(b, h, w, c))


class MixFFN(nn.Module):
    """A feed-forward network that sees its neighbours (paper, eq. 3).

    The 3x3 convolution's zero padding tells where the borders are; there is no
    positional code.

    Attributes:
      expansion: hidden width over the input's.
      rate: atrous rate.
      dtype: compute type.
    """

    expansion: int = 4
    rate: int = 1
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Map `[B, h, w, C]` to the same shape."""
        c, hidden = x.shape[-1], self.expansion * x.shape[-1]
        x = Dense(hidden, dtype=self.dtype, name="expand")(x)
        x = Conv(
            hidden,
            3,
            rate=self.rate,
            groups=hidden,
            bias=True,
            kernel_init=_DEPTHWISE,
            dtype=self.dtype,
            name="depthwise",
        )(x)
        x = nn.gelu(x, approximate=False)
        return Dense(c, dtype=self.dtype, name="reduce")(x)


class Block(nn.Module):
    """Attention, then the feed-forward, each normalised before and added after.

    Attributes:
      heads: number of heads.
      reduction: of the sequence.
      step: distance of the tokens that keys and values are made of.
      rate: atrous rate of the feed-forward.
      drop: probability of leaving out a branch.
      dtype: compute type.
    """

    heads: int
    reduction: int
    step: int = 1
    rate: int = 1
    drop: float = 0.0
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, train: bool = False) -> jax.Array:
        """Map `[B, h, w, C]` to the same shape."""
        norm = functools.partial(LayerNorm, self.dtype)
        y = Attention(
            self.heads, self.reduction, self.step, self.dtype, name="attention"
        )(norm(name="norm1")(x))
        x = x + StochasticDepth(self.drop, name="drop1")(y, train)
        y = MixFFN(rate=self.rate, dtype=self.dtype, name="mlp")(norm(name="norm2")(x))
        return x + StochasticDepth(self.drop, name="drop2")(y, train)


class MixTransformer(nn.Module):
    """A hierarchical transformer as five feature maps.

    Attributes:
      blocks: number of blocks in each of the four stages.
      channels: width of each stage.
      heads: of each stage's attention.
      reductions: of each stage's sequence.
      drop: probability of leaving out the last branch; it grows linearly from 0.
      width: factor on the channels.
      max_channels: upper bound on them.
      output_stride: 32, 16 or 8.
      uniform_dilation: see `plan_stages`, and the module for attention.
      dtype: compute type.
    """

    blocks: tuple[int, int, int, int]
    channels: tuple[int, int, int, int] = (64, 128, 320, 512)
    heads: tuple[int, int, int, int] = (1, 2, 5, 8)
    reductions: tuple[int, int, int, int] = (8, 4, 2, 1)
    drop: float = 0.1
    width: float = 1.0
    max_channels: int | None = None
    output_stride: int = 32
    uniform_dilation: bool = False
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, image: jax.Array, train: bool = False) -> tuple[jax.Array, ...]:
        """Map `[B, H, W, 3]` to features of strides 2, 4, 8, 16, 32 before dilation.

        The feature of stride 2 is `[B, ceil(H / 2), ceil(W / 2), 0]`.  H and W are at
        least 29, so that sequence reduction leaves a token.
        """
        stages = plan_stages((4, 2, 2, 2), self.output_stride, self.uniform_dilation)
        b, height, width, _ = image.shape
        features = [jnp.zeros((b, -(-height // 2), -(-width // 2), 0), self.dtype)]
        x = image.astype(self.dtype)
        for index, stage in enumerate(stages):
            x = self._stage(x, index, stage, train)
            features.append(x)
        return tuple(features)

    def _stage(self, x: jax.Array, index: int, stage: Stage, train: bool) -> jax.Array:
        """Apply the patch embedding and the blocks of one stage."""
        name, dtype = f"stage{index + 1}", self.dtype
        channels = scaled(self.channels[index], self.width, self.max_channels)
        x = Conv(
            channels,
            7 if index == 0 else 3,
            stage.stride,
            stage.first_rate,
            bias=True,
            dtype=dtype,
            name=f"{name}_embedding_conv",
        )(x)
        x = LayerNorm(dtype, f"{name}_embedding_norm", EPSILON)(x)
        heads = _heads(channels, self.channels[index] // self.heads[index])
        before, last = sum(self.blocks[:index]), max(1, sum(self.blocks) - 1)
        for number in range(self.blocks[index]):
            x = Block(
                heads=heads,
                reduction=self.reductions[index],
                step=1 if self.uniform_dilation else stage.rate,
                rate=stage.rate,
                drop=self.drop * (before + number) / last,
                dtype=dtype,
                name=f"{name}_block{number + 1}",
            )(x, train)
            x = block_output(x)
        return LayerNorm(dtype, f"{name}_norm")(x)


def _heads(channels: int, width: int) -> int:
    """Return the number of heads, of at least `width` where there can be two."""
    most = max(1, channels // width)
    return max(count for count in range(1, most + 1) if channels % count == 0)


def _variant(
    parameters: int, *blocks: int, **more: tuple[int, ...]
) -> tuple[int, dict[str, Any]]:
    return parameters, {"blocks": blocks, **more}


MIX_TRANSFORMERS = registry(
    MixTransformer,
    "Xie et al. 2021, arXiv:2105.15203",
    mit_b0=_variant(3_576_392, 2, 2, 2, 2, channels=(32, 64, 160, 256)),
    mit_b1=_variant(13_664_424, 2, 2, 2, 2),
    mit_b2=_variant(24_709_288, 3, 4, 6, 3),
    mit_b3=_variant(44_585_128, 3, 4, 18, 3),
    mit_b4=_variant(61_355_688, 3, 8, 27, 3),
    mit_b5=_variant(81_956_008, 3, 6, 40, 3),
)
"""Name -> entry; parameters are the authors' classifier's, of 1000 classes."""
