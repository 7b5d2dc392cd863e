"""Batch normalisation by the compiled kernels, which sum over the pixels in one pass.

It is used where `lowering.uses_kernels` says so.
"""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp

from jaxseg.nn.cpu.library import compiled, loaded


@functools.partial(jax.custom_vjp, nondiff_argnums=(3, 4))
def normalize(
    x: jax.Array, scale: jax.Array, bias: jax.Array, epsilon: float, relu: bool
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Normalise by the batch's own statistics.

    Args:
      x: float32 `[B, ..., C]`.
      scale: float32 `[C]`.
      bias: float32 `[C]`.
      epsilon: added to the variance.
      relu: whether a ReLU follows.

    Returns:
      float32 of x's shape; mean and variance `[C]`, which have no gradient.
    """
    return _normalize_forward(x, scale, bias, epsilon, relu)[0]


def _normalize_forward(
    x: jax.Array, scale: jax.Array, bias: jax.Array, epsilon: float, relu: bool
) -> tuple[tuple[jax.Array, jax.Array, jax.Array], Any]:
    pixels = x.reshape(-1, x.shape[-1])
    mean, variance, _ = compiled("moments", *_channel_sums(pixels))(pixels)
    inverse = jax.lax.rsqrt(variance + epsilon)
    y = (x - mean) * (scale * inverse) + bias
    y = jax.nn.relu(y) if relu else y
    return (y, mean, variance), (x, scale, bias, mean, inverse)


def _normalize_backward(
    epsilon: float, relu: bool, saved: Any, gradients: Any
) -> tuple[jax.Array, jax.Array, jax.Array]:
    x, scale, bias, mean, inverse = saved
    gradient, *_ = gradients
    factor = scale * inverse
    pixels, flat = (a.reshape(-1, x.shape[-1]) for a in (x, gradient))
    call = compiled("normalization_sums", *_channel_sums(pixels))
    sums, products, _ = call(pixels, flat, mean, factor, bias, relu=relu)
    distance = x - mean
    if relu:
        gradient = jnp.where(distance * factor + bias > 0, gradient, 0)
    # Ioffe & Szegedy 2015, section 3, written in x instead of the normalised x.
    count = len(pixels)
    from_variance = products * inverse**2 / count
    for_x = factor * (gradient - sums / count - distance * from_variance)
    return for_x, inverse * products, sums


normalize.defvjp(_normalize_forward, _normalize_backward)


def _channel_sums(pixels: jax.Array) -> list[tuple[int, ...]]:
    """Return the shapes of two sums over the pixels, and of their scratch memory."""
    count, channels = pixels.shape
    parts = -(-count // loaded().pixels)
    return [(channels,), (channels,), (parts * 2 * channels,)]
