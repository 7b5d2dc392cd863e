"""Xceptions as timm names them; SMP's encoder `xception` has the same names.

SMP's encoder returns the features before their ReLU, our backbone after it.
"""

from __future__ import annotations

from dataclasses import replace

from jaxseg.weights.naming import Rule


def _units(ours: str, theirs: str, first: int) -> list[Rule]:
    """Return rules for three separable convolutions, whose indices are 3 apart."""
    return [
        rule
        for unit in (1, 2, 3)
        for place in (first + 3 * (unit - 1),)
        for rule in (
            Rule(f"{ours}/depthwise{unit}", f"{theirs}.rep.{place}.conv1"),
            Rule(f"{ours}/pointwise{unit}", f"{theirs}.rep.{place}.pointwise"),
            Rule(f"{ours}/norm{unit}", f"{theirs}.rep.{place + 1}"),
        )
    ]


BACKBONE = (
    Rule("stem_conv#", "conv{0}"),
    Rule("stem_norm#", "bn{0}"),
    *_units("block1", "block1", 0),  # has no ReLU in front
    *_units("block#", "block{0}", 1),
    Rule("block#/shortcut_conv", "block{0}.skip"),
    Rule("block#/shortcut_norm", "block{0}.skipbn"),
    Rule("exit_depthwise#", "conv{0+2}.conv1"),
    Rule("exit_pointwise#", "conv{0+2}.pointwise"),
    Rule("exit_norm#", "bn{0+2}"),
)
CLASSIFIER = (Rule("classifier", "fc"),)
"""Names for `xception`, which is timm's `legacy_xception` and SMP's `xception`."""

ALIGNED_BACKBONE = (
    Rule("stem#/conv", "stem.{0-1}.conv"),
    Rule("stem#/norm", "stem.{0-1}.bn"),
    Rule("block#/depthwise#/conv", "blocks.{0-1}.stack.conv{1}.conv_dw"),
    Rule("block#/depthwise#/norm", "blocks.{0-1}.stack.conv{1}.bn_dw"),
    Rule("block#/pointwise#/conv", "blocks.{0-1}.stack.conv{1}.conv_pw"),
    Rule("block#/pointwise#/norm", "blocks.{0-1}.stack.conv{1}.bn_pw"),
    Rule("block#/shortcut/conv", "blocks.{0-1}.shortcut.conv"),
    Rule("block#/shortcut/norm", "blocks.{0-1}.shortcut.bn"),
)
ALIGNED_CLASSIFIER = (Rule("classifier", "head.fc"),)
"""timm's names for `xception41`, `xception65` and `xception71`."""

SMP_ALIGNED_BACKBONE = tuple(
    replace(rule, theirs="model." + rule.theirs.replace(".", "_", 1))
    for rule in ALIGNED_BACKBONE
)
"""Names in SMP's encoders from timm, such as `tu-xception41`."""
