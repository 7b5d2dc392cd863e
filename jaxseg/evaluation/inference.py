"""From whole images to class scores: at several scales, mirrored, turned, with a CRF.

A network of stride 32 takes images whose sides are multiples of 32.  Other images are
padded at the bottom and right by reflection, and the scores of the padding are cut off.
`windows.py` does the same with a sliding window.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxseg.config import EvaluationConfig
from jaxseg.data.labels import IGNORE, Task
from jaxseg.data.padding import Size, padded_size
from jaxseg.errors import UserError
from jaxseg.losses.bands import cut, put_together
from jaxseg.nn.crf import DenseCRF, dense_crf
from jaxseg.nn.normalization import normalize_image
from jaxseg.nn.upsampling import linear_weights, resize_bilinear
from jaxseg.segmenter import SMALLEST

Scores = Callable[[Any, jax.Array], jax.Array]
"""`(variables, image uint8 [B, H, W, 3]) -> float32 [B, H, W, classes]`; for a binary
task `[B, H, W, 1]`."""

BAND = 2**25
"""Largest size of the scores of a band of rows, bytes."""


@dataclass(frozen=True)
class View:
    """A version of an image: resized, then mirrored, padded and turned.

    Attributes:
      scale: factor on the image's size.
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
    """Return the views whose scores are averaged: at most eight for each scale."""
    mirrors = (False, True) if flip else (False,)
    quarters = range(4) if turns else (0,)
    return tuple(View(*given) for given in itertools.product(scales, mirrors, quarters))


def fitted(size: Size, multiple: int) -> Size:
    """Return the size to which an image of `size` is padded for the network."""
    return padded_size(size, multiple, 1)


class WholeScores:
    """A pure function from images to class scores at the image's size.

    `mapped` and `summed` evaluate a function of the scores one band of rows after the
    other, so that scores of all classes at the image's size never exist; only the
    network's output of each view, at its own stride, is held.  They compute all scores
    at once if these fit into one band, if the network's output has the image's size,
    and for a CRF, which needs all of them.  The results of both ways differ only by
    float32 rounding.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        mean: Sequence[float],
        std: Sequence[float],
        scales: Sequence[float],
        flip: bool,
        turns: bool,
        crf: DenseCRF | None,
        multiple: int,
        task: Task,
    ):
        """Keep the options; see `create_scores`."""
        self._model, self._mean, self._std = model, mean, std
        self._views = views(scales, flip, turns)
        self._multiple = multiple or getattr(model, "size_multiple", 1)
        self._align = getattr(model, "align_corners", False)
        self._crf = crf
        self._task: Task = task

    def __call__(self, variables: Any, image: jax.Array) -> jax.Array:
        """Map uint8 `[B, H, W, 3]` to float32 `[B, H, W, classes]`."""
        answers = self._answers(variables, image)
        result = self._mean_of(answers, [answer.rows for answer in answers])
        if self._crf is None:
            return result
        return refined(result, image, self._crf, self._task)

    def mapped(
        self,
        variables: Any,
        image: jax.Array,
        finish: Callable[[jax.Array], jax.Array],
    ) -> jax.Array:
        """Return `finish` of the scores, such as masks.

        Args:
          variables: of the model.
          image: uint8 `[B, H, W, 3]`.
          finish: a function of each pixel, `[B, rows, W, classes]` to `[B, rows, W,
            ...]`.
        """
        if self._crf is not None:
            return finish(self(variables, image))
        answers = self._answers(variables, image)
        weights = self._in_bands(answers, image.shape)
        if weights is None:
            rows = [answer.rows for answer in answers]
            return finish(self._mean_of(answers, rows))
        found = jax.lax.map(lambda band: finish(self._mean_of(answers, band)), weights)
        return put_together(found, image.shape[1])

    def summed(
        self,
        variables: Any,
        image: jax.Array,
        label: jax.Array,
        count: Callable[[jax.Array, jax.Array], Any],
    ) -> Any:
        """Return the counts of scores and labels, added up over the bands.

        Args:
          variables: of the model.
          image: uint8 `[B, H, W, 3]`.
          label: int `[B, H, W]` or `[B, H, W, classes]`.
          count: maps scores `[B, rows, W, classes]` and their labels to a tree of
            integer arrays; pixels of the label `IGNORE` must not be counted.
        """
        if self._crf is not None:
            return count(self(variables, image), label)
        answers = self._answers(variables, image)
        weights = self._in_bands(answers, image.shape)
        if weights is None:
            rows = [answer.rows for answer in answers]
            return count(self._mean_of(answers, rows), label)

        def one(band: Any) -> Any:
            return count(self._mean_of(answers, band[0]), band[1])

        def add(total: Any, band: Any) -> tuple[Any, None]:
            return jax.tree.map(jnp.add, total, one(band)), None

        given = (weights, cut(label, len(weights[0]), IGNORE))
        shapes = jax.eval_shape(one, jax.tree.map(lambda x: x[0], given))
        start = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)
        return jax.lax.scan(add, start, given)[0]

    def _answers(self, variables: Any, image: jax.Array) -> list[_Answer]:
        """Return the network's output of each view, and how it is resized."""
        normalized = normalize_image(image, self._mean, self._std)
        size = (image.shape[1], image.shape[2])
        found = []
        for view in self._views:
            inner = view.size(size)
            seen = normalized if inner == size else resize_bilinear(normalized, inner)
            seen = seen[:, :, ::-1] if view.mirror else seen
            seen = _padded(seen, self._multiple)
            outer = (seen.shape[1], seen.shape[2])
            seen = jnp.rot90(seen, view.turns, (1, 2))
            logits, _ = self._model.apply(variables, seen, method="low_resolution")
            logits = jnp.rot90(logits, -view.turns, (1, 2))
            sides = zip(logits.shape[1:3], outer, inner, size, strict=True)
            rows, columns = (_resizing(*given, self._align) for given in sides)
            if rows is None:
                logits = logits[:, : size[0]]
            if columns is None:
                logits = logits[:, :, : size[1]]
                logits = logits[:, :, ::-1] if view.mirror else logits
            elif view.mirror:
                columns = columns[::-1]
            found.append(_Answer(logits, rows, columns))
        return found

    def _in_bands(
        self, answers: Sequence[_Answer], shape: Sequence[int]
    ) -> list[jax.Array] | None:
        """Return the matrices that resize the rows of each view for each band.

        None means that one band holds the whole image.
        """
        images, height, width, _ = shape
        row = 4 * images * width * answers[0].logits.shape[-1]
        count = -(-height // max(1, BAND // row))
        rows = [answer.rows[None] for answer in answers if answer.rows is not None]
        if count == 1 or len(rows) < len(answers):
            return None
        return [cut(weights, count)[:, 0] for weights in rows]

    def _mean_of(
        self, answers: Sequence[_Answer], rows: Sequence[jax.Array | None]
    ) -> jax.Array:
        """Return the scores of a band, given the matrix of its rows for each view."""
        found = [
            _product(answer.columns, _product(weights, answer.logits, 1), 2)
            for answer, weights in zip(answers, rows, strict=True)
        ]
        return mean_of_views(found, self._task, crf=self._crf is not None)


class _Answer(NamedTuple):
    """The network's output of a view: turned back, neither cut nor mirrored back yet.

    Attributes:
      logits: float32 `[B, h, w, classes]`.
      rows: float32 `[H, h]`, the matrix that resizes and cuts the rows; None leaves
        them as they are.
      columns: float32 `[W, w]`, the same for the columns; it also mirrors them back.
    """

    logits: jax.Array
    rows: jax.Array | None
    columns: jax.Array | None


def _resizing(
    source: int, outer: int, inner: int, target: int, align_corners: bool
) -> jax.Array | None:
    """Return the matrix that resizes an axis, cuts its padding and resizes it again.

    Args:
      source: size of the logits.
      outer: size of the padded view.
      inner: size of the view.
      target: size of the image.
      align_corners: whether the first resizing aligns the corner pixels.

    Returns:
      float32 `[target, source]`; None if it would only cut.
    """
    if source == outer and inner == target:
        return None
    weights = linear_weights(source, outer, align_corners)[:inner]
    if inner == target:
        return weights
    again = linear_weights(inner, target)
    return jnp.matmul(again, weights, precision="highest")


def _product(weights: jax.Array | None, x: jax.Array, axis: int) -> jax.Array:
    if weights is None:
        return x
    return jnp.moveaxis(jnp.tensordot(weights, x, (1, axis)), 0, axis)


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
) -> WholeScores:
    """Return a pure function from images to class scores at the image's size.

    One view gives logits; several views give the mean of their probabilities, as in
    DeepLab and mmsegmentation.

    Args:
      model: with `low_resolution(image, train) -> logits, auxiliary logits`.
      mean: normalisation, on the scale 0..1.
      std: normalisation, on the scale 0..1.
      scales: factors of the image's size.
      flip: add the mirrored image at each scale.
      turns: add each of them turned by 90, 180 and 270 degrees, after its padding.
      crf: a dense CRF over the scores, which then are its marginals (DeepLab v1, v2).
      multiple: sides are padded to multiples of this; 0 takes the model's, 1 does not
        pad.
      task: whether probabilities are those of a softmax or of sigmoids.
    """
    return WholeScores(
        model,
        mean=mean,
        std=std,
        scales=scales,
        flip=flip,
        turns=turns,
        crf=crf,
        multiple=multiple,
        task=task,
    )


def check_crf(task: Task, options: EvaluationConfig) -> None:
    """Refuse a CRF over classes that may overlap.

    Raises:
      UserError: it would give each pixel one class.
    """
    if options.crf and task == "multilabel":
        raise UserError(
            f"evaluation.crf {options.crf}: a CRF gives each pixel one class, but"
            " classes of data.task 'multilabel' may overlap; give --evaluation.crf 0"
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
      crf: return what a CRF starts from: logits, or the logarithm of the mean
        probabilities.  For a binary task these have two classes, background and
        foreground.
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
    """Return the marginals of a dense CRF; for a binary task, of the foreground only.

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
