"""What all backbones share: the registry's entry, and the plan of dilated stages."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import flax.linen as nn

from jaxseg.backbones.classifier import PooledClassifier

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
HALF = (0.5, 0.5, 0.5)
"""Mean and deviation that scale values to -1..1, as the Inception networks expect."""


@dataclass(frozen=True)
class BackboneEntry:
    """A backbone that can be named.

    Attributes:
      build: `(width, max_channels, output_stride, uniform_dilation, dtype)`, all by
        keyword and optional, -> a module `(image, train) -> five features`.
      paper: authors, year, arXiv number.
      parameters: number of them in a classifier of 1000 classes, without auxiliary
        classifiers.
      classifier: `(num_classes, dtype, window, rate)` by keyword -> classifier head.
      auxiliary: `(num_classes, dtype)` -> auxiliary classifiers, or None.
      classifier_arguments: fields of the module that differ in a classifier, because
        the published weights are of a classifier that rounds sizes down.
      auxiliary_level: the feature that a segmenter's auxiliary head reads.
      crop: side of the images that the classifier is trained on, pixels.
      mean: subtracted from RGB values 0..1, as the published weights expect.
      std: RGB values 0..1 are divided by it after that.
      arithmetics: name -> entry, where publishers compute the network differently; the
        usual arithmetic is first, and the other fields are those of its entry.
    """

    build: Callable[..., nn.Module]
    paper: str
    parameters: int
    classifier: Callable[..., nn.Module] = PooledClassifier
    auxiliary: Callable[..., nn.Module] | None = None
    classifier_arguments: Mapping[str, Any] = field(default_factory=dict)
    auxiliary_level: int = -2
    crop: int = 224
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    arithmetics: Mapping[str, BackboneEntry] = field(default_factory=dict)


def with_arithmetics(arithmetics: Mapping[str, BackboneEntry]) -> BackboneEntry:
    """Return one entry for a network that publishers compute differently.

    Args:
      arithmetics: name of an arithmetic -> entry; the first one is the usual one.
    """
    usual = next(iter(arithmetics.values()))
    return replace(usual, arithmetics=arithmetics)


@dataclass(frozen=True)
class Stage:
    """The stride and the atrous rates of one stage.

    Attributes:
      stride: of the stage's first (strided) convolution.
      first_rate: atrous rate of that convolution.
      rate: atrous rate of those that follow.
    """

    stride: int
    first_rate: int
    rate: int


def plan_stages(
    strides: Sequence[int], output_stride: int, uniform: bool = False
) -> list[Stage]:
    """Turn strides beyond the output stride into atrous rates.

    If a stride of 2 is dropped and the rates of all later layers are doubled, the
    network computes the values of the strided network and the values between them
    ("a trous", Chen et al. 2017, arXiv:1606.00915, sec. 3.1).  The convolution whose
    stride is dropped keeps the rate of the layers before it, as in torchvision.

    Args:
      strides: of each stage, from the image on.
      output_stride: the largest product of strides.
      uniform: give the new rate to the stage's first convolution too, as
        segmentation_models.pytorch does; its weights need it.
    """
    stages, total, rate = [], 1, 1
    for stride in strides:
        before = rate
        if total * stride > output_stride:
            rate, stride = rate * stride, 1
        total *= stride
        stages.append(Stage(stride, rate if uniform else before, rate))
    return stages


def registry(
    module: Callable[..., nn.Module], paper: str, **variants: tuple[int, dict[str, Any]]
) -> dict[str, BackboneEntry]:
    """Return entries for the variants of one family.

    Args:
      module: its class.
      paper: of the family.
      **variants: name=(parameters, arguments of the class).
    """
    return {
        name: BackboneEntry(functools.partial(module, **arguments), paper, parameters)
        for name, (parameters, arguments) in variants.items()
    }
