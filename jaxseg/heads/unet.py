"""The U-Net decoder on any backbone (Ronneberger et al. 2015, arXiv:1505.04597).

The arithmetic is that of segmentation_models.pytorch 0.6: nearest upsampling, the skip
concatenated behind, two 3x3 convolutions with batch normalisation, five levels down to
the image's own size.  Where a size is odd the upsampling goes to the skip's size, so
that no padding of the image is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxseg.nn.convolution import ConvNorm, ScoreConv
from jaxseg.nn.upsampling import resize_nearest


class UNet(nn.Module):
    """Decoder levels that climb from the deepest feature to twice the shallowest size.

    Attributes:
      num_classes: number of classes.
      channels: width of the deepest level, halved at each next one, 16 at least.
      dtype: compute type.
    """

    num_classes: int
    channels: int = 256
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, features: Sequence[jax.Array], train: bool = False) -> jax.Array:
        """Map features to logits `[B, h, w, classes]`, twice the shallowest's size."""
        x, *skips = features[::-1]
        for level in range(len(features)):
            channels = max(16, self.channels >> level)
            if level < len(skips):
                skip = skips[level]
                x = resize_nearest(x, (skip.shape[1], skip.shape[2]))
                x = jnp.concatenate([x, skip], axis=-1)
            else:
                x = resize_nearest(x, (2 * x.shape[1], 2 * x.shape[2]))
            for index in (1, 2):
                name = f"level{level + 1}_conv{index}"
                x = ConvNorm(channels, dtype=self.dtype, name=name)(x, train)
        return ScoreConv(self.num_classes, 3, dtype=self.dtype, name="classifier")(x)
