"""Normalisation: of the image on its way in, and of features between layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp


def normalize_image(
    image: jax.Array, mean: Sequence[float], std: Sequence[float]
) -> jax.Array:
    """Turn RGB bytes into a network's input.

    Args:
      image: uint8 `[..., 3]`.
      mean: of each channel, on the scale 0..1.
      std: of each channel, on the scale 0..1.

    Returns:
      float32 `[..., 3]`, `(image / 255 - mean) / std`.
    """
    scale = 1.0 / (255.0 * jnp.asarray(std, jnp.float32))
    offset = jnp.asarray(mean, jnp.float32) / jnp.asarray(std, jnp.float32)
    return image.astype(jnp.float32) * scale - offset


class BatchNorm(nn.Module):
    """Batch normalisation (Ioffe & Szegedy 2015) over every axis but the channels.

    Statistics are float32 and, under `jit` over a sharded batch, of the global batch.
    Deviation from Linen's: where a channel has one value only (a pooled map at batch 1)
    batch statistics would be degenerate, so the running ones are used and kept.

    Attributes:
      momentum: weight of the old running statistics.
      epsilon: added to the variance.
      scale_init: initialiser of the scale.
      dtype: type of the output.
    """

    momentum: float = 0.9
    epsilon: float = 1e-5
    scale_init: nn.initializers.Initializer = nn.initializers.ones
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, train: bool = False) -> jax.Array:
        """Normalise `[B, ..., C]`; with `train`, by its own statistics."""
        single = all(size == 1 for size in x.shape[:-1])
        return nn.BatchNorm(
            use_running_average=not train or single,
            momentum=self.momentum,
            epsilon=self.epsilon,
            scale_init=self.scale_init,
            dtype=self.dtype,
            name="bn",
        )(x)


def LayerNorm(dtype: Any, name: str, epsilon: float = 1e-6) -> nn.LayerNorm:  # noqa: N802
    """Return a normalisation over the channels of each pixel, statistics float32.

    Args:
      dtype: compute type.
      name: the submodule's name.
      epsilon: added to the variance.
    """
    return nn.LayerNorm(epsilon, dtype=dtype, use_fast_variance=False, name=name)
