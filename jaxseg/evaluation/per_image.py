"""Metrics of each image of a split, computed from integer counts of that image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxseg.data.labels import Task
from jaxseg.evaluation.metrics import divide

WORST = 10
"""Number of images that `results.json` names."""


@dataclass(frozen=True)
class PerImage:
    """The overlaps of label and prediction in each image.

    A class that occurs in neither does not count in the means of that image, and an
    image without any counted pixel has no means.

    Attributes:
      counts: int64 `[images, classes, 2]`, intersection and union in pixels.
      task: what is predicted of a pixel; a binary task has two classes.
    """

    counts: np.ndarray
    task: Task = "multiclass"

    @property
    def iou(self) -> np.ndarray:
        """float64 `[images, classes]`; NaN where an image lacks the class."""
        return divide(self.counts[..., 0], self.counts[..., 1])

    @property
    def dice(self) -> np.ndarray:
        """float64 `[images, classes]`; NaN where an image lacks the class."""
        return divide(2 * self.counts[..., 0], self.counts.sum(-1))

    @property
    def score(self) -> np.ndarray:
        """float64 `[images]`, by which images are ranked; NaN where undefined.

        It is the mean IoU; for a binary task, the IoU of the foreground, which is
        undefined if neither label nor prediction has any.
        """
        return self.iou[:, 1] if self.task == "binary" else mean_of_each(self.iou)

    def summary(self, image_name: Callable[[int], str] = str) -> dict[str, Any]:
        """Return values for JSON: `per_image` and `worst_images`.

        The first has the mean and median over the images, None if there are none; the
        second has name and score of the worst images.

        Args:
          image_name: index -> name.
        """
        found = {
            "mean_iou": mean_of_each(self.iou),
            "mean_dice": mean_of_each(self.dice),
        }
        if self.task == "binary":
            found |= {"iou": self.iou[:, 1], "dice": self.dice[:, 1]}
        worst = [
            {"name": image_name(index), "score": float(self.score[index])}
            for index in self.worst()
        ]
        statistics = {name: _statistics(values) for name, values in found.items()}
        return {"per_image": statistics, "worst_images": worst}

    def worst(self, count: int = WORST) -> list[int]:
        """Return the indices of the images of the lowest scores, the lowest first.

        Of equal scores the first image comes first; images without a score are left
        out.
        """
        order = np.argsort(self.score, kind="stable")[:count]  # NaN comes last
        return [int(index) for index in order if not np.isnan(self.score[index])]


def mean_of_each(values: np.ndarray) -> np.ndarray:
    """Return the mean of the known values of each row, float64; NaN if none is known.

    Args:
      values: float64 `[rows, columns]`; unknown ones are NaN.
    """
    return divide(np.nansum(values, axis=1), (~np.isnan(values)).sum(1))


def _statistics(values: np.ndarray) -> dict[str, float | None]:
    known = values[~np.isnan(values)]
    if not known.size:
        return {"mean": None, "median": None}
    return {"mean": float(known.mean()), "median": float(np.median(known))}
