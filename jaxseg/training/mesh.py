"""Devices: one mesh, a batch split over it, the state on every device or split too.

One device is a mesh of one.  Several hosts work the same after
`jax.distributed.initialize`: each brings its part of the batch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from jaxseg.errors import UserError

BATCH_AXIS = "data"
"""Name of the mesh axis over which a batch is split."""

SMALLEST_SPLIT = 2**14
"""Parameters of fewer elements are not worth splitting."""


def create_mesh(devices: Sequence[Any] | None = None) -> Mesh:
    """Return a mesh of one axis over `devices` (default: all of all hosts)."""
    devices = jax.devices() if devices is None else devices
    # Auto axes: the compiler places the collectives, model code stays free of meshes.
    return jax.make_mesh(
        (len(devices),), (BATCH_AXIS,), (AxisType.Auto,), devices=devices
    )


def replicated(mesh: Mesh) -> NamedSharding:
    """Return the sharding of what every device holds whole."""
    return NamedSharding(mesh, PartitionSpec())


def shard_batch(batch: Mapping[str, np.ndarray], mesh: Mesh) -> dict[str, jax.Array]:
    """Put this host's part of a batch on its devices, as one global array a leaf.

    Images that the devices do not divide go to each of them; `spread` then splits them
    as evenly as it goes.
    """
    leaves = {name: np.asarray(leaf) for name, leaf in batch.items()}
    devices = mesh.size // jax.process_count()
    uneven = any(len(leaf) % devices for leaf in leaves.values())
    axes = PartitionSpec() if uneven else PartitionSpec(BATCH_AXIS)
    sharding = NamedSharding(mesh, axes)
    return {
        name: jax.make_array_from_process_local_data(sharding, leaf)
        for name, leaf in leaves.items()
    }


def spread(tree: Any, mesh: Mesh) -> Any:
    """Split arrays `[B, ...]` over the mesh, inside a jitted function.

    B need not be divisible: the compiler pads and masks, and what is computed is that
    of the B rows, statistics over the batch included.
    """
    sharding = NamedSharding(mesh, PartitionSpec(BATCH_AXIS))
    return jax.lax.with_sharding_constraint(tree, sharding)


def place(tree: Any, mesh: Mesh, split: bool = False) -> Any:
    """Put a tree on the mesh: whole on every device, or its large leaves split.

    Args:
      tree: arrays, equal on all hosts.
      mesh: the devices.
      split: as fully sharded data parallelism does (Zhao et al. 2023): it saves
        memory and costs an exchange in each step.
    """
    return jax.device_put(tree, placement(tree, mesh, split))


def placement(tree: Any, mesh: Mesh, split: bool = False) -> Any:
    """Return the shardings of `place`, a function of the leaves' shapes alone."""

    def sharding(leaf: Any) -> NamedSharding:
        sizes = [size if size % mesh.size == 0 else 0 for size in leaf.shape]
        if not (split and np.prod(leaf.shape) >= SMALLEST_SPLIT and any(sizes)):
            return replicated(mesh)
        before = [None] * int(np.argmax(sizes))
        return NamedSharding(mesh, PartitionSpec(*before, BATCH_AXIS))

    return jax.tree.map(sharding, tree)


def check_batch_size(batch_size: int, accumulate: int, mesh: Mesh) -> None:
    """Refuse a training batch that micro-batches or hosts do not divide.

    Raises:
      UserError: the message names the nearest batch sizes that fit.
    """
    if batch_size < 1 or accumulate < 1:
        raise UserError("train.batch_size and train.accumulate must be at least 1")
    hosts = jax.process_count()
    unit = accumulate * (mesh.size if hosts > 1 else 1)
    if batch_size % unit:
        lower, upper = batch_size // unit * unit, -(-batch_size // unit) * unit
        fits = f"{lower} or {upper}" if lower else f"{upper}"
        what = f"{mesh.size} devices of {hosts} hosts x " if hosts > 1 else ""
        raise UserError(
            f"train.batch_size {batch_size} is not divisible by {what}{accumulate}"
            f" micro-batch(es); use {fits}"
        )
