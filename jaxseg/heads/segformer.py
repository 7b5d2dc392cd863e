"""SegFormer's all-MLP head (Xie et al. 2021, arXiv:2105.15203, sec. 3.2).

The arithmetic is that of segmentation_models.pytorch 0.6; the dropout before the
classifier is from the authors' code.  Features are always resized bilinearly: a learned
upsampling by 2, 4 and 8 would have more parameters than the rest of this head, which is
meant to be small.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxseg.nn.convolution import ConvNorm, ScoreConv
from jaxseg.nn.upsampling import resize_bilinear
from jaxseg.ranges import Channels, Share


class SegFormer(nn.Module):
    """One dense layer a feature, all resized to stride 4, fused by a 1x1 convolution.

    Attributes:
      num_classes: number of classes.
      channels: width; the paper's is 256 for MiT-B0 and B1, 768 for the larger.
      shallow: read the feature of stride 2 too where the backbone has one, as
        segmentation_models.pytorch does; the paper's backbone has none.
      dropout: probability for a channel, before the classifier.
      dtype: compute type.
    """

    num_classes: int
    channels: Channels = 256
    shallow: bool = False
    dropout: Share = 0.1
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, features: Sequence[jax.Array], train: bool = False) -> jax.Array:
        """Map features to logits `[B, h, w, classes]` at stride 4."""
        size = (features[1].shape[1], features[1].shape[2])
        first = 0 if self.shallow and features[0].shape[-1] > 0 else 1
        resized = []
        for level in reversed(range(first, len(features))):
            dense = nn.Dense(self.channels, dtype=self.dtype, name=f"dense{level}")
            resized.append(resize_bilinear(dense(features[level]), size))
        x = jnp.concatenate(resized, axis=-1)
        x = ConvNorm(self.channels, 1, dtype=self.dtype, name="fuse")(x, train)
        x = nn.Dropout(
            self.dropout,
            broadcast_dims=(1, 2),
            deterministic=not train,
            name="dropout",
        )(x)
        return ScoreConv(self.num_classes, dtype=self.dtype, name="classifier")(x)
