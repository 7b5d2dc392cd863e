"""Hypercolumns (Hariharan et al. 2015, arXiv:1411.5752).

The hypercolumn of a pixel is the vector of the values that all chosen layers have at
its position.  A linear classifier on it equals the sum of upsampled linear classifiers
on each layer (sec. 4, "efficient classification").  It is computed in this way here,
and the hypercolumn itself is never built.

`Hypercolumns` classifies the pixels of an image; `BoxHypercolumns` segments the object
in a given box by a grid of classifiers (sec. 3), as the paper does.  Deviations: both
are trained end to end with the backbone.  Logits of the grid are interpolated instead
of probabilities, in training too, so that the loss has one logit for each pixel.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxseg.errors import UserError
from jaxseg.nn.convolution import LINEAR, Conv, ConvNorm
from jaxseg.nn.upsampling import Upsample, UpsamplingName, resize_linear
from jaxseg.ranges import Channels, Level


def chosen_features(
    features: Sequence[jax.Array], levels: Sequence[int]
) -> dict[int, jax.Array]:
    """Return the features of the chosen levels that have channels, shallow to deep.

    Args:
      features: shallow to deep.
      levels: indices into them, -1 the deepest.

    Raises:
      UserError: no such level, or none that has channels.
    """
    count = len(features)
    if outside := [level for level in levels if not -count <= level < count]:
        raise UserError(f"level {outside[0]}: the backbone has levels 0 to {count - 1}")
    indices = sorted({level % count for level in levels})
    chosen = {index: features[index] for index in indices if features[index].shape[-1]}
    if not chosen:
        raise UserError(f"levels {tuple(levels)}: the backbone has no features there")
    return chosen


class Hypercolumns(nn.Module):
    """A classifier on each pixel's hypercolumn, at the shallowest chosen stride.

    Attributes:
      num_classes: number of classes.
      levels: which features, 0 the shallowest; those without channels are passed over.
      channels: None is the paper's linear classifier.  A number makes it non-linear:
        each feature is projected to that many, then the columns are mixed by a 3x3
        convolution.
      upsampling: a name in `UPSAMPLINGS`.
      dtype: compute type.
    """

    num_classes: int
    levels: Sequence[Level] = (1, 2, 3, 4)
    channels: Channels | None = None
    upsampling: UpsamplingName = "bilinear"
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, features: Sequence[jax.Array], train: bool = False) -> jax.Array:
        """Map features to logits `[B, h, w, classes]` of the shallowest chosen one."""
        chosen = chosen_features(features, self.levels)
        shallowest = min(chosen)
        _, height, width, _ = chosen[shallowest].shape
        parts = []
        for level, x in chosen.items():
            if self.channels is None:
                name = f"score{level}"
                x = _score(self.num_classes, level == shallowest, self.dtype, name)(x)
            else:
                name = f"project{level}"
                x = ConvNorm(self.channels, 1, dtype=self.dtype, name=name)(x, train)
            if level != shallowest:
                name = f"upsample{level}"
                x = Upsample(self.upsampling, self.dtype, name=name)(x, (height, width))
            parts.append(x)
        if self.channels is None:
            return sum(parts[1:], parts[0])
        x = jnp.concatenate(parts, axis=-1)
        x = ConvNorm(self.channels, 3, dtype=self.dtype, name="mix")(x, train)
        return _score(self.num_classes, True, self.dtype, "classifier")(x)


def _score(count: int, bias: bool, dtype: Any, name: str) -> nn.Conv:
    return Conv(count, 1, bias=bias, kernel_init=LINEAR, dtype=dtype, name=name)


def grid_tents(size: int, grid: int) -> jax.Array:
    """Return how much each classifier of a grid weighs at each pixel, along one axis.

    A classifier weighs 1 at its cell's centre and falls linearly to 0 at the next
    centres; beyond the outermost centres the outermost classifier weighs 1.

    Returns:
      float32 `[size, grid]`; rows sum to 1.
    """
    return resize_linear(jnp.eye(grid)[None], (size,))[0]


def crop_boxes(x: jax.Array, boxes: jax.Array, size: int) -> jax.Array:
    """Cut boxes out and resize them by bilinear interpolation; differentiable in x.

    Args:
      x: float `[B, h, w, C]`.
      boxes: float `[B, N, 4]`: top, left, bottom, right, of 0..1 over the map.
      size: side of the result.

    Returns:
      `[B, N, size, size, C]` of x's type; beyond the map its edge is repeated.
    """
    top, left, bottom, right = jnp.moveaxis(boxes.astype(jnp.float32), -1, 0)
    rows = _samples(top, bottom, x.shape[1], size).astype(x.dtype)
    columns = _samples(left, right, x.shape[2], size).astype(x.dtype)
    return jnp.einsum("bnih,bhwc,bnjw->bnijc", rows, x, columns)


def _samples(start: jax.Array, stop: jax.Array, length: int, size: int) -> jax.Array:
    """Return `[B, N, size, length]`: the weights of an axis' pixels in each sample."""
    share = (jnp.arange(size) + 0.5) / size
    place = start[..., None] + (stop - start)[..., None] * share
    centre = jnp.clip(place * length - 0.5, 0, length - 1)
    return jax.nn.relu(1 - jnp.abs(centre[..., None] - jnp.arange(length)))


class BoxHypercolumns(nn.Module):
    """The mask of the object in a box, by a grid of classifiers (paper, sec. 3.1-3.2).

    Where in its box a pixel lies matters, so each cell of a grid has a classifier of
    its own; between the cells' centres they are interpolated bilinearly.

    Attributes:
      grid: K of the K x K classifiers; the paper's are 5 and 10.
      size: side of the mask; the paper's is 50.
      levels: which features, 0 the shallowest; those without channels are passed over.
      dtype: compute type.
    """

    grid: int = 10
    size: int = 50
    levels: Sequence[Level] = (1, 2, 3, 4)
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(
        self, features: Sequence[jax.Array], boxes: jax.Array, train: bool = False
    ) -> jax.Array:
        """Return float32 mask logits `[B, N, size, size]` of the boxes.

        Args:
          features: of the backbone.
          boxes: float `[B, N, 4]`: top, left, bottom, right, of 0..1 over the image.
          train: unused; it keeps the heads' signatures alike.
        """
        chosen = chosen_features(features, self.levels)
        scores = jnp.zeros(())
        for level, x in chosen.items():
            # Classified once for all boxes: cropping is linear, and so is this.
            bias = level == min(chosen)
            x = _score(self.grid**2, bias, self.dtype, f"score{level}")(x)
            scores += crop_boxes(x, boxes, self.size).astype(jnp.float32)
        tents = grid_tents(self.size, self.grid)
        scores = scores.reshape(*scores.shape[:-1], self.grid, self.grid)
        return jnp.einsum("bnijkl,ik,jl->bnij", scores, tents, tents)


class BoxSegmenter(nn.Module):
    """A backbone and `BoxHypercolumns`: image and boxes in, masks out.

    Attributes:
      backbone: image -> features.
      head: features and boxes -> mask logits.
    """

    backbone: nn.Module
    head: nn.Module

    def __call__(
        self, image: jax.Array, boxes: jax.Array, train: bool = False
    ) -> jax.Array:
        """Return float32 mask logits `[B, N, size, size]`.

        Args:
          image: float `[B, H, W, 3]`, normalised.
          boxes: float `[B, N, 4]`: top, left, bottom, right, of 0..1 over the image.
          train: use batch statistics and dropout.
        """
        return self.head(self.backbone(image, train), boxes, train)
