"""Which rules name a whole model's tensors, for each source of weights.

A source is a library whose names we know.  Rules are chosen by what the model's parts
are, so any backbone that has a table goes with any head that has one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn

from jaxseg.backbones.convnext import ConvNeXt
from jaxseg.backbones.densenet import DenseNet
from jaxseg.backbones.efficientnet import EfficientNet
from jaxseg.backbones.googlenet import GoogLeNet
from jaxseg.backbones.mix_transformer import MixTransformer
from jaxseg.backbones.mobilenet import MobileNetV2, MobileNetV3
from jaxseg.backbones.resnet import ResNet
from jaxseg.backbones.vgg import VGG
from jaxseg.backbones.xception import Xception
from jaxseg.backbones.xception_aligned import AlignedXception
from jaxseg.heads.deeplab import DeepLabV3, DeepLabV3Plus
from jaxseg.heads.fcn import FCN
from jaxseg.heads.lraspp import LRASPP
from jaxseg.heads.pspnet import PSPNet
from jaxseg.heads.segformer import SegFormer
from jaxseg.heads.unet import UNet
from jaxseg.heads.upernet import UPerNet
from jaxseg.segmenter import Classifier, Segmenter
from jaxseg.weights.families import (
    convnext,
    densenet,
    efficientnet,
    googlenet,
    heads_smp,
    heads_torchvision,
    mix_transformer,
    mobilenet,
    resnet,
    vgg,
    xception,
)
from jaxseg.weights.naming import Rule, Table, prefixed

Tables = Mapping[str, Table]
"""Source -> rules inside a part of the model."""

SEGMENTERS = {"torchvision": "backbone.", "smp": "encoder.", "mmseg": "backbone."}
"""Source of segmenters -> what stands before the names of its backbone."""

HEADS: dict[str, dict[type, str]] = {
    "torchvision": {FCN: "fcn", DeepLabV3: "deeplabv3", LRASPP: "lraspp"},
    "smp": {
        UNet: "unet",
        PSPNet: "pspnet",
        UPerNet: "upernet",
        SegFormer: "segformer",
        DeepLabV3: "deeplabv3",
        DeepLabV3Plus: "deeplabv3plus",
    },
}
"""Source -> class of a head -> its name in the source's tables."""


def everywhere(table: Table) -> Tables:
    """Say that torchvision, timm and SMP use the same names."""
    return dict.fromkeys(("torchvision", "timm", "smp"), table)


def _resnet(backbone: ResNet) -> Tables:
    if not backbone.deep_stem:
        universal = {"smp universal": resnet.SMP_UNIVERSAL}
        return {**everywhere(resnet.BACKBONE), **universal, "mmseg": resnet.BACKBONE}
    if backbone.options.get("average"):
        timm, smp, mmseg = resnet.TIMM_D, resnet.SMP_D, resnet.MMSEG_D
    else:
        timm, smp, mmseg = resnet.TIMM_C, resnet.SMP_C, resnet.MMSEG_C
    return {"timm": timm, "smp": smp, "mmseg": mmseg}


def _vgg(backbone: VGG) -> Tables:
    # SMP's features are taken before the poolings, ours behind: its decoders differ.
    table = vgg.backbone(backbone.convolutions, backbone.normalized)
    return {"torchvision": table, "timm": table}


def _densenet(backbone: DenseNet) -> Tables:
    older = {"torchvision's files": densenet.TORCHVISION_FILE_BACKBONE}
    return {**everywhere(densenet.BACKBONE), **older}


def _convnext(backbone: ConvNeXt) -> Tables:
    return {
        "torchvision": convnext.TORCHVISION_BACKBONE,
        "timm": convnext.TIMM_BACKBONE,
        "smp": convnext.SMP_BACKBONE,
    }


BACKBONES: dict[type, Callable[[Any], Tables]] = {
    ResNet: _resnet,
    VGG: _vgg,
    DenseNet: _densenet,
    GoogLeNet: lambda backbone: {"torchvision": googlenet.BACKBONE},
    EfficientNet: efficientnet.backbone_tables,
    MobileNetV2: mobilenet.backbone_tables,
    MobileNetV3: mobilenet.backbone_tables,
    Xception: lambda backbone: {"timm": xception.BACKBONE},
    AlignedXception: lambda backbone: {
        "timm": xception.ALIGNED_BACKBONE,
        "smp": xception.SMP_ALIGNED_BACKBONE,
    },
    ConvNeXt: _convnext,
    MixTransformer: lambda backbone: everywhere(mix_transformer.BACKBONE),
}
"""Class of a backbone -> its tables."""

CLASSIFIERS: dict[type, Tables] = {
    ResNet: everywhere(resnet.CLASSIFIER),
    VGG: {"torchvision": vgg.TORCHVISION_CLASSIFIER, "timm": vgg.TIMM_CLASSIFIER},
    DenseNet: {
        **everywhere(densenet.CLASSIFIER),
        "torchvision's files": densenet.CLASSIFIER,
    },
    GoogLeNet: {"torchvision": googlenet.CLASSIFIER},
    EfficientNet: efficientnet.CLASSIFIER,
    MobileNetV2: mobilenet.V2_CLASSIFIER,
    MobileNetV3: mobilenet.V3_CLASSIFIER,
    Xception: {"timm": xception.CLASSIFIER},
    AlignedXception: {"timm": xception.ALIGNED_CLASSIFIER},
    ConvNeXt: {
        "torchvision": convnext.TORCHVISION_CLASSIFIER,
        "timm": convnext.TIMM_CLASSIFIER,
    },
    MixTransformer: everywhere(mix_transformer.CLASSIFIER),
}
"""Class of a backbone -> the tables of its classifier's end."""


def tables(model: Segmenter) -> dict[str, list[Rule]]:
    """Return the rules for a whole model by source, for each source that knows it.

    A part that a source does not know is left out: its tensors stay unnamed.  For a
    segmenter there are also the sources' classifiers, whose backbone (and fully
    connected layers, where the head has them) it can take.

    Args:
      model: a segmenter or a classifier.
    """
    known = BACKBONES.get(type(model.backbone))
    if known is None:
        return {}
    backbone, classifier = known(model.backbone), CLASSIFIERS[type(model.backbone)]
    classifiers = {
        source: [
            *prefixed("", table, "backbone/"),
            *prefixed("", classifier.get(source, ()), "head/"),
        ]
        for source, table in backbone.items()
    }
    if isinstance(model, Classifier):
        for rules in classifiers.values():
            rules += prefixed("", googlenet.AUXILIARY, "auxiliary/")
        return classifiers
    found = {}
    sources = dict(SEGMENTERS)
    if model.align_corners:  # of sources that fit alike, the one that computes alike
        sources = {"smp": sources["smp"], **sources}
    for source, prefix in sources.items():
        for variant in (source, f"{source} universal"):
            if variant in backbone:
                table = backbone[variant]
                if source == "torchvision":
                    table = heads_torchvision.numbered_backbone(table)
                found[variant] = [
                    *prefixed(prefix, table, "backbone/"),
                    *prefixed("", _head(source, model.head), "head/"),
                    *prefixed("", heads_torchvision.AUXILIARY, "auxiliary/"),
                ]
    named = {f"{source} classifier": rules for source, rules in classifiers.items()}
    return found | named


def names_of_heads(head: nn.Module) -> dict[str, str]:
    """Return source -> the name in its tables of a head that it knows."""
    return {
        source: known[type(head)]
        for source, known in HEADS.items()
        if type(head) in known
    }


def _head(source: str, head: nn.Module) -> Table:
    name = names_of_heads(head).get(source, "")
    library = heads_torchvision if source == "torchvision" else heads_smp
    return library.HEADS.get(name, ())


def unused(model: Segmenter, source: str) -> dict[str, tuple[int, ...]]:
    """Return tensors of a source's model that compute nothing there: name -> shape.

    They are not missed when read, and written so that the source finds all it expects.
    """
    if source != "smp" or not isinstance(model.backbone, EfficientNet):
        return {}
    tensors = efficientnet.unused_by_smp(model.backbone)
    return {f"{SEGMENTERS[source]}{name}": shape for name, shape in tensors.items()}
