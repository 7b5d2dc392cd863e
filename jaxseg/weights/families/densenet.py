"""DenseNets as torchvision, timm and segmentation_models.pytorch name them."""

from __future__ import annotations

from jaxseg.weights.naming import Rule

_OUTSIDE = (
    Rule("stem_conv", "features.conv0"),
    Rule("stem_norm", "features.norm0"),
    Rule("transition#_norm", "features.transition{0}.norm"),
    Rule("transition#_conv", "features.transition{0}.conv"),
    Rule("final_norm", "features.norm5"),
)
BACKBONE = (
    *_OUTSIDE,
    Rule("stage#_layer#/norm#", "features.denseblock{0}.denselayer{1}.norm{2}"),
    Rule("stage#_layer#/conv#", "features.denseblock{0}.denselayer{1}.conv{2}"),
)
TORCHVISION_FILE_BACKBONE = (
    *_OUTSIDE,
    Rule("stage#_layer#/norm#", "features.denseblock{0}.denselayer{1}.norm.{2}"),
    Rule("stage#_layer#/conv#", "features.denseblock{0}.denselayer{1}.conv.{2}"),
)
"""The older names that are in torchvision's published files."""

CLASSIFIER = (Rule("classifier", "classifier"),)
