"""Parts of the original U-Net, for both images and volumes.

The input tells by its number of axes which of the two it is.
"""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxseg.nn.normalization import BatchNorm

HE_NORMAL_FAN_IN = nn.initializers.variance_scaling(2.0, "fan_in", "normal")
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
    """A 3x3 (3x3x3) convolution with a bias, optional batch normalisation and a ReLU.

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
            kernel_init=HE_NORMAL_FAN_IN,
            dtype=self.dtype,
            name="conv",
        )(x)
        if self.norm:
            return BatchNorm(relu=True, dtype=self.dtype, name="norm")(x, train)
        return nn.relu(x)
