"""Backbones: image -> features, shallow to deep.

Every backbone is a Linen module that maps `image` float `[B, H, W, 3]` to five feature
maps whose strides are 2, 4, 8, 16 and 32 before dilation; `output_stride` bounds the
strides, and stages that would exceed it dilate instead.  Sizes round up at each stride,
so any image size works.  The registry is `BACKBONES`: name -> constructor that takes
`width`, `max_channels`, `output_stride`, `dtype`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jaxseg.backbones.resnet import RESNETS

BACKBONES: dict[str, Callable[..., Any]] = {**RESNETS}
"""Name -> constructor."""
