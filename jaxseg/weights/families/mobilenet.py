"""MobileNets as torchvision, timm and segmentation_models.pytorch (SMP) name them.

torchvision numbers all blocks of a network in one sequence, and in each block only the
layers that it has, so its tables depend on the network.  SMP's `mobilenet_v2` has
torchvision's names; its MobileNetV3 encoders have timm's.
"""

from __future__ import annotations

from collections.abc import Sequence

from jaxseg.backbones.inverted_residual_net import InvertedResidualNet, Row
from jaxseg.backbones.mobilenet import MobileNetV2
from jaxseg.weights.families import efficientnet
from jaxseg.weights.naming import Rule, Table, prefixed


def _numbered_through(rows: Sequence[Row]) -> tuple[list[Rule], list[tuple[str, str]]]:
    """Return rules for the layers outside of blocks, and patterns of the blocks.

    The patterns are a pair for each stage: our path of its blocks, and torchvision's.
    """
    patterns, before = [], 0
    for stage, row in enumerate(rows, 1):
        # torchvision's number 0 is the stem.
        patterns.append((f"stage{stage}_block#", f"features.{{0{before:+d}}}"))
        before += len(row.expansions)
    return [
        Rule("stem_conv", "features.0.0"),
        Rule("stem_norm", "features.0.1"),
        Rule("stage#_conv", f"features.{before + 1}.0"),
        Rule("stage#_norm", f"features.{before + 1}.1"),
    ], patterns


def torchvision_v2(rows: Sequence[Row]) -> Table:
    """Return torchvision's names for a MobileNetV2 of these rows."""
    rules, patterns = _numbered_through(rows)
    for row, (ours, theirs) in zip(rows, patterns, strict=True):
        depthwise = 0 if row.expansions[0] == 1 else 1
        rules += [
            Rule(f"{ours}/expand_conv", f"{theirs}.conv.0.0"),
            Rule(f"{ours}/expand_norm", f"{theirs}.conv.0.1"),
            Rule(f"{ours}/depthwise_conv", f"{theirs}.conv.{depthwise}.0"),
            Rule(f"{ours}/depthwise_norm", f"{theirs}.conv.{depthwise}.1"),
            Rule(f"{ours}/project_conv", f"{theirs}.conv.{depthwise + 1}"),
            Rule(f"{ours}/project_norm", f"{theirs}.conv.{depthwise + 2}"),
        ]
    return tuple(rules)


def torchvision_v3(rows: Sequence[Row]) -> Table:
    """Return torchvision's names for a MobileNetV3 of these rows."""
    rules, patterns = _numbered_through(rows)
    for row, (ours, theirs) in zip(rows, patterns, strict=True):
        depthwise = 0 if row.expansions[0] == 1 else 1
        squeeze = f"{theirs}.block.{depthwise + 1}"
        project = f"{theirs}.block.{depthwise + (2 if row.squeeze else 1)}"
        rules += [
            Rule(f"{ours}/expand_conv", f"{theirs}.block.0.0"),
            Rule(f"{ours}/expand_norm", f"{theirs}.block.0.1"),
            Rule(f"{ours}/depthwise_conv", f"{theirs}.block.{depthwise}.0"),
            Rule(f"{ours}/depthwise_norm", f"{theirs}.block.{depthwise}.1"),
            Rule(f"{ours}/squeeze/reduce", f"{squeeze}.fc1", "pointwise"),
            Rule(f"{ours}/squeeze/expand", f"{squeeze}.fc2", "pointwise"),
            Rule(f"{ours}/project_conv", f"{project}.0"),
            Rule(f"{ours}/project_norm", f"{project}.1"),
        ]
    return tuple(rules)


TIMM_V2_BACKBONE = (
    *efficientnet.TIMM_BACKBONE,
    Rule("stage#_conv", "conv_head"),
    Rule("stage#_norm", "bn2"),
)
TIMM_V3_BACKBONE = (
    *efficientnet.TIMM_BACKBONE,
    Rule("stage#_conv", "blocks.{0-1}.0.conv"),
    Rule("stage#_norm", "blocks.{0-1}.0.bn1"),
)

V2_CLASSIFIER: dict[str, Table] = {
    "torchvision": (Rule("classifier", "classifier.1"),),
    "timm": (Rule("classifier", "classifier"),),
}
"""Source -> rules of MobileNetV2's classifier."""

V3_CLASSIFIER: dict[str, Table] = {
    "torchvision": (
        Rule("hidden", "classifier.0"),
        Rule("classifier", "classifier.3"),
    ),
    "timm": (
        Rule("hidden", "conv_head", "pointwise"),
        Rule("classifier", "classifier"),
    ),
}
"""Source -> rules of MobileNetV3's classifier head."""


def backbone_tables(backbone: InvertedResidualNet) -> dict[str, Table]:
    """Return the rules of each source whose arithmetic the backbone has, by source."""
    if isinstance(backbone, MobileNetV2):
        torchvision = torchvision_v2(backbone.rows)
        return {
            "torchvision": torchvision,
            "timm": TIMM_V2_BACKBONE,
            "smp": torchvision,
        }
    known = {
        "torchvision": torchvision_v3(backbone.rows),
        "timm": TIMM_V3_BACKBONE,
        "smp": tuple(prefixed("model.", TIMM_V3_BACKBONE)),
    }
    sources = backbone.arithmetic.sources
    return {source: table for source, table in known.items() if source in sources}
