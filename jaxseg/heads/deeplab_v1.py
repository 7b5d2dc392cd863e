"""DeepLab v1 (Chen et al. 2015, arXiv:1412.7062) and v2 (2017, arXiv:1606.00915).

Both papers refine the result with a dense CRF, which is an option of the evaluation
(`evaluation.crf`) and not part of the head.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from pydantic import Field

from jaxseg.heads.deeplab import rates_at
from jaxseg.nn.convolution import Conv, ScoreConv
from jaxseg.ranges import Channels, Rates, Share


class LargeFOV(nn.Module):
    """One atrous branch: fc6 as a dilated 3x3 convolution, fc7, a classifier.

    v1, sec. 3.1: VGG's 7x7x4096 becomes 3x3x1024 at rate 12, a field of view of 224
    pixels at output stride 8.

    Attributes:
      num_classes: number of classes.
      channels: width of fc6 and fc7.
      rates: the one atrous rate, at output stride 16.
      output_stride: of the backbone.
      dropout: probability, after fc6 and fc7.
      dtype: compute type.
    """

    num_classes: int
    channels: Channels = 1024
    rates: Annotated[Rates, Field(max_length=1)] = (6,)
    output_stride: int = 8
    dropout: Share = 0.5
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, features: Sequence[jax.Array], train: bool = False) -> jax.Array:
        """Map features to logits `[B, h, w, classes]` at the output stride."""
        (far,) = rates_at(self.rates, self.output_stride)
        x = features[-1]
        for name, kernel, rate in (("fc6", 3, far), ("fc7", 1, 1)):
            x = Conv(
                self.channels, kernel, 1, rate, bias=True, dtype=self.dtype, name=name
            )(x)
            x = nn.Dropout(self.dropout, deterministic=not train, name=f"{name}_drop")(
                nn.relu(x)
            )
        return ScoreConv(self.num_classes, dtype=self.dtype, name="classifier")(x)


class DeepLabV2(nn.Module):
    """The sum of the scores of parallel atrous branches (v2, fig. 7: ASPP-L).

    Attributes:
      num_classes: number of classes.
      channels: width of fc6 and fc7 in each branch, as on VGG (1024); None makes each
        branch one dilated 3x3 classifier, as on ResNet-101.
      rates: atrous rates of the branches at output stride 16; doubled at 8 they are the
        paper's 6, 12, 18, 24.
      output_stride: of the backbone.
      dropout: probability, within branches that have fc6 and fc7.
      dtype: compute type.
    """

    num_classes: int
    channels: Channels | None = None
    rates: Rates = (3, 6, 9, 12)
    output_stride: int = 8
    dropout: Share = 0.5
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, features: Sequence[jax.Array], train: bool = False) -> jax.Array:
        """Map features to logits `[B, h, w, classes]` at the output stride."""
        scores = []
        for index, rate in enumerate(self.rates, start=1):
            if self.channels is not None:
                branch = LargeFOV(
                    self.num_classes,
                    self.channels,
                    (rate,),
                    self.output_stride,
                    self.dropout,
                    self.dtype,
                    name=f"branch{index}",
                )
                scores.append(branch(features, train))
                continue
            (here,) = rates_at((rate,), self.output_stride)
            conv = ScoreConv(
                self.num_classes, 3, here, self.dtype, name=f"branch{index}"
            )
            scores.append(conv(features[-1]))
        total = scores[0]
        for score in scores[1:]:
            total = total + score
        return total
