"""Fully convolutional heads (Long, Shelhamer & Darrell 2015, arXiv:1411.4038)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxseg.nn.convolution import ConvNorm, ScoreConv
from jaxseg.nn.upsampling import resize_bilinear


class FCN(nn.Module):
    """One 3x3 convolution and a classifier on a dilated feature map.

    This is what torchvision and mmsegmentation call FCN, and what serves as auxiliary
    head.  The paper's score fusion is `FCNSkip`.

    Attributes:
      num_classes: number of classes.
      channels: width; None is a quarter of the feature's (torchvision).
      level: which feature is read, -1 the deepest.
      dropout: probability.
      dtype: compute type.
    """

    num_classes: int
    channels: int | None = None
    level: int = -1
    dropout: float = 0.1
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
    shallower one's size and added.  Deviation: the upsampling is fixed bilinear.

    Attributes:
      num_classes: number of classes.
      stride: of the logits; 32 reads the deepest feature only, 8 fuses three.
      dropout: probability, on the deepest feature.
      dtype: compute type.
    """

    num_classes: int
    stride: int = 8
    dropout: float = 0.5
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, features: Sequence[jax.Array], train: bool = False) -> jax.Array:
        """Map features to logits `[B, h, w, classes]` of the shallowest fused one."""
        count = {32: 1, 16: 2, 8: 3}[self.stride]
        deepest, *skips = features[::-1][:count]
        x = nn.Dropout(self.dropout, deterministic=not train, name="dropout")(deepest)
        scores = ScoreConv(self.num_classes, dtype=self.dtype, name="score32")(x)
        for stride, skip in zip((16, 8), skips, strict=False):
            size = (skip.shape[1], skip.shape[2])
            score = ScoreConv(self.num_classes, dtype=self.dtype, name=f"score{stride}")
            scores = resize_bilinear(scores, size) + score(skip)
        return scores
