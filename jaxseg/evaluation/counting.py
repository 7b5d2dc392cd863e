"""What a batch of scores is counted into: exact integers, task by task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxseg.data.labels import IGNORE, Task
from jaxseg.evaluation.histograms import BINS, count_probabilities
from jaxseg.evaluation.metrics import confusion_matrix
from jaxseg.evaluation.probabilities import Probabilities

Counts = dict[str, Any]
"""`histogram`, int `[planes, 2, BINS]`: pixels by label and probability, of each class
that has a logit; of a multiclass task, by whether the prediction is right and by its
probability.  Then also `confusion`, int `[classes, classes]`."""


@dataclass(frozen=True)
class Counter:
    """Counts the pixels of batches.

    Attributes:
      num_classes: number of classes; of a binary task 2.
      probabilities: what the scores say, and of which task.
    """

    num_classes: int
    probabilities: Probabilities

    @property
    def task(self) -> Task:
        """What is counted."""
        return self.probabilities.task

    @property
    def planes(self) -> tuple[int, ...]:
        """What the shape of a label has behind `[B, H, W]`."""
        return (self.num_classes,) if self.task == "multilabel" else ()

    def zero(self) -> Counts:
        """Return the counts of no pixels, int64."""
        found = {"histogram": np.zeros((*(self.planes or (1,)), 2, BINS), np.int64)}
        if self.task == "multiclass":
            found["confusion"] = np.zeros((self.num_classes,) * 2, np.int64)
        return found

    def __call__(self, scores: jax.Array, label: jax.Array) -> Counts:
        """Count a batch on the device, int32.

        Args:
          scores: `[B, H, W, classes]`, of a binary task `[B, H, W, 1]`.
          label: int `[B, H, W]`, of a multilabel task `[B, H, W, classes]`; the class
            or, of a plane, 0 or 1; `IGNORE` where nothing counts.
        """
        if self.task == "multilabel":
            found = self.probabilities(scores)
            return {"histogram": count_probabilities(label, found)}
        if self.task == "binary":
            found = self.probabilities(scores)[..., None]
            return {"histogram": count_probabilities(label[..., None], found)}
        prediction = jnp.argmax(scores, axis=-1)
        right = jnp.where(label == IGNORE, IGNORE, label == prediction)
        top = self.probabilities.top(scores)
        return {
            "histogram": count_probabilities(right[..., None], top[..., None]),
            "confusion": confusion_matrix(label, prediction, self.num_classes),
        }


def added(total: Counts, counts: Counts) -> Counts:
    """Return int64 counts with those of a batch added."""
    return {
        name: total[name] + np.asarray(counts[name]).astype(np.int64) for name in total
    }
