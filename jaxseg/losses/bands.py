"""Logits resized to the label one band of rows after the other.

Logits of the label's size never exist as a whole: a function of a band's pixels is
evaluated for each band, and what it gives is added up (`summed`, `summed_at_once`) or
put together (`mapped`).  Its gradient goes over the bands once more; only a sum that
the loss is linear in has its gradient computed in the same pass.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from jaxseg.losses.base import spatial_size
from jaxseg.nn.upsampling import linear_weights, resize_linear

Function = Callable[[jax.Array, jax.Array, jax.Array], Any]
"""A function of a band: of logits float32 `[B, rows, W, classes]`, a label `[B, rows,
W]` (or one axis more, see `Loss`), and how often each pixel counts, float32 `[B, rows,
W]`."""


@dataclass(frozen=True)
class Bands:
    """How logits are resized.

    Attributes:
      count: number of bands; 1 resizes all rows at once.
      align_corners: see `resize_linear`.
    """

    count: int
    align_corners: bool = False

    def fused(self, logits: jax.Array, label: jax.Array) -> bool:
        """Whether logits are cut into bands: they are not if nothing is resized."""
        return self.count > 1 and logits.shape[1:-1] != spatial_size(logits, label)

    def whole(self, logits: jax.Array, label: jax.Array) -> jax.Array:
        """Return all logits at the label's size."""
        return resize_linear(logits, spatial_size(logits, label), self.align_corners)


def summed_at_once(
    function: Function,
    bands: Bands,
    logits: jax.Array,
    label: jax.Array,
    counted: jax.Array,
) -> jax.Array:
    """Add up a number over the bands.

    If a gradient is needed, it is computed in the same pass as the sum, since the
    cotangent of a sum is only a factor.

    Args:
      function: of a band, gives a float32 scalar.
      bands: how the logits are resized.
      logits: float32 `[B, h, w, classes]`.
      label: int `[B, H, W]`, or one axis more.
      counted: float32 `[B, H, W]`, how often each pixel counts.
    """
    if not bands.fused(logits, label):
        return function(bands.whole(logits, label), label, counted)
    return _summed_at_once(function, bands, logits, label, counted)


def summed(
    function: Function,
    bands: Bands,
    logits: jax.Array,
    label: jax.Array,
    counted: jax.Array,
) -> Any:
    """Add up arrays over the bands, whatever is then made of the sums.

    The gradient goes over the bands again: it needs the cotangent of the sums.

    Args:
      function: of a band, gives a tree of float32 arrays whose shapes do not depend on
        the band.
      bands: see `summed_at_once`, as the others.
      logits: see there.
      label: see there.
      counted: see there.
    """
    if not bands.fused(logits, label):
        return function(bands.whole(logits, label), label, counted)
    return _summed(function, bands, logits, label, counted)


def mapped(
    function: Function,
    bands: Bands,
    logits: jax.Array,
    label: jax.Array,
    counted: jax.Array,
) -> jax.Array:
    """Return a number of each pixel, float32 `[B, H, W]`.

    The gradient goes over the bands again.

    Args:
      function: of a band, gives float32 `[B, rows, W]`.
      bands: see `summed_at_once`, as the others.
      logits: see there.
      label: see there.
      counted: see there.
    """
    if not bands.fused(logits, label):
        return function(bands.whole(logits, label), label, counted)
    return _mapped(function, bands, logits, label, counted)


def cut(x: jax.Array, count: int, fill: int = 0) -> jax.Array:
    """Cut `[B, H, ...]` into `[count, B, rows, ...]`, and fill what is below."""
    rows = -(-x.shape[1] // count)
    over = count * rows - x.shape[1]
    below = ((0, 0), (0, over), *[(0, 0)] * (x.ndim - 2))
    x = jnp.pad(x, below, constant_values=fill)
    return x.reshape(len(x), count, rows, *x.shape[2:]).swapaxes(0, 1)


def put_together(x: jax.Array, height: int) -> jax.Array:
    """Undo `cut`."""
    x = x.swapaxes(0, 1)
    return x.reshape(len(x), -1, *x.shape[3:])[:, :height]


def _cut_all(
    bands: Bands, logits: jax.Array, label: jax.Array, counted: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Return of each band the weights of the logits' rows, its label and counts."""
    height = label.shape[1]
    rows = -(-height // bands.count)
    over = bands.count * rows - height
    weights = linear_weights(logits.shape[1], height, bands.align_corners)
    weights = jnp.pad(weights, ((0, over), (0, 0))).reshape(bands.count, rows, -1)
    return weights, cut(label, bands.count), cut(counted, bands.count)


def _of_band(function: Function, bands: Bands, size: tuple[int, ...], given: Any):
    """Return a band's value as a function of the low-resolution logits."""
    weights, label, counted = given

    def value(logits: jax.Array) -> Any:
        part = jnp.moveaxis(jnp.tensordot(weights, logits, (1, 1)), 0, 1)
        part = resize_linear(part, (len(weights), *size[1:]), bands.align_corners)
        return function(part, label, counted)

    return value


def _added(
    function: Function,
    bands: Bands,
    arrays: tuple[jax.Array, ...],
    evaluate: Callable[[Callable[[jax.Array], Any]], Any],
) -> Any:
    """Add up what `evaluate` gives for each band's function of the logits."""
    size = spatial_size(*arrays[:2])
    given = _cut_all(bands, *arrays)

    def one(band: Any) -> Any:
        return evaluate(_of_band(function, bands, size, band))

    def add(total: Any, band: Any) -> tuple[Any, None]:
        return jax.tree.map(jnp.add, total, one(band)), None

    shapes = jax.eval_shape(one, jax.tree.map(lambda x: x[0], given))
    start = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)
    return jax.lax.scan(add, start, given)[0]


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _summed_at_once(function: Function, bands: Bands, *arrays: jax.Array) -> jax.Array:
    return _added(function, bands, arrays, lambda value: value(arrays[0]))


def _summed_at_once_forward(
    function: Function, bands: Bands, *arrays: jax.Array
) -> tuple[jax.Array, jax.Array]:
    def evaluate(value: Callable[[jax.Array], jax.Array]) -> Any:
        return jax.value_and_grad(value)(arrays[0])

    return _added(function, bands, arrays, evaluate)


def _summed_at_once_backward(
    function: Function, bands: Bands, gradient: jax.Array, cotangent: jax.Array
) -> tuple[jax.Array, None, None]:
    return cotangent * gradient, None, None


_summed_at_once.defvjp(_summed_at_once_forward, _summed_at_once_backward)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _summed(function: Function, bands: Bands, *arrays: jax.Array) -> Any:
    return _added(function, bands, arrays, lambda value: value(arrays[0]))


def _summed_forward(function: Function, bands: Bands, *arrays: jax.Array) -> Any:
    return _summed(function, bands, *arrays), arrays


def _summed_backward(
    function: Function, bands: Bands, arrays: tuple[jax.Array, ...], cotangents: Any
) -> tuple[jax.Array, None, None]:
    def evaluate(value: Callable[[jax.Array], Any]) -> jax.Array:
        return jax.vjp(value, arrays[0])[1](cotangents)[0]

    return _added(function, bands, arrays, evaluate), None, None


_summed.defvjp(_summed_forward, _summed_backward)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _mapped(function: Function, bands: Bands, *arrays: jax.Array) -> jax.Array:
    size = spatial_size(*arrays[:2])

    def one(band: Any) -> jax.Array:
        return _of_band(function, bands, size, band)(arrays[0])

    return put_together(jax.lax.map(one, _cut_all(bands, *arrays)), size[0])


def _mapped_forward(function: Function, bands: Bands, *arrays: jax.Array) -> Any:
    return _mapped(function, bands, *arrays), arrays


def _mapped_backward(
    function: Function,
    bands: Bands,
    arrays: tuple[jax.Array, ...],
    cotangent: jax.Array,
) -> tuple[jax.Array, None, None]:
    logits, size = arrays[0], spatial_size(*arrays[:2])

    def add(total: jax.Array, given: Any) -> tuple[jax.Array, None]:
        *band, cotangent = given
        value = _of_band(function, bands, size, band)
        return total + jax.vjp(value, logits)[1](cotangent)[0], None

    given = (*_cut_all(bands, *arrays), cut(cotangent, bands.count))
    return jax.lax.scan(add, jnp.zeros_like(logits), given)[0], None, None


_mapped.defvjp(_mapped_forward, _mapped_backward)
