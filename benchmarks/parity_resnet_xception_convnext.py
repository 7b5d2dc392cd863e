"""The residual family, Xception and ConvNeXt beside torchvision, timm and SMP.

Beside the classifiers' logits, all features are compared at output strides 8, 16, 32.
Sizes of ConvNeXt are multiples of 32: PyTorch drops odd pixels there, ours pads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import segmentation_models_pytorch as smp
import timm
import torch
import torchvision
from torchvision.models.resnet import BasicBlock, ResNet

from benchmarks.parity_case import (
    SIZES,
    Case,
    Features,
    TorchFeatures,
    classifier,
    table,
)
from jaxseg.backbones.convnext import CONVNEXTS
from jaxseg.backbones.entry import BackboneEntry
from jaxseg.backbones.resnet import RESNETS
from jaxseg.backbones.xception import XCEPTIONS
from jaxseg.backbones.xception_aligned import ALIGNED_XCEPTIONS
from jaxseg.weights.families import convnext, resnet, xception
from jaxseg.weights.naming import prefixed

EVEN = ((64, 96), (96, 160))


class TorchvisionFeatures(torch.nn.Module):
    """torchvision's ResNet-50 without its classifier, as five features."""

    def __init__(self, dilate: Sequence[bool]):
        super().__init__()
        self.body = torchvision.models.resnet50(replace_stride_with_dilation=dilate)
        self.body.fc = torch.nn.Identity()

    def forward(self, image: torch.Tensor) -> list[torch.Tensor]:
        """Map `[B, 3, H, W]` to five maps."""
        body = self.body
        features = [body.relu(body.bn1(body.conv1(image)))]
        x = body.maxpool(features[0])
        for layer in (body.layer1, body.layer2, body.layer3, body.layer4):
            x = layer(x)
            features.append(x)
        return features


class PlainBlock(BasicBlock):
    """A basic block without its shortcut."""

    def __init__(self, *arguments: Any, **options: Any):
        super().__init__(*arguments, **options)
        self.downsample = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map `[B, C, H, W]` to `[B, C', H / stride, W / stride]`."""
        x = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(x)))


def scaled(build: Callable[[], torch.nn.Module]) -> torch.nn.Module:
    """Give layer scales and normalisations values with which blocks have an effect."""
    module = build()
    generator = torch.Generator().manual_seed(1)
    for name, tensor in module.named_parameters():
        if name.endswith(("gamma", "layer_scale")):
            tensor.data.copy_(0.5 + torch.rand(tensor.shape, generator=generator))
        elif tensor.ndim == 1:
            noise = 0.1 * torch.randn(tensor.shape, generator=generator)
            tensor.data.add_(noise)
    return module


def calm(build: Callable[[], torch.nn.Module]) -> torch.nn.Module:
    """Quarter the last kernels of the blocks.

    Squeeze-and-excitation makes a deep network of random weights chaotic: PyTorch's
    float32 and float64 logits of seresnet101 then differ by a half.
    """
    module = build()
    for name, tensor in module.named_parameters():
        if name.endswith("conv3.weight"):
            tensor.data.mul_(0.25)
    return module


def features(
    peer: Callable[[], torch.nn.Module],
    entry: BackboneEntry,
    rules: Any,
    sizes: Sequence[tuple[int, int]] = SIZES,
    theirs: str = "",
    finish: Any = lambda x: x,
    **arguments: Any,
) -> Case:
    """Compare all features; `theirs` comes before the peer's names in the rules."""
    return Case(
        lambda: TorchFeatures(peer(), finish),
        lambda: Features(entry.build(**arguments)),
        prefixed(f"encoder.{theirs}", rules, "backbone/"),
        sizes,
    )


def encoder(name: str, output_stride: int = 32) -> Callable[[], torch.nn.Module]:
    return partial(
        smp.encoders.get_encoder, name, weights=None, output_stride=output_stride
    )


CASES: dict[str, Case] = {}
for name, entry in RESNETS.items():
    source, rules = "torchvision", resnet.BACKBONE
    if name.startswith("plain"):
        source = "torch"
        depths = {"plain18": [2, 2, 2, 2], "plain34": [3, 4, 6, 3]}[name]
        peer = partial(ResNet, PlainBlock, depths)
    elif name in ("resnet18c", "resnet34c"):  # timm's class, no name of timm's
        source, rules = "timm", resnet.TIMM_C
        depths = {"resnet18c": (2, 2, 2, 2), "resnet34c": (3, 4, 6, 3)}[name]
        parts = (timm.models.resnet.BasicBlock, depths)
        deep = {"stem_width": 32, "stem_type": "deep"}
        peer = partial(timm.models.resnet.ResNet, *parts, **deep)
    elif entry.build.keywords["deep_stem"]:
        source = "timm"
        rules = resnet.TIMM_C if name.endswith("c") else resnet.TIMM_D
        peer = partial(timm.create_model, name)
    elif name.startswith("se"):
        source = "timm"
        peer = partial(calm, partial(timm.create_model, name))
    else:
        peer = partial(torchvision.models.get_model, name, weights=None)
    ours = partial(classifier, entry)
    CASES[f"{source}/{name}"] = Case(peer, ours, table(rules, resnet.CLASSIFIER))

for stride, dilate in ((32, (0, 0, 0)), (16, (0, 0, 1)), (8, (0, 1, 1))):
    dilated = [bool(flag) for flag in dilate]
    CASES[f"torchvision/resnet50 features {stride}"] = features(
        partial(TorchvisionFeatures, dilated),
        RESNETS["resnet50"],
        resnet.BACKBONE,
        theirs="body.",
        output_stride=stride,
    )
    for name in ("resnet18", "resnet50", "resnext50_32x4d"):
        CASES[f"smp/{name} features {stride}"] = features(
            encoder(name, stride),
            RESNETS[name],
            resnet.BACKBONE,
            output_stride=stride,
            uniform_dilation=True,
        )
    CASES[f"smp/xception65 features {stride}"] = features(
        encoder("tu-xception65", stride),
        ALIGNED_XCEPTIONS["xception65"],
        xception.SMP_ALIGNED_BACKBONE,
        output_stride=stride,
    )
CASES["smp/resnet50d features 32"] = features(
    encoder("tu-resnet50d"), RESNETS["resnet50d"], resnet.SMP_D
)
CASES["smp/resnet50c features 32"] = features(
    encoder("tu-resnet50c"), RESNETS["resnet50c"], resnet.SMP_C
)
CASES["smp/seresnet18 features 32"] = features(
    encoder("tu-seresnet18"), RESNETS["seresnet18"], resnet.SMP_UNIVERSAL
)
CASES["smp/xception features 32"] = features(
    encoder("xception"),
    XCEPTIONS["xception"],
    xception.BACKBONE,
    finish=torch.nn.functional.relu,
)
CASES["timm/legacy_xception"] = Case(
    partial(timm.create_model, "legacy_xception"),
    partial(classifier, XCEPTIONS["xception"], padded_stem=False),
    table(xception.BACKBONE, xception.CLASSIFIER),
)
for name, entry in ALIGNED_XCEPTIONS.items():
    CASES[f"timm/{name}"] = Case(
        partial(timm.create_model, name),
        partial(classifier, entry),
        table(xception.ALIGNED_BACKBONE, xception.ALIGNED_CLASSIFIER),
    )
for name, entry in CONVNEXTS.items():
    CASES[f"timm/{name}"] = Case(
        partial(scaled, partial(timm.create_model, name)),
        partial(classifier, entry),
        table(convnext.TIMM_BACKBONE, convnext.TIMM_CLASSIFIER),
        EVEN,
    )
    CASES[f"torchvision/{name}"] = Case(
        partial(scaled, partial(torchvision.models.get_model, name, weights=None)),
        partial(classifier, entry),
        table(convnext.TORCHVISION_BACKBONE, convnext.TORCHVISION_CLASSIFIER),
        EVEN,
    )
for stride in (32, 16):  # at 8 timm shifts the last stage
    CASES[f"smp/convnext_tiny features {stride}"] = features(
        partial(scaled, encoder("tu-convnext_tiny", stride)),
        CONVNEXTS["convnext_tiny"],
        convnext.SMP_BACKBONE,
        EVEN,
        output_stride=stride,
    )
