"""MobileNetV2 and MobileNetV3-Large and -Small.

Sandler et al. 2018, arXiv:1801.04381; Howard et al. 2019, arXiv:1905.02244.  The last
1x1 convolution, of 1280, 960 or 576 channels, belongs to the features, as in the
MobileNetV2 encoder of segmentation_models.pytorch and in torchvision's segmentation
networks on MobileNetV3.  V3 comes in three arithmetics, by their publishers' names:

- `mobilenet_v3_large`, `mobilenet_v3_small`: torchvision's.
- `mobilenet_v3_large_dilated`: the same as torchvision's LR-ASPP and DeepLabV3 use it:
  the feature of a stride is its first block's, an auxiliary head reads that of stride
  8, and dilation is uniform whatever `uniform_dilation` says.
- `mobilenetv3_large_100`, `mobilenetv3_small_100`: timm's, another epsilon.
- `tf_mobilenetv3_large_100`, `tf_mobilenetv3_small_100`: the authors', TensorFlow's
  padding, by timm's names (`timm-mobilenetv3_...` of segmentation_models.pytorch).
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxseg.backbones.entry import HALF, BackboneEntry
from jaxseg.backbones.inverted_residual import TENSORFLOW, Arithmetic
from jaxseg.backbones.inverted_residual_net import (
    InvertedResidualNet,
    Row,
    ends_of_strides,
)
from jaxseg.backbones.top import PooledClassifier, pool_window

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


class MobileNetV3Top(nn.Module):
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
    )
    paper = "Sandler et al. 2018, arXiv:1801.04381"
    top = functools.partial(PooledClassifier, dropout=0.2)
    return BackboneEntry(module, paper, 3_504_872, top)


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
    top = functools.partial(MobileNetV3Top, hidden=1024 if small else 1280)
    paper = "Howard et al. 2019, arXiv:1905.02244"
    entry = BackboneEntry(module, paper, 2_542_856 if small else 5_483_032, top)
    if arithmetic == TENSORFLOW:
        return replace(entry, mean=HALF, std=HALF)
    return entry


def _dilated(taps: tuple[str, ...], **arguments: Any) -> MobileNetV3:
    """Build torchvision's backbone of segmentation networks, MobileNetV3-Large."""
    arguments["uniform_dilation"] = True
    firsts = (f"stage{number}_block1" for number in (1, 2, 3, 4))
    return MobileNetV3(taps=(*firsts, taps[-1]), **arguments)


_TORCHVISION = Arithmetic(1e-3, 0.99)

MOBILENETS: dict[str, BackboneEntry] = {
    "mobilenet_v2": _v2(),
    "mobilenet_v3_large": _v3(_TORCHVISION),
    "mobilenet_v3_small": _v3(_TORCHVISION, small=True),
    "mobilenet_v3_large_dilated": replace(
        _v3(_TORCHVISION, build=_dilated), auxiliary_level=2
    ),
    "mobilenetv3_large_100": _v3(Arithmetic()),
    "mobilenetv3_small_100": _v3(Arithmetic(), small=True),
    "tf_mobilenetv3_large_100": _v3(TENSORFLOW),
    "tf_mobilenetv3_small_100": _v3(TENSORFLOW, small=True),
}
"""Name -> entry."""
