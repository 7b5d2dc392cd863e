"""Losses that are a mean over pixels: each pixel has a loss and a weight of its own."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from jaxseg.data.labels import IGNORE, Task
from jaxseg.losses.bands import Bands, mapped, summed_at_once
from jaxseg.losses.base import (
    Loss,
    Weights,
    one_a_class,
    pixel_counts,
    spatial_size,
)
from jaxseg.ranges import Count


@dataclass(frozen=True)
class PixelMean(Loss):
    """The weighted mean of `each` over the pixels that are not ignored.

    Of a multilabel batch it is the mean over pixels and classes.  A batch without a
    counted pixel has loss 0, and a class that is absent from the batch adds nothing.

    Attributes:
      class_weights: one factor a class, in the sum and in the normaliser; empty is 1
        for all.  Of a binary task the background's and the foreground's.
      bands: number of parts that the rows are cut into where logits are resized; 1 for
        images whose rows lie on several devices.
      task: see `Loss`.
    """

    additive: ClassVar[bool] = True

    class_weights: Weights = ()
    _: KW_ONLY
    bands: Count = 16
    task: Task = "multiclass"

    def each(self, logits: jax.Array, label: jax.Array) -> jax.Array:
        """Return the loss of each pixel times the weight of its class.

        Args:
          logits: float32 `[B, H, W, classes]`.
          label: int `[B, H, W]`, of a multilabel task `[B, H, W, classes]`.

        Returns:
          float32 of the label's shape, finite where the label is `IGNORE`.
        """
        raise NotImplementedError

    def weight(self, label: jax.Array, factor: jax.Array | None = None) -> jax.Array:
        """Return the total weight: the number of pixels if nothing is weighted."""
        weights = self._pixel_weights(label)
        if factor is None:
            return jnp.sum(weights)
        overlapping = self.task == "multilabel"
        return jnp.sum(weights * (factor[..., None] if overlapping else factor))

    def prepare(self, label: jax.Array, factor: jax.Array | None) -> jax.Array:
        """Return the reciprocal of the total weight, or 1 if that is 0."""
        weight = self.weight(label, factor)
        return 1 / jnp.where(weight > 0, weight, 1.0)

    def __call__(
        self,
        logits: jax.Array,
        label: jax.Array,
        factor: jax.Array | None = None,
        prepared: Any = None,
        align_corners: bool = False,
    ) -> jax.Array:
        """Return the weighted mean over the pixels, see `Loss`."""
        if prepared is None:
            prepared = self.prepare(label, factor)
        return self.total(logits, label, factor, align_corners) * prepared

    def total(
        self,
        logits: jax.Array,
        label: jax.Array,
        factor: jax.Array | None = None,
        align_corners: bool = False,
    ) -> jax.Array:
        """Return the weighted sum over the pixels, see `Loss`."""
        logits = logits.astype(jnp.float32)
        counted = pixel_counts(self.task, label, factor)
        bands = Bands(self.bands, align_corners)
        return summed_at_once(self.sum, bands, logits, label, counted)

    def pixel_map(
        self, logits: jax.Array, label: jax.Array, align_corners: bool = False
    ) -> jax.Array:
        """Return the loss of each pixel, float32 `[B, H, W]`, without a gradient.

        Of a multilabel task it is the mean over the classes that are not ignored.
        """
        logits = jax.lax.stop_gradient(logits.astype(jnp.float32))
        ones = jnp.ones((len(label), *spatial_size(logits, label)), jnp.float32)
        bands = Bands(self.bands, align_corners)
        return mapped(self.pixel_means, bands, logits, label, ones)

    def sum(self, logits: jax.Array, label: jax.Array, counted: jax.Array) -> jax.Array:
        """Return the sum over pixels, each multiplied by `counted`.

        Args:
          logits: float32 `[B, H, W, classes]`.
          label: int `[B, H, W]`, of a multilabel task `[B, H, W, classes]`.
          counted: float32 `[B, H, W]`.
        """
        total = self.each(logits, label)
        if self.task == "multilabel":
            counted = counted[..., None] * (label != IGNORE)
        return jnp.sum(total * counted)

    def pixel_means(
        self, logits: jax.Array, label: jax.Array, counted: jax.Array
    ) -> jax.Array:
        """Return the loss of each pixel from logits of its own, see `pixel_map`."""
        del counted
        total = self.each(logits, label)
        if self.task != "multilabel":
            return total
        there = label != IGNORE
        return jnp.sum(total * there, -1) / jnp.maximum(jnp.sum(there, -1), 1)

    def _pixel_weights(self, label: jax.Array) -> jax.Array:
        """Return the weight of each element of a label, 0 where it is ignored."""
        counted = label != IGNORE
        if not self.class_weights:
            return counted.astype(jnp.float32)
        weights = one_a_class(self.class_weights, len(self.class_weights))
        if self.task == "multilabel":
            return jnp.where(counted, weights, 0.0)
        return jnp.where(counted, weights[jnp.where(counted, label, 0)], 0.0)
