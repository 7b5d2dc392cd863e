"""VGGs as torchvision, timm and segmentation_models.pytorch name them."""

from __future__ import annotations

from collections.abc import Sequence

from jaxseg.weights.naming import Rule


def backbone(convolutions: Sequence[int], normalized: bool) -> tuple[Rule, ...]:
    """Return the rules of one variant; all sources agree on them.

    The sources number the layers of a VGG in one sequence: each convolution, its
    normalisation if there is one, its ReLU, and the pooling after each stage.

    Args:
      convolutions: number of convolutions in each stage.
      normalized: whether batch normalisation follows each convolution.
    """
    rules, place = [], 0
    for stage, count in enumerate(convolutions, start=1):
        for index in range(1, count + 1):
            rules.append(Rule(f"stage{stage}_conv{index}", f"features.{place}"))
            if normalized:
                place += 1
                rules.append(Rule(f"stage{stage}_norm{index}", f"features.{place}"))
            place += 2
        place += 1
    return tuple(rules)


TORCHVISION_CLASSIFIER = (
    Rule("fc6", "classifier.0", "flat"),
    Rule("fc7", "classifier.3"),
    Rule("classifier", "classifier.6"),
)
TIMM_CLASSIFIER = (
    Rule("fc6", "pre_logits.fc1"),
    Rule("fc7", "pre_logits.fc2", "pointwise"),
    Rule("classifier", "head.fc"),
)
