"""Detects by the names in a file that its weights need another arithmetic.

No tensor of a file shows an epsilon or a padding.  But its names show who published the
weights, and each publisher has only some of a network's arithmetics
(`jaxseg.backbones.names`).  What the names do not show: timm's networks and its `tf_`
networks ("timm" and "tensorflow") have the same names.
"""

from __future__ import annotations

from collections.abc import Collection

from jaxseg.backbones.efficientnet import EfficientNet
from jaxseg.backbones.inverted_residual import Arithmetic
from jaxseg.backbones.mobilenet import MobileNetV3
from jaxseg.heads.deeplab import DeepLabV3, rates_at
from jaxseg.heads.lraspp import LRASPP
from jaxseg.models import Segmenter

RATES = (12, 24, 36)
"""Atrous rates of torchvision's DeepLabV3, on its feature map."""


def wrong_arithmetic(model: Segmenter, names: Collection[str]) -> str:
    """Say which arithmetic a file's weights need if the model has another.

    Args:
      model: a segmenter or classifier.
      names: of the tensors in the file.

    Returns:
      A line with the remedy, or "" if the model's arithmetic is possible.
    """
    backbone = model.backbone
    if isinstance(backbone, EfficientNet):
        lite = not any(row.squeeze for row in backbone.rows)
        possible = _efficientnet(names, backbone.arithmetic, lite)
    elif isinstance(backbone, MobileNetV3):
        if _has(names, "backbone.1.block.0.0.weight"):
            return _torchvision_segmenter(model, backbone)
        possible = _mobilenet(names, backbone.arithmetic)
    else:
        return ""
    if not possible:
        return ""
    has = backbone.arithmetic.name
    return (
        f"by the names in it these weights need the arithmetic {' or '.join(possible)},"
        f" and the backbone has {has}: give --model.arithmetic {possible[0]}, or"
        f' create_model(..., arithmetic="{possible[0]}")'
    )


def _has(names: Collection[str], ending: str) -> bool:
    return any(name.endswith(ending) for name in names)


def _efficientnet(
    names: Collection[str], arithmetic: Arithmetic, lite: bool
) -> tuple[str, ...]:
    """Return the possible arithmetics if an EfficientNet's is not among them."""
    if _has(names, "features.1.0.block.0.0.weight"):
        fits, possible = "torchvision" in arithmetic.sources, ("torchvision",)
    elif _has(names, "_conv_stem.weight"):
        # Its segmenters are SMP's; classifiers of these names exist with both paddings.
        whole = _has(names, "segmentation_head.0.weight")
        fits = (arithmetic.padding == "same" and not whole) or arithmetic.name == "smp"
        possible = ("tensorflow",) if lite else ("smp",)
    elif _has(names, "encoder.conv_stem.weight"):
        fits, possible = arithmetic.padding == "symmetric", ("timm",)
        fits = fits and "smp" in arithmetic.sources
    elif _has(names, "conv_stem.weight"):
        fits, possible = "timm" in arithmetic.sources, ("timm", "tensorflow")
    else:
        return ()
    return () if fits else possible


def _mobilenet(names: Collection[str], arithmetic: Arithmetic) -> tuple[str, ...]:
    """Return the possible arithmetics if a MobileNetV3's is not among them."""
    if _has(names, "features.1.block.0.0.weight"):
        fits, possible = "torchvision" in arithmetic.sources, ("torchvision",)
    elif _has(names, "conv_stem.weight"):
        fits, possible = "timm" in arithmetic.sources, ("timm", "tensorflow")
    else:
        return ()
    return () if fits else possible


def _torchvision_segmenter(model: Segmenter, backbone: MobileNetV3) -> str:
    """Say how a model differs from torchvision's LR-ASPP and DeepLabV3 on MobileNetV3.

    Their backbone is the dilated one of output stride 16, and DeepLabV3 keeps the rates
    of output stride 8 there.
    """
    head = model.head
    if not isinstance(head, LRASPP | DeepLabV3):
        return ""
    rates = isinstance(head, DeepLabV3) and rates_at(head.rates, head.output_stride)
    if (
        backbone.arithmetic.name == "dilated"
        and backbone.output_stride == 16
        and rates in (False, RATES)
    ):
        return ""
    options, arguments = "", ""
    if rates:
        options, arguments = " --model.rates 12 24 36", ", rates=(12, 24, 36)"
    return (
        "torchvision's segmenters on MobileNetV3 compute differently: give"
        f" --model.arithmetic dilated --model.output_stride 16{options}, or"
        f' create_model(..., arithmetic="dilated", output_stride=16{arguments})'
    )
