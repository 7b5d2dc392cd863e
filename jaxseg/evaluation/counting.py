"""Counts the scores of a batch into exact integers, for each task."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jaxseg.data.labels import IGNORE, Task
from jaxseg.evaluation.histograms import BINS, count_probabilities
from jaxseg.evaluation.metrics import confusion_matrix
from jaxseg.evaluation.probabilities import Probabilities

Counts = dict[str, Any]
"""Arrays by name.

- `histogram`, int `[planes, 2, BINS]`: pixels by label and probability, for each class
  that has a logit.  For a multiclass task: pixels by whether the prediction is right,
  and by its probability.
- `confusion`, int `[classes, classes]`, for a multiclass task only.
- `overlaps`, int `[B, classes, 2]`, for a batch only: intersection and union of each
  class in each image, at the thresholds."""


@dataclass(frozen=True)
class Counter:
    """Counts the pixels of batches.

    Attributes:
      num_classes: number of classes; 2 for a binary task.
      probabilities: turns scores into probabilities; it knows the task.
    """

    num_classes: int
    probabilities: Probabilities

    @property
    def task(self) -> Task:
        """The task whose predictions are counted."""
        return self.probabilities.task

    @property
    def planes(self) -> tuple[int, ...]:
        """The axes of a label after `[B, H, W]`: none, or `(classes,)`."""
        return (self.num_classes,) if self.task == "multilabel" else ()

    def zero(self) -> Counts:
        """Return counts of zero, int64."""
        found = {"histogram": np.zeros((*(self.planes or (1,)), 2, BINS), np.int64)}
        if self.task == "multiclass":
            found["confusion"] = np.zeros((self.num_classes,) * 2, np.int64)
        return found

    def __call__(
        self, scores: jax.Array, label: jax.Array, thresholds: ArrayLike = 0.5
    ) -> Counts:
        """Count a batch on the device, int32.

        Args:
          scores: `[B, H, W, classes]`; for a binary task `[B, H, W, 1]`.
          label: int `[B, H, W]`, the class; for a multilabel task `[B, H, W, classes]`
            of 0 and 1.  Pixels of `IGNORE` are not counted.
          thresholds: float32, one for each class that has a logit, for the overlaps; a
            multiclass task does not use them.
        """
        if self.task == "multiclass":
            return self._count_classes(scores, label)
        found = self.probabilities(scores)
        if self.task == "binary":
            found, label = found[..., None], label[..., None]
        predicted, planes = found >= thresholds, label
        if self.task == "binary":  # the background is a class of its own
            planes = jnp.where(label == IGNORE, IGNORE, label == jnp.arange(2))
            predicted = predicted == jnp.arange(2)
        return {
            "histogram": count_probabilities(label, found),
            "overlaps": overlaps_of_planes(planes, predicted),
        }

    def _count_classes(self, scores: jax.Array, label: jax.Array) -> Counts:
        prediction = jnp.argmax(scores, axis=-1)
        right = jnp.where(label == IGNORE, IGNORE, label == prediction)
        top = self.probabilities.top(scores)
        count = functools.partial(confusion_matrix, num_classes=self.num_classes)
        confusions = jax.vmap(count)(label, prediction)
        return {
            "histogram": count_probabilities(right[..., None], top[..., None]),
            "confusion": confusions.sum(0),
            "overlaps": overlaps_of_confusions(confusions),
        }


def overlaps_of_confusions(confusions: jax.Array) -> jax.Array:
    """Return intersection and union, int32 `[B, classes, 2]`, of each class.

    Args:
      confusions: int32 `[B, classes, classes]`.
    """
    both = jnp.diagonal(confusions, axis1=1, axis2=2)
    return jnp.stack([both, confusions.sum(1) + confusions.sum(2) - both], axis=-1)


def overlaps_of_planes(label: jax.Array, prediction: jax.Array) -> jax.Array:
    """Return intersection and union, int32 `[B, planes, 2]`, of each plane.

    Args:
      label: int `[B, H, W, planes]` of 0, 1 and `IGNORE`.
      prediction: bool `[B, H, W, planes]`.
    """
    labelled, predicted = label == 1, prediction & (label != IGNORE)
    pixels = [labelled & predicted, labelled | predicted]
    return jnp.stack(
        [jnp.sum(each, axis=(1, 2), dtype=jnp.int32) for each in pixels], -1
    )


def added(total: Counts, counts: Counts) -> Counts:
    """Return `total`, int64, with the counts of a batch of the same names added."""
    return {
        name: total[name] + np.asarray(counts[name]).astype(np.int64) for name in total
    }
