"""One exact confusion matrix, and the metrics that are computed from it.

`METRICS` is the registry of those that are logged and written to `results.json`;
`register_metric` adds to it.

Counts are int32 for a batch on the device and int64 over a data set on the host, so
that the metrics do not depend on batch size, padding or device count.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from jaxseg.data.labels import IGNORE, Task
from jaxseg.errors import UserError
from jaxseg.registration import require_function
from jaxseg.registry import Decorator, Registry


def confusion_matrix(
    label: jax.Array, prediction: jax.Array, num_classes: int
) -> jax.Array:
    """Count the pixels that are not ignored by label and prediction.

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


class _Overlaps(ABC):
    """The metrics of how the labelled regions of classes overlap the predicted ones."""

    @property
    @abstractmethod
    def intersection(self) -> np.ndarray:
        """int64 `[classes]`: pixels that have the class in label and prediction."""

    @property
    @abstractmethod
    def union(self) -> np.ndarray:
        """int64 `[classes]`: pixels that have the class in label or prediction."""

    @property
    @abstractmethod
    def labelled(self) -> np.ndarray:
        """int64 `[classes]`: pixels that have the class in the label."""

    @property
    def iou(self) -> np.ndarray:
        """float64 `[classes]`: intersection over union; NaN where there is no union."""
        return divide(self.intersection, self.union)

    @property
    def dice(self) -> np.ndarray:
        """float64 `[classes]`: `2 I / (|label| + |prediction|)`, the F1 score."""
        return divide(2 * self.intersection, self.intersection + self.union)

    @property
    def mean_iou(self) -> float:
        """Mean IoU over the classes that occur in label or prediction; NaN if none."""
        return mean_of_known(self.iou)

    @property
    def mean_dice(self) -> float:
        """Mean Dice over the classes that occur; NaN if none."""
        return mean_of_known(self.dice)

    @property
    def mean_accuracy(self) -> float:
        """Mean over the labelled classes of the share of pixels predicted right."""
        return mean_of_known(divide(self.intersection, self.labelled))

    @property
    def frequency_weighted_iou(self) -> float:
        """Mean IoU weighted by the classes' shares of the labels.

        Long et al. 2015, sec. 5.
        """
        weighted = np.nansum(self.labelled * self.iou)
        return float(divide(weighted, self.labelled.sum()))


@dataclass(frozen=True)
class Confusion(_Overlaps):
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
        """Return the sum of both."""
        counts = other.counts if isinstance(other, Confusion) else np.asarray(other)
        return Confusion(self.counts + counts.astype(np.int64))

    @property
    def intersection(self) -> np.ndarray:
        """int64 `[classes]`: pixels predicted right."""
        return np.diag(self.counts)

    @property
    def union(self) -> np.ndarray:
        """int64 `[classes]`: pixels of the class in label or prediction."""
        return self.counts.sum(0) + self.labelled - self.intersection

    @property
    def labelled(self) -> np.ndarray:
        """int64 `[classes]`: pixels whose label is the class."""
        return self.counts.sum(1)

    @property
    def pixel_accuracy(self) -> float:
        """Share of counted pixels predicted right; NaN if none are counted."""
        return float(divide(self.intersection.sum(), self.counts.sum()))


@dataclass(frozen=True)
class MultilabelConfusion(_Overlaps):
    """The confusion matrices of classes that may overlap, over a data set.

    It has the metrics of `Confusion`.  Pixels without any class are not a class of
    their own.

    Attributes:
      counts: int64 `[classes, 2, 2]`; row: whether the label has the class, column:
        whether the prediction has it.
    """

    counts: np.ndarray

    @property
    def intersection(self) -> np.ndarray:
        """int64 `[classes]`: pixels that have the class in both."""
        return self.counts[:, 1, 1]

    @property
    def union(self) -> np.ndarray:
        """int64 `[classes]`: pixels that have the class in label or prediction."""
        return self.counts.sum((1, 2)) - self.counts[:, 0, 0]

    @property
    def labelled(self) -> np.ndarray:
        """int64 `[classes]`: pixels whose label has the class."""
        return self.counts[:, 1].sum(1)

    @property
    def pixel_accuracy(self) -> float:
        """Share of right predictions, of which there is one per pixel and class."""
        right = self.counts[:, 0, 0].sum() + self.intersection.sum()
        return float(divide(right, self.counts.sum()))


AnyConfusion = Confusion | MultilabelConfusion


def divide(numerator: ArrayLike, denominator: ArrayLike) -> np.ndarray:
    """Return the quotients, float64, NaN where the denominator is 0."""
    above, below = (np.asarray(each, np.float64) for each in (numerator, denominator))
    return np.divide(above, below, out=np.full(below.shape, np.nan), where=below > 0)


def mean_of_known(values: ArrayLike) -> float:
    """Return the mean of the values that are not NaN; NaN if none is."""
    known = np.asarray(values, np.float64)
    known = known[~np.isnan(known)]
    return float(known.mean()) if known.size else float("nan")


Metric = Callable[[Any], float]
"""Maps a `Confusion`, or a `MultilabelConfusion`, which has the same attributes, to a
number; NaN if the metric is not defined."""

METRICS: Registry[Metric] = Registry(
    "metric",
    {
        "miou": lambda confusion: confusion.mean_iou,
        "pixel_accuracy": lambda confusion: confusion.pixel_accuracy,
        "mean_accuracy": lambda confusion: confusion.mean_accuracy,
        "frequency_weighted_iou": lambda confusion: confusion.frequency_weighted_iou,
        "mean_dice": lambda confusion: confusion.mean_dice,
    },
)
"""Name -> function, in the order in which they are written."""

RESERVED = frozenset(
    "step split loss gradient_norm learning_rate name model data evaluation confusion"
    " per_class_iou per_class_dice images seconds images_per_second size_multiple"
    " task iou dice roc_auc average_precision expected_calibration_error threshold"
    " best_threshold best_iou reliability per_class_roc_auc"
    " per_class_average_precision per_class_calibration_error"
    " per_image worst_images surface_images boundary_iou boundary_f1 hausdorff95"
    " average_surface_distance per_class_boundary_iou per_class_boundary_f1"
    " per_class_hausdorff95 per_class_average_surface_distance"
    " trained_steps parameters parameters_sha256 device versions".split()
)
"""Names of other values in results, which a metric may not have."""


def register_metric(name: str) -> Decorator[Metric]:
    """Return a decorator that adds a metric, a function of a `Confusion`.

    For a multilabel run the function gets a `MultilabelConfusion`, whose `counts` have
    a matrix for each class.  It returns one number, NaN if the metric is not defined,
    which is written to `metrics.jsonl`, TensorBoard and `results.json`.

    Args:
      name: the name under which the metric is written.

    Raises:
      UserError: the name is taken, or the metric is no function.
    """
    METRICS.require_name(name)
    if name in RESERVED:
        raise UserError(
            f"metric {name!r}: results have another value of this name; register yours"
            " under another"
        )

    def add(metric: Any) -> Any:
        require_function(METRICS, name, metric)
        METRICS.register(name, metric, of=metric)
        return metric

    return add


def compute_metrics(confusion: AnyConfusion) -> dict[str, float]:
    """Return every registered metric of a confusion matrix, by name.

    Raises:
      UserError: a user's metric fails, or returns no number.
    """
    return {
        name: _own(name, metric, confusion) if METRICS.own(name) else metric(confusion)
        for name, metric in METRICS.items()
    }


def _own(name: str, metric: Metric, confusion: AnyConfusion) -> float:
    try:
        value = metric(confusion)
    except Exception as error:  # whatever the user's code does
        said = f"{type(error).__name__}: {error}"
        raise UserError(f"metric {name!r}: {said}") from error
    if isinstance(value, str) or np.shape(value) != ():
        said = f"an array {list(np.shape(value))}" if np.shape(value) else repr(value)
        raise UserError(f"metric {name!r} returned {said}; it must return one number")
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise UserError(
            f"metric {name!r} returned {value!r}; it must return one number"
        ) from error


def check_metrics(num_classes: int, task: Task = "multiclass") -> None:
    """Compute every metric once, to find a faulty one before a training.

    Raises:
      UserError: as for `compute_metrics`.
    """
    if task == "multilabel":
        counts = np.ones((num_classes, 2, 2), np.int64)
        compute_metrics(MultilabelConfusion(counts))
    else:
        compute_metrics(Confusion(np.eye(num_classes, dtype=np.int64)))
