"""One exact confusion matrix, and every figure read off it.

Counts are int32 for a batch on the device and int64 over a data set on the host, so
that the figures do not depend on batch size, padding or device count.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from jaxseg.data.labels import IGNORE


def confusion_matrix(
    label: jax.Array, prediction: jax.Array, num_classes: int
) -> jax.Array:
    """Count pixels by (label, prediction), ignored ones left out.

    Args:
      label: int `[...]`, classes or `IGNORE`.
      prediction: int `[...]`, classes.
      num_classes: number of classes.

    Returns:
      int32 `[classes, classes]`; row: label, column: prediction.  At most 2**31 - 1
      pixels may be counted at a time.
    """
    counted = label != IGNORE
    cell = jnp.where(counted, label * num_classes + prediction, num_classes**2)
    counts = jnp.bincount(cell.ravel(), length=num_classes**2 + 1)
    return counts[:-1].astype(jnp.int32).reshape(num_classes, num_classes)


@dataclass(frozen=True)
class Confusion:
    """A confusion matrix over a data set.

    Attributes:
      counts: int64 `[classes, classes]`; row: label, column: prediction.
    """

    counts: np.ndarray

    @classmethod
    def zero(cls, num_classes: int) -> Confusion:
        """Return the matrix of no pixels."""
        return cls(np.zeros((num_classes, num_classes), np.int64))

    def __add__(self, other: Confusion | np.ndarray) -> Confusion:
        """Return the counts of both."""
        counts = other.counts if isinstance(other, Confusion) else np.asarray(other)
        return Confusion(self.counts + counts.astype(np.int64))

    @property
    def intersection(self) -> np.ndarray:
        """int64 `[classes]`: pixels predicted right."""
        return np.diag(self.counts)

    @property
    def union(self) -> np.ndarray:
        """int64 `[classes]`: pixels of the class in label or prediction."""
        return self.counts.sum(0) + self.counts.sum(1) - self.intersection

    @property
    def iou(self) -> np.ndarray:
        """float64 `[classes]`: intersection over union; NaN where there is no union."""
        return _divide(self.intersection, self.union)

    @property
    def dice(self) -> np.ndarray:
        """float64 `[classes]`: `2 I / (|label| + |prediction|)`, the F1 score."""
        total = self.counts.sum(0) + self.counts.sum(1)
        return _divide(2 * self.intersection, total)

    @property
    def mean_iou(self) -> float:
        """Mean IoU over the classes that occur in label or prediction; NaN if none."""
        return _mean(self.iou)

    @property
    def mean_dice(self) -> float:
        """Mean Dice over the classes that occur; NaN if none."""
        return _mean(self.dice)

    @property
    def pixel_accuracy(self) -> float:
        """Share of counted pixels predicted right; NaN if none are counted."""
        return float(_divide(self.intersection.sum(), self.counts.sum()))

    @property
    def mean_accuracy(self) -> float:
        """Mean over the classes in the label of the share predicted right."""
        return _mean(_divide(self.intersection, self.counts.sum(1)))

    @property
    def frequency_weighted_iou(self) -> float:
        """IoU weighted by the share of the labels (Long et al. 2015, sec. 5)."""
        pixels = self.counts.sum(1)
        weighted = np.nansum(pixels * self.iou)
        return float(_divide(weighted, pixels.sum()))


def _divide(top: ArrayLike, bottom: ArrayLike) -> np.ndarray:
    top, bottom = np.asarray(top, np.float64), np.asarray(bottom, np.float64)
    return np.divide(top, bottom, out=np.full(bottom.shape, np.nan), where=bottom > 0)


def _mean(values: np.ndarray) -> float:
    values = values[~np.isnan(values)]
    return float(values.mean()) if values.size else float("nan")
