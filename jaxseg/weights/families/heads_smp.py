"""Decoders as segmentation_models.pytorch 0.6 names them, from the model's root.

The tables of the backbones name what is below its `encoder.`.
"""

from __future__ import annotations

from typing import Any

from jaxseg.weights.families.heads_torchvision import ASPP
from jaxseg.weights.naming import Rule, prefixed

_CLASSIFIER = Rule("classifier", "segmentation_head.0")

_SEPARABLE_ASPP = (
    Rule("aspp/branch0/conv", "convs.0.0"),
    Rule("aspp/branch#/depthwise", "convs.{0}.0.0"),
    Rule("aspp/branch#/conv", "convs.{0}.0.1"),
    *ASPP,
)


def _conv_norm(ours: str, theirs: str) -> list[Rule]:
    return [Rule(f"{ours}/conv", f"{theirs}.0"), Rule(f"{ours}/norm", f"{theirs}.1")]


HEADS = {
    "unet": [*_conv_norm("level#_conv#", "decoder.blocks.{0-1}.conv{1}"), _CLASSIFIER],
    "pspnet": [
        Rule("pyramid/branch1", "decoder.psp.blocks.0.pool.1.0"),
        *_conv_norm("pyramid/branch#", "decoder.psp.blocks.{0-1}.pool.1"),
        *_conv_norm("fuse", "decoder.conv"),
        _CLASSIFIER,
    ],
    "upernet": [
        Rule("norm#", "decoder.feature_norms.{0-1}"),
        *_conv_norm("pyramid/branch#", "decoder.psp.blocks.{0-1}.1"),
        *_conv_norm("pyramid_fuse", "decoder.psp.out_conv"),
        # SMP numbers these three levels from the deepest.
        *(
            rule
            for index, level in enumerate((3, 2, 1))
            for ours, theirs in (
                (f"lateral{level}", f"fpn_lateral_blocks.{index}.conv_norm_relu"),
                (f"level{level}", f"fpn_conv_blocks.{index}"),
            )
            for rule in _conv_norm(ours, f"decoder.{theirs}")
        ),
        *_conv_norm("fuse", "decoder.fusion_block"),
        _CLASSIFIER,
    ],
    "segformer": [
        *(Rule(f"dense{4 - i}", f"decoder.mlp_stage.{i}.linear") for i in range(5)),
        *_conv_norm("fuse", "decoder.fuse_stage"),
        _CLASSIFIER,
    ],
    "deeplabv3": [
        *prefixed("decoder.aspp.", ASPP),
        Rule("conv1/conv", "decoder.conv"),
        Rule("conv1/norm", "decoder.bn"),
        _CLASSIFIER,
    ],
    "deeplabv3plus": [
        *prefixed("decoder.aspp.0.", _SEPARABLE_ASPP),
        Rule("aspp_conv/depthwise", "decoder.aspp.1.0"),
        Rule("aspp_conv/conv", "decoder.aspp.1.1"),
        Rule("aspp_conv/norm", "decoder.aspp.2"),
        *_conv_norm("low_level", "decoder.block1"),
        Rule("decoder1/depthwise", "decoder.block2.0.0"),
        Rule("decoder1/conv", "decoder.block2.0.1"),
        Rule("decoder1/norm", "decoder.block2.1"),
        _CLASSIFIER,
    ],
}
"""Head in our registry -> its table."""

SMP_ARGUMENTS: dict[str, dict[str, Any]] = {
    "unet": {},
    "pspnet": {"output_stride": 32, "level": 2, "align_corners": True},
    "upernet": {"align_corners": True},
    "segformer": {"shallow": True, "dropout": 0.0, "align_corners": True},
    "deeplabv3": {
        "output_stride": 8,
        "uniform_dilation": True,
        "align_corners": True,
        "dropout": 0.5,
    },
    "deeplabv3plus": {
        "output_stride": 16,
        "uniform_dilation": True,
        "rates": (12, 24, 36),
        "low_level_channels": 48,
        "aspp_conv": True,
        "decoder_convs": 1,
        "align_corners": True,
        "dropout": 0.5,
    },
}
"""Head -> arguments of `create_model` that make it SMP's with its default options."""
