"""What every backbone shares: its entry in the registry, and how stages dilate."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import flax.linen as nn

from jaxseg.backbones.top import PooledClassifier

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
HALF = (0.5, 0.5, 0.5)
"""Mean and deviation that bring values to -1..1, as Inception's kin expect."""


@dataclass(frozen=True)
class BackboneEntry:
    """A backbone that can be named.

    Attributes:
      build: `(width, max_channels, output_stride, uniform_dilation, dtype)`, all by
        keyword and optional, -> a module `(image, train) -> five features`.
      paper: authors, year, arXiv number.
      parameters: of the classifier of 1000 classes, auxiliary classifiers not counted.
      top: `(num_classes, dtype, window, rate)` by keyword -> the classifier's head.
      auxiliary: `(num_classes, dtype)` -> auxiliary classifiers, or None.
      classifier: arguments of `build` where published weights are those of a
        classifier that rounds sizes down.
      auxiliary_level: the feature that a segmenter's auxiliary head reads.
      crop: side of the images that the classifier is trained on, pixels.
      mean: of the RGB values 0..1 that published weights expect subtracted.
      std: of the RGB values 0..1 that they expect divided by.
    """

    build: Callable[..., nn.Module]
    paper: str
    parameters: int
    top: Callable[..., nn.Module] = PooledClassifier
    auxiliary: Callable[..., nn.Module] | None = None
    classifier: Mapping[str, Any] = field(default_factory=dict)
    auxiliary_level: int = -2
    crop: int = 224
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD


@dataclass(frozen=True)
class Stage:
    """How one stage strides and dilates.

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

    Dropping a stride of 2 and doubling the rates of all that follows gives the values
    that the strided network gives, and those between ("a trous", Chen et al. 2017,
    arXiv:1606.00915, sec. 3.1).  The convolution whose stride is dropped keeps the rate
    that came before, as torchvision has it.

    Args:
      strides: of each stage, from the image on.
      output_stride: the largest product of strides.
      uniform: give the new rate to the stage's first convolution too, as
        segmentation_models.pytorch does; its weights want that.
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
