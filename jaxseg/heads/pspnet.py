"""PSPNet (Zhao et al. 2017, arXiv:1612.01105).

The arithmetic is that of segmentation_models.pytorch 0.6: the branch of one bin has a
bias instead of a normalisation, the branches are upsampled with aligned corners (as in
the authors' code), and a 1x1 convolution, spatial dropout and a 3x3 classifier follow.
The paper normalises every branch, fuses by a 3x3 convolution and has a 1x1 classifier.
As in the paper, the head reads the deepest feature of a dilated backbone of output
stride 8, and an auxiliary head can be added (`create_model(..., auxiliary=True)`).

The head has no option `upsampling`: a bin grows by a factor that depends on the image's
size, so the weights of a learned upsampling would depend on that size too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxseg.nn.convolution import Conv, ConvNorm, ScoreConv
from jaxseg.nn.pooling import adaptive_average
from jaxseg.nn.upsampling import resize_bilinear
from jaxseg.ranges import Channels, Level, Share, Side

BINS = (1, 2, 3, 6)
"""Sides of the pooled maps (paper, sec. 3.2)."""


class PyramidPooling(nn.Module):
    """Averages at several scales, each convolved and resized to the map (fig. 3).

    Attributes:
      channels: width of each branch.
      bins: side of each branch's pooled map.
      norm_single: normalise the branch of one bin too; else it has a bias.
      align_corners: of the resizing.
      dtype: compute type.
    """

    channels: int
    bins: Sequence[Side] = BINS
    norm_single: bool = True
    align_corners: bool = False
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, train: bool = False) -> list[jax.Array]:
        """Map `[B, h, w, C]` to one `[B, h, w, channels]` a bin."""
        branches = []
        for number, bins in enumerate(self.bins, start=1):
            name = f"branch{number}"
            y = adaptive_average(x, (bins, bins))
            if bins == 1 and not self.norm_single:
                conv = Conv(self.channels, bias=True, dtype=self.dtype, name=name)
                y = nn.relu(conv(y))
            else:
                y = ConvNorm(self.channels, 1, dtype=self.dtype, name=name)(y, train)
            size = (x.shape[1], x.shape[2])
            branches.append(resize_bilinear(y, size, self.align_corners))
        return branches


class PSPNet(nn.Module):
    """Pyramid pooling beside the map itself, fused by a convolution, a classifier.

    Attributes:
      num_classes: number of classes.
      channels: width after fusion; a branch has its share of the feature's.
      bins: sides of the pooled maps.
      level: which feature is read, -1 the deepest; 2, of stride 8, is what
        segmentation_models.pytorch reads by default.
      dropout: probability for a channel, after fusion.
      align_corners: of the pooled maps' resizing.
      dtype: compute type.
    """

    num_classes: int
    channels: Channels = 512
    bins: Sequence[Side] = BINS
    level: Level = -1
    dropout: Share = 0.2
    align_corners: bool = True
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, features: Sequence[jax.Array], train: bool = False) -> jax.Array:
        """Map features to logits `[B, h, w, classes]` at the read feature's stride."""
        x = features[self.level]
        branches = PyramidPooling(
            max(1, x.shape[-1] // len(self.bins)),
            self.bins,
            norm_single=False,
            align_corners=self.align_corners,
            dtype=self.dtype,
            name="pyramid",
        )(x, train)
        x = jnp.concatenate([*branches, x], axis=-1)
        x = ConvNorm(self.channels, 1, dtype=self.dtype, name="fuse")(x, train)
        x = nn.Dropout(
            self.dropout,
            broadcast_dims=(1, 2),
            deterministic=not train,
            name="dropout",
        )(x)
        return ScoreConv(self.num_classes, 3, dtype=self.dtype, name="classifier")(x)
