"""ConvNeXts as timm, torchvision and SMP name them."""

from __future__ import annotations

from dataclasses import replace

from jaxseg.weights.naming import Rule

_BLOCK = {"depthwise": 0, "norm": 2, "expand": 3, "reduce": 5}
"""Our name of a layer in a block -> its index in torchvision's block."""

TIMM_BACKBONE = (
    Rule("stem_conv", "stem.0"),
    Rule("stem_norm", "stem.1"),
    Rule("downsample#_norm", "stages.{0-1}.downsample.0"),
    Rule("downsample#_conv", "stages.{0-1}.downsample.1"),
    Rule("stage#_block#/depthwise", "stages.{0-1}.blocks.{1-1}.conv_dw"),
    Rule("stage#_block#/norm", "stages.{0-1}.blocks.{1-1}.norm"),
    Rule("stage#_block#/expand", "stages.{0-1}.blocks.{1-1}.mlp.fc1"),
    Rule("stage#_block#/reduce", "stages.{0-1}.blocks.{1-1}.mlp.fc2"),
    Rule("stage#_block#/layer_scale", "stages.{0-1}.blocks.{1-1}.gamma"),
)
TIMM_CLASSIFIER = (Rule("norm", "head.norm"), Rule("classifier", "head.fc"))

SMP_BACKBONE = tuple(
    replace(rule, theirs="model." + rule.theirs.replace(".", "_", 1))
    for rule in TIMM_BACKBONE
)
"""Names in SMP's encoders from timm, such as `tu-convnext_tiny`."""

TORCHVISION_BACKBONE = (
    Rule("stem_conv", "features.0.0"),
    Rule("stem_norm", "features.0.1"),
    *(
        rule
        for stage in (2, 3, 4)
        for rule in (
            Rule(f"downsample{stage}_norm", f"features.{2 * stage - 2}.0"),
            Rule(f"downsample{stage}_conv", f"features.{2 * stage - 2}.1"),
        )
    ),
    *(
        Rule(
            f"stage{stage}_block#/{ours}", f"features.{2 * stage - 1}.{{0-1}}.block.{n}"
        )
        for stage in (1, 2, 3, 4)
        for ours, n in _BLOCK.items()
    ),
    *(
        Rule(
            f"stage{stage}_block#/layer_scale",
            f"features.{2 * stage - 1}.{{0-1}}.layer_scale",
            "column",
        )
        for stage in (1, 2, 3, 4)
    ),
)
TORCHVISION_CLASSIFIER = (
    Rule("norm", "classifier.0"),
    Rule("classifier", "classifier.2"),
)
