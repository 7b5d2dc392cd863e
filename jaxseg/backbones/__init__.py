"""Backbones: image -> features, shallow to deep; each is a classifier too.

Every backbone is a Linen module that maps `image` float `[B, H, W, 3]` to five feature
maps whose strides are 2, 4, 8, 16 and 32 before dilation; `output_stride` bounds the
strides, and stages that would exceed it dilate instead.  Sizes round up at each stride,
so any image size works.  A network without features of stride 2 gives a map of no
channels there.  The registry is `BACKBONES`.
"""

from __future__ import annotations

from jaxseg.backbones.convnext import CONVNEXTS
from jaxseg.backbones.densenet import DENSENETS
from jaxseg.backbones.efficientnet import EFFICIENTNETS
from jaxseg.backbones.entry import BackboneEntry
from jaxseg.backbones.googlenet import GOOGLENETS
from jaxseg.backbones.mix_transformer import MIX_TRANSFORMERS
from jaxseg.backbones.mobilenet import MOBILENETS
from jaxseg.backbones.resnet import RESNETS
from jaxseg.backbones.vgg import VGGS
from jaxseg.backbones.xception import XCEPTIONS
from jaxseg.backbones.xception_aligned import ALIGNED_XCEPTIONS

BACKBONES: dict[str, BackboneEntry] = {
    **VGGS,
    **GOOGLENETS,
    **RESNETS,
    **DENSENETS,
    **EFFICIENTNETS,
    **MOBILENETS,
    **XCEPTIONS,
    **ALIGNED_XCEPTIONS,
    **CONVNEXTS,
    **MIX_TRANSFORMERS,
}
"""Name -> entry."""
