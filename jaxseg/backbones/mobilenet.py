"""MobileNetV2 and MobileNetV3-Large and -Small.

Sandler et al. 2018, arXiv:1801.04381; Howard et al. 2019, arXiv:1905.02244.  The last
1x1 convolution, of 1280, 960 or 576 channels, belongs to the features, as in the
MobileNetV2 encoder of segmentation_models.pytorch and in torchvision's segmentation
networks on MobileNetV3.  V3 has these arithmetics:

- "torchvision", the usual one.
- "dilated" (Large only): torchvision's, as its LR-ASPP and DeepLabV3 use it.  The
  feature of a stride is the output of the first block with that stride, an auxiliary
  head reads the feature of stride 8, and dilation is always uniform.
- "timm": another epsilon; timm's `mobilenetv3_large_100` and `mobilenetv3_small_100`.
- "tensorflow": the authors', with TensorFlow's padding; timm's
  `tf_mobilenetv3_large_100` and `tf_mobilenetv3_small_100`, which are the encoders
  `timm-mobilenetv3_...` of segmentation_models.pytorch.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxseg.backbones.classifier import PooledClassifier, pool_window
from jaxseg.backbones.entry import HALF, BackboneEntry, with_arithmetics
from jaxseg.backbones.inverted_residual import (
    TENSORFLOW,
    TIMM,
    TORCHVISION,
    Arithmetic,
)
from jaxseg.backbones.inverted_residual_net import (
    InvertedResidualNet,
    Row,
    ends_of_strides,
)

_V2 = (  # paper, table 2
    Row(3, 1, 16, (1,), activation="relu6"),
    Row(3, 2, 24, (6,) * 2, activation="relu6"),
    Row(3, 2, 32, (6,) * 3, activation="relu6"),
    Row(3, 2, 64, (6,) * 4, activation="relu6"),
    Row(3, 1, 96, (6,) * 3, activation="relu6"),
    Row(3, 2, 160, (6,) * 3, activation="relu6"),
    Row(3, 1, 320, (6,), activation="relu6"),
)

# Paper, tables 1 and 2, where expansions are written as numbers of channels.
_V3_LARGE = (
    Row(3, 1, 16, (1,)),
    Row(3, 2, 24, (4, 3)),
    Row(5, 2, 40, (3, 3, 3), True),
    Row(3, 2, 80, (6, 2.5, 2.3, 2.3), False, "hard_swish"),
    Row(3, 1, 112, (6, 6), True, "hard_swish"),
    Row(5, 2, 160, (6, 6, 6), True, "hard_swish"),
)
_V3_SMALL = (
    Row(3, 2, 16, (1,), True),
    Row(3, 2, 24, (4.5, 3.67)),
    Row(5, 2, 40, (4, 6, 6), True, "hard_swish"),
    Row(5, 1, 48, (3, 3), True, "hard_swish"),
    Row(5, 2, 96, (6, 6, 6), True, "hard_swish"),
)


class MobileNetV2(InvertedResidualNet):
    """MobileNetV2 as five feature maps."""


class MobileNetV3(InvertedResidualNet):
    """A MobileNetV3 as five feature maps."""


class MobileNetV3Classifier(nn.Module):
    """Average pooling, dense, hard swish, dropout, dense (V3's paper, fig. 5).

    Attributes:
      num_classes: number of classes.
      hidden: width of the first dense layer.
      dropout: probability.
      window: what is pooled, as in `PooledClassifier`.
      rate: by which the map is dilated.
      dtype: compute type.
    """

    num_classes: int
    hidden: int = 1280
    dropout: float = 0.2
    window: tuple[int, int] | None = None
    rate: int = 1
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, features: Sequence[jax.Array], train: bool = False) -> jax.Array:
        """Map features to logits `[B, h, w, classes]`; 1 x 1 without a window."""
        x = pool_window(features[-1], self.window, self.rate)
        x = nn.hard_swish(nn.Dense(self.hidden, dtype=self.dtype, name="hidden")(x))
        x = nn.Dropout(self.dropout, deterministic=not train, name="dropout")(x)
        return nn.Dense(self.num_classes, dtype=self.dtype, name="classifier")(x)


def _v2() -> BackboneEntry:
    module = functools.partial(
        MobileNetV2,
        rows=_V2,
        stem=32,
        activation="relu6",
        taps=(*ends_of_strides(_V2)[:-1], "stage8_conv"),
        last=1280,
        arithmetic=Arithmetic(sources=("torchvision", "timm", "smp")),
    )
    paper = "Sandler et al. 2018, arXiv:1801.04381"
    classifier = functools.partial(PooledClassifier, dropout=0.2)
    return BackboneEntry(module, paper, 3_504_872, classifier)


def _v3(
    arithmetic: Arithmetic, small: bool = False, build: Any = MobileNetV3
) -> BackboneEntry:
    rows = _V3_SMALL if small else _V3_LARGE
    module = functools.partial(
        build,
        rows=rows,
        stem=16,
        activation="hard_swish",
        taps=(*ends_of_strides(rows)[:-1], f"stage{len(rows) + 1}_conv"),
        last=576 if small else 960,
        gate="hard_sigmoid",
        arithmetic=arithmetic,
    )
    classifier = functools.partial(
        MobileNetV3Classifier, hidden=1024 if small else 1280
    )
    paper = "Howard et al. 2019, arXiv:1905.02244"
    entry = BackboneEntry(module, paper, 2_542_856 if small else 5_483_032, classifier)
    if arithmetic == TENSORFLOW:
        return replace(entry, mean=HALF, std=HALF)
    return entry


def _dilated(taps: tuple[str, ...], **arguments: Any) -> MobileNetV3:
    """Build MobileNetV3-Large as torchvision's segmentation networks have it."""
    arguments["uniform_dilation"] = True
    firsts = (f"stage{number}_block1" for number in (1, 2, 3, 4))
    return MobileNetV3(taps=(*firsts, taps[-1]), **arguments)


MOBILENETS: dict[str, BackboneEntry] = {
    "mobilenet_v2": _v2(),
    "mobilenet_v3_large": with_arithmetics(
        {
            "torchvision": _v3(TORCHVISION),
            "dilated": replace(
                _v3(replace(TORCHVISION, name="dilated"), build=_dilated),
                auxiliary_level=2,
            ),
            "timm": _v3(TIMM),
            "tensorflow": _v3(TENSORFLOW),
        }
    ),
    "mobilenet_v3_small": with_arithmetics(
        {
            "torchvision": _v3(TORCHVISION, small=True),
            "timm": _v3(TIMM, small=True),
            "tensorflow": _v3(TENSORFLOW, small=True),
        }
    ),
}
"""Name -> entry."""
