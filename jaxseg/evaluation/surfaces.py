"""How near predicted boundaries are to labelled ones, for each class in each image.

A pixel of a region lies on its boundary if one of its four neighbours is outside of the
region, or outside of the image, as in MONAI.  Ignored pixels make no boundary: in label
and prediction alike, an ignored neighbour counts as a part of the region, and an
ignored pixel belongs to no region.  If ignored pixels hide all of the label's boundary
in an image, that image does not count for the class.

Boundary IoU: Cheng et al. 2021, arXiv:2103.16562, eq. 2.  Boundary F1: Csurka et al.
2013, "What is a good evaluation measure for semantic segmentation?", sec. 3, where a
distance equal to the tolerance counts as within it.  Distances are those of MONAI 1.6,
`compute_hausdorff_distance(percentile=95)` and
`compute_average_surface_distance(symmetric=True)`, in pixels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from jaxseg.config import EvaluationConfig
from jaxseg.data.labels import IGNORE, Task
from jaxseg.evaluation.measures import by_name
from jaxseg.evaluation.metrics import mean_of_known
from jaxseg.evaluation.per_image import mean_of_each

MEASURES = (
    "boundary_iou",
    "boundary_f1",
    "hausdorff95",
    "average_surface_distance",
)
"""Names of the measures, in the order of the columns."""

_CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))


@dataclass(frozen=True)
class SurfaceOptions:
    """The options of the measures of boundaries.

    Attributes:
      ratio: width of the bands of the boundary IoU, as a share of the image's diagonal.
      tolerance: distance within which boundaries agree in the boundary F1, pixels.
    """

    ratio: float = 0.02
    tolerance: float = 2.0

    @classmethod
    def of(cls, options: EvaluationConfig) -> SurfaceOptions:
        """Return the options of boundaries in a run's options of evaluation."""
        return cls(options.boundary_ratio, options.boundary_tolerance)

    def width(self, shape: tuple[int, ...]) -> int:
        """Return the width of the bands for an image's shape, at least one pixel."""
        return max(1, round(self.ratio * math.hypot(*shape[:2])))


@dataclass(frozen=True)
class Surfaces:
    """The measures of boundaries in a split.

    Attributes:
      values: float64 `[images, planes, 6]`, as `measure_image` returns them.
      task: what is predicted of a pixel; for a binary task the only plane is the
        foreground.
    """

    values: np.ndarray
    task: Task = "multiclass"

    @property
    def per_class(self) -> np.ndarray:
        """float64 `[4, planes]`: means over the images that have the measure."""
        return np.stack([mean_of_each(self.values[..., i].T) for i in range(4)])

    @property
    def images(self) -> np.ndarray:
        """int64 `[planes, 3]`: number of images with a boundary, by where it is.

        The columns are: in label and prediction, in the label only, in the prediction
        only.  If it is in one only, boundary IoU and F1 are 0, and distances undefined.
        """
        label, prediction = (self.values[..., i] > 0 for i in (4, 5))
        kinds = label & prediction, label & ~prediction, prediction & ~label
        return np.stack([kind.sum(0) for kind in kinds], axis=-1)

    def summary(self, names: Sequence[str]) -> dict[str, Any]:
        """Return values for JSON: means over the classes, and values of each class.

        Args:
          names: names of the classes; for a binary task, of both.
        """
        names = names[1:] if self.task == "binary" else names
        found: dict[str, Any] = {}
        for name, values in zip(MEASURES, self.per_class, strict=True):
            found[name] = mean_of_known(values)
            found[f"per_class_{name}"] = by_name(names, values)
        kinds = "both", "label_only", "prediction_only"
        found["surface_images"] = {
            name: dict(zip(kinds, counts, strict=True))
            for name, counts in zip(names, self.images.tolist(), strict=True)
        }
        return found


def measure_image(
    label: np.ndarray,
    prediction: np.ndarray,
    task: Task,
    num_classes: int,
    options: SurfaceOptions,
) -> np.ndarray:
    """Measure the boundaries of each class in an image.

    Args:
      label: uint8 `[H, W]`, the class or `IGNORE`; for a multilabel task
        `[H, W, classes]` of 0, 1 and `IGNORE`.
      prediction: uint8 of the label's shape; it is not read where the label is ignored.
      task: what is predicted of a pixel.
      num_classes: number of classes; 2 for a binary task.
      options: of the measures.

    Returns:
      float64 `[planes, 6]`, a row for each class (for a binary task, the foreground
      only): the `MEASURES`, NaN where undefined, and whether the label and the
      prediction have a boundary, 0 or 1.
    """
    width = options.width(label.shape)
    ignored = label == IGNORE
    found = np.full((num_classes, 6), np.nan)
    found[:, 4:] = 0
    for index in range(num_classes):
        if task == "multilabel":
            regions = label[..., index] == 1, prediction[..., index] == 1
            hidden = ignored[..., index]
        elif task == "binary" and index == 0:
            continue
        else:
            regions, hidden = (label == index, prediction == index), ignored
        found[index] = _measure(*regions, hidden, width, options.tolerance)
    return found[1:] if task == "binary" else found


def _measure(
    label: np.ndarray,
    prediction: np.ndarray,
    ignored: np.ndarray,
    width: int,
    tolerance: float,
) -> np.ndarray:
    """Measure a region, `[6]`; arrays are bool `[H, W]`."""
    nan = float("nan")
    prediction = prediction & ~ignored
    left, top, columns, rows = cv2.boundingRect((label | prediction).view(np.uint8))
    if not rows:
        return np.array([nan, nan, nan, nan, 0, 0])
    part = np.s_[
        max(top - width, 0) : top + rows + width,
        max(left - width, 0) : left + columns + width,
    ]
    label, prediction, ignored = label[part], prediction[part], ignored[part]
    square = np.ones((2 * width + 1,) * 2, np.uint8)
    bands = [_rim(region, ignored, square) for region in (label, prediction)]
    edges = [_rim(region, ignored, _CROSS) for region in (label, prediction)]
    # Ignored pixels may hide the label's boundary: from its edge, or from its band too.
    no_edge, no_band = (label.any() and not rim[0].any() for rim in (edges, bands))
    union = np.count_nonzero(bands[0] | bands[1])
    known = union and not no_band
    iou = np.count_nonzero(bands[0] & bands[1]) / union if known else nan
    if no_edge:
        return np.array([iou, nan, nan, nan, 0, 0])
    present = [float(edge.any()) for edge in edges]
    if not all(present):
        return np.array([iou, 0.0 if any(present) else nan, nan, nan, *present])
    distances = _distances(edges[1], edges[0]), _distances(edges[0], edges[1])
    precision, recall = (np.mean(each <= tolerance) for each in distances)
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    hausdorff = max(np.percentile(each, 95) for each in distances)
    average = np.concatenate(distances).mean()
    return np.array([iou, f1, hausdorff, average, *present])


def _rim(region: np.ndarray, ignored: np.ndarray, reach: np.ndarray) -> np.ndarray:
    """Return the pixels of a region that have its end in their neighbourhood.

    Args:
      region: bool `[H, W]`, without ignored pixels.
      ignored: bool `[H, W]`; the region does not end there, but at the image's border.
      reach: the neighbourhood, uint8.
    """
    filled = (region | ignored).astype(np.uint8)
    inner = cv2.erode(filled, reach, borderType=cv2.BORDER_CONSTANT, borderValue=(0,))
    return region & (inner == 0)


def _distances(edge: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the distance from each pixel of an edge to the nearest of the other edge.

    Args:
      edge: bool `[H, W]`, not empty.
      other: bool `[H, W]`, not empty.

    Returns:
      float64 `[pixels]`, in no particular order.
    """
    from scipy.spatial import KDTree  # it loads slowly, and few need it

    found = np.zeros(np.count_nonzero(edge))
    apart = np.argwhere(edge & ~other)
    if len(apart):
        found[: len(apart)] = KDTree(np.argwhere(other)).query(apart)[0]
    return found
