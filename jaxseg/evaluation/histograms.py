"""Exact histograms of probabilities, and every measure that is computed from them.

There are 2^16 bins of equal width.  The number of pixels of each label in each bin is
counted as in confusion matrices: int32 for a batch on the device, int64 over a data set
on the host.  ROC-AUC, average precision, the best threshold and the calibration error
are those of probabilities rounded to these bins, so that they do not depend on batch
size, padding or number of devices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import jax
import jax.numpy as jnp
import numpy as np

from jaxseg.data.labels import IGNORE
from jaxseg.evaluation.metrics import divide

BINS = 2**16
"""Number of bins of 0..1.  Their bounds are exact in float32."""


def count_probabilities(label: jax.Array, probability: jax.Array) -> jax.Array:
    """Count pixels by label and probability, ignored ones left out.

    Args:
      label: int `[..., planes]` of 0, 1 and `IGNORE`.
      probability: float32 `[..., planes]`; NaN counts as 0.

    Returns:
      int32 `[planes, 2, BINS]`.  At most 2**31 - 1 pixels may be counted at a time.
    """
    planes = label.shape[-1]
    known = jnp.where(probability > 0, probability, 0.0)
    level = jnp.minimum((known * BINS).astype(jnp.int32), BINS - 1)
    cell = (jnp.arange(planes) * 2 + label) * BINS + level
    length = planes * 2 * BINS
    cell = jnp.where(label != IGNORE, cell, length)
    counts = jnp.bincount(cell.ravel(), length=length + 1)
    return counts[:-1].astype(jnp.int32).reshape(planes, 2, BINS)


def rounded_threshold(threshold: float) -> float:
    """Return the bound of a bin, above 0 and below 1, nearest to a threshold."""
    return float(np.clip(round(threshold * BINS), 1, BINS - 1)) / BINS


@dataclass(frozen=True)
class Reliability:
    """How often predictions are true, by the probability that they were given.

    Attributes:
      pixels: int64 `[parts]`, pixels whose probability lies in each part of 0..1.
      confidence: float64 `[parts]`, their mean probability; NaN where there are none.
      frequency: float64 `[parts]`, the share of them whose prediction is true; NaN
        where there are none.
    """

    pixels: np.ndarray
    confidence: np.ndarray
    frequency: np.ndarray

    @property
    def error(self) -> float:
        """The expected calibration error: the mean over all pixels of the difference.

        The difference is that of confidence and frequency in a pixel's part.
        """
        distance = np.abs(self.confidence - self.frequency)
        return float(divide(np.nansum(distance * self.pixels), self.pixels.sum()))


@dataclass(frozen=True)
class Histogram:
    """Pixels by class, label and probability.

    Attributes:
      counts: int64 `[planes, 2, BINS]`: class, label 0 or 1, and probability.
    """

    counts: np.ndarray

    @property
    def _negative(self) -> np.ndarray:
        return self.counts[:, 0]

    @property
    def _positive(self) -> np.ndarray:
        return self.counts[:, 1]

    @property
    def roc_auc(self) -> np.ndarray:
        """float64 `[planes]`: the area under the ROC curve, ties counted half.

        NaN where one of the two labels does not occur.
        """
        below = np.cumsum(self._negative, axis=1) - self._negative / 2
        pairs = (self._positive * below).sum(1)
        positive, negative = (self.counts[:, label].sum(1) for label in (1, 0))
        return divide(pairs, positive.astype(np.float64) * negative)

    @property
    def average_precision(self) -> np.ndarray:
        """float64 `[planes]`: the mean precision at each gain of recall.

        As scikit-learn's, without interpolation; NaN where label 1 does not occur.
        """
        precision = divide(_from(self._positive), _from(self.counts.sum(1)))
        gained = np.nan_to_num(precision) * self._positive
        return divide(gained.sum(1), self._positive.sum(1))

    @cached_property
    def _iou(self) -> np.ndarray:
        """IoU of label 1, `[planes, BINS]`, at the threshold below each bin."""
        hit = _from(self._positive)
        union = _from(self._negative) + self._positive.sum(1, keepdims=True)
        return divide(hit, union)

    @property
    def best_thresholds(self) -> np.ndarray:
        """float64 `[planes]`: the thresholds of the best IoU, in (0, 1).

        Of equally good thresholds the nearest to 1/2 is taken, and 1/2 itself where
        there is no pixel of label 1.
        """
        known = self._positive.any(axis=1, keepdims=True)
        iou = np.where(known, np.nan_to_num(self._iou[:, 1:]), 0.0)
        best = iou == iou.max(1, keepdims=True)
        distance = np.abs(np.arange(1, BINS) - BINS // 2)
        return (np.where(best, distance, BINS).argmin(1) + 1) / BINS

    def iou_at(self, thresholds: Sequence[float]) -> np.ndarray:
        """Return float64 `[planes]`, the IoU of label 1; NaN where there is no union.

        Args:
          thresholds: one for each plane, bounds of bins as `rounded_threshold` returns.
        """
        levels = np.rint(np.asarray(thresholds) * BINS).astype(int)
        return self._iou[np.arange(len(levels)), levels]

    def confusion_at(self, thresholds: Sequence[float]) -> np.ndarray:
        """Return int64 `[planes, 2, 2]`; row: label, column: prediction.

        Args:
          thresholds: one for each plane, bounds of bins; the prediction is 1 from this
            probability on.
        """
        levels = np.rint(np.asarray(thresholds) * BINS).astype(int)
        found = [
            [(row[:level].sum(), row[level:].sum()) for row in plane]
            for plane, level in zip(self.counts, levels, strict=True)
        ]
        return np.array(found, np.int64).reshape(-1, 2, 2)

    def reliability(self, parts: int) -> list[Reliability]:
        """Return the calibration of each plane.

        Args:
          parts: number of parts of 0..1, of equal width.
        """
        centres = (np.arange(BINS) + 0.5) / BINS
        place = (centres * parts).astype(int)
        found = []
        for negative, positive in self.counts:
            pixels, true, total = (
                np.bincount(place, weights, minlength=parts)
                for weights in (
                    negative + positive,
                    positive,
                    (negative + positive) * centres,
                )
            )
            confidence, frequency = divide(total, pixels), divide(true, pixels)
            found.append(Reliability(pixels.astype(np.int64), confidence, frequency))
        return found


def _from(counts: np.ndarray) -> np.ndarray:
    """Return for each bin the sum of its counts and all above, `[planes, BINS]`."""
    return np.cumsum(counts[:, ::-1], axis=1)[:, ::-1]
