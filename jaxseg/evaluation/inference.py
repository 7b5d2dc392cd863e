"""From whole images to class scores: at several scales, mirrored, turned, with a CRF.

A network of stride 32 takes images whose sides are multiples of 32.  Other images are
padded at the bottom and right by reflection, and the scores of the padding are cut off.
`windows.py` does the same by a sliding window.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxseg.config import EvaluationConfig
from jaxseg.data.labels import Task
from jaxseg.data.padding import Size, padded_size
from jaxseg.errors import UserError
from jaxseg.nn.crf import DenseCRF, dense_crf
from jaxseg.nn.normalization import normalize_image
from jaxseg.nn.upsampling import resize_bilinear
from jaxseg.segmenter import SMALLEST

Scores = Callable[[Any, jax.Array], jax.Array]
"""`(variables, image uint8 [B, H, W, 3]) -> float32 [B, H, W, classes]`; of a binary
task `[B, H, W, 1]`."""


@dataclass(frozen=True)
class View:
    """A version of an image: at a scale, then mirrored, padded and turned.

    Attributes:
      scale: factor of its size.
      mirror: whether it is mirrored, left to right.
      turns: quarter turns, counter-clockwise, 0..3.
    """

    scale: float
    mirror: bool
    turns: int = 0

    def size(self, size: Size) -> Size:
        """Return height and width of an image of `size` at this scale, not turned."""
        height, width = (max(SMALLEST, round(side * self.scale)) for side in size)
        return size if self.scale == 1.0 else (height, width)


def views(scales: Sequence[float], flip: bool, turns: bool = False) -> tuple[View, ...]:
    """Return the views whose scores are averaged: at most eight a scale."""
    mirrors = (False, True) if flip else (False,)
    quarters = range(4) if turns else (0,)
    return tuple(View(*given) for given in itertools.product(scales, mirrors, quarters))


def fitted(size: Size, multiple: int) -> Size:
    """Return the size to which an image of `size` is padded for the network."""
    return padded_size(size, multiple, 1)


def create_scores(
    model: nn.Module,
    *,
    mean: Sequence[float],
    std: Sequence[float],
    scales: Sequence[float] = (1.0,),
    flip: bool = False,
    turns: bool = False,
    crf: DenseCRF | None = None,
    multiple: int = 0,
    task: Task = "multiclass",
) -> Scores:
    """Return a pure function from images to class scores at the image's size.

    One view gives logits; several views give the mean of their
    probabilities (as DeepLab and mmsegmentation average).

    Args:
      model: with `low_resolution(image, train) -> logits, auxiliary logits`.
      mean: normalisation, on the scale 0..1.
      std: normalisation, on the scale 0..1.
      scales: factors of the image's size.
      flip: add the mirrored image at each scale.
      turns: add each of them turned by 90, 180 and 270 degrees, after its padding.
      crf: a dense CRF over the scores, which then are its marginals (DeepLab v1, v2).
      multiple: sides are padded to multiples of this; 0 is the model's, 1 is none.
      task: whether probabilities are those of a softmax or of sigmoids.
    """
    multiple = multiple or getattr(model, "size_multiple", 1)

    def scores(variables: Any, image: jax.Array) -> jax.Array:
        normalized = normalize_image(image, mean, std)
        size = (image.shape[1], image.shape[2])
        found = []
        for view in views(scales, flip, turns):
            inner = view.size(size)
            seen = normalized if inner == size else resize_bilinear(normalized, inner)
            seen = seen[:, :, ::-1] if view.mirror else seen
            seen = jnp.rot90(_padded(seen, multiple), view.turns, (1, 2))
            part = model_scores(model, variables, seen)
            part = jnp.rot90(part, -view.turns, (1, 2))[:, : inner[0], : inner[1]]
            part = part[:, :, ::-1] if view.mirror else part
            found.append(resize_bilinear(part, size))
        result = mean_of_views(found, task, crf=crf is not None)
        return result if crf is None else refined(result, image, crf, task)

    return scores


def check_crf(task: Task, options: EvaluationConfig) -> None:
    """Refuse a CRF over classes that may overlap.

    Raises:
      UserError: it would give each pixel one class.
    """
    if options.crf and task == "multilabel":
        raise UserError(
            f"evaluation.crf {options.crf}: a CRF gives each pixel one class, and those"
            " of data.task 'multilabel' may overlap; give --evaluation.crf 0"
        )


def model_scores(model: nn.Module, variables: Any, image: jax.Array) -> jax.Array:
    """Map a normalised image to logits at its size."""
    logits, _ = model.apply(variables, image, method="low_resolution")
    align = getattr(model, "align_corners", False)
    return resize_bilinear(logits, (image.shape[1], image.shape[2]), align)


def mean_of_views(
    found: Sequence[jax.Array], task: Task, crf: bool = False
) -> jax.Array:
    """Return one view's logits, or the mean of the probabilities of several.

    Args:
      found: logits of each view, `[B, H, W, classes]`.
      task: whether the probabilities are those of a softmax or of sigmoids.
      crf: return what a CRF begins with: logits, or the logarithm of the mean.  Of a
        binary task they are those of two classes, background and foreground.
    """
    if crf and task == "binary":
        both = [jnp.concatenate([jnp.zeros_like(part), part], -1) for part in found]
        return mean_of_views(both, "multiclass", crf=True)
    if len(found) == 1:
        return found[0]
    shares = jax.nn.softmax if task == "multiclass" else jax.nn.sigmoid
    total = functools.reduce(jnp.add, (shares(part) for part in found))
    mean = total / len(found)
    return jnp.log(mean + 1e-20) if crf else mean


def refined(
    logits: jax.Array, image: jax.Array, crf: DenseCRF, task: Task
) -> jax.Array:
    """Return the marginals of a dense CRF, of a binary task those of the foreground.

    Args:
      logits: from `mean_of_views`.
      image: uint8 `[B, H, W, 3]`.
      crf: its parameters.
      task: not "multilabel", since a CRF gives each pixel one class.
    """
    marginals = dense_crf(logits, image, crf)
    return marginals[..., 1:] if task == "binary" else marginals


def _padded(image: jax.Array, multiple: int) -> jax.Array:
    size = (image.shape[1], image.shape[2])
    outer = fitted(size, multiple)
    if outer == size:
        return image
    bottom, right = outer[0] - size[0], outer[1] - size[1]
    return jnp.pad(image, ((0, 0), (0, bottom), (0, right), (0, 0)), "reflect")
