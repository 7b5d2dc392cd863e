"""Fully convolutional heads (Long, Shelhamer & Darrell 2015, arXiv:1411.4038)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxseg.nn.convolution import Conv, ConvNorm, ScoreConv
from jaxseg.nn.upsampling import Upsample, UpsamplingName
from jaxseg.ranges import Channels, Level, Share


class FCN(nn.Module):
    """One 3x3 convolution and a classifier on a dilated feature map.

    torchvision and mmsegmentation call this head FCN; it is also the auxiliary head of
    segmenters.  The score fusion of the paper is `FCNSkip`.

    Attributes:
      num_classes: number of classes.
      channels: width; None is a quarter of the feature's (torchvision).
      level: which feature is read, -1 the deepest.
      dropout: probability.
      dtype: compute type.
    """

    num_classes: int
    channels: Channels | None = None
    level: Level = -1
    dropout: Share = 0.1
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, features: Sequence[jax.Array], train: bool = False) -> jax.Array:
        """Map features to logits `[B, h, w, classes]` at the read feature's stride."""
        x = features[self.level]
        channels = self.channels or max(1, x.shape[-1] // 4)
        x = ConvNorm(channels, dtype=self.dtype, name="conv1")(x, train)
        x = nn.Dropout(self.dropout, deterministic=not train, name="dropout")(x)
        return ScoreConv(self.num_classes, dtype=self.dtype, name="classifier")(x)


class FCNSkip(nn.Module):
    """Scores of several depths, fused from the deepest up (paper, fig. 3 and sec. 4.2).

    Each feature is scored by a 1x1 convolution; the deeper score is upsampled to the
    shallower one's size and added.  On VGG-16 with `channels` 4096 this is the paper's
    net, whose layers fc6 and fc7 are convolutions of 7x7 and 1x1.  Deviations: fc6 pads
    by 3, where the paper pads the image by 100 pixels and crops the scores; the
    upsampling is bilinear unless another is chosen ("transposed" is the paper's:
    learned from a bilinear start).

    Attributes:
      num_classes: number of classes.
      channels: width of fc6 and fc7 on the deepest feature; None leaves them out.
      stride: of the logits; 32 reads the deepest feature only, 8 fuses three.
      upsampling: a name in `UPSAMPLINGS`.
      dropout: probability, after fc6 and fc7, or on the deepest feature.
      dtype: compute type.
    """

    num_classes: int
    channels: Channels | None = None
    stride: int = 8
    upsampling: UpsamplingName = "bilinear"
    dropout: Share = 0.5
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, features: Sequence[jax.Array], train: bool = False) -> jax.Array:
        """Map features to logits `[B, h, w, classes]` of the shallowest fused one."""
        count = {32: 1, 16: 2, 8: 3}[self.stride]
        x, *skips = features[::-1][:count]
        if self.channels is None:
            x = self._drop(x, train, "dropout")
        else:
            for index, kernel in ((6, 7), (7, 1)):
                conv = Conv(
                    self.channels,
                    kernel,
                    bias=True,
                    dtype=self.dtype,
                    name=f"fc{index}",
                )
                x = self._drop(nn.relu(conv(x)), train, f"dropout{index}")
        scores = ScoreConv(self.num_classes, dtype=self.dtype, name="score32")(x)
        for stride, skip in zip((16, 8), skips, strict=False):
            enlarge = Upsample(self.upsampling, self.dtype, name=f"upsample{stride}")
            score = ScoreConv(self.num_classes, dtype=self.dtype, name=f"score{stride}")
            scores = enlarge(scores, (skip.shape[1], skip.shape[2])) + score(skip)
        return scores

    def _drop(self, x: jax.Array, train: bool, name: str) -> jax.Array:
        return nn.Dropout(self.dropout, deterministic=not train, name=name)(x)
