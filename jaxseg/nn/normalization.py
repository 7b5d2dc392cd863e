"""Normalisation of input images, and of features between layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxseg.nn.cpu import batch_norm as kernels
from jaxseg.nn.lowering import uses_kernels


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
    Deviation from Linen: if a channel has one value only (a pooled map at batch 1), its
    batch statistics are degenerate, so the running ones are used and not updated.

    Attributes:
      momentum: weight of the old running statistics.
      epsilon: added to the variance.
      scale_init: initialiser of the scale.
      relu: whether a ReLU follows.
      dtype: type of the output.
    """

    momentum: float = 0.9
    epsilon: float = 1e-5
    scale_init: nn.initializers.Initializer = nn.initializers.ones
    relu: bool = False
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, train: bool = False) -> jax.Array:
        """Normalise `[B, ..., C]`; if `train`, by the statistics of the batch."""
        single = all(size == 1 for size in x.shape[:-1])
        running = not train or single
        if not running and self.dtype == jnp.float32 and uses_kernels(x):
            options = (self.momentum, self.epsilon, self.scale_init, self.relu)
            return _CompiledBatchNorm(*options, name="bn")(x)
        x = nn.BatchNorm(
            use_running_average=running,
            momentum=self.momentum,
            epsilon=self.epsilon,
            scale_init=self.scale_init,
            dtype=self.dtype,
            name="bn",
        )(x)
        return nn.relu(x) if self.relu else x


class RunningAffine(nn.Module):
    """A `BatchNorm` by running statistics, as a scale and an offset of channels.

    Attributes:
      epsilon: added to the variance.
      scale_init: initialiser of the scale.
    """

    epsilon: float = 1e-5
    scale_init: nn.initializers.Initializer = nn.initializers.ones

    @nn.compact
    def __call__(self, channels: int) -> tuple[jax.Array, jax.Array]:
        """Return scale and offset, each float32 `[channels]`."""
        return _RunningAffine(self.epsilon, self.scale_init, name="bn")(channels)


class _RunningAffine(nn.Module):
    """Holds the variables of `RunningAffine` under the names of Linen's BatchNorm."""

    epsilon: float
    scale_init: nn.initializers.Initializer

    @nn.compact
    def __call__(self, channels: int) -> tuple[jax.Array, jax.Array]:
        scale, bias, (mean, variance) = _variables(self, channels)
        factor = scale * jax.lax.rsqrt(variance.value + self.epsilon)
        return factor, bias - mean.value * factor


class _CompiledBatchNorm(nn.Module):
    """Linen's BatchNorm in training, with the same variables, by compiled kernels."""

    momentum: float
    epsilon: float
    scale_init: nn.initializers.Initializer
    relu: bool

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        scale, bias, running = _variables(self, x.shape[-1])
        done = kernels.normalize(x, scale, bias, self.epsilon, self.relu)
        y, *found = cast(tuple[jax.Array, jax.Array, jax.Array], done)
        if not self.is_initializing():
            for old, new in zip(running, found, strict=True):
                old.value = self.momentum * old.value + (1 - self.momentum) * new
        return y


def _variables(
    module: _RunningAffine | _CompiledBatchNorm, channels: int
) -> tuple[jax.Array, jax.Array, list[nn.Variable]]:
    """Return scale, bias, and the variables of mean and variance, named as Linen's."""
    scale = module.param("scale", module.scale_init, (channels,))
    bias = module.param("bias", nn.initializers.zeros, (channels,))
    initial = {"mean": jnp.zeros, "var": jnp.ones}
    running = [
        module.variable("batch_stats", name, make, (channels,))
        for name, make in initial.items()
    ]
    return scale, bias, running


def LayerNorm(dtype: Any, name: str, epsilon: float = 1e-6) -> nn.LayerNorm:  # noqa: N802
    """Return a normalisation over the channels of each pixel, statistics float32.

    Args:
      dtype: compute type.
      name: the submodule's name.
      epsilon: added to the variance.
    """
    return nn.LayerNorm(epsilon, dtype=dtype, use_fast_variance=False, name=name)
