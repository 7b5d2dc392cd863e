"""Cross-entropy: by a softmax over the classes, or a sigmoid each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import jax
import jax.numpy as jnp
from pydantic import Field

from jaxseg.data.labels import Task
from jaxseg.losses.base import one_a_class, require_length
from jaxseg.losses.pixel_mean import PixelMean
from jaxseg.ranges import Decay

PositiveWeights = tuple[Annotated[float, Field(gt=0, le=1e6)], ...]


@dataclass(frozen=True)
class CrossEntropy(PixelMean):
    """The mean cross-entropy over the pixels that are not ignored.

    Of a multiclass task, with weights and smoothing, it equals PyTorch's
    `cross_entropy` (mean reduction): smoothing spreads `label_smoothing` evenly over
    all classes (Szegedy et al. 2016, arXiv:1512.00567, sec. 7), the class weights enter
    sum and normaliser.  Of the other tasks it is `BinaryCrossEntropy`.  A batch without
    a counted pixel has loss 0; a class that is absent from the batch adds nothing.

    Attributes:
      label_smoothing: in [0, 1).
      others: see `PixelMean`.
    """

    label_smoothing: Decay = 0.0

    def each(self, logits: jax.Array, label: jax.Array) -> jax.Array:
        """Return the loss of each pixel times its class' weight, see `PixelMean`."""
        if self.task != "multiclass":
            return self._by_sigmoids(logits, label)
        log_p = jax.nn.log_softmax(logits)
        classes = logits.shape[-1]
        target = jax.nn.one_hot(label, classes, dtype=jnp.float32)
        per_class = one_a_class(self.class_weights, classes)
        total = -jnp.sum(log_p * target * per_class, axis=-1)
        if self.label_smoothing:
            smooth = -jnp.mean(log_p * per_class, axis=-1)
            total += self.label_smoothing * (smooth - total)
        return total

    def _by_sigmoids(
        self, logits: jax.Array, label: jax.Array, positive: jax.Array | float = 1.0
    ) -> jax.Array:
        """Return the binary cross-entropies.

        Args:
          logits: float32 `[B, H, W, classes]`.
          label: see `each`.
          positive: factor on the loss of what a class has, `[classes]` or one.
        """
        logits = logits[..., 0] if self.task == "binary" else logits
        target = (label == 1).astype(jnp.float32)
        smoothed = target * (1 - self.label_smoothing) + self.label_smoothing / 2
        missed = positive * smoothed * jax.nn.softplus(-logits)
        total = missed + (1 - smoothed) * jax.nn.softplus(logits)
        if self.class_weights and self.task == "binary":
            weights = one_a_class(self.class_weights, 2)
            total *= weights[(label == 1).astype(jnp.int32)]
        elif self.class_weights:
            total *= one_a_class(self.class_weights, logits.shape[-1])
        return total


@dataclass(frozen=True)
class BinaryCrossEntropy(CrossEntropy):
    """The mean of the sigmoids' cross-entropies, of a binary or a multilabel task.

    It equals PyTorch's `binary_cross_entropy_with_logits` (mean reduction).  Smoothing
    moves a target t to t (1 - s) + s / 2.  A batch without a counted pixel has loss 0;
    a class that is absent from the batch is learnt to be absent, as in PyTorch.

    Attributes:
      pos_weight: factor on the loss of pixels that have the class, in the sum and not
        in the normaliser: one number, or one a class.
      others: see `CrossEntropy`.
    """

    task: Task = "binary"
    pos_weight: PositiveWeights | Annotated[float, Field(gt=0, le=1e6)] = ()

    def __post_init__(self) -> None:
        """Refuse a multiclass task.

        Raises:
          ValueError: it is one.
        """
        if self.task == "multiclass":
            raise ValueError(
                "it takes labels of one class or of classes that overlap, and data.task"
                " is 'multiclass'; --train.loss cross_entropy is the softmax's"
            )

    def check_classes(self, num_classes: int | None) -> None:
        """Refuse weights that are not one a class, see `Loss`."""
        if isinstance(self.pos_weight, tuple):
            count = 1 if self.task == "binary" else num_classes
            require_length("pos_weight", self.pos_weight, count)

    def each(self, logits: jax.Array, label: jax.Array) -> jax.Array:
        """Return the loss of each pixel times its class' weight, see `PixelMean`."""
        if self.pos_weight == ():
            return self._by_sigmoids(logits, label)
        positive = jnp.asarray(self.pos_weight, jnp.float32)
        if self.task == "binary":
            positive = positive.reshape(())
        return self._by_sigmoids(logits, label, positive)
