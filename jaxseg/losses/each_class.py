"""One class after the other: what needs all pixels of a class at once, and no more.

Scores of the label's size exist of one class at a time, so that memory does not grow
with the classes; they are computed again for the gradient.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxseg.data.labels import IGNORE, Task
from jaxseg.losses.bands import Bands, mapped

OfClass = Callable[[jax.Array, jax.Array, jax.Array], Any]
"""Of a class: its score float32 `[B, H, W]`, where the label has it and where it has
not, bool `[B, H, W]`; where it is ignored both are False."""


def each_class(
    function: OfClass,
    task: Task,
    bands: Bands,
    logits: jax.Array,
    label: jax.Array,
    probability: bool = True,
) -> Any:
    """Return what a function gives for each class, stacked along a first axis.

    Args:
      function: of the pixels of one class.
      task: of the label.
      bands: how the logits are resized.
      logits: float32 `[B, h, w, classes]`.
      label: int `[B, H, W]`, of a multilabel task `[B, H, W, classes]`.
      probability: whether a score is the probability of a class, or its logit.
    """
    size = label.shape[: logits.ndim - 1]
    norm = jnp.zeros((), jnp.float32)
    if probability and task == "multiclass":
        ones = jnp.ones(size, jnp.float32)
        norm = mapped(_log_normaliser, bands, logits, label, ones)

    @jax.checkpoint
    def one(given: Any) -> Any:
        index, low, label = given
        score = bands.whole(low[..., None], label)[..., 0]
        if probability:
            by_softmax = task == "multiclass"
            score = jnp.exp(score - norm) if by_softmax else jax.nn.sigmoid(score)
        there = label == (index if task == "multiclass" else 1)
        return function(score, there, (label != IGNORE) & ~there)

    classes = logits.shape[-1]
    numbers = jnp.arange(classes, dtype=label.dtype)
    planes = jnp.moveaxis(logits, -1, 0)
    if task == "multilabel":
        return jax.lax.map(one, (numbers, planes, jnp.moveaxis(label, -1, 0)))
    return jax.lax.map(lambda given: one((*given, label)), (numbers, planes))


def _log_normaliser(
    logits: jax.Array, label: jax.Array, counted: jax.Array
) -> jax.Array:
    del label, counted
    return jax.nn.logsumexp(logits, axis=-1)
