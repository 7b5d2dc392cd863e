"""From a model's scores to probabilities and predictions, for each task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp

from jaxseg.config import EvaluationConfig
from jaxseg.data.labels import Task
from jaxseg.evaluation.inference import views


@dataclass(frozen=True)
class Probabilities:
    """Turns scores, which are logits or probabilities, into probabilities and classes.

    Attributes:
      task: what is predicted of a pixel.
      logits: whether the scores are logits; several views, and a CRF, give
        probabilities.
    """

    task: Task = "multiclass"
    logits: bool = True

    @classmethod
    def of(cls, task: Task, options: EvaluationConfig) -> Probabilities:
        """Return the `Probabilities` of the scores that these options give."""
        one_view = len(views(options.scales, options.flip, options.turns)) == 1
        return cls(task, logits=one_view and not options.crf)

    def __call__(self, scores: jax.Array) -> jax.Array:
        """Return probabilities, float32.

        Args:
          scores: `[..., classes]`; for a binary task `[..., 1]`.

        Returns:
          `[..., classes]`, which sum to 1 in a multiclass task; for a binary task
          `[...]`, of the foreground.
        """
        if self.task == "multiclass":
            return jax.nn.softmax(scores) if self.logits else scores
        found = jax.nn.sigmoid(scores) if self.logits else scores
        return found[..., 0] if self.task == "binary" else found

    def top(self, scores: jax.Array) -> jax.Array:
        """Return the probability of the predicted class, `[...]`; multiclass only.

        It equals the maximum of `self(scores)`, without an array of all probabilities.
        """
        largest = scores.max(axis=-1)
        if not self.logits:
            return largest
        return 1 / jnp.exp(scores - largest[..., None]).sum(axis=-1)

    def predict(
        self, scores: jax.Array, thresholds: Sequence[float] | jax.Array = ()
    ) -> jax.Array:
        """Return the predicted classes.

        Args:
          scores: `[..., classes]`; for a binary task `[..., 1]`.
          thresholds: one for a binary task, one per class for a multilabel task: the
            probability from which on a pixel has the class.

        Returns:
          int32 `[...]`, the class (1 is the foreground of a binary task); for a
          multilabel task uint8 `[..., classes]` of 0 and 1.
        """
        if self.task == "multiclass":
            return jnp.argmax(scores, axis=-1).astype(jnp.int32)
        bounds = jnp.asarray(thresholds, jnp.float32)
        if self.task == "binary":
            return (self(scores) >= bounds[0]).astype(jnp.int32)
        return (self(scores) >= bounds).astype(jnp.uint8)
