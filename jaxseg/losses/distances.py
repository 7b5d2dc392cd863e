"""Exact Euclidean distances to a region, computed on the device.

The transform is separable (Felzenszwalb and Huttenlocher 2012): distances along one
axis, then along each further one the least of all sums of squares, here by comparing
all pairs in a line, since their lower envelope has no parallel form.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

FAR = 2**30
"""Square of the distance to an empty region; no image is so large."""


def squared_distances(region: jax.Array) -> jax.Array:
    """Return the squared distance of each pixel to the region, in pixels.

    Args:
      region: bool `[B, *spatial]`; no side is longer than 16384.

    Returns:
      int32 `[B, *spatial]`, 0 inside; at least `FAR` where an image has none of it.
    """
    squares = _along_first(region)
    for axis in range(2, region.ndim):
        squares = _along(squares, axis)
    return squares


def signed_distances(there: jax.Array, other: jax.Array) -> jax.Array:
    """Return the signed distance of each pixel to the border of a region.

    As the code of Kervadec et al. 2019 does: outside, the distance to the nearest pixel
    of the region; inside, one minus the distance to the nearest one outside, so that
    the last pixel inside has 0.

    Args:
      there: bool `[B, *spatial]`, the region.
      other: likewise, what is outside; pixels that are in neither are passed over.

    Returns:
      float32 `[B, *spatial]`; 0 where a pixel is in neither, and in all of an image
      that lacks one of them.
    """
    outside, inside = squared_distances(there), squared_distances(other)
    distance = jnp.where(there, 1 - _root(inside), jnp.where(other, _root(outside), 0))
    axes = tuple(range(1, there.ndim))
    both = there.any(axes, keepdims=True) & other.any(axes, keepdims=True)
    return jnp.where(both, distance, 0.0)


def _root(squares: jax.Array) -> jax.Array:
    return jnp.sqrt(squares.astype(jnp.float32))


def _along_first(region: jax.Array) -> jax.Array:
    """Return squared distances along the first spatial axis, int32."""
    shape = [1, -1] + [1] * (region.ndim - 2)
    place = jnp.arange(region.shape[1], dtype=jnp.int32).reshape(shape)
    before = jnp.where(region, place, -FAR)
    after = jnp.where(region, place, FAR)
    before = place - jax.lax.cummax(before, axis=1)
    after = jax.lax.cummin(after, axis=1, reverse=True) - place
    nearest = jnp.minimum(before, after)
    none = nearest > region.shape[1]
    return jnp.where(none, FAR, jnp.where(none, 0, nearest) ** 2)


def _along(squares: jax.Array, axis: int) -> jax.Array:
    """Return the least of `squares[j] + (i - j)^2` over all j, at each i of an axis."""
    size = squares.shape[axis]
    shape = [-1 if index == axis else 1 for index in range(squares.ndim)]
    place = jnp.arange(size, dtype=jnp.int32).reshape(shape)

    def nearer(index: jax.Array, least: jax.Array) -> jax.Array:
        there = jax.lax.dynamic_slice_in_dim(squares, index, 1, axis)
        return jnp.minimum(least, there + (place - index) ** 2)

    return jax.lax.fori_loop(0, size, nearer, jnp.full_like(squares, 2 * FAR - 1))
