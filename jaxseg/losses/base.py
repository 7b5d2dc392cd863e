"""What every loss is: a function of low-resolution logits and full-resolution labels.

A loss is a frozen dataclass that inherits from `Loss`; its fields are the options that
a configuration may give it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import jax
import jax.numpy as jnp
from pydantic import Field

from jaxseg.data.labels import IGNORE, Task
from jaxseg.ranges import Count

Weights = tuple[Annotated[float, Field(ge=0, le=1e30)], ...]
"""One factor a class; empty is 1 for all."""


class Loss:
    """The interface of a loss.

    A batch that lies on several devices is one batch: a loss sums over all of it.  With
    `train.accumulate` a step computes micro-batches one after the other, which is right
    for `additive` and `summed` losses only.

    Shapes and labels follow the task (`data.task`).  "multiclass": logits `[B, h, w,
    classes]` and a label int `[B, H, W]` of classes; "binary": logits `[B, h, w, 1]`
    and a label of 0 and 1; "multilabel": logits `[B, h, w, classes]` and a label uint8
    `[B, H, W, classes]` of 0 and 1.  `IGNORE` marks in each what does not enter.
    Volumes have one axis more everywhere.

    Attributes:
      additive: whether the losses of the parts of a batch add up to that of the batch,
        if each is given what `prepare` returned for the batch.  It is not checked.
      summed: whether the loss of a batch is `whole` of what `part` returned for its
        parts, added up; a step then computes each micro-batch twice.  It is not
        checked.
    """

    additive: ClassVar[bool] = False
    summed: ClassVar[bool] = False

    def prepare(self, label: jax.Array, factor: jax.Array | None) -> Any:
        """Return what the loss of a part of a batch needs to know of all its labels.

        Args:
          label: int, of the whole batch.
          factor: float32 `[B, H, W]`, of each pixel; None is 1.
        """
        return None

    def __call__(
        self,
        logits: jax.Array,
        label: jax.Array,
        factor: jax.Array | None = None,
        prepared: Any = None,
        align_corners: bool = False,
    ) -> jax.Array:
        """Return the loss, a float32 scalar.

        Args:
          logits: float, at the head's stride.
          label: int, at the image's size; ignored pixels do not enter.
          factor: float `[B, H, W]`, of each pixel; None is 1.  It has no gradient.
          prepared: what `prepare` returned for the batch that these are part of; None
            if they are the whole batch.
          align_corners: how the logits are resized, see `resize_linear`.
        """
        raise NotImplementedError

    def part(
        self,
        logits: jax.Array,
        label: jax.Array,
        factor: jax.Array | None = None,
        prepared: Any = None,
        align_corners: bool = False,
    ) -> Any:
        """Return what a part of a batch adds, a tree of float32 arrays.

        The arguments are those of a call.  Of an additive loss it is the value.
        """
        return self(logits, label, factor, prepared, align_corners)

    def whole(self, total: Any) -> jax.Array:
        """Return the loss of a batch from what its parts add up to."""
        return total

    def check_classes(self, num_classes: int | None) -> None:
        """Refuse options that do not fit the classes of the data.

        Args:
          num_classes: of a binary task 2; None where that is not known yet.

        Raises:
          ValueError: the first that does not.
        """


@dataclass(frozen=True)
class ClassMean(Loss):
    """A loss that is a weighted mean over the classes.

    Attributes:
      weights: of each class in the mean; empty weights all alike, and 0 leaves a class
        out, such as the background.  A binary task has one class.
      bands: number of parts that the rows are cut into where logits are resized; 1 for
        images whose rows lie on several devices.
      task: see `Loss`.
    """

    weights: Weights = ()
    bands: Count = 16
    task: Task = "multiclass"

    def check_classes(self, num_classes: int | None) -> None:
        """Refuse weights that are not one a class, see `Loss`."""
        count = 1 if self.task == "binary" else num_classes
        require_length("weights", self.weights, count)


def one_a_class(weights: Weights, classes: int) -> jax.Array:
    """Return the weight of each class, float32 `[classes]`; no weights are ones."""
    if not weights:
        return jnp.ones(classes, jnp.float32)
    return jnp.asarray(weights, jnp.float32)


def require_length(name: str, values: tuple[float, ...], count: int | None) -> None:
    """Refuse a tuple, unless it is empty, that is not one value for each of `count`.

    All of them zero are refused too; of an unknown count, None, only that.

    Raises:
      ValueError: the message names it by `name`.
    """
    if values and count and len(values) != count:
        classes = "1 class" if count == 1 else f"{count} classes"
        raise ValueError(f"{name} has {len(values)} values for {classes}")
    if values and not any(values):
        raise ValueError(f"{name} must not be all zero")


def spatial_size(logits: jax.Array, label: jax.Array) -> tuple[int, ...]:
    """Return (H, W) of a label, or of a volume's (D, H, W)."""
    return label.shape[1 : logits.ndim - 1]


def pixel_counts(task: Task, label: jax.Array, factor: jax.Array | None) -> jax.Array:
    """Return how often each pixel counts, float32 `[B, H, W]`.

    The ignored elements of a multilabel label are left to `element_counts`.
    """
    if task == "multilabel":
        counted = jnp.ones(label.shape[:-1], jnp.float32)
    else:
        counted = (label != IGNORE).astype(jnp.float32)
    return counted if factor is None else counted * factor


def targets(task: Task, classes: int, label: jax.Array) -> jax.Array:
    """Return what each class should be, float32 `[B, H, W, classes]` of 0 and 1.

    Args:
      task: of the label.
      classes: number of logits of a pixel.
      label: int `[B, H, W]`, of a multilabel task `[B, H, W, classes]`.
    """
    if task == "multiclass":
        return jax.nn.one_hot(label, classes, dtype=jnp.float32)
    there = (label == 1).astype(jnp.float32)
    return there if task == "multilabel" else there[..., None]


def element_counts(task: Task, label: jax.Array, counted: jax.Array) -> jax.Array:
    """Return how often each element of `targets` counts.

    Args:
      task: of the label.
      label: see `targets`.
      counted: float32 `[B, H, W]`, how often each pixel counts.

    Returns:
      float32 `[B, H, W, 1]`, of a multilabel task `[B, H, W, classes]`.
    """
    counted = counted[..., None]
    return counted * (label != IGNORE) if task == "multilabel" else counted


def probabilities(task: Task, logits: jax.Array) -> jax.Array:
    """Return the probability of each class, float32 `[..., classes]`."""
    if task == "multiclass":
        return jax.nn.softmax(logits)
    return jax.nn.sigmoid(logits)


def power(x: jax.Array, exponent: float) -> jax.Array:
    """Return x^exponent for x of at least 0; at 0 its gradient is 0, never infinite."""
    if exponent == 1:
        return x
    some = x > 0
    return jnp.where(some, jnp.where(some, x, 1.0) ** exponent, 0.0)
