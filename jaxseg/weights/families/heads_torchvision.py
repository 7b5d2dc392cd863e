"""Heads as torchvision's segmentation models name them, from the model's root."""

from __future__ import annotations

from dataclasses import replace

from jaxseg.weights.naming import Rule, Table, prefixed

FCN = (
    Rule("conv1/conv", "0"),
    Rule("conv1/norm", "1"),
    Rule("classifier", "4"),
)
"""Names inside an FCN head, which torchvision also uses as auxiliary classifier."""

ASPP = (
    Rule("aspp/branch#/conv", "convs.{0}.0"),
    Rule("aspp/branch#/norm", "convs.{0}.1"),
    Rule("aspp/image_pooling/conv", "convs.4.1"),
    Rule("aspp/image_pooling/norm", "convs.4.2"),
    Rule("aspp/projection/conv", "project.0"),
    Rule("aspp/projection/norm", "project.1"),
)
"""Names inside an ASPP of three atrous rates; branch 0 is the 1x1 convolution."""

HEADS = {
    "fcn": prefixed("classifier.", FCN),
    "deeplabv3": [
        *prefixed("classifier.0.", ASPP),
        Rule("conv1/conv", "classifier.1"),
        Rule("conv1/norm", "classifier.2"),
        Rule("classifier", "classifier.4"),
    ],
    "lraspp": [
        Rule("deep/conv", "classifier.cbr.0"),
        Rule("deep/norm", "classifier.cbr.1"),
        Rule("gate", "classifier.scale.1"),
        Rule("classifier_low", "classifier.low_classifier"),
        Rule("classifier_high", "classifier.high_classifier"),
    ],
}
"""Head in our registry -> its table."""

AUXILIARY = prefixed("aux_classifier.", FCN)
"""Names of the auxiliary head."""

TORCHVISION_ARGUMENTS = {"fcn": {}, "deeplabv3": {"dropout": 0.5}, "lraspp": {}}
"""Head -> arguments of `create_model` that make it torchvision's.

On MobileNetV3-Large both LR-ASPP and DeepLabV3 need `arithmetic="dilated"` and
`output_stride=16`.  DeepLabV3 also needs `rates=(12, 24, 36)`, because torchvision uses
there the rates of output stride 8.
"""


def numbered_backbone(table: Table) -> list[Rule]:
    """Return a MobileNet's names inside a segmentation model, without `features.`."""
    return [
        replace(rule, theirs=rule.theirs.removeprefix("features.")) for rule in table
    ]
