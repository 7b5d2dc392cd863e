"""A parity case: a model of a peer, the same model here, and the names of both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import torch

from jaxseg.backbones.entry import BackboneEntry
from jaxseg.segmenter import Classifier
from jaxseg.weights.naming import Rule, Table, prefixed

SIZES = ((64, 96), (97, 75))


@dataclass(frozen=True)
class Case:
    """A model on both sides.

    Attributes:
      peer: builds the torch module; logits `[B, classes]` or `[B, classes, H, W]`, or
        a dict with them as "out".
      ours: builds the jaxseg model.
      table: rules for all of our paths, `backbone/...`, `head/...`, `auxiliary/...`.
      sizes: of the images.
    """

    peer: Callable[[], torch.nn.Module]
    ours: Callable[[], Any]
    table: Sequence[Rule]
    sizes: Sequence[tuple[int, int]] = SIZES


def randomize(module: torch.nn.Module, seed: int = 0) -> None:
    """Give batch normalisations statistics, scales and shifts that are not trivial."""
    generator = torch.Generator().manual_seed(seed)
    for layer in module.modules():
        if isinstance(layer, torch.nn.modules.batchnorm._BatchNorm):
            shape = layer.running_mean.shape
            layer.running_mean.copy_(0.1 * torch.randn(shape, generator=generator))
            layer.running_var.copy_(0.5 + torch.rand(shape, generator=generator))
            layer.weight.data.copy_(0.5 + torch.rand(shape, generator=generator))
            layer.bias.data.copy_(0.1 * torch.randn(shape, generator=generator))


def classifier(entry: BackboneEntry, **arguments: Any) -> Classifier:
    """Return our classifier of 1000 classes, with its auxiliary ones if it has any."""
    auxiliary = entry.auxiliary(num_classes=1000) if entry.auxiliary else None
    return Classifier(
        entry.build(**arguments), entry.classifier(num_classes=1000), auxiliary
    )


def table(backbone: Table, classifier: Table, auxiliary: Table = ()) -> list[Rule]:
    """Return the rules of a whole classifier."""
    return [
        *prefixed("", backbone, "backbone/"),
        *prefixed("", classifier, "head/"),
        *prefixed("", auxiliary, "auxiliary/"),
    ]


class Features(nn.Module):
    """All features of a backbone in one row, each divided by its standard deviation.

    Attributes:
      backbone: maps `[B, H, W, 3]` to its features, shallow to deep.
      example: shape of an image by which the parameters are initialised.
    """

    backbone: nn.Module
    example: tuple[int, ...] = (64, 64, 3)

    def __call__(self, image: jax.Array) -> jax.Array:
        """Map `[B, H, W, 3]` to `[B, N]`."""
        maps = [x for x in self.backbone(image, False) if x.shape[-1]]
        flat = [(x / x.std()).reshape(len(x), -1) for x in maps]
        return jnp.concatenate(flat, axis=1)


class TorchFeatures(torch.nn.Module):
    """The same for a torch module that returns a list of maps, including the image.

    Args:
      encoder: the module; its tensors are named `encoder.`.
      finish: applied to each map.
    """

    def __init__(self, encoder: torch.nn.Module, finish: Any = lambda x: x):
        super().__init__()
        self.encoder, self.finish = encoder, finish

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map `[B, 3, H, W]` to `[B, N]`."""
        maps = [self.finish(x) for x in self.encoder(image) if x.shape[1] not in (0, 3)]
        flat = [(x / x.std(correction=0)).permute(0, 2, 3, 1).flatten(1) for x in maps]
        return torch.cat(flat, dim=1)
