"""ResNets and their variants as torchvision, timm, SMP and mmsegmentation name them.

All sources agree on the names of the plain stem and of the blocks.  timm and
mmsegmentation name the deep stems of ResNet-C and ResNet-D differently.  The shortcuts
of ResNet-D have other indices than the rest, since pooling comes first in them.
Squeeze-and-excitation layers (`se`) have timm's names.
"""

from __future__ import annotations

from jaxseg.weights.naming import Rule, prefixed

_BLOCKS = (
    Rule("stage#_block#/conv#", "layer{0}.{1-1}.conv{2}"),
    Rule("stage#_block#/norm#", "layer{0}.{1-1}.bn{2}"),
)
_SHORTCUT = (
    Rule("stage#_block#/shortcut_conv", "layer{0}.{1-1}.downsample.0"),
    Rule("stage#_block#/shortcut_norm", "layer{0}.{1-1}.downsample.1"),
)
_POOLED_SHORTCUT = (
    Rule("stage#_block#/shortcut_conv", "layer{0}.{1-1}.downsample.1"),
    Rule("stage#_block#/shortcut_norm", "layer{0}.{1-1}.downsample.2"),
)
_TIMM_STEM = (
    Rule("stem_conv1", "conv1.0"),
    Rule("stem_norm1", "conv1.1"),
    Rule("stem_conv2", "conv1.3"),
    Rule("stem_norm2", "conv1.4"),
    Rule("stem_conv3", "conv1.6"),
    Rule("stem_norm3", "bn1"),
)
_MMSEG_STEM = (
    Rule("stem_conv1", "stem.0"),
    Rule("stem_norm1", "stem.1"),
    Rule("stem_conv2", "stem.3"),
    Rule("stem_norm2", "stem.4"),
    Rule("stem_conv3", "stem.6"),
    Rule("stem_norm3", "stem.7"),
)
BACKBONE = (
    Rule("stem_conv", "conv1"),
    Rule("stem_norm", "bn1"),
    *_BLOCKS,
    Rule("stage#_block#/squeeze_excite/reduce", "layer{0}.{1-1}.se.fc1", "pointwise"),
    Rule("stage#_block#/squeeze_excite/expand", "layer{0}.{1-1}.se.fc2", "pointwise"),
    *_SHORTCUT,
)
"""Names of all sources for ResNet, plain nets, ResNeXt, wide ResNet and SE-ResNet."""

TIMM_C = (*_TIMM_STEM, *_BLOCKS, *_SHORTCUT)
TIMM_D = (*_TIMM_STEM, *_BLOCKS, *_POOLED_SHORTCUT)
MMSEG_C = (*_MMSEG_STEM, *_BLOCKS, *_SHORTCUT)
MMSEG_D = (*_MMSEG_STEM, *_BLOCKS, *_POOLED_SHORTCUT)
"""ResNet-C and ResNet-D; mmsegmentation calls them ResNetV1c and ResNetV1d."""

SMP_UNIVERSAL = tuple(prefixed("model.", BACKBONE))
SMP_C = tuple(prefixed("model.", TIMM_C))
SMP_D = tuple(prefixed("model.", TIMM_D))
"""Names in SMP's encoders from timm: `tu-seresnet50`, `tu-resnet50c`, ..."""

CLASSIFIER = (Rule("classifier", "fc"),)
