"""Whole networks: a backbone and a head as one segmenter, or as a classifier.

`jaxseg.models` builds them by name.
"""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxseg.backbones.entry import IMAGENET_MEAN, IMAGENET_STD
from jaxseg.errors import UserError
from jaxseg.nn.upsampling import resize_linear

SIZE_MULTIPLE = 32
"""A segmenter's image sides are multiples of its deepest stride, pixels.  Otherwise
features of different strides are aligned differently than in training."""

SMALLEST = 33
"""Smallest side of an image, pixels: one more than the deepest stride."""

SMALLEST_VOLUME = 9
"""Smallest side of a volume, voxels."""

FREEZES = {
    "": "everything is trained",
    "statistics": "the backbone's batch norm uses its running statistics",
    "backbone": "the backbone's parameters and statistics stay",
}
"""Value of `Segmenter.freeze` -> its meaning."""


class Segmenter(nn.Module):
    """A semantic-segmentation network.

    Attributes:
      backbone: image -> features.
      head: features -> logits.
      auxiliary: a second head that trains the backbone's next to last features (Zhao et
        al. 2017, arXiv:1612.01105, sec. 3.3), or None.
      freeze: what training does not change, a name in `FREEZES`.
      align_corners: how the logits are resized to the image's size, see
        `resize_linear`; most models of segmentation_models.pytorch need True.
      example: shape of an image with which the parameters can be traced.
      mean: mean of RGB values 0..1, which the backbone's published weights expect to be
        subtracted from an image.
      std: standard deviation of RGB values 0..1, by which they expect it to be divided.
    """

    backbone: nn.Module
    head: nn.Module
    auxiliary: nn.Module | None = None
    freeze: str = ""
    align_corners: bool = False
    example: tuple[int, ...] = (64, 64, 3)
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD

    @property
    def size_multiple(self) -> int:
        """The sides of an image are padded to multiples of this, pixels."""
        return SIZE_MULTIPLE

    def __call__(self, image: jax.Array, train: bool = False) -> jax.Array:
        """Return float32 logits at the image's size.

        Args:
          image: float `[B, H, W, 3]`, normalised; H and W at least 33.
          train: use batch statistics and dropout.

        Returns:
          float32 `[B, H, W, classes]`.
        """
        logits, _ = self.low_resolution(image, train)
        return resize_linear(logits, image.shape[1:-1], self.align_corners)

    def low_resolution(
        self, image: jax.Array, train: bool = False
    ) -> tuple[jax.Array, tuple[jax.Array, ...]]:
        """Return the head's and the auxiliary heads' logits at their own strides.

        There are no auxiliary logits outside training.

        Args:
          image: float `[B, H, W, 3]`, normalised.
          train: use batch statistics and dropout.

        Raises:
          UserError: a side of the image has fewer than 33 pixels.
        """
        _check_size(image)
        features = self.features(image, train)
        logits = self.head(features, train).astype(jnp.float32)
        if self.auxiliary is None or not (train or self.is_initializing()):
            return logits, ()
        return logits, (self.auxiliary(features, train).astype(jnp.float32),)

    def features(self, image: jax.Array, train: bool = False) -> tuple[jax.Array, ...]:
        """Return the backbone's features, without a gradient if that is frozen."""
        return self._frozen(self.backbone(image, train and not self.freeze))

    def _frozen(self, features: Any) -> Any:
        if self.freeze == "backbone":
            features = jax.tree.map(jax.lax.stop_gradient, features)
        return features


class Classifier(Segmenter):
    """An image classifier: a backbone and its own head, whose logits are 1 x 1.

    Auxiliary classifiers, which only GoogLeNet has, are computed in training only.
    """

    @property
    def size_multiple(self) -> int:
        """It is 1, since padding would enter the mean over an image's features."""
        return 1

    def __call__(self, image: jax.Array, train: bool = False) -> jax.Array:
        """Map float `[B, H, W, 3]`, normalised, to float32 logits `[B, classes]`."""
        logits, _ = self.low_resolution(image, train)
        return logits[:, 0, 0]

    def low_resolution(
        self, image: jax.Array, train: bool = False
    ) -> tuple[jax.Array, tuple[jax.Array, ...]]:
        """Return logits `[B, 1, 1, classes]` and those of the auxiliary classifiers."""
        _check_size(image)
        auxiliary = ()
        if self.auxiliary is None:
            features = self.features(image, train)
        else:
            found = self.backbone.with_taps(image, train and not self.freeze)
            features, taps = self._frozen(found)
            if train or self.is_initializing():
                auxiliary = self.auxiliary(taps, train)
        return self.head(features, train).astype(jnp.float32), auxiliary


def _check_size(image: jax.Array) -> None:
    sides = [side for side in image.shape[1:-1] if isinstance(side, int)]
    smallest = SMALLEST if image.ndim == 4 else SMALLEST_VOLUME
    if sides and min(sides) < smallest:
        raise UserError(
            f"an image of {'x'.join(map(str, sides))} pixels: the smallest side is "
            f"{smallest}; enlarge the image (or augment.crop)"
        )


def abstract_variables(model: Segmenter, sharding: Any = None) -> dict[str, Any]:
    """Return shapes and dtypes of a model's variables, without allocating them.

    Args:
      model: a segmenter or classifier.
      sharding: sharding of every leaf, for a restore onto devices.
    """
    image = jax.ShapeDtypeStruct((1, *model.example), jnp.float32)
    variables = jax.eval_shape(model.init, jax.random.key(0), image)
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding),
        dict(variables),
    )


def count_parameters(model: Segmenter) -> int:
    """Return the number of trained parameters, without allocating them."""
    leaves = jax.tree.leaves(abstract_variables(model)["params"])
    return sum(leaf.size for leaf in leaves)
