"""LR-ASPP, the head of MobileNetV3 (Howard et al. 2019, arXiv:1905.02244, sec. 6.4).

The arithmetic is torchvision's.  Deviation from the paper: the gate pools the whole
map, where the paper slides a window of 49x49 pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxseg.nn.convolution import Conv, ConvNorm, ScoreConv
from jaxseg.nn.upsampling import Upsample, UpsamplingName
from jaxseg.ranges import Channels, Level


class LRASPP(nn.Module):
    """The deepest feature, gated, scored together with a shallower one (fig. 10).

    Attributes:
      num_classes: number of classes.
      channels: width of the deep branch.
      level: the shallow feature; 2 is that of stride 8.
      upsampling: of the deep branch, a name in `UPSAMPLINGS`.
      dtype: compute type.
    """

    num_classes: int
    channels: Channels = 128
    level: Level = 2
    upsampling: UpsamplingName = "bilinear"
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, features: Sequence[jax.Array], train: bool = False) -> jax.Array:
        """Map features to logits `[B, h, w, classes]` at the shallow one's stride."""
        low, high = features[self.level], features[-1]
        c, dtype = self.channels, self.dtype
        gate = high.mean((1, 2), keepdims=True, dtype=jnp.float32).astype(high.dtype)
        gate = nn.sigmoid(Conv(c, dtype=dtype, name="gate")(gate))
        x = ConvNorm(c, 1, dtype=dtype, name="deep")(high, train) * gate
        enlarge = Upsample(self.upsampling, dtype, name="upsample")
        x = enlarge(x, (low.shape[1], low.shape[2]))
        shallow = ScoreConv(self.num_classes, dtype=dtype, name="classifier_low")(low)
        deep = ScoreConv(self.num_classes, dtype=dtype, name="classifier_high")(x)
        return shallow + deep
