"""UPerNet (Xiao et al. 2018, arXiv:1807.10221, sec. 3.2), its head for one task.

The head pools the deepest feature in a pyramid, builds a feature pyramid from there up
to stride 4, and fuses all levels at stride 4.  The arithmetic is that of
segmentation_models.pytorch 0.6, which first layer-normalises the backbone's features,
as the UPerNets of transformers do; the paper does not.

The option `upsampling` applies to the top-down path, whose steps have a factor of 2.
The last resizing of all levels to stride 4 is always bilinear, because it stacks levels
that the top-down path has already merged.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxseg.heads.pspnet import BINS, PyramidPooling
from jaxseg.nn.convolution import ConvNorm, ScoreConv
from jaxseg.nn.normalization import LayerNorm
from jaxseg.nn.upsampling import Upsample, UpsamplingName, resize_bilinear
from jaxseg.ranges import Channels, Side


class UPerNet(nn.Module):
    """Pyramid pooling and a feature pyramid network on the features of strides 4 to 32.

    Attributes:
      num_classes: number of classes.
      channels: width of every level.
      bins: sides of the pooled maps.
      upsampling: of the top-down path, a name in `UPSAMPLINGS`.
      dtype: compute type.
    """

    num_classes: int
    channels: Channels = 256
    bins: Sequence[Side] = BINS
    upsampling: UpsamplingName = "bilinear"
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, features: Sequence[jax.Array], train: bool = False) -> jax.Array:
        """Map features to logits `[B, h, w, classes]` at stride 4."""
        *shallow, deepest = (
            LayerNorm(self.dtype, f"norm{number}")(feature)
            for number, feature in enumerate(features[1:], start=1)
        )
        x = self._pool(deepest, train)
        levels = [x]
        for number, feature in reversed(list(enumerate(shallow, start=1))):
            lateral = self._conv(f"lateral{number}", 1)(feature, train)
            enlarge = Upsample(self.upsampling, self.dtype, name=f"upsample{number}")
            x = enlarge(x, (lateral.shape[1], lateral.shape[2])) + lateral
            levels.append(self._conv(f"level{number}", 3)(x, train))
        size = (x.shape[1], x.shape[2])
        levels = [resize_bilinear(level, size) for level in reversed(levels)]
        x = self._conv("fuse", 3)(jnp.concatenate(levels, axis=-1), train)
        return ScoreConv(self.num_classes, dtype=self.dtype, name="classifier")(x)

    def _pool(self, x: jax.Array, train: bool) -> jax.Array:
        pyramid = PyramidPooling(
            self.channels, self.bins, dtype=self.dtype, name="pyramid"
        )
        x = jnp.concatenate([x, *pyramid(x, train)], axis=-1)
        return self._conv("pyramid_fuse", 3)(x, train)

    def _conv(self, name: str, kernel: int) -> ConvNorm:
        return ConvNorm(self.channels, kernel, dtype=self.dtype, name=name)
