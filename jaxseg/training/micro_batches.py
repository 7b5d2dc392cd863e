"""A batch in micro-batches, one after the other, with the gradient of the whole batch.

What adds up over the parts of a batch is added up (`accumulated`).  A loss that is a
function of such sums takes two passes (`accumulated_twice`): of the sums, and then of
the gradient, which needs the gradient of the loss by the sums.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from jaxseg.nn.lowering import on_cpu

Batch = Mapping[str, jax.Array]

Gradient = Callable[..., tuple[tuple[jax.Array, Any], Any]]
"""`(params, statistics, batch, key, prepared) -> (loss, new statistics), gradient`."""

Parts = Callable[..., tuple[Any, Any]]
"""`(params, statistics, batch, key, prepared) -> what the batch adds, new statistics`,
the former a tree of arrays."""


def accumulated(gradient: Gradient, count: int) -> Gradient:
    """Sum loss and gradient over micro-batches, passing the statistics along."""

    def of_whole_batch(
        params: Any, stats: Any, batch: Batch, key: jax.Array, prepared: Any
    ) -> tuple[tuple[jax.Array, Any], Any]:
        def micro(carry: Any, part: Any) -> tuple[Any, None]:
            stats, total, grads = carry
            piece, index = part
            (value, stats), new = gradient(
                params, stats, piece, jax.random.fold_in(key, index), prepared
            )
            return (stats, total + value, jax.tree.map(jnp.add, grads, new)), None

        pieces = _pieces(batch, count)
        start = (stats, jnp.zeros(()), jax.tree.map(jnp.zeros_like, params))
        stats, total, grads = _over(micro, start, pieces, count)
        return (total, stats), grads

    return of_whole_batch


def accumulated_twice(
    parts: Parts,
    whole: Callable[[Any], jax.Array],
    differentiate: Callable[[Callable[..., Any]], Gradient],
    count: int,
) -> Gradient:
    """Sum over micro-batches what makes the loss, then its gradient.

    Both passes compute the same: a micro-batch has the same dropout in both, and its
    own statistics.

    Args:
      parts: of a micro-batch.
      whole: what they add up to -> the loss.
      differentiate: makes a gradient of a function of `Gradient`'s arguments that
        returns a scalar and the new statistics.
      count: number of micro-batches.
    """

    def of_whole_batch(
        params: Any, stats: Any, batch: Batch, key: jax.Array, prepared: Any
    ) -> tuple[tuple[jax.Array, Any], Any]:
        def micro(carry: Any, part: Any) -> tuple[Any, None]:
            stats, total = carry
            piece, index = part
            found, stats = parts(
                params, stats, piece, jax.random.fold_in(key, index), prepared
            )
            return (stats, jax.tree.map(jnp.add, total, found)), None

        shapes, _ = jax.eval_shape(parts, params, stats, batch, key, prepared)
        start = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
        _, total = _over(micro, (stats, start), _pieces(batch, count), count)
        value, cotangents = jax.value_and_grad(whole)(total)

        def product(
            params: Any, stats: Any, batch: Batch, key: jax.Array, prepared: Any
        ) -> tuple[jax.Array, Any]:
            found, stats = parts(params, stats, batch, key, prepared)
            products = jax.tree.map(jnp.vdot, cotangents, found)
            return jax.tree.reduce(jnp.add, products), stats

        # Without the barrier XLA would keep the first pass' activations for the second.
        params, stats, cotangents = jax.lax.optimization_barrier(
            (params, stats, cotangents)
        )
        second = accumulated(differentiate(product), count)
        (_, stats), grads = second(params, stats, batch, key, prepared)
        return (value, stats), grads

    return of_whole_batch


def _pieces(batch: Batch, count: int) -> dict[str, jax.Array]:
    """Return the micro-batches, along a first axis.

    Rows i, i + n, ... form micro-batch i: a device's rows stay on it.
    """
    return {
        name: leaf.reshape(-1, count, *leaf.shape[1:]).swapaxes(0, 1)
        for name, leaf in batch.items()
    }


def _over(
    micro: Callable[[Any, Any], tuple[Any, None]],
    start: Any,
    pieces: dict[str, jax.Array],
    count: int,
) -> Any:
    """Go through the micro-batches, each with its number."""
    # XLA runs the body of a CPU loop on one core, three times slower.
    unroll = on_cpu()
    given = (pieces, jnp.arange(count))
    return jax.lax.scan(micro, start, given, unroll=unroll)[0]
