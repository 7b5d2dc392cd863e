"""VGG, GoogLeNet and DenseNet beside torchvision, timm and segmentation_models.pytorch.

The peers' poolings round odd sizes down and ours round up, so no map that is pooled may
have an odd size.  VGG gets multiples of 32; GoogLeNet and DenseNet get odd sizes too,
which their first convolution turns into even maps.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import segmentation_models_pytorch as smp
import timm
import torch
import torchvision

from benchmarks.parity_case import Case, Features, TorchFeatures, classifier, table
from jaxseg.backbones.densenet import DENSENETS
from jaxseg.backbones.googlenet import GOOGLENETS
from jaxseg.backbones.vgg import VGGS
from jaxseg.weights.families import densenet, googlenet, vgg
from jaxseg.weights.naming import prefixed

VGG_SIZES = ((64, 96), (256, 288))  # maps of 2 x 3 and 8 x 9, averaged to 7 x 7
SIZES = {"googlenet": ((64, 96), (95, 79)), "densenet": ((64, 96), (93, 127))}


def encoder(name: str) -> TorchFeatures:
    return TorchFeatures(smp.encoders.get_encoder(name, weights=None))


def _torchvision(name: str) -> Callable[[], torch.nn.Module]:
    arguments = {}
    if name == "googlenet":
        arguments = {"aux_logits": True, "init_weights": False}
    return partial(torchvision.models.get_model, name, weights=None, **arguments)


CASES: dict[str, Case] = {}
for name, entry in VGGS.items():
    module = entry.build()
    rules = vgg.backbone(module.convolutions, module.normalized)
    CASES[f"torchvision/{name}"] = Case(
        _torchvision(name),
        partial(classifier, entry),
        table(rules, vgg.TORCHVISION_CLASSIFIER),
        VGG_SIZES,
    )
    CASES[f"timm/{name}"] = Case(
        partial(timm.create_model, name),
        partial(classifier, entry),
        table(rules, vgg.TIMM_CLASSIFIER),
        ((224, 224),),  # elsewhere timm averages logits, torchvision features
    )
for name, entry in GOOGLENETS.items():
    CASES[f"torchvision/{name}"] = Case(
        _torchvision(name),
        partial(classifier, entry),
        table(googlenet.BACKBONE, googlenet.CLASSIFIER, googlenet.AUXILIARY),
        SIZES["googlenet"],
    )
for name, entry in DENSENETS.items():
    named = table(densenet.BACKBONE, densenet.CLASSIFIER)
    ours = partial(classifier, entry)
    sizes = SIZES["densenet"]
    CASES[f"torchvision/{name}"] = Case(_torchvision(name), ours, named, sizes)
    CASES[f"timm/{name}"] = Case(partial(timm.create_model, name), ours, named, sizes)
    CASES[f"smp/{name}"] = Case(
        partial(encoder, name),
        partial(lambda entry: Features(entry.build()), entry),
        prefixed("encoder.", densenet.BACKBONE, "backbone/"),
        sizes,
    )
