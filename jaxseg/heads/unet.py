"""The U-Net decoder on any backbone (Ronneberger et al. 2015, arXiv:1505.04597).

The arithmetic is that of segmentation_models.pytorch 0.6.  Each of the five levels
upsamples (nearest, or another method by name), appends the skip's channels, and applies
two 3x3 convolutions with batch normalisation.  The last level has the image's size.  A
level upsamples to the size of its skip, so that images of odd sizes need no padding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxseg.nn.convolution import ConvNorm, ScoreConv
from jaxseg.nn.upsampling import Upsample, UpsamplingName
from jaxseg.ranges import Channels


class UNet(nn.Module):
    """Decoder levels from the deepest feature up to twice the shallowest one's size.

    Attributes:
      num_classes: number of classes.
      channels: width of the deepest level, halved at each next one, 16 at least.
      upsampling: between levels, a name in `UPSAMPLINGS`.
      dtype: compute type.
    """

    num_classes: int
    channels: Channels = 256
    upsampling: UpsamplingName = "nearest"
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, features: Sequence[jax.Array], train: bool = False) -> jax.Array:
        """Map features to logits `[B, h, w, classes]`, twice the shallowest's size."""
        x, *skips = features[::-1]
        for level in range(len(features)):
            name = f"level{level + 1}"
            channels = max(16, self.channels >> level)
            skip = skips[level] if level < len(skips) else None
            size = (2 * x.shape[1], 2 * x.shape[2])
            if skip is not None:
                size = (skip.shape[1], skip.shape[2])
            x = Upsample(self.upsampling, self.dtype, name=f"{name}_upsample")(x, size)
            if skip is not None:
                x = jnp.concatenate([x, skip], axis=-1)
            for index in (1, 2):
                conv = ConvNorm(channels, dtype=self.dtype, name=f"{name}_conv{index}")
                x = conv(x, train)
        return ScoreConv(self.num_classes, 3, dtype=self.dtype, name="classifier")(x)
