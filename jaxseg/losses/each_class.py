"""One class after the other: what needs all pixels of a class at once, and no more.

Scores of the label's size exist of one class at a time, so that memory does not grow
with the classes.  If a gradient is needed, it is computed in the same pass as the loss,
since the cotangent of a sum is only a factor.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from jaxseg.data.labels import IGNORE, Task
from jaxseg.losses.bands import Bands, mapped

OfClass = Callable[..., jax.Array]
"""`(score, there, other, factor, scale)` of a class -> its part of the loss, a float32
scalar.  The score is float32 `[B, H, W]`; `there` and `other` are bool `[B, H, W]`,
where the label has the class and where it has not (both are False where it is ignored);
the factor of each pixel is float32 `[B, H, W]`; and `scale` is what was given for this
class."""


@dataclass(frozen=True)
class Scores:
    """How scores of the label's size are made from logits.

    Attributes:
      task: of the label.
      bands: how the logits are resized.
      probability: whether a score is the probability of a class, or its logit.
    """

    task: Task
    bands: Bands
    probability: bool = True

    @property
    def normalised(self) -> bool:
        """Whether a score depends on the logits of the other classes."""
        return self.probability and self.task == "multiclass"

    def normaliser(self, logits: jax.Array, label: jax.Array) -> jax.Array:
        """Return the logarithm of the softmax' denominator, `[B, H, W]`, or 0."""
        if not self.normalised:
            return jnp.zeros((), jnp.float32)
        ones = jnp.ones(label.shape, jnp.float32)
        return mapped(_log_sum, self.bands, logits, label, ones)

    def score(self, plane: jax.Array, norm: jax.Array, label: jax.Array) -> jax.Array:
        """Return the scores of a class from its logits `[B, h, w]`."""
        score = self.bands.whole(plane[..., None], label)[..., 0]
        if not self.probability:
            return score
        return jnp.exp(score - norm) if self.normalised else jax.nn.sigmoid(score)


def summed_over_classes(
    function: OfClass,
    scores: Scores,
    logits: jax.Array,
    label: jax.Array,
    factor: jax.Array,
    scale: jax.Array,
) -> jax.Array:
    """Add up what each class adds to the loss.

    Args:
      function: of the pixels of one class.
      scores: how its scores are made.
      logits: float32 `[B, h, w, classes]`.
      label: int `[B, H, W]`, of a multilabel task `[B, H, W, classes]`.
      factor: float32 `[B, H, W]`.
      scale: `[classes, ...]`, which is handed to the function.
    """
    return _summed(function, scores, logits, label, factor, scale)


def held_by(
    function: Callable[[jax.Array, jax.Array], jax.Array],
    task: Task,
    label: jax.Array,
    classes: int,
) -> jax.Array:
    """Return a function of where the label has a class and where not, class by class.

    Args:
      function: of bool `[B, H, W]` twice.
      task: of the label.
      label: see `summed_over_classes`.
      classes: their number.
    """
    of_class = _of_class(task, label, classes)
    return jax.lax.map(lambda given: function(*_there(task, label, *given)), of_class)


def _of_class(task: Task, label: jax.Array, classes: int) -> tuple[jax.Array, ...]:
    """Return, class by class, what of the label is its own: a number or a plane."""
    if task == "multilabel":
        return (jnp.moveaxis(label, -1, 0),)
    return (jnp.arange(classes, dtype=label.dtype),)


def _there(task: Task, label: jax.Array, own: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return where the label has a class and where it has not."""
    plane = own if task == "multilabel" else label
    there = label == own if task == "multiclass" else plane == 1
    return there, (plane != IGNORE) & ~there


def _log_sum(logits: jax.Array, label: jax.Array, counted: jax.Array) -> jax.Array:
    del label, counted
    return jax.nn.logsumexp(logits, axis=-1)


def _class_by_class(
    function: OfClass, scores: Scores, arrays: tuple[jax.Array, ...]
) -> tuple[Callable[..., jax.Array], tuple[Any, ...]]:
    """Return a function of a class' logits and the normaliser, and what it is given."""
    logits, label, factor, scale = arrays

    def value(
        plane: jax.Array, norm: jax.Array, scale: jax.Array, *own: jax.Array
    ) -> jax.Array:
        there, other = _there(scores.task, label, *own)
        score = scores.score(plane, norm, there)
        return function(score, there, other, factor, scale)

    own = _of_class(scores.task, label, logits.shape[-1])
    return value, (jnp.moveaxis(logits, -1, 0), scale, *own)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _summed(function: OfClass, scores: Scores, *arrays: jax.Array) -> jax.Array:
    value, given = _class_by_class(function, scores, arrays)
    norm = scores.normaliser(*arrays[:2])

    def add(total: jax.Array, of_class: Any) -> tuple[jax.Array, None]:
        plane, scale, *own = of_class
        return total + value(plane, norm, scale, *own), None

    return jax.lax.scan(add, jnp.zeros((), jnp.float32), given)[0]


def _forward(
    function: OfClass, scores: Scores, *arrays: jax.Array
) -> tuple[jax.Array, jax.Array]:
    logits, label, *_ = arrays
    value, given = _class_by_class(function, scores, arrays)
    norm, of_norm = jax.vjp(lambda logits: scores.normaliser(logits, label), logits)

    def add(total: Any, of_class: Any) -> tuple[Any, jax.Array]:
        plane, scale, *own = of_class
        both = jax.value_and_grad(value, (0, 1))
        found, (of_plane, slope) = both(plane, norm, scale, *own)
        return jax.tree.map(jnp.add, total, (found, slope)), of_plane

    start = jnp.zeros((), jnp.float32), jnp.zeros_like(norm)
    (total, slope), of_planes = jax.lax.scan(add, start, given)
    return total, jnp.moveaxis(of_planes, 0, -1) + of_norm(slope)[0]


def _backward(
    function: OfClass, scores: Scores, gradient: jax.Array, cotangent: jax.Array
) -> tuple[jax.Array, None, None, None]:
    return cotangent * gradient, None, None, None


_summed.defvjp(_forward, _backward)
