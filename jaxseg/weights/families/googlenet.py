"""GoogLeNet as torchvision names it."""

from __future__ import annotations

from jaxseg.weights.naming import Rule

BACKBONE = (
    Rule("stem_conv#/conv", "conv{0}.conv"),
    Rule("stem_conv#/norm", "conv{0}.bn"),
    Rule("inception*/branch1/conv", "inception{0}.branch1.conv"),
    Rule("inception*/branch1/norm", "inception{0}.branch1.bn"),
    Rule("inception*/reduce#/conv", "inception{0}.branch{1}.0.conv"),
    Rule("inception*/reduce#/norm", "inception{0}.branch{1}.0.bn"),
    Rule("inception*/branch#/conv", "inception{0}.branch{1}.1.conv"),
    Rule("inception*/branch#/norm", "inception{0}.branch{1}.1.bn"),
)
CLASSIFIER = (Rule("classifier", "fc"),)
AUXILIARY = (
    Rule("aux#/conv/conv", "aux{0}.conv.conv"),
    Rule("aux#/conv/norm", "aux{0}.conv.bn"),
    Rule("aux#/fc1", "aux{0}.fc1", "flat"),
    Rule("aux#/fc2", "aux{0}.fc2"),
)
