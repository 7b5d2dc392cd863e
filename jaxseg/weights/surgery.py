"""Turns a trained classifier into a segmenter.

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

import jax
import jax.numpy as jnp
import numpy as np

from jaxseg.errors import UserError
from jaxseg.models import check_output_stride
from jaxseg.segmenter import Classifier, Segmenter
from jaxseg.weights.naming import Path, leaves, nested

SCORES = ("score32", "score4")
"""Names of the layers of FCN and Hypercolumns that score the deepest feature."""


def to_dense(
    classifier: Classifier, crop: tuple[int, int], output_stride: int = 32
) -> Segmenter:
    """Build the network that slides a classifier over an image, feature by feature.

    It takes the classifier's own variables.  On an image of the size `crop`, at output
    stride 32, its one output equals the classifier's logits.  On a larger one, output
    (i, j) is what the classifier's head says of the features under the window that
    starts at feature (i, j); it equals the classifier on that cut-out of the image as
    far as its zero padding does not enter, hence exactly where no layer pads.

    Two kinds of networks see more than the cut-out, so that their outputs on a larger
    image are near the classifier's and not equal: those whose gates pool the whole map
    (SE-ResNet, EfficientNet, MobileNetV3), and those whose padding depends on the
    image's size (`tf_...`, `smp_...`).

    Args:
      classifier: trained, or to be.
      crop: height and width of the images that the classifier sees, pixels.
      output_stride: 32 steps by 32 pixels; 16 and 8 fill in the steps between.

    Returns:
      A model whose `low_resolution` logits are `[B, h, w, classes]`.

    Raises:
      UserError: a crop on which the classifier has no features, or another stride.
    """
    if min(crop) < 32:
        raise UserError(f"crop {crop}: a classifier sees at least 32 pixels a side")
    check_output_stride(output_stride)
    image = jax.ShapeDtypeStruct((1, *crop, classifier.example[-1]), jnp.float32)
    key = jax.random.key(0)
    features, _ = jax.eval_shape(classifier.backbone.init_with_output, key, image)
    window = features[-1].shape[1:3]
    if not min(window):
        raise UserError(f"crop {crop}: this classifier has no features of it")
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
    feature, if the head has one (`SCORES`) and the classes are equally many: a dense
    kernel `[C, O]` becomes a 1x1 convolution's `[1, 1, C, O]`, and fc6 is thinned out
    if the head's is smaller (DeepLab v1, arXiv:1412.7062, sec. 3.1).

    Args:
      source: the classifier's variables (or another segmenter's).
      target: the segmenter's, freshly initialised.

    Returns:
      The segmenter's variables, and the paths that were and were not replaced.
    """
    given, result = leaves(source), leaves(target)
    given = {_renamed(path, given): leaf for path, leaf in given.items()}
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


def _renamed(path: Path, given: Mapping[Path, Any]) -> Path:
    """Return the path to match for a leaf of a dense classifier; others keep theirs.

    A segmenter's layer called classifier reads other features and must not match it.
    """
    dense = path[-2] == "classifier" and path[1] == "head"
    if not dense or np.ndim(given.get((*path[:-1], "kernel"), 0)) != 2:
        return path
    return (*path[:2], "a classifier", path[-1])


def _find(
    given: Mapping[Path, Any], path: Path, shape: tuple[int, ...]
) -> np.ndarray | None:
    """Return the source's value for the leaf at `path`, or None."""
    if path[1] == "head" and path[2] in SCORES and path not in given:
        path = (*path[:2], "a classifier", path[-1])
    if path not in given:
        return None
    value = np.asarray(given[path])
    if value.ndim == 2 and len(shape) == 4:
        value = value[None, None]
    if path[-2] in ("fc6", "fc7") and value.shape != shape:
        value = _thin_out(value, shape)
    return value if value.shape == shape else None


def _thin_out(value: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Keep taps and channels at equal distances of a larger kernel or bias."""
    for axis, size in enumerate(shape):
        if axis < value.ndim and value.shape[axis] > size:
            chosen = np.linspace(0, value.shape[axis] - 1, size).round().astype(int)
            value = np.take(value, chosen, axis)
    return value
