"""DeepLabV3 (Chen et al. 2017, arXiv:1706.05587) and V3+ (2018, arXiv:1802.02611).

V3 computes like both torchvision's and segmentation_models.pytorch's.  V3+ computes
like the paper's by default, and like segmentation_models.pytorch's with the options in
`jaxseg.weights.families.heads_smp.SMP_ARGUMENTS`.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxseg.nn.convolution import ConvNorm, ScoreConv
from jaxseg.nn.upsampling import Upsample, UpsamplingName, resize_bilinear
from jaxseg.ranges import Channels, Count, Rates, Share


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling with image-level features (V3, fig. 5).

    Attributes:
      channels: width of each branch and of the output.
      rates: atrous rates of the 3x3 branches, in pixels of the feature map.
      separable: depthwise separable atrous branches (V3+, sec. 3.1).
      dropout: probability, after the projection.
      dtype: compute type.
    """

    channels: int
    rates: Sequence[int]
    separable: bool = False
    dropout: Share = 0.1
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, train: bool = False) -> jax.Array:
        """Map `[B, h, w, C]` to `[B, h, w, channels]`."""
        c, dtype = self.channels, self.dtype
        branches = [ConvNorm(c, 1, dtype=dtype, name="branch0")(x, train)]
        for index, rate in enumerate(self.rates, start=1):
            branch = ConvNorm(
                c, 3, 1, rate, self.separable, dtype=dtype, name=f"branch{index}"
            )
            branches.append(branch(x, train))
        pooled = x.mean((1, 2), keepdims=True, dtype=jnp.float32).astype(x.dtype)
        pooled = ConvNorm(c, 1, dtype=dtype, name="image_pooling")(pooled, train)
        branches.append(jnp.broadcast_to(pooled, branches[0].shape))
        x = jnp.concatenate(branches, axis=-1)
        x = ConvNorm(c, 1, dtype=dtype, name="projection")(x, train)
        return nn.Dropout(self.dropout, deterministic=not train, name="dropout")(x)


class DeepLabV3(nn.Module):
    """ASPP on the deepest feature, a 3x3 convolution, a classifier (as torchvision).

    Attributes:
      num_classes: number of classes.
      channels: width.
      rates: atrous rates at output stride 16; doubled at 8, as the paper does.
      output_stride: of the backbone.
      separable: depthwise separable atrous branches.
      dropout: probability.
      dtype: compute type.
    """

    num_classes: int
    channels: Channels = 256
    rates: Rates = (6, 12, 18)
    output_stride: int = 16
    separable: bool = False
    dropout: Share = 0.1
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, features: Sequence[jax.Array], train: bool = False) -> jax.Array:
        """Map features to logits `[B, h, w, classes]` at the output stride."""
        dtype = self.dtype
        x = ASPP(
            self.channels,
            rates_at(self.rates, self.output_stride),
            self.separable,
            self.dropout,
            dtype,
            name="aspp",
        )(features[-1], train)
        x = ConvNorm(self.channels, dtype=dtype, name="conv1")(x, train)
        return ScoreConv(self.num_classes, dtype=dtype, name="classifier")(x)


class DeepLabV3Plus(nn.Module):
    """ASPP, then a decoder on the features of stride 4 (V3+, fig. 2 and sec. 4.1).

    Attributes:
      num_classes: number of classes.
      channels: width of ASPP and decoder.
      low_level_channels: width to which the shallow feature is reduced; None is 3/16
        of `channels`, the paper's 48 of 256.
      rates: atrous rates at output stride 16; doubled at 8.
      output_stride: of the backbone.
      separable: depthwise separable convolutions in ASPP and decoder.
      aspp_conv: whether a 3x3 convolution is between ASPP and the upsampling; the paper
        has none.
      decoder_convs: number of 3x3 convolutions after the concatenation.
      upsampling: of ASPP's output, a name in `UPSAMPLINGS`.
      align_corners: whether bilinear upsampling aligns the corner pixels; other
        methods ignore it.
      dropout: probability, after ASPP.
      dtype: compute type.
    """

    num_classes: int
    channels: Channels = 256
    low_level_channels: Channels | None = None
    rates: Rates = (6, 12, 18)
    output_stride: int = 16
    separable: bool = True
    aspp_conv: bool = False
    decoder_convs: Count = 2
    upsampling: UpsamplingName = "bilinear"
    align_corners: bool = False
    dropout: Share = 0.1
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, features: Sequence[jax.Array], train: bool = False) -> jax.Array:
        """Map features to logits `[B, h, w, classes]` at stride 4."""
        c, dtype = self.channels, self.dtype
        conv = functools.partial(ConvNorm, c, separable=self.separable, dtype=dtype)
        x = ASPP(
            c,
            rates_at(self.rates, self.output_stride),
            self.separable,
            self.dropout,
            dtype,
            name="aspp",
        )(features[-1], train)
        if self.aspp_conv:
            x = conv(name="aspp_conv")(x, train)
        reduced = self.low_level_channels or max(1, c * 3 // 16)
        reduce = ConvNorm(reduced, 1, dtype=dtype, name="low_level")
        low_level = reduce(features[1], train)
        size = (low_level.shape[1], low_level.shape[2])
        if self.upsampling == "bilinear":
            x = resize_bilinear(x, size, self.align_corners)
        else:
            x = Upsample(self.upsampling, dtype, name="upsample")(x, size)
        x = jnp.concatenate([x, low_level], axis=-1)
        for index in range(1, self.decoder_convs + 1):
            x = conv(name=f"decoder{index}")(x, train)
        return ScoreConv(self.num_classes, dtype=dtype, name="classifier")(x)


def rates_at(rates: Sequence[int], output_stride: int) -> tuple[int, ...]:
    """Scale atrous rates given for output stride 16 to another (V3, sec. 4.1)."""
    return tuple(max(1, round(rate * 16 / output_stride)) for rate in rates)
