"""EfficientNets and MobileNets beside torchvision, timm, SMP and the Lite packages.

Classifiers are compared by their logits, encoders by all five features.  Sizes are odd
if the peer takes them.  SMP needs multiples of 32, and the padding of its EfficientNet
(and of `efficientnet_lite_pytorch`) is fixed for one size, so that Lite is compared at
that size.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import segmentation_models_pytorch as smp
import timm
import torch
import torchvision

from benchmarks import parity_case
from benchmarks.parity_case import SIZES, Case, Features, TorchFeatures, randomize
from jaxseg.backbones.efficientnet import EfficientNet
from jaxseg.backbones.mobilenet import MobileNetV2
from jaxseg.backbones.names import find_backbone
from jaxseg.weights.families import efficientnet, mobilenet
from jaxseg.weights.naming import Rule, Table, prefixed

EVEN = ((64, 96), (128, 160))

Network = tuple[str, str]
"""Our name of a network, and its arithmetic."""


class TorchvisionDilated(torch.nn.Module):
    """The features of MobileNetV3-Large that torchvision's segmentation heads read."""

    def __init__(self):
        super().__init__()
        network = torchvision.models.mobilenet_v3_large(weights=None, dilated=True)
        self.features = network.features

    def forward(self, image: torch.Tensor) -> list[torch.Tensor]:  # noqa: D102
        maps, x = [], image
        for layer in self.features:
            x = layer(x)
            maps.append(x)
        return [maps[place] for place in (1, 2, 4, 7, 16)]


@torch.no_grad()
def settled(module: torch.nn.Module) -> torch.nn.Module:
    """Scale every convolution so that its output has standard deviation 1/2.

    Otherwise the signal of untrained networks vanishes in torchvision's networks, whose
    logits then do not depend on the image, and explodes in timm's, with its rounding.
    """
    randomize(module)

    def scale(layer: Any, inputs: Any, output: torch.Tensor) -> torch.Tensor:
        factor = 0.5 / output.std(correction=0)
        layer.weight.mul_(factor)
        return output * factor

    hooks = [
        layer.register_forward_hook(scale)
        for layer in module.modules()
        if isinstance(layer, torch.nn.Conv2d) and layer.bias is None
    ]
    module.eval()(torch.randn(2, 3, 96, 128))
    for hook in hooks:
        hook.remove()
    return module


def _tables(network: Network, source: str) -> tuple[Table, Table]:
    """Return the rules of a backbone and of its classifier."""
    backbone = find_backbone(*network).build()
    if isinstance(backbone, EfficientNet):
        tables, head = efficientnet.backbone_tables(backbone), efficientnet.CLASSIFIER
    elif isinstance(backbone, MobileNetV2):
        tables, head = mobilenet.backbone_tables(backbone), mobilenet.V2_CLASSIFIER
    else:
        tables, head = mobilenet.backbone_tables(backbone), mobilenet.V3_CLASSIFIER
    return tables[source], head.get(source, ())


def classifier(
    network: Network,
    source: str,
    peer: Callable[[], torch.nn.Module],
    sizes: Sequence[tuple[int, int]] = SIZES,
) -> Case:
    entry = find_backbone(*network)
    backbone, head = _tables(network, source)
    return Case(
        lambda: settled(peer()),
        lambda: parity_case.classifier(entry),
        parity_case.table(backbone, head),
        sizes,
    )


def features(
    network: Network,
    source: str,
    peer: Callable[[], torch.nn.Module],
    sizes: Sequence[tuple[int, int]] = EVEN,
    **arguments: Any,
) -> Case:
    entry = find_backbone(*network)
    backbone, _ = _tables(network, source)
    table: list[Rule] = prefixed("encoder.", backbone, "backbone/")
    return Case(
        lambda: settled(TorchFeatures(peer())),
        lambda: Features(entry.build(**arguments)),
        table,
        sizes,
    )


def _encoder(name: str, stride: int) -> torch.nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return smp.encoders.get_encoder(name, weights=None, output_stride=stride)


def _encoder_case(
    theirs: str, ours: Network, stride: int = 32, uniform: bool = True
) -> Case:
    return features(
        ours,
        "smp",
        lambda: _encoder(theirs, stride),
        output_stride=stride,
        uniform_dilation=uniform and stride < 32,
    )


def _lite_package(number: int) -> torch.nn.Module:
    from efficientnet_lite_pytorch import EfficientNet

    return EfficientNet.from_name(f"efficientnet-lite{number}")


def _torchvision(name: str) -> Callable[[], torch.nn.Module]:
    return lambda: torchvision.models.get_model(name, weights=None)


def _timm(name: str) -> Callable[[], torch.nn.Module]:
    return lambda: timm.create_model(name)


TORCHVISION = (
    *(f"efficientnet_b{number}" for number in range(8)),
    "mobilenet_v2",
    "mobilenet_v3_large",
    "mobilenet_v3_small",
)

TIMM: dict[str, Network] = {
    **{f"tf_efficientnet_b{n}": (f"efficientnet_b{n}", "tensorflow") for n in range(8)},
    **{f"efficientnet_b{n}": (f"efficientnet_b{n}", "timm") for n in range(8)},
    **{
        f"tf_efficientnet_lite{n}": (f"efficientnet_lite{n}", "tensorflow")
        for n in range(5)
    },
    **{f"efficientnet_lite{n}": (f"efficientnet_lite{n}", "timm") for n in range(5)},
    "mobilenetv2_100": ("mobilenet_v2", ""),
    "mobilenetv3_large_100": ("mobilenet_v3_large", "timm"),
    "mobilenetv3_small_100": ("mobilenet_v3_small", "timm"),
    "tf_mobilenetv3_large_100": ("mobilenet_v3_large", "tensorflow"),
    "tf_mobilenetv3_small_100": ("mobilenet_v3_small", "tensorflow"),
}
"""timm's name -> ours."""

# SMP's encoder -> ours; those of timm dilate the first convolution of a stage late.
SMP: dict[str, Network] = {
    **{f"efficientnet-b{n}": (f"efficientnet_b{n}", "smp") for n in range(8)},
    "timm-efficientnet-b0": ("efficientnet_b0", "timm"),
    "timm-efficientnet-b5": ("efficientnet_b5", "timm"),
    "timm-tf_efficientnet_lite0": ("efficientnet_lite0", "timm"),
    "mobilenet_v2": ("mobilenet_v2", ""),
}
SMP_OF_TIMM: dict[str, Network] = {
    "tu-tf_efficientnet_b0": ("efficientnet_b0", "tensorflow"),
    "tu-tf_efficientnet_lite0": ("efficientnet_lite0", "tensorflow"),
    "tu-mobilenetv3_large_100": ("mobilenet_v3_large", "timm"),
    "tu-mobilenetv3_small_100": ("mobilenet_v3_small", "timm"),
    "timm-mobilenetv3_large_100": ("mobilenet_v3_large", "tensorflow"),
}

CASES: dict[str, Case] = {
    **{
        f"torchvision/{name}": classifier((name, ""), "torchvision", _torchvision(name))
        for name in TORCHVISION
    },
    "torchvision/mobilenet_v3_large dilated": features(
        ("mobilenet_v3_large", "dilated"),
        "torchvision",
        TorchvisionDilated,
        SIZES,
        output_stride=16,
    ),
    **{
        f"timm/{theirs}": classifier(ours, "timm", _timm(theirs))
        for theirs, ours in TIMM.items()
    },
    **{
        f"smp/{theirs}": _encoder_case(theirs, ours)
        for theirs, ours in (SMP | SMP_OF_TIMM).items()
    },
    **{
        f"smp/{theirs} at output stride {stride}": _encoder_case(
            theirs, SMP[theirs], stride
        )
        for theirs in ("efficientnet-b0", "efficientnet-b3", "mobilenet_v2")
        for stride in (8, 16)
    },
    **{
        f"smp/{theirs} at output stride {stride}": _encoder_case(
            theirs, SMP_OF_TIMM[theirs], stride, uniform=False
        )
        for theirs in ("tu-tf_efficientnet_b0", "tu-mobilenetv3_large_100")
        for stride in (8, 16)
    },
    **{
        f"package/efficientnet_lite{number}": classifier(
            (f"efficientnet_lite{number}", "tensorflow"),
            "package",
            lambda number=number: _lite_package(number),
            ((side, side),),
        )
        for number, side in enumerate((224, 240, 260))
    },
}
