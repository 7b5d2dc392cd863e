"""Mix Transformers as their authors and segmentation_models.pytorch name them.

The two agree on the backbone; only the authors' network has a classifier.
"""

from __future__ import annotations

from jaxseg.weights.naming import Rule

BACKBONE = (
    Rule("stage#_embedding_conv", "patch_embed{0}.proj"),
    Rule("stage#_embedding_norm", "patch_embed{0}.norm"),
    Rule("stage#_block#/norm#", "block{0}.{1-1}.norm{2}"),
    Rule("stage#_block#/attention/query", "block{0}.{1-1}.attn.q"),
    Rule("stage#_block#/attention/key_value", "block{0}.{1-1}.attn.kv"),
    Rule("stage#_block#/attention/projection", "block{0}.{1-1}.attn.proj"),
    Rule("stage#_block#/attention/reduction_conv", "block{0}.{1-1}.attn.sr"),
    Rule("stage#_block#/attention/reduction_norm", "block{0}.{1-1}.attn.norm"),
    Rule("stage#_block#/mlp/expand", "block{0}.{1-1}.mlp.fc1"),
    Rule("stage#_block#/mlp/depthwise", "block{0}.{1-1}.mlp.dwconv.dwconv"),
    Rule("stage#_block#/mlp/reduce", "block{0}.{1-1}.mlp.fc2"),
    Rule("stage#_norm", "norm{0}"),
)
CLASSIFIER = (Rule("classifier", "head"),)
