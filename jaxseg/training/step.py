"""The training step: pure, jitted over a mesh, random only in (seed, step)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh

from jaxseg.data.labels import IGNORE
from jaxseg.nn.normalization import normalize_image
from jaxseg.nn.remat import recompute_blocks
from jaxseg.parallel.mesh import constrain, replicated, shardings, split_rows
from jaxseg.training.losses import Loss
from jaxseg.training.state import TrainState

Batch = Mapping[str, jax.Array]
"""image uint8 `[B, H, W, 3]`, label uint8 `[B, H, W]`, valid bool `[B]`; optionally
weight float32 `[B, H, W]`, a factor of each pixel's loss."""

TrainStep = Callable[[TrainState, Batch], tuple[TrainState, dict[str, jax.Array]]]


def create_train_step(
    model: nn.Module,
    optimizer: optax.GradientTransformation,
    schedule: optax.Schedule,
    loss: Loss,
    mesh: Mesh,
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

    The state is donated: the one passed in must not be used again.  The loss is the
    mean over all counted pixels of the whole batch, so splitting the batch over devices
    or micro-batches changes nothing but the statistics of batch normalisation (which
    are of the micro-batch).

    Args:
      model: with `low_resolution(image, train) -> logits, auxiliary logits`; its
        `align_corners`, if it has one, says how the logits are resized.
      optimizer: turns gradients into updates, learning rate included.
      schedule: step -> learning rate, reported in the metrics.
      loss: of logits and labels.
      mesh: the devices.
      mean: normalisation of the image, on the scale 0..1.
      std: normalisation of the image, on the scale 0..1.
      auxiliary_weight: factor of the auxiliary head's loss.
      ema: decay of the moving average, 0 for none.
      accumulate: number of micro-batches.
      remat: keep only the backbone's block outputs for the backward pass.
      seed: of dropout.
      split: the state's large arrays are split over the devices (`mesh.device_put`).
      deterministic: sums in a fixed order on GPUs too.

    Returns:
      A function whose metrics are float32 scalars: loss, gradient_norm, learning_rate.
    """
    align_corners = getattr(model, "align_corners", False)

    def loss_sum(
        params: Any, stats: Any, batch: Batch, key: jax.Array, prepared: Any
    ) -> tuple[jax.Array, Any]:
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
        label, factor = batch["label"], batch.get("weight")
        total = loss(logits, label, factor, prepared, align_corners)
        for extra in auxiliary:
            total += auxiliary_weight * loss(extra, label, factor, prepared)
        return total, changed.get("batch_stats", {})

    if remat:
        loss_sum = recompute_blocks(loss_sum)
    gradient = jax.value_and_grad(loss_sum, has_aux=True)

    def accumulated(
        params: Any, stats: Any, batch: Batch, key: jax.Array, prepared: Any
    ) -> tuple[tuple[jax.Array, Any], Any]:
        """Sum loss and gradient over micro-batches, statistics handed on."""

        def micro(carry: Any, part: Any) -> tuple[Any, None]:
            stats, total, grads = carry
            piece, index = part
            (value, stats), new = gradient(
                params, stats, piece, jax.random.fold_in(key, index), prepared
            )
            return (stats, total + value, jax.tree.map(jnp.add, grads, new)), None

        # Rows i, i + n, ... form micro-batch i: a device's rows stay on it.
        pieces = {
            name: leaf.reshape(-1, accumulate, *leaf.shape[1:]).swapaxes(0, 1)
            for name, leaf in batch.items()
        }
        start = (stats, jnp.zeros(()), jax.tree.map(jnp.zeros_like, params))
        # XLA runs the body of a CPU loop on one core, three times slower.
        unroll = jax.default_backend() == "cpu"
        (stats, total, grads), _ = jax.lax.scan(
            micro, start, (pieces, jnp.arange(accumulate)), unroll=unroll
        )
        return (total, stats), grads

    def train_step(
        state: TrainState, batch: Batch
    ) -> tuple[TrainState, dict[str, jax.Array]]:
        label = batch["label"].astype(jnp.int32)
        valid = batch["valid"].reshape(-1, *(1 for _ in label.shape[1:]))
        label = jnp.where(valid, label, IGNORE)
        kept = {name: batch[name] for name in ("image", "weight") if name in batch}
        batch = {**kept, "label": label}
        prepared = loss.prepare(label, batch.get("weight"))
        key = jax.random.fold_in(jax.random.key(seed), state.step)
        compute = gradient if accumulate == 1 else accumulated
        (value, stats), grads = compute(
            state.params, state.batch_stats, batch, key, prepared
        )
        updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        average = state.ema
        if ema:
            average = jax.tree.map(
                lambda old, new: ema * old + (1 - ema) * new,
                state.ema,
                {"params": params, "batch_stats": stats},
            )
        metrics = {
            "loss": value,
            "gradient_norm": optax.tree.norm(grads),
            "learning_rate": jnp.asarray(schedule(state.step), jnp.float32),
        }
        state = TrainState(state.step + 1, params, stats, opt_state, average)
        # Keep the input's shardings; otherwise the next step would be recompiled.
        state = jax.lax.with_sharding_constraint(state, shardings(state, mesh, split))
        metrics = jax.lax.with_sharding_constraint(metrics, replicated(mesh))
        return state, metrics

    options = {"xla_gpu_deterministic_ops": True} if deterministic else None
    return jax.jit(train_step, donate_argnums=0, compiler_options=options)
