"""From an image to class scores: whole, by window, at several scales, mirrored, CRF."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxseg.models import SMALLEST
from jaxseg.nn.crf import DenseCRF, dense_crf
from jaxseg.nn.normalization import normalize_image
from jaxseg.nn.upsampling import resize_bilinear

Scores = Callable[[Any, jax.Array], jax.Array]
"""`(variables, image uint8 [B, H, W, 3]) -> float32 [B, H, W, classes]`."""


def create_scores(
    model: nn.Module,
    *,
    mean: Sequence[float],
    std: Sequence[float],
    scales: Sequence[float] = (1.0,),
    flip: bool = False,
    window: int = 0,
    crf: DenseCRF | None = None,
) -> Scores:
    """Return a pure function from images to class scores at the image's size.

    One scale without a flip gives logits; several views give the mean of their
    probabilities (as DeepLab and mmsegmentation average).

    Args:
      model: with `low_resolution(image, train) -> logits, auxiliary logits`.
      mean: normalisation, on the scale 0..1.
      std: normalisation, on the scale 0..1.
      scales: factors of the image's size.
      flip: add the mirrored image at each scale.
      window: side of a sliding window, pixels, with a third of overlap; 0 takes the
        image whole.
      crf: a dense CRF over the scores, which then are its marginals (DeepLab v1, v2).
    """

    def whole(variables: Any, image: jax.Array) -> jax.Array:
        logits, _ = model.apply(variables, image, method="low_resolution")
        align = getattr(model, "align_corners", False)
        return resize_bilinear(logits, (image.shape[1], image.shape[2]), align)

    def windowed(variables: Any, image: jax.Array) -> jax.Array:
        batch, height, width, _ = image.shape
        rows, columns = _windows(height, window), _windows(width, window)
        parts = [image[:, row, column] for row in rows for column in columns]
        logits = whole(variables, jnp.concatenate(parts))
        total = jnp.zeros((batch, height, width, logits.shape[-1]), jnp.float32)
        count = jnp.zeros((height, width, 1), jnp.float32)
        for index, part in enumerate(jnp.split(logits, len(parts))):
            place = rows[index // len(columns)], columns[index % len(columns)]
            total = total.at[:, *place].add(part)
            count = count.at[*place].add(1.0)
        return total / count

    def scores(variables: Any, image: jax.Array) -> jax.Array:
        result = viewed(variables, image)
        if crf is None:
            return result
        views = len(scales) * (1 + flip)  # the mean of several is of probabilities
        logits = jnp.log(result + 1e-20) if views > 1 else result
        return dense_crf(logits, image, crf)

    def viewed(variables: Any, image: jax.Array) -> jax.Array:
        image = normalize_image(image, mean, std)
        size = (image.shape[1], image.shape[2])
        run = windowed if window else whole
        views = []
        for scale in scales:
            target = (
                max(SMALLEST, round(size[0] * scale)),
                max(SMALLEST, round(size[1] * scale)),
            )
            view = image if scale == 1.0 else resize_bilinear(image, target)
            views.append(resize_bilinear(run(variables, view), size))
            if flip:
                mirrored = run(variables, view[:, :, ::-1])[:, :, ::-1]
                views.append(resize_bilinear(mirrored, size))
        if len(views) == 1:
            return views[0]
        probabilities = [jax.nn.softmax(view) for view in views]
        return functools.reduce(jnp.add, probabilities) / len(views)

    return scores


def _windows(size: int, window: int) -> list[slice]:
    """Return one axis' windows: a stride of two thirds, the last flush at the end."""
    if size <= window:
        return [slice(0, size)]
    stride = max(1, window * 2 // 3)
    starts = [*range(0, size - window, stride), size - window]
    return [slice(start, start + window) for start in starts]
