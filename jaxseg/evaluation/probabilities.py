"""From a model's scores to probabilities and to what is predicted, task by task."""

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
    """What scores say: they are logits, or probabilities already.

    Attributes:
      task: what they are scores of.
      logits: whether they are logits; several views, and a CRF, give probabilities.
    """

    task: Task = "multiclass"
    logits: bool = True

    @classmethod
    def of(cls, task: Task, options: EvaluationConfig) -> Probabilities:
        """Return what scores made by these options say."""
        one_view = len(views(options.scales, options.flip, options.turns)) == 1
        return cls(task, logits=one_view and not options.crf)

    def __call__(self, scores: jax.Array) -> jax.Array:
        """Return probabilities, float32.

        Args:
          scores: `[..., classes]`; of a binary task `[..., 1]`.

        Returns:
          `[..., classes]`, which add up to 1 in a multiclass task; `[...]`, of the
          foreground, in a binary one.
        """
        if self.task == "multiclass":
            return jax.nn.softmax(scores) if self.logits else scores
        found = jax.nn.sigmoid(scores) if self.logits else scores
        return found[..., 0] if self.task == "binary" else found

    def top(self, scores: jax.Array) -> jax.Array:
        """Return the probability of the class predicted, `[...]`, of a multiclass task.

        It equals the largest of `self(scores)`; no array of all of them is made.
        """
        largest = scores.max(axis=-1)
        if not self.logits:
            return largest
        return 1 / jnp.exp(scores - largest[..., None]).sum(axis=-1)

    def predict(
        self, scores: jax.Array, thresholds: Sequence[float] | jax.Array = ()
    ) -> jax.Array:
        """Return what is predicted.

        Args:
          scores: as above.
          thresholds: of a binary task one, of a multilabel one a class: a pixel has the
            class from that probability on.

        Returns:
          int32 `[...]`, the class (of a binary task 1 is the foreground); of a
          multilabel task uint8 `[..., classes]` of 0 and 1.
        """
        if self.task == "multiclass":
            return jnp.argmax(scores, axis=-1).astype(jnp.int32)
        bounds = jnp.asarray(thresholds, jnp.float32)
        if self.task == "binary":
            return (self(scores) >= bounds[0]).astype(jnp.int32)
        return (self(scores) >= bounds).astype(jnp.uint8)
