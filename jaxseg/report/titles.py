"""The title of a run: its model and its data, as publications write them.

It is made from `results.json`, which any version or a person may have written.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_HEADS = {
    "classifier": "Classifier",
    "fcn": "FCN",
    "fcn32s": "FCN-32s",
    "fcn16s": "FCN-16s",
    "fcn8s": "FCN-8s",
    "hypercolumns": "Hypercolumns",
    "unet": "U-Net",
    "unet_original": "Original U-Net",
    "unet_same": "Padded U-Net",
    "unet3d": "3D U-Net",
    "deeplabv1": "DeepLabV1",
    "deeplabv2": "DeepLabV2",
    "deeplabv3": "DeepLabV3",
    "deeplabv3plus": "DeepLabV3+",
    "pspnet": "PSPNet",
    "upernet": "UPerNet",
    "lraspp": "LR-ASPP",
    "segformer": "SegFormer",
}

# Start of a name -> how it is written; longer starts come first.
_BACKBONES = {
    "wide_resnet": "Wide ResNet-",
    "seresnet": "SE-ResNet-",
    "resnext": "ResNeXt-",
    "resnet": "ResNet-",
    "plain": "Plain-",
    "vgg": "VGG-",
    "googlenet": "GoogLeNet",
    "densenet": "DenseNet-",
    "efficientnet_lite": "EfficientNet-Lite",
    "efficientnet_b": "EfficientNet-B",
    "mobilenet_v": "MobileNetV",
    "mobilenetv": "MobileNetV",
    "xception": "Xception-",
    "convnext_": "ConvNeXt-",
    "mit_b": "MiT-B",
}
_PREFIXES = ("tf_", "smp_", "timm_")
"""Prefixes that older results give to backbones with an unusual arithmetic."""

_DATA = {
    "digit_scenes": "digit scenes",
    "camvid": "CamVid",
    "voc2012": "PASCAL VOC 2012",
    "voc2012_aug": "PASCAL VOC 2012 augmented",
    "ade20k": "ADE20K",
    "coco_stuff": "COCO-Stuff",
    "pascal_context_59": "PASCAL Context-59",
    "pascal_context_60": "PASCAL Context-60",
    "mapillary_vistas": "Mapillary Vistas 1.2",
    "mapillary_vistas_2": "Mapillary Vistas 2.0",
    "loveda": "LoveDA",
    "potsdam": "ISPRS Potsdam",
    "oxford_iiit_pet": "Oxford-IIIT Pet",
    "cityscapes": "Cityscapes",
}


def run_title(results: Mapping[str, Any]) -> str:
    """Return the title of a run, such as "DeepLabV3+ on ResNet-50, CamVid".

    Args:
      results: the content of `results.json`; without `model` and `data`, which older
        files lack, the run's `name` is taken.

    Returns:
      Text, "Run" if nothing is known.
    """
    found = [model_title(results), data_title(results)]
    return ", ".join(text for text in found if text) or _text(results, "name") or "Run"


def model_title(results: Mapping[str, Any]) -> str:
    """Return head and backbone as people write them, "" if they are not known."""
    model = results.get("model")
    head, backbone = _text(model, "head"), _text(model, "backbone")
    head = _HEADS.get(head, head)
    if not head or not backbone:
        return head
    return f"{head} on {backbone_title(backbone, _text(model, 'arithmetic'))}"


def backbone_title(name: str, arithmetic: str = "") -> str:
    """Return a backbone's name as people write it, such as "ResNet-50".

    Args:
      name: of a backbone.
      arithmetic: its arithmetic if that is not the usual one, shown in brackets.
    """
    origin = next((each for each in _PREFIXES if name.startswith(each)), "")
    plain = name.removeprefix(origin)
    for start, written in _BACKBONES.items():
        if plain.startswith(start):
            rest = plain.removeprefix(start).replace("_", "-")
            shown = arithmetic or origin.removesuffix("_")
            remark = f" ({shown})" if shown else ""
            return (written + rest).rstrip("-") + remark
    return name


def data_title(results: Mapping[str, Any]) -> str:
    """Return the name of the data set or of its folder; "" if it is not known."""
    data = results.get("data")
    name = _text(data, "name")
    if name == "folder":
        return _text(data, "root") or name
    return _DATA.get(name, name)


def _text(values: Any, name: str) -> str:
    """Return the text under a name; "" where there is none."""
    value = values.get(name) if isinstance(values, Mapping) else None
    return value if isinstance(value, str) else ""
