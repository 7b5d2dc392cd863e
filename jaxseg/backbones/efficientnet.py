"""EfficientNet-B0 ... B7 and Lite0 ... Lite4 (Tan & Le 2019, arXiv:1905.11946).

Lite (Google 2020) has no squeeze-and-excitation, has ReLU6 instead of SiLU, and keeps
the stem, the head and the depth of the first and the last stage of B0.  The networks
have the arithmetics of four publishers:

- "torchvision" (B0 to B7, the usual one): symmetric padding.  The shallowest feature is
  the stem's.
- "timm" (all; Lite's usual one): timm's networks without `tf_`, and the encoders
  `timm-efficientnet-b#` and `timm-tf_efficientnet_lite#` of
  segmentation_models.pytorch (SMP).  It differs from torchvision's in the epsilon of B5
  to B7 only.
- "tensorflow" (all): the authors', with TensorFlow's padding; timm's `tf_` networks
  and SMP's `tu-tf_...`.  The features are the outputs of the last blocks before each
  stride.
- "smp" (B0 to B7): SMP's `efficientnet-b#`.  TensorFlow's padding is computed for the
  side of the paper's images, whatever the size of the image, and dilation is always
  uniform.  SMP takes B0's feature of stride 16 two blocks early and dilates those two
  blocks like the next stage; "smp" does the same.

Odd sizes round up here where SMP rounds them down.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxseg.backbones.classifier import PooledClassifier
from jaxseg.backbones.entry import BackboneEntry, with_arithmetics
from jaxseg.backbones.inverted_residual import (
    TENSORFLOW,
    TIMM,
    TORCHVISION,
    Arithmetic,
    round_channels,
)
from jaxseg.backbones.inverted_residual_net import (
    InvertedResidualNet,
    Row,
    ends_of_strides,
)
from jaxseg.nn.blocks import ACTIVATIONS
from jaxseg.nn.convolution import Conv
from jaxseg.nn.normalization import BatchNorm

PAPER = "Tan & Le 2019, arXiv:1905.11946"

# Table 1: kernel, stride, expansion, channels, blocks of B0.
_TABLE = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)


@dataclass(frozen=True)
class Scale:
    """One of the compound scales of B0.

    Attributes:
      width: factor on the channels.
      depth: factor on the numbers of blocks.
      side: of the images that the network was trained on, pixels.
      dropout: probability, before the classifier.
      parameters: number of them in a classifier of 1000 classes.
    """

    width: float
    depth: float
    side: int
    dropout: float
    parameters: int


SCALES = (
    Scale(1.0, 1.0, 224, 0.2, 5_288_548),
    Scale(1.0, 1.1, 240, 0.2, 7_794_184),
    Scale(1.1, 1.2, 260, 0.3, 9_109_994),
    Scale(1.2, 1.4, 300, 0.3, 12_233_232),
    Scale(1.4, 1.8, 380, 0.4, 19_341_616),
    Scale(1.6, 2.2, 456, 0.4, 30_389_784),
    Scale(1.8, 2.6, 528, 0.5, 43_040_704),
    Scale(2.0, 3.1, 600, 0.5, 66_347_960),
)
"""Scales of B0 to B7."""

LITE_SCALES = (
    Scale(1.0, 1.0, 224, 0.2, 4_652_008),
    Scale(1.0, 1.1, 240, 0.2, 5_416_680),
    Scale(1.1, 1.2, 260, 0.3, 6_092_072),
    Scale(1.2, 1.4, 280, 0.3, 8_197_096),
    Scale(1.4, 1.8, 300, 0.3, 13_006_568),
)
"""Scales of Lite0 to Lite4."""


class EfficientNet(InvertedResidualNet):
    """An EfficientNet as five feature maps."""


class EfficientNetClassifier(nn.Module):
    """1x1 convolution, average pooling, dropout, one dense layer (paper, table 1).

    Attributes:
      num_classes: number of classes.
      channels: of the convolution; None is four times the feature's.
      activation: name in `ACTIVATIONS`.
      dropout: probability, after the pooling.
      epsilon: of the normalisation.
      momentum: of the normalisation.
      window: what is pooled, as in `PooledClassifier`.
      rate: by which the map is dilated.
      dtype: compute type.
    """

    num_classes: int
    channels: int | None = None
    activation: str = "silu"
    dropout: float = 0.2
    epsilon: float = 1e-5
    momentum: float = 0.9
    window: tuple[int, int] | None = None
    rate: int = 1
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, features: Sequence[jax.Array], train: bool = False) -> jax.Array:
        """Map features to logits `[B, h, w, classes]`; 1 x 1 without a window."""
        x = features[-1]
        channels = self.channels or 4 * x.shape[-1]
        x = Conv(channels, dtype=self.dtype, name="conv")(x)
        x = BatchNorm(self.momentum, self.epsilon, dtype=self.dtype, name="norm")(
            x, train
        )
        return PooledClassifier(
            self.num_classes,
            self.dropout,
            self.window,
            self.rate,
            self.dtype,
            name="pooled",
        )([ACTIVATIONS[self.activation](x)], train)


def rows(scale: Scale, lite: bool = False) -> tuple[Row, ...]:
    """Return the table of a scaled B0 (paper, eq. 3)."""
    table = []
    for number, (kernel, stride, expansion, channels, blocks) in enumerate(_TABLE):
        fixed = lite and number in (0, len(_TABLE) - 1)
        blocks = blocks if fixed else math.ceil(blocks * scale.depth)
        table.append(
            Row(
                kernel,
                stride,
                round_channels(channels * scale.width),
                (expansion,) * blocks,
                squeeze=not lite,
                activation="relu6" if lite else "silu",
            )
        )
    return tuple(table)


def _entry(
    scale: Scale,
    arithmetic: Arithmetic,
    lite: bool = False,
    stem_tap: bool = False,
    build: Any = EfficientNet,
) -> BackboneEntry:
    activation = "relu6" if lite else "silu"
    table = rows(scale, lite)
    taps = ends_of_strides(table)
    module = functools.partial(
        build,
        rows=table,
        stem=32 if lite else round_channels(32 * scale.width),
        activation=activation,
        taps=("stem", *taps[1:]) if stem_tap else taps,
        drop=0.2,
        arithmetic=arithmetic,
    )
    classifier = functools.partial(
        EfficientNetClassifier,
        channels=1280 if lite else None,
        activation=activation,
        dropout=scale.dropout,
        epsilon=arithmetic.epsilon,
        momentum=arithmetic.momentum,
    )
    entry = BackboneEntry(module, PAPER, scale.parameters, classifier, crop=scale.side)
    if lite and arithmetic == TENSORFLOW:  # bytes less 127, divided by 128
        return replace(entry, mean=(127 / 255,) * 3, std=(128 / 255,) * 3)
    return entry


def _smp(
    rows: tuple[Row, ...], taps: tuple[str, ...], **arguments: Any
) -> EfficientNet:
    """Build a network that dilates as SMP's, and takes B0's features where SMP does."""
    if sum(len(row.expansions) for row in rows) == 16:
        early = replace(rows[4], ahead=2)
        rows = (*rows[:4], early, *rows[5:])
        taps = (*taps[:3], "stage5_block1", taps[4])
    arguments["uniform_dilation"] = True
    return EfficientNet(rows=rows, taps=taps, **arguments)


def _scaled(number: int, scale: Scale) -> BackboneEntry:
    """Return the entry of B`number` in all its arithmetics."""
    torchvision = TORCHVISION
    if number < 5:  # torchvision and timm agree
        sources = (*TORCHVISION.sources, *TIMM.sources)
        torchvision = replace(TIMM, name="torchvision", sources=sources)
    smp = replace(TENSORFLOW, padding=scale.side, name="smp", sources=("smp",))
    return with_arithmetics(
        {
            "torchvision": _entry(scale, torchvision, stem_tap=True),
            "timm": _entry(scale, TIMM, stem_tap=True),
            "tensorflow": _entry(scale, TENSORFLOW),
            "smp": _entry(scale, smp, stem_tap=True, build=_smp),
        }
    )


def _lite(scale: Scale) -> BackboneEntry:
    """Return the entry of a Lite in its arithmetics."""
    return with_arithmetics(
        {
            "timm": _entry(scale, TIMM, lite=True, stem_tap=True),
            "tensorflow": _entry(scale, TENSORFLOW, lite=True),
        }
    )


EFFICIENTNETS: dict[str, BackboneEntry] = {
    **{f"efficientnet_b{n}": _scaled(n, scale) for n, scale in enumerate(SCALES)},
    **{f"efficientnet_lite{n}": _lite(scale) for n, scale in enumerate(LITE_SCALES)},
}
"""Name -> entry."""
