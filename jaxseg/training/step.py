"""The training step: pure, jitted over a mesh, random only in (seed, step)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from jaxseg.data.labels import IGNORE
from jaxseg.losses.base import Loss
from jaxseg.nn.lowering import compiling_for
from jaxseg.nn.normalization import normalize_image
from jaxseg.nn.remat import recompute_blocks
from jaxseg.parallel.mesh import AnyMesh, constrain, replicated, shardings, split_rows
from jaxseg.training.micro_batches import Gradient, accumulated, accumulated_twice
from jaxseg.training.state import TrainState

Batch = Mapping[str, jax.Array]
"""image uint8 `[B, H, W, 3]`, label uint8 `[B, H, W]` (of classes that may overlap
`[B, H, W, classes]`), valid bool `[B]`; optionally weight float32 `[B, H, W]`, a factor
of each pixel's loss."""

TrainStep = Callable[[TrainState, Batch], tuple[TrainState, dict[str, jax.Array]]]


def create_train_step(
    model: nn.Module,
    optimizer: optax.GradientTransformation,
    schedule: optax.Schedule,
    loss: Loss,
    mesh: AnyMesh,
    *,
    mean: Sequence[float],
    std: Sequence[float],
    auxiliary_weight: float = 0.4,
    ema: float = 0.0,
    accumulate: int = 1,
    remat: bool = False,
    seed: int = 0,
    split: bool = False,
    deterministic: bool = False,
) -> Any:
    """Return `train_step(state, batch) -> state, metrics`, jitted for the mesh.

    The metrics are float32 scalars: loss, gradient_norm and learning_rate.  The state
    is donated: the one passed in must not be used again.  The loss is that of the whole
    batch, but batch normalisation takes its statistics from a micro-batch.

    Args:
      model: with `low_resolution(image, train)`, and perhaps `align_corners`.
      optimizer: turns gradients into updates, learning rate included.
      schedule: step -> learning rate, reported in the metrics.
      loss: of logits and labels.
      mesh: the devices, or an abstract mesh of devices that this machine lacks.
      mean: subtracted from the image, on the scale 0..1.
      std: divides the difference.
      auxiliary_weight: factor of the auxiliary head's loss.
      ema: decay of the moving average, 0 for none.
      accumulate: number of micro-batches; above 1 the loss is `additive` or `summed`.
      remat: keep only the backbone's block outputs for the backward pass.
      seed: of the random numbers of dropout.
      split: split the state's large arrays over the devices (`mesh.device_put`).
      deterministic: add in a fixed order on GPUs too.
    """
    heads = _create_heads(model, mesh, mean, std)
    gradient = _create_gradient(heads, loss, auxiliary_weight, remat, accumulate)

    @compiling_for(mesh)
    def train_step(
        state: TrainState, batch: Batch
    ) -> tuple[TrainState, dict[str, jax.Array]]:
        key = jax.random.fold_in(jax.random.key(seed), state.step)
        batch = _with_ignored(batch)
        of_all = loss.prepare(batch["label"], batch.get("weight"))
        inputs = state.params, state.batch_stats, batch, key, of_all
        (value, stats), grads = gradient(*inputs)
        metrics = _metrics(value, grads, schedule(state.step))
        state = _updated(state, grads, stats, optimizer, ema)
        # Keep the input's shardings; otherwise the next step would be recompiled.
        placed = shardings(state, mesh, split), replicated(mesh)
        return jax.lax.with_sharding_constraint((state, metrics), placed)

    flags = {"xla_gpu_deterministic_ops": True} if deterministic else None
    return jax.jit(train_step, donate_argnums=0, compiler_options=flags)


Heads = Callable[..., tuple[Batch, list[tuple[jax.Array, bool]], Any]]
"""`(params, statistics, batch, key) -> batch, [(logits, align_corners), ...], new
statistics`: the logits of the head, then those of an auxiliary one."""


def _create_heads(
    model: nn.Module, mesh: AnyMesh, mean: Sequence[float], std: Sequence[float]
) -> Heads:
    align_corners = getattr(model, "align_corners", False)

    def heads(
        params: Any, stats: Any, batch: Batch, key: jax.Array
    ) -> tuple[Batch, list[tuple[jax.Array, bool]], Any]:
        batch = constrain(batch, mesh)
        image = normalize_image(batch["image"], mean, std)
        with split_rows(mesh):
            (logits, auxiliary), changed = model.apply(
                {"params": params, "batch_stats": stats},
                image,
                train=True,
                method="low_resolution",
                rngs={"dropout": key},
                mutable=["batch_stats"],
            )
        found = [(logits, align_corners), *((extra, False) for extra in auxiliary)]
        return batch, found, changed.get("batch_stats", {})

    return heads


def _create_gradient(
    heads: Heads, loss: Loss, auxiliary_weight: float, remat: bool, accumulate: int
) -> Gradient:
    if accumulate > 1 and not loss.additive:
        return _create_gradient_of_sums(
            heads, loss, auxiliary_weight, remat, accumulate
        )

    def value(
        params: Any, stats: Any, batch: Batch, key: jax.Array, prepared: Any
    ) -> tuple[jax.Array, Any]:
        batch, (first, *auxiliary), stats = heads(params, stats, batch, key)
        label, factor = batch["label"], batch.get("weight")
        total = loss(first[0], label, factor, prepared, first[1])
        for extra, _ in auxiliary:
            total += auxiliary_weight * loss(extra, label, factor, prepared)
        return total, stats

    gradient = _differentiate(value, remat)
    return accumulated(gradient, accumulate) if accumulate > 1 else gradient


def _create_gradient_of_sums(
    heads: Heads, loss: Loss, auxiliary_weight: float, remat: bool, accumulate: int
) -> Gradient:
    """Return the gradient of a loss that is `summed`, by micro-batches."""

    def parts(
        params: Any, stats: Any, batch: Batch, key: jax.Array, prepared: Any
    ) -> tuple[list[Any], Any]:
        batch, found, stats = heads(params, stats, batch, key)
        label, factor = batch["label"], batch.get("weight")
        added = [loss.part(x, label, factor, prepared, corners) for x, corners in found]
        return added, stats

    def whole(totals: list[Any]) -> jax.Array:
        first, *auxiliary = (loss.whole(total) for total in totals)
        return first + auxiliary_weight * sum(auxiliary)

    def differentiate(value: Callable[..., Any]) -> Gradient:
        return _differentiate(value, remat)

    return accumulated_twice(parts, whole, differentiate, accumulate)


def _differentiate(value: Callable[..., Any], remat: bool) -> Gradient:
    return jax.value_and_grad(recompute_blocks(value) if remat else value, has_aux=True)


def _metrics(value: jax.Array, grads: Any, rate: Any) -> dict[str, jax.Array]:
    return {
        "loss": value,
        "gradient_norm": optax.tree.norm(grads),
        "learning_rate": jnp.asarray(rate, jnp.float32),
    }


def _with_ignored(batch: Batch) -> dict[str, jax.Array]:
    """Return the arrays that a step needs; pixels of invalid images are ignored."""
    label = batch["label"]
    if label.ndim < batch["image"].ndim:  # one of a pixel: small beside one a class
        label = label.astype(jnp.int32)
    valid = batch["valid"].reshape(-1, *(1 for _ in label.shape[1:]))
    kept = {name: batch[name] for name in ("image", "weight") if name in batch}
    return {**kept, "label": jnp.where(valid, label, IGNORE)}


def _updated(
    state: TrainState,
    grads: Any,
    stats: Any,
    optimizer: optax.GradientTransformation,
    ema: float,
) -> TrainState:
    """Return the next state, moving average of parameters and statistics included."""
    updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
    params = optax.apply_updates(state.params, updates)
    average = state.ema
    if ema:
        average = jax.tree.map(
            lambda old, new: ema * old + (1 - ema) * new,
            state.ema,
            {"params": params, "batch_stats": stats},
        )
    return TrainState(state.step + 1, params, stats, opt_state, average)
