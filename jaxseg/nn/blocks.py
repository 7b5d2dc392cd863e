"""Small parts that several networks share: activations, widths, gates, random depth."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

ACTIVATIONS: dict[str, Callable[[jax.Array], jax.Array]] = {
    "relu": nn.relu,
    "relu6": nn.relu6,
    "silu": nn.silu,
    "hard_swish": nn.hard_swish,
    "gelu": lambda x: nn.gelu(x, approximate=False),
}
"""Name -> function."""


def scaled(channels: int, width: float = 1.0, max_channels: int | None = None) -> int:
    """Scale and cap a number of channels; multiples of 8 keep matrix units busy.

    Args:
      channels: the paper's.
      width: factor; 1 leaves the number as it is.
      max_channels: upper bound, or None.
    """
    if width != 1.0:
        channels = max(8, round(channels * width / 8) * 8)
    return min(channels, max_channels or channels)


class SqueezeExcite(nn.Module):
    """Scale each channel by a gate computed from the image's mean (Hu et al. 2018).

    arXiv:1709.01507, fig. 2: pooling, dense, ReLU, dense, sigmoid.

    Attributes:
      squeezed: width between the two dense layers.
      activation: between them, a name in `ACTIVATIONS`.
      gate: "sigmoid", or "hard_sigmoid" (MobileNetV3).
      dtype: compute type.
    """

    squeezed: int
    activation: str = "relu"
    gate: str = "sigmoid"
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Map `[B, H, W, C]` to the same shape."""
        gate = x.mean((1, 2), keepdims=True, dtype=jnp.float32).astype(x.dtype)
        gate = nn.Dense(self.squeezed, dtype=self.dtype, name="reduce")(gate)
        gate = ACTIVATIONS[self.activation](gate)
        gate = nn.Dense(x.shape[-1], dtype=self.dtype, name="expand")(gate)
        squash = {"sigmoid": nn.sigmoid, "hard_sigmoid": nn.hard_sigmoid}[self.gate]
        return x * squash(gate)


class StochasticDepth(nn.Module):
    """Drop a residual branch for whole images, in training (Huang et al. 2016).

    arXiv:1603.09382; what is kept is scaled up, so that the mean stays.

    Attributes:
      rate: probability of dropping.
    """

    rate: float

    @nn.compact
    def __call__(self, x: jax.Array, train: bool = False) -> jax.Array:
        """Map `[B, ...]` to the same shape."""
        if not train or self.rate == 0.0:
            return x
        keep = 1.0 - self.rate
        shape = (x.shape[0], *(1 for _ in x.shape[1:]))
        kept = jax.random.bernoulli(self.make_rng("dropout"), keep, shape)
        return jnp.where(kept, x / keep, 0).astype(x.dtype)
