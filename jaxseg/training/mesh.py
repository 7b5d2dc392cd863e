"""Devices: one mesh, a batch split over it, everything else replicated.

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


def split(mesh: Mesh) -> NamedSharding:
    """Return the sharding of what is split along its first axis."""
    return NamedSharding(mesh, PartitionSpec(BATCH_AXIS))


def shard_batch(batch: Mapping[str, np.ndarray], mesh: Mesh) -> dict[str, jax.Array]:
    """Put this host's part of a batch on its devices, as one global array a leaf."""
    sharding = split(mesh)
    return {
        name: jax.make_array_from_process_local_data(sharding, np.asarray(leaf))
        for name, leaf in batch.items()
    }


def replicate(tree: Any, mesh: Mesh) -> Any:
    """Put a whole tree on every device of the mesh."""
    return jax.device_put(tree, replicated(mesh))


def check_batch_size(batch_size: int, accumulate: int, mesh: Mesh) -> None:
    """Refuse a training batch that micro-batches and devices do not divide.

    Raises:
      UserError: the message names the nearest batch sizes that fit.
    """
    unit = accumulate * mesh.size
    if batch_size < 1 or accumulate < 1:
        raise UserError("train.batch_size and train.accumulate must be at least 1")
    if batch_size % unit:
        lower, upper = batch_size // unit * unit, -(-batch_size // unit) * unit
        fits = f"{lower} or {upper}" if lower else f"{upper}"
        raise UserError(
            f"train.batch_size {batch_size} is not divisible by {mesh.size} device(s)"
            f" x {accumulate} micro-batch(es); use {fits}"
        )
