"""Segmenters of torchvision and segmentation_models.pytorch (SMP), for `parity`."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import segmentation_models_pytorch as smp
import torch
from torchvision.models import segmentation

from benchmarks.parity_case import SIZES, Case
from jaxseg.backbones.names import find_backbone
from jaxseg.heads.fcn import FCN
from jaxseg.models import create_classifier, create_model
from jaxseg.weights.families import (
    efficientnet,
    heads_smp,
    heads_torchvision,
    mix_transformer,
    mobilenet,
    resnet,
)
from jaxseg.weights.naming import Rule, prefixed

CLASSES = 5
WHOLE = ((64, 96), (96, 160))
"""Sizes that SMP takes: multiples of 32."""

SMP_DECODERS = {
    "unet": smp.Unet,
    "pspnet": smp.PSPNet,
    "upernet": smp.UPerNet,
    "segformer": smp.Segformer,
    "deeplabv3": smp.DeepLabV3,
    "deeplabv3plus": smp.DeepLabV3Plus,
}
MIT = mix_transformer.BACKBONE
EFFICIENTNET = find_backbone("efficientnet_b0", "smp").build()
MOBILENET = find_backbone("mobilenet_v3_large", "dilated").build()


def smp_model(head: str, backbone: str, **arguments: Any) -> torch.nn.Module:
    """Return SMP's model."""
    build = SMP_DECODERS[head]
    return build(backbone, encoder_weights=None, classes=CLASSES, **arguments)


def smp_case(
    head: str,
    backbone: str,
    table: Sequence[Rule] = resnet.BACKBONE,
    sizes: Sequence[tuple[int, int]] = WHOLE,
    ours: str | None = None,
    arithmetic: str = "",
) -> Case:
    """Return a case; `ours` is our name of the backbone if it has another."""
    arguments = heads_smp.SMP_ARGUMENTS[head] | {"arithmetic": arithmetic}
    return Case(
        functools.partial(smp_model, head, backbone),
        functools.partial(create_model, head, ours or backbone, CLASSES, **arguments),
        [
            *prefixed("encoder.", table, "backbone/"),
            *prefixed("", heads_smp.HEADS[head], "head/"),
        ],
        sizes,
    )


def torchvision_case(
    head: str,
    backbone: str,
    table: Sequence[Rule] = resnet.BACKBONE,
    auxiliary: int | None = -2,
    **arguments: Any,
) -> Case:
    """Return a case; `auxiliary` is the feature that the auxiliary head reads."""

    def build() -> Any:
        model = create_model(head, backbone, CLASSES, **given)
        if auxiliary is None:
            return model
        return model.clone(auxiliary=FCN(CLASSES, level=auxiliary))

    given = heads_torchvision.TORCHVISION_ARGUMENTS[head] | arguments
    return Case(
        functools.partial(
            getattr(segmentation, f"{head}_{backbone}"),
            weights=None,
            weights_backbone=None,
            num_classes=CLASSES,
            **{} if auxiliary is None else {"aux_loss": True},
        ),
        build,
        [
            *prefixed("backbone.", table, "backbone/"),
            *prefixed("", heads_torchvision.HEADS[head], "head/"),
            *prefixed("", heads_torchvision.AUXILIARY, "auxiliary/"),
        ],
        SIZES,
    )


class MixClassifier(torch.nn.Module):
    """SMP's Mix Transformer with the classifier that its authors put on it."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.encoder = smp.encoders.get_encoder(name, weights=None)
        self.head = torch.nn.Linear(self.encoder.out_channels[-1], CLASSES)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map `[B, 3, H, W]` to logits `[B, classes]`."""
        return self.head(self.encoder(image)[-1].mean((2, 3)))


def mix_case(name: str) -> Case:
    return Case(
        functools.partial(MixClassifier, name),
        functools.partial(create_classifier, name, CLASSES),
        [
            *prefixed("encoder.", MIT, "backbone/"),
            *prefixed("", mix_transformer.CLASSIFIER, "head/"),
        ],
        ((64, 96), (97, 75), (33, 35)),
    )


CASES = {f"smp/mit_b{number}": mix_case(f"mit_b{number}") for number in range(6)}
CASES |= {
    f"smp/{head}_{backbone}": smp_case(head, backbone)
    for head, backbones in {
        "pspnet": ("resnet18", "resnet50"),
        "upernet": ("resnet18", "resnet50"),
        "segformer": ("resnet18",),
        "deeplabv3": ("resnet18", "resnet50"),
        "deeplabv3plus": ("resnet18", "resnet50"),
    }.items()
    for backbone in backbones
}
CASES |= {
    # SMP's output has the image's size, ours twice the first feature's: equal if even.
    f"smp/unet_{backbone}": smp_case("unet", backbone, sizes=((64, 96), (98, 74)))
    for backbone in ("resnet18", "resnet34", "resnet50")
}
CASES |= {
    f"smp/segformer_mit_b{number}": smp_case("segformer", f"mit_b{number}", MIT)
    for number in range(3)
}
CASES |= {
    f"smp/{head}_mit_b0": smp_case(head, "mit_b0", MIT)
    for head in ("unet", "pspnet", "upernet", "deeplabv3plus")
}
CASES |= {
    f"smp/{head}_efficientnet-b0": smp_case(
        head,
        "efficientnet-b0",
        efficientnet.backbone_tables(EFFICIENTNET)["smp"],
        ours="efficientnet_b0",
        arithmetic="smp",
    )
    for head in SMP_DECODERS
}
CASES |= {
    f"torchvision/{head}_{backbone}": torchvision_case(head, backbone)
    for head in ("fcn", "deeplabv3")
    for backbone in ("resnet50", "resnet101")
}
CASES |= {
    f"torchvision/{head}_mobilenet_v3_large": torchvision_case(
        head,
        "mobilenet_v3_large",
        heads_torchvision.numbered_backbone(
            mobilenet.torchvision_v3(MOBILENET.rows),
        ),
        auxiliary,
        arithmetic="dilated",
        output_stride=16,
        **arguments,
    )
    for head, auxiliary, arguments in (
        ("lraspp", None, {}),
        ("deeplabv3", 2, {"rates": (12, 24, 36)}),
    )
}
