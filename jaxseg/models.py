"""Whole models: a backbone and a head as one segmenter, or as a classifier.

`create_model` and `create_classifier` turn names into modules.  Models take plain
arguments, never a run's configuration.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxseg.backbones import BACKBONES
from jaxseg.errors import UserError, choose
from jaxseg.heads import HEADS
from jaxseg.heads.fcn import FCN
from jaxseg.nn.upsampling import resize_bilinear

DTYPES = {"float32": jnp.float32, "bfloat16": jnp.bfloat16}
"""Compute types by name."""

SMALLEST = 33
"""Smallest image side, pixels: one more than the deepest stride."""


class Segmenter(nn.Module):
    """A semantic-segmentation network.

    Attributes:
      backbone: image -> features.
      head: features -> logits.
      auxiliary: a second head that trains the backbone's next to last features (Zhao et
        al. 2017, arXiv:1612.01105, sec. 3.3), or None.
    """

    backbone: nn.Module
    head: nn.Module
    auxiliary: nn.Module | None = None

    def __call__(self, image: jax.Array, train: bool = False) -> jax.Array:
        """Return float32 logits at the image's size.

        Args:
          image: float `[B, H, W, 3]`, normalised; H and W at least 33.
          train: use batch statistics and dropout.

        Returns:
          float32 `[B, H, W, classes]`.
        """
        logits, _ = self.low_resolution(image, train)
        return resize_bilinear(logits, (image.shape[1], image.shape[2]))

    def low_resolution(
        self, image: jax.Array, train: bool = False
    ) -> tuple[jax.Array, jax.Array | None]:
        """Return the head's and the auxiliary head's logits at their own strides.

        The auxiliary logits are None without such a head and outside training.

        Args:
          image: float `[B, H, W, 3]`, normalised.
          train: use batch statistics and dropout.

        Raises:
          UserError: the image is smaller than 33 pixels a side.
        """
        height, width = image.shape[1:3]
        if isinstance(height, int) and isinstance(width, int):
            if min(height, width) < SMALLEST:
                raise UserError(
                    f"an image of {height}x{width} pixels: the smallest side is "
                    f"{SMALLEST}; enlarge the image (or augment.crop)"
                )
        features = self.backbone(image, train)
        logits = self.head(features, train).astype(jnp.float32)
        if self.auxiliary is None or not (train or self.is_initializing()):
            return logits, None
        auxiliary = self.auxiliary(features, train).astype(jnp.float32)
        return logits, auxiliary


class Classifier(nn.Module):
    """An image classifier: a backbone, global average pooling, one dense layer.

    Attributes:
      backbone: image -> features.
      num_classes: number of classes.
      dtype: compute type.
    """

    backbone: nn.Module
    num_classes: int
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, image: jax.Array, train: bool = False) -> jax.Array:
        """Map float `[B, H, W, 3]`, normalised, to float32 logits `[B, classes]`."""
        pooled = self.backbone(image, train)[-1].mean((1, 2), dtype=jnp.float32)
        dense = nn.Dense(self.num_classes, dtype=self.dtype, name="classifier")
        return dense(pooled).astype(jnp.float32)


def create_model(
    head: str,
    backbone: str = "resnet50",
    num_classes: int = 21,
    *,
    width: float = 1.0,
    max_channels: int | None = None,
    output_stride: int | None = None,
    auxiliary: bool = False,
    dtype: str = "float32",
    **options: Any,
) -> Segmenter:
    """Build a segmenter by name.

    Args:
      head: a name in `HEADS`, such as "deeplabv3plus" or "unet".
      backbone: a name in `BACKBONES`.
      num_classes: number of classes.
      width: factor on the backbone's channels.
      max_channels: upper bound on a stage's channels.
      output_stride: the backbone's, 32, 16 or 8; None is the head's usual one.
      auxiliary: add an FCN head on the next to last features.
      dtype: compute type, "float32" or "bfloat16"; parameters stay float32.
      **options: of the head: channels, rates, separable, dropout, ...; None is the
        head's default.

    Raises:
      UserError: an unknown name, or an option that this head does not have.
    """
    entry = choose("head", head, HEADS)
    build_backbone = choose("backbone", backbone, BACKBONES)
    compute = choose("dtype", dtype, DTYPES)
    if num_classes < 1:
        raise UserError(f"num_classes {num_classes}: it must be at least 1")
    stride = entry.output_stride if output_stride is None else output_stride
    known = {field.name for field in dataclasses.fields(entry.module)}
    offered = known - {"num_classes", "output_stride", "dtype", "parent", "name"}
    offered -= set(entry.arguments)
    given = {name: value for name, value in options.items() if value is not None}
    if unknown := set(given) - offered:
        raise UserError(
            f"head {head!r} has no option {', '.join(sorted(unknown))};"
            f" it has {', '.join(sorted(offered)) or 'none'}"
        )
    given |= entry.arguments
    if "output_stride" in known:
        given["output_stride"] = stride
    return Segmenter(
        backbone=build_backbone(
            width=width, max_channels=max_channels, output_stride=stride, dtype=compute
        ),
        head=entry.module(num_classes=num_classes, dtype=compute, **given),
        auxiliary=FCN(num_classes, level=-2, dtype=compute) if auxiliary else None,
    )


def create_classifier(
    backbone: str,
    num_classes: int = 1000,
    *,
    width: float = 1.0,
    max_channels: int | None = None,
    dtype: str = "float32",
) -> Classifier:
    """Build an image classifier by its backbone's name.

    Args:
      backbone: a name in `BACKBONES`.
      num_classes: number of classes.
      width: factor on the backbone's channels.
      max_channels: upper bound on a stage's channels.
      dtype: compute type, "float32" or "bfloat16".

    Raises:
      UserError: an unknown name.
    """
    compute = choose("dtype", dtype, DTYPES)
    build = choose("backbone", backbone, BACKBONES)
    body = build(width=width, max_channels=max_channels, dtype=compute)
    return Classifier(body, num_classes, compute)


def list_models() -> list[tuple[str, str]]:
    """Return every (head, backbone) pair that `create_model` builds."""
    return [(head, backbone) for head in HEADS for backbone in BACKBONES]


def abstract_variables(model: nn.Module, sharding: Any = None) -> dict[str, Any]:
    """Return shapes and types of a model's variables, without allocating them.

    Args:
      model: a segmenter or classifier.
      sharding: given to every leaf, for a restore onto devices.
    """
    image = jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.float32)
    variables = jax.eval_shape(model.init, jax.random.key(0), image)
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding),
        dict(variables),
    )


def count_parameters(model: nn.Module) -> int:
    """Return the number of trained parameters, without allocating them."""
    leaves = jax.tree.leaves(abstract_variables(model)["params"])
    return sum(leaf.size for leaf in leaves)
