"""The devices that a program is compiled for, and the operations chosen for them.

On a CPU, XLA reaches half of the processor's speed.  Its convolutions and sums are
replaced there by compiled kernels (`nn.cpu`) or, if these cannot be used, by products
over a kernel's taps.  On a GPU or TPU, XLA's own operations are used.  No other module
chooses operations by platform.

A program is traced before it is compiled, perhaps for devices that this machine does
not have.  The caller therefore names the devices by `compiling_for` around the tracing;
the training step and the evaluation pass their mesh.  Without it, the target is JAX's
default platform with all of its devices.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import AbstractMesh, Mesh

from jaxseg.nn.cpu.library import library, reason


class Target(NamedTuple):
    """The devices that a program is compiled for.

    Attributes:
      platform: of all the devices, as JAX names it: "cpu", "gpu", "tpu"; "" if the
        program must run on any platform.
      devices: number of devices that share the work.
    """

    platform: str
    devices: int


ANY_DEVICE = Target("", 1)
"""Choose XLA's own operations, for programs that are analysed or exported."""

_ONE_CPU = Target("cpu", 1)

# The target is part of the key of JAX's cache of traced functions.
_target = jax.make_user_context(None)


@contextmanager
def compiling_for(
    devices: Target | Mesh | AbstractMesh | Sequence[Any],
) -> Iterator[None]:
    """Set the devices for which programs are traced inside the context.

    As a decorator, it sets them for every call of a function.

    Args:
      devices: that share the work; this machine need not have them.  An abstract mesh
        without a device means any platform, and an empty sequence JAX's default.
    """
    with _target(_target_of(devices)):
        yield


def _target_of(
    devices: Target | Mesh | AbstractMesh | Sequence[Any],
) -> Target | None:
    if isinstance(devices, Target):
        return devices
    if isinstance(devices, AbstractMesh):
        device: Any = devices.abstract_device
        return Target(device.platform if device else "", devices.size)
    if isinstance(devices, Mesh):
        devices = list(devices.devices.flat)
    return Target(devices[0].platform, len(devices)) if devices else None


def devices_of(arrays: Any) -> list[Any]:
    """Return the devices of a tree's arrays, for which JAX compiles.

    NumPy arrays are on no device.
    """
    leaves = jax.tree.leaves(arrays)
    held = (leaf.sharding.device_set for leaf in leaves if isinstance(leaf, jax.Array))
    return list(set().union(*held))


def target() -> Target:
    """Return the target of the program that is being traced."""
    if _target.value is not None:
        return _target.value
    default: Any = jax.config.jax_default_device  # pyright: ignore
    if default is None:
        platform = jax.default_backend()
    else:
        platform = default if isinstance(default, str) else default.platform
    return Target(platform, jax.device_count(platform))


def on_cpu() -> bool:
    """Whether to choose the operations that XLA computes fastest on a CPU."""
    return target().platform == "cpu"


def uses_kernels(*operands: jax.Array) -> bool:
    """Whether an operation on these operands is computed by the compiled kernels.

    The kernels take float32 arrays of known sizes on one CPU device.  XLA cannot split
    their work, and would gather the operands of several devices on each of them.
    """
    return (
        target() == _ONE_CPU
        and all(x.dtype == jnp.float32 for x in operands)
        and all(isinstance(n, int) and n > 0 for x in operands for n in x.shape)
        and library() is not None
    )


def missing_kernels() -> str:
    """Return why the kernels are missing, if they would be used; else ""."""
    return reason() if target() == _ONE_CPU else ""
