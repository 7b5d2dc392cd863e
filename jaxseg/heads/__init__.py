"""Heads: features -> logits at the head's own stride.

A head is a Linen module `(features, train) -> logits [B, h, w, classes]`.  It never
resizes its logits to the image.  `HEADS` is the registry.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jaxseg.heads.deeplab import DeepLabV3, DeepLabV3Plus
from jaxseg.heads.fcn import FCN, FCNSkip
from jaxseg.heads.unet import UNet


@dataclass(frozen=True)
class HeadEntry:
    """A head that can be named.

    Attributes:
      module: the Linen class.
      output_stride: the backbone's, unless another is asked for.
      arguments: what makes the class the named head.
    """

    module: type
    output_stride: int
    arguments: Mapping[str, Any] = field(default_factory=dict)


HEADS: dict[str, HeadEntry] = {
    "fcn": HeadEntry(FCN, 8),
    "fcn32s": HeadEntry(FCNSkip, 32, {"stride": 32}),
    "fcn16s": HeadEntry(FCNSkip, 32, {"stride": 16}),
    "fcn8s": HeadEntry(FCNSkip, 32, {"stride": 8}),
    "unet": HeadEntry(UNet, 32),
    "deeplabv3": HeadEntry(DeepLabV3, 8),
    "deeplabv3plus": HeadEntry(DeepLabV3Plus, 16),
}
"""Name -> entry."""
