"""Classifier heads of backbones: pooling and dense layers, which can slide over a map.

A classifier head maps features to logits `[B, h, w, classes]`.  If `window` is None it
pools the whole map and h = w = 1.  With a window it pools at every position of that
window, which slides the classifier over the image one feature at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax


def pool_window(
    x: jax.Array, window: tuple[int, int] | None = None, rate: int = 1
) -> jax.Array:
    """Average over the whole map, or over every window of it.

    Args:
      x: float `[B, h, w, C]`.
      window: rows and columns that are averaged, in pixels of an undilated map; None
        averages the whole map.
      rate: distance between the averaged pixels.

    Returns:
      `[B, h', w', C]` of x's type; sums are float32.
    """
    if window is None:
        return x.mean((1, 2), keepdims=True, dtype=jnp.float32).astype(x.dtype)
    total = lax.reduce_window(
        x.astype(jnp.float32),
        0.0,
        lax.add,
        (1, *window, 1),
        (1, 1, 1, 1),
        "VALID",
        window_dilation=(1, rate, rate, 1),
    )
    return (total / (window[0] * window[1])).astype(x.dtype)


class PooledClassifier(nn.Module):
    """Average pooling, dropout, one dense layer (Lin et al. 2014, arXiv:1312.4400).

    A dense layer on a map is a 1x1 convolution, so a classifier and its sliding form
    have the same parameters.

    Attributes:
      num_classes: number of classes.
      dropout: probability, after the pooling.
      window: rows and columns that are pooled, in pixels of an undilated map; None
        pools the whole map.
      rate: the atrous rate of the map.
      dtype: compute type.
    """

    num_classes: int
    dropout: float = 0.0
    window: tuple[int, int] | None = None
    rate: int = 1
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, features: Sequence[jax.Array], train: bool = False) -> jax.Array:
        """Map features to logits `[B, h, w, classes]`; 1 x 1 without a window."""
        x = pool_window(features[-1], self.window, self.rate)
        x = nn.Dropout(self.dropout, deterministic=not train, name="dropout")(x)
        return nn.Dense(self.num_classes, dtype=self.dtype, name="classifier")(x)
