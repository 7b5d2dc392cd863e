"""From a trained classifier to a segmenter.

A fully connected layer on a k x k map is a k x k convolution, one on pooled features a
1x1 convolution, and a stride that is dropped while all later taps move apart by its
factor (dilation) gives the same values and those between (Long et al. 2015,
arXiv:1411.4038, sec. 3.1; Chen et al. 2017, arXiv:1606.00915, sec. 3.1).  So the
parameters of a classifier serve a dense one unchanged; `to_dense` builds it, and
`transplant` moves the parameters into another segmenter for fine-tuning.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxseg.errors import UserError
from jaxseg.models import Classifier, Segmenter
from jaxseg.weights.naming import Path, leaves, nested

SCORES = ("score32", "classifier")
"""Names under which heads score the deepest features."""


def to_dense(
    classifier: Classifier, crop: tuple[int, int], output_stride: int = 32
) -> Segmenter:
    """Build the network that slides a classifier over an image, feature by feature.

    It takes the classifier's own variables.  On an image of the size `crop` its one
    output equals the classifier's logits.  On a larger one, output (i, j) is what the
    classifier's head says of the features under the window that starts at feature
    (i, j); it equals the classifier on that cut-out of the image as far as its zero
    padding does not enter, hence exactly where no layer pads.

    Args:
      classifier: trained, or to be.
      crop: height and width of the images that the classifier sees, pixels.
      output_stride: 32 steps by 32 pixels; 16 and 8 fill in the steps between.

    Returns:
      A model whose `low_resolution` logits are `[B, h, w, classes]`.

    Raises:
      UserError: a crop smaller than the deepest stride.
    """
    if min(crop) < 32:
        raise UserError(f"crop {crop}: a classifier sees at least 32 pixels a side")
    window = tuple(-(-side // 32) for side in crop)
    rate = 32 // output_stride
    return Segmenter(
        backbone=classifier.backbone.clone(output_stride=output_stride),
        head=classifier.head.clone(window=window, rate=rate),
    )


def transplant(
    source: Mapping[str, Any], target: Mapping[str, Any]
) -> tuple[dict[str, Any], list[str], list[str]]:
    """Move a classifier's variables into a segmenter's, wherever they fit.

    The backbone goes path by path.  Fully connected layers go to the head's layers of
    the same name (fc6, fc7), and the classifier to the layer that scores the deepest
    feature if the classes are equally many: a dense kernel `[C, O]` becomes a 1x1
    convolution's `[1, 1, C, O]`, and fc6 is thinned out if the head's is smaller
    (DeepLab v1, arXiv:1412.7062, sec. 3.1).

    Args:
      source: the classifier's variables (or another segmenter's).
      target: the segmenter's, freshly initialised.

    Returns:
      The segmenter's variables, and the paths that were and were not replaced.
    """
    given, result = leaves(source), leaves(target)
    taken, kept = [], []
    for path, leaf in result.items():
        value = _find(given, path, tuple(leaf.shape))
        name = "/".join(path)
        if value is None:
            kept.append(name)
        else:
            result[path] = value
            taken.append(name)
    return nested(result), taken, kept


def _find(
    given: Mapping[Path, Any], path: Path, shape: tuple[int, ...]
) -> np.ndarray | None:
    """Return what serves as the leaf at `path`, or None."""
    candidates = [path]
    if path[1] == "head" and path[2] in SCORES:
        candidates.append((*path[:2], "classifier", *path[3:]))
    for candidate in candidates:
        if candidate not in given:
            continue
        value = np.asarray(given[candidate])
        if value.ndim == 2 and len(shape) == 4:
            value = value[None, None]
        if path[-2] in ("fc6", "fc7") and value.shape != shape:
            value = _thin_out(value, shape)
        if value.shape == shape:
            return value
    return None


def _thin_out(value: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Keep evenly spread taps and channels of a larger kernel or bias."""
    for axis, size in enumerate(shape):
        if axis < value.ndim and value.shape[axis] > size:
            chosen = np.linspace(0, value.shape[axis] - 1, size).round().astype(int)
            value = np.take(value, chosen, axis)
    return value
