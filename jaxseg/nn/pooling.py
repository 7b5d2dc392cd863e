"""Pooling: over square windows, dilated or not, and to a fixed size."""

from __future__ import annotations

import functools
from typing import Any, cast

import jax
import jax.numpy as jnp
from jax import lax


def window_taps(
    x: jax.Array,
    axis: int,
    window: int,
    stride: int = 1,
    rate: int = 1,
    centred: bool = False,
    outside: float = 0.0,
) -> list[jax.Array]:
    """Return the first pixels of all windows as an array, the second ones, and so on.

    Args:
      x: float `[B, h, w, C]`.
      axis: along which the windows lie.
      window: number of pixels.
      stride: of the windows; the axis is divided by it and rounds up.
      rate: distance of a window's pixels.
      centred: centre each window on its output's position; otherwise it starts there.
      outside: value of what lies outside the map.
    """
    size, reach = x.shape[axis], (window - 1) * rate
    span = (-(-size // stride) - 1) * stride + 1  # of the windows' first pixels
    before = reach // 2 if centred else 0
    behind = span + reach - before - size
    if before or behind:
        widths = [(before, behind) if a == axis else (0, 0) for a in range(4)]
        x = jnp.pad(x, widths, constant_values=outside)
    starts = range(0, reach + 1, rate)
    return [lax.slice_in_dim(x, at, at + span, stride, axis) for at in starts]


def max_pool(
    x: jax.Array, window: int, stride: int = 1, rate: int = 1, centred: bool = False
) -> jax.Array:
    """Take the maximum over square windows, by rows and then by columns.

    JAX has no gradient of a dilated window, and its gradient of an undilated one is 20
    to 60 times slower on a CPU.  If pixels are equal, one of them gets the gradient.
    The arguments are those of `window_taps`; the padding is minus infinity.
    """
    for axis in (1, 2):
        windows = (axis, window, stride, rate, centred, -jnp.inf)
        x = cast(jax.Array, _max_along(x, windows))
    return x


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
def _max_along(x: jax.Array, windows: tuple[Any, ...]) -> jax.Array:
    return functools.reduce(jnp.maximum, window_taps(x, *windows))


def _max_forward(
    x: jax.Array, windows: tuple[Any, ...]
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    y = cast(jax.Array, _max_along(x, windows))
    return y, (x, y)


def _max_backward(
    windows: tuple[Any, ...], saved: tuple[jax.Array, jax.Array], gradient: jax.Array
) -> tuple[jax.Array]:
    x, y = saved
    taps, transpose = jax.vjp(lambda x: window_taps(x, *windows), x)
    parts, remaining = [], gradient
    for tap in taps:
        parts.append(jnp.where(tap == y, remaining, 0))
        remaining = jnp.where(tap == y, 0, remaining)
    return transpose(parts)


_max_along.defvjp(_max_forward, _max_backward)


def average_pool(x: jax.Array, stride: int, rate: int) -> jax.Array:
    """Average 2x2 pixels, `rate` apart, as many as lie inside the map.

    Args:
      x: `[B, H, W, C]`.
      stride: of the output.
      rate: distance of the averaged pixels.

    Returns:
      `[B, ceil(H / stride), ceil(W / stride), C]`.
    """
    for axis in (1, 2):
        near, far = window_taps(x, axis, 2, stride, rate)
        inside = jnp.arange(near.shape[axis]) * stride + rate < x.shape[axis]
        count = jnp.expand_dims(1 + inside, range(1, 4 - axis))
        x = (near + far) / count.astype(x.dtype)
    return x


def adaptive_average(x: jax.Array, size: tuple[int, int]) -> jax.Array:
    """Average to a fixed size, over windows that may overlap, as PyTorch does.

    Output i of n averages the pixels from floor(i h / n) up to ceil((i + 1) h / n).

    Args:
      x: float `[B, h, w, C]`.
      size: of the output; it may be larger than the map, whose pixels then repeat.

    Returns:
      `[B, *size, C]` of x's type; sums are float32.
    """
    for axis, count in enumerate(size, start=1):
        source = x.shape[axis]
        if source == count:
            continue
        index, pixel = jnp.arange(count)[:, None], jnp.arange(source)
        inside = pixel >= index * source // count
        inside &= pixel < -(-(index + 1) * source // count)
        weights = inside / inside.sum(1, keepdims=True)
        means = jnp.tensordot(weights, x.astype(jnp.float32), (1, axis))
        x = jnp.moveaxis(means, 0, axis).astype(x.dtype)
    return x
