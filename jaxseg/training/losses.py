"""Losses between low-resolution logits and full-resolution labels.

A loss is a frozen dataclass with `weight(label)`, the total weight of the pixels that
count, and `loss(logits, label)`, the sum over them.  Their quotient is the mean; split
in two, a batch may be taken apart (micro-batches, devices) and the mean stays exact.
Both take a factor for each pixel (a batch's `weight`), which enters sum and normaliser.
The logits are resized to the label here, once, in training.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import jax
import jax.numpy as jnp

from jaxseg.data.labels import IGNORE
from jaxseg.errors import UserError
from jaxseg.nn.upsampling import resize_linear


@runtime_checkable
class Loss(Protocol):
    """What a training step needs of a loss."""

    def weight(self, label: jax.Array, factor: jax.Array | None = None) -> jax.Array:
        """Return the float32 total weight of int `[B, H, W]` labels."""
        ...

    def __call__(
        self,
        logits: jax.Array,
        label: jax.Array,
        factor: jax.Array | None = None,
        align_corners: bool = False,
    ) -> jax.Array:
        """Return the float32 weighted sum of the loss over the pixels that count."""
        ...


@dataclass(frozen=True)
class CrossEntropy:
    """Cross-entropy over the pixels that are not ignored.

    With weights and smoothing it equals PyTorch's `cross_entropy` (mean reduction):
    smoothing spreads `label_smoothing` evenly over all classes (Szegedy et al. 2016,
    arXiv:1512.00567, sec. 7), the class weights enter sum and normaliser.

    Attributes:
      class_weights: one positive factor a class; empty is 1 for all.
      label_smoothing: in [0, 1).
    """

    class_weights: tuple[float, ...] = ()
    label_smoothing: float = 0.0

    def weight(self, label: jax.Array, factor: jax.Array | None = None) -> jax.Array:
        """Return the total weight: the number of pixels if nothing is weighted."""
        weights = self._pixel_weights(label)
        return jnp.sum(weights if factor is None else weights * factor)

    def __call__(
        self,
        logits: jax.Array,
        label: jax.Array,
        factor: jax.Array | None = None,
        align_corners: bool = False,
    ) -> jax.Array:
        """Return the weighted sum over the pixels.

        Args:
          logits: float `[B, h, w, classes]` at the head's stride.
          label: int `[B, H, W]`, classes or `IGNORE`.
          factor: float `[B, H, W]`, of each pixel; None is 1.
          align_corners: how the logits are resized, see `resize_linear`.

        Returns:
          float32 scalar.
        """
        logits = logits.astype(jnp.float32)
        logits = resize_linear(logits, label.shape[1:], align_corners)
        log_p = jax.nn.log_softmax(logits)
        classes = logits.shape[-1]
        target = jax.nn.one_hot(label, classes, dtype=jnp.float32)
        counted = (label != IGNORE).astype(jnp.float32)
        counted = counted if factor is None else counted * factor
        per_class = self._class_weights(classes)
        total = -jnp.sum(log_p * target * per_class, axis=-1)
        if self.label_smoothing:
            smooth = -jnp.mean(log_p * per_class, axis=-1)
            total += self.label_smoothing * (smooth - total)
        return jnp.sum(total * counted)

    def _class_weights(self, classes: int) -> jax.Array:
        if not self.class_weights:
            return jnp.ones(classes, jnp.float32)
        return jnp.asarray(self.class_weights, jnp.float32)

    def _pixel_weights(self, label: jax.Array) -> jax.Array:
        counted = label != IGNORE
        if not self.class_weights:
            return counted.astype(jnp.float32)
        weights = self._class_weights(len(self.class_weights))
        return jnp.where(counted, weights[jnp.where(counted, label, 0)], 0.0)


LOSSES: dict[str, Callable[..., Loss]] = {"cross_entropy": CrossEntropy}
"""Name -> constructor `(class_weights, label_smoothing)`."""


def check_class_weights(weights: Sequence[float], num_classes: int) -> None:
    """Refuse class weights that do not fit the classes.

    Raises:
      UserError: another number than the classes, or a negative one.
    """
    if weights and len(weights) != num_classes:
        raise UserError(
            f"train.class_weights has {len(weights)} values for {num_classes} classes"
        )
    if any(weight < 0 for weight in weights) or (weights and not any(weights)):
        raise UserError("train.class_weights must not be negative, nor all zero")
