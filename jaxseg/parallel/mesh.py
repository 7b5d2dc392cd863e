"""Devices: one mesh of two axes, over the images of a batch and over their rows.

The second axis has length one unless images are too large for one device.  The state is
replicated on every device, or split over them too.  One device is a mesh of one by one.
Several hosts work the same way after `jax.distributed.initialize`: each contributes its
part of the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import flax.linen as nn
import jax
import numpy as np
from jax.sharding import AbstractMesh, AxisType, Mesh, NamedSharding, PartitionSpec

from jaxseg.errors import UserError
from jaxseg.nn.upsampling import TransposedConv

BATCH_AXIS, ROW_AXIS = "data", "spatial"
"""Names of the mesh axes."""

AnyMesh = Mesh | AbstractMesh
"""Devices, or only how many: a program for others is traced over an abstract one."""

SMALLEST_SPLIT = 2**14
"""Parameters of fewer elements are not worth splitting."""


def create_mesh(devices: Sequence[Any] | None = None, spatial: int = 1) -> Mesh:
    """Return a mesh over `devices` (default: all of all hosts).

    Args:
      devices: to use.
      spatial: number of devices that share an image, each a band of its rows.

    Raises:
      UserError: `spatial` does not divide the number of devices of a host.
    """
    devices = jax.devices() if devices is None else devices
    together = len(devices) // jax.process_count()
    if spatial < 1 or together % spatial:
        raise UserError(
            f"mesh.spatial {spatial}: must divide the {together} devices of a host"
        )
    # Auto axes: the compiler places the collectives, model code stays free of meshes.
    return jax.make_mesh(
        (len(devices) // spatial, spatial),
        (BATCH_AXIS, ROW_AXIS),
        (AxisType.Auto, AxisType.Auto),
        devices=devices,
    )


def batch_devices(mesh: AnyMesh) -> int:
    """Return the number of parts that a batch is split into."""
    return mesh.shape[BATCH_AXIS]


def replicated(mesh: AnyMesh) -> NamedSharding:
    """Return the sharding of what every device holds whole."""
    return NamedSharding(mesh, PartitionSpec())


def by_image(mesh: AnyMesh) -> NamedSharding:
    """Return the sharding of arrays `[B, ...]` whose images the devices divide."""
    return NamedSharding(mesh, PartitionSpec(BATCH_AXIS))


def local_rows(array: jax.Array) -> dict[int, np.ndarray]:
    """Return the rows of an array `[B, ...]` that this process holds, by their place.

    Args:
      array: whole or sharded as by `by_image`.
    """
    found: dict[int, np.ndarray] = {}
    for shard in array.addressable_shards:
        start = shard.index[0].start or 0
        if start not in found:
            found |= dict(enumerate(np.asarray(shard.data), start))
    return found


def shard_batch(batch: Mapping[str, np.ndarray], mesh: Mesh) -> dict[str, jax.Array]:
    """Put this host's part of a batch on its devices, as one global array a leaf.

    Images that the devices do not divide go to each of them; `constrain` then splits
    them as evenly as possible.
    """
    leaves = {name: np.asarray(leaf) for name, leaf in batch.items()}
    devices = batch_devices(mesh) // jax.process_count()
    uneven = any(len(leaf) % devices for leaf in leaves.values())

    def put(leaf: np.ndarray) -> jax.Array:
        axes = _axes(leaf.shape, mesh)
        sharding = NamedSharding(mesh, PartitionSpec() if uneven else axes)
        return jax.make_array_from_process_local_data(sharding, leaf)

    return {name: put(leaf) for name, leaf in leaves.items()}


def abstract_batch(
    leaves: Mapping[str, tuple[tuple[int, ...], Any]], mesh: AnyMesh
) -> dict[str, jax.ShapeDtypeStruct]:
    """Return what `shard_batch` gives, without its values.

    Args:
      leaves: shape, of all hosts together, and dtype by name.
      mesh: the devices.
    """
    uneven = any(shape[0] % batch_devices(mesh) for shape, _ in leaves.values())

    def leaf(shape: tuple[int, ...], dtype: Any) -> jax.ShapeDtypeStruct:
        axes = PartitionSpec() if uneven else _axes(shape, mesh)
        sharding = NamedSharding(mesh, axes)
        return jax.ShapeDtypeStruct(shape, dtype, sharding=sharding)

    return {name: leaf(*given) for name, given in leaves.items()}


def constrain(tree: Any, mesh: AnyMesh) -> Any:
    """Split arrays `[B]` or `[B, H, ...]` over the mesh, inside a jitted function.

    B need not be divisible: the compiler pads and masks, and what is computed is that
    of the B rows, statistics over the batch included.  H is split if it is divisible.
    """

    def split(leaf: jax.Array) -> jax.Array:
        sharding = NamedSharding(mesh, _axes(leaf.shape, mesh))
        return jax.lax.with_sharding_constraint(leaf, sharding)

    return jax.tree.map(split, tree)


def _axes(shape: Sequence[int], mesh: AnyMesh) -> PartitionSpec:
    bands = mesh.shape[ROW_AXIS]
    if bands == 1 or len(shape) < 3 or shape[1] % bands:
        return PartitionSpec(BATCH_AXIS)
    return PartitionSpec(BATCH_AXIS, ROW_AXIS)


def split_rows(mesh: AnyMesh) -> AbstractContextManager[None]:
    """Choose for each convolution that is traced inside how its rows are sharded.

    The rows are split if every device gets at least as many of them as the kernel
    spans, so that only neighbouring devices exchange rows.  Otherwise each device
    computes all rows: deep feature maps are small, and XLA's partitioner gives wrong
    gradients for fewer rows than that (seen with jaxlib 0.10.2: FCN-8s, 64x64 over two
    devices).
    """
    bands = mesh.shape[ROW_AXIS]
    if bands == 1:
        return nullcontext()

    def place_rows(x: jax.Array, split: bool) -> jax.Array:
        axes = PartitionSpec(BATCH_AXIS, ROW_AXIS if split else None)
        return jax.lax.with_sharding_constraint(x, NamedSharding(mesh, axes))

    def call(function: Callable[..., Any], args: Any, kwargs: Any, context: Any) -> Any:
        reach = _reach(context.module)
        if reach is None:
            return function(*args, **kwargs)
        (x, *others), (span, stride) = args, reach
        rows = x.shape[1]
        split = rows % (bands * stride) == 0 and rows // bands >= max(span, 2)
        return place_rows(function(place_rows(x, split), *others, **kwargs), split)

    return nn.intercept_methods(call)


def _reach(module: nn.Module) -> tuple[int, int] | None:
    """Return the rows that a convolution's kernel spans and its stride."""
    if isinstance(module, TransposedConv):
        return module.kernel or 2 * module.factor, 1
    if not isinstance(module, nn.Conv | nn.ConvTranspose):
        return None
    sizes = module.kernel_size, module.kernel_dilation, module.strides
    taps, rate, stride = map(_rows, sizes)
    return (taps - 1) * rate + 1, stride


def _rows(sizes: Any) -> int:
    """Return the number for rows of what Linen takes as sizes."""
    if sizes is None or isinstance(sizes, int):
        return sizes or 1
    return sizes[0]


def device_put(tree: Any, mesh: Mesh, split: bool = False) -> Any:
    """Put a tree on the mesh: whole on every device, or its large leaves split.

    Args:
      tree: arrays, equal on all hosts.
      mesh: the devices.
      split: as fully sharded data parallelism does (Zhao et al. 2023): it saves
        memory and costs an exchange in each step.
    """
    return jax.device_put(tree, shardings(tree, mesh, split))


def gather(tree: Any, mesh: Mesh) -> Any:
    """Make arrays on the mesh readable in this process, whole.

    Returns:
      The tree itself on one host; numpy arrays in each of several.
    """
    if jax.process_count() == 1:
        return tree
    whole = jax.jit(lambda tree: tree, out_shardings=replicated(mesh))(tree)
    return jax.tree.map(np.asarray, whole)


def shardings(tree: Any, mesh: AnyMesh, split: bool = False) -> Any:
    """Return the shardings of `device_put`, a function of the leaves' shapes alone."""
    # Write the axes as XLA does in what it returns; otherwise the second step would be
    # recompiled.
    axes = tuple(name for name in mesh.axis_names if mesh.shape[name] > 1)
    axis = axes[0] if len(axes) == 1 else axes

    def sharding(leaf: Any) -> NamedSharding:
        sizes = [size if size % mesh.size == 0 else 0 for size in leaf.shape]
        if not (split and np.prod(leaf.shape) >= SMALLEST_SPLIT and any(sizes)):
            return replicated(mesh)
        before = [None] * int(np.argmax(sizes))
        return NamedSharding(mesh, PartitionSpec(*before, axis))

    return jax.tree.map(sharding, tree)


def check_batch_size(
    batch_size: int, accumulate: int, mesh: Mesh | None = None
) -> None:
    """Refuse a training batch that micro-batches or hosts do not divide.

    Args:
      batch_size: images of a step.
      accumulate: micro-batches of a step.
      mesh: the devices; None where they are not known yet.

    Raises:
      UserError: the message names the nearest batch sizes that fit.
    """
    hosts = jax.process_count() if mesh else 1
    devices = batch_devices(mesh) if mesh else 1
    unit = accumulate * (devices if hosts > 1 else 1)
    if batch_size % unit:
        lower, upper = batch_size // unit * unit, -(-batch_size // unit) * unit
        fits = f"{lower} or {upper}" if lower else f"{upper}"
        what = f"{devices} devices of {hosts} hosts x " if hosts > 1 else ""
        raise UserError(
            f"train.batch_size {batch_size} is not divisible by {what}{accumulate}"
            f" micro-batch(es); use {fits}"
        )
