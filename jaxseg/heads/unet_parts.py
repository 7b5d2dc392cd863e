"""Parts of the original U-Net, for images and volumes alike.

The number of axes is the input's.
"""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxseg.nn.normalization import BatchNorm

BEFORE_RELU = nn.initializers.variance_scaling(2.0, "fan_in", "normal")
"""A Gaussian of std sqrt(2 / N), N incoming nodes (U-Net, sec. 3)."""


def mirrored(index: Any, size: int) -> Any:
    """Turn positions on and beyond an axis into positions on it, by reflection.

    The edge pixel is not repeated, and a mirror image ends in the next one.

    Args:
      index: int array, of NumPy or JAX; 0 is the first pixel.
      size: of the axis.
    """
    last = size - 1
    return last - abs(index % max(1, 2 * last) - last)


class ConvReLU(nn.Module):
    """A 3x3 (3x3x3) convolution with a bias, batch normalisation by choice, ReLU.

    Attributes:
      channels: output channels.
      padding: "valid" or "same".
      norm: whether the output is batch-normalised.
      dtype: compute type.
    """

    channels: int
    padding: str
    norm: bool
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, train: bool = False) -> jax.Array:
        """Map `[B, *spatial, C]` to `[B, *spatial, channels]`, less 2 if "valid"."""
        x = nn.Conv(
            self.channels,
            (3,) * (x.ndim - 2),
            padding=self.padding.upper(),
            kernel_init=BEFORE_RELU,
            dtype=self.dtype,
            name="conv",
        )(x)
        if self.norm:
            x = BatchNorm(dtype=self.dtype, name="norm")(x, train)
        return nn.relu(x)


class UpConv(nn.Module):
    """A 2x2 (2x2x2) transposed convolution of stride 2.

    Its taps do not overlap, so it is one matrix product and a change of order.

    Attributes:
      channels: output channels.
      bias: whether a bias is added.
      dtype: compute type.
    """

    channels: int
    bias: bool = True
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Map `[B, *spatial, C]` to `[B, *(2 * spatial), channels]`."""
        batch, *spatial, channels = x.shape
        taps = (2,) * len(spatial)
        init = nn.initializers.variance_scaling(
            2.0, "fan_in", "normal", batch_axis=tuple(range(len(taps)))
        )
        kernel = self.param("kernel", init, (*taps, channels, self.channels))
        x, kernel = x.astype(self.dtype), kernel.astype(self.dtype)
        x = jnp.tensordot(x, kernel, (-1, len(taps)))
        pairs = [(axis, axis + len(taps)) for axis in range(1, len(taps) + 1)]
        x = x.transpose(0, *(axis for pair in pairs for axis in pair), -1)
        x = x.reshape(batch, *(2 * size for size in spatial), self.channels)
        if self.bias:
            bias = self.param("bias", nn.initializers.zeros, (self.channels,))
            x = x + bias.astype(self.dtype)
        return x
