"""What a program is compiled for, and what it is therefore made of.

On a CPU, XLA leaves half of the processor unused: there compiled kernels (`nn.cpu`)
take the place of its convolutions and sums, or else products over a kernel's taps.  On
a GPU or TPU XLA's own operations are used.  This module decides which, by what it is
told of the devices, and nothing else in jaxseg does.

A program is traced before it is compiled, perhaps for devices that this machine does
not have.  So whoever makes one says what it is for, with `compiling_for` around what is
traced; the training step and the evaluation say their mesh.  Where nobody says it, it
is JAX' default device, and the program may span all of its kind.
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
      platform: of all of them, as JAX names it: "cpu", "gpu", "tpu"; "" if the program
        is to run on several.
      devices: how many work on it together.
    """

    platform: str
    devices: int


ANY_DEVICE = Target("", 1)
"""XLA's own operations everywhere: to read a program, or to take it elsewhere."""

_ONE_CPU = Target("cpu", 1)

# A part of the key under which JAX keeps what it traced.
_target = jax.make_user_context(None)


@contextmanager
def compiling_for(
    devices: Target | Mesh | AbstractMesh | Sequence[Any],
) -> Iterator[None]:
    """Say which devices the program is for that is traced inside.

    It decorates a function as well, which then is traced so wherever it is called.

    Args:
      devices: that share the work, present or not.  An abstract mesh without a device
        is of any platform; no device at all leaves it to JAX.
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
    """Return the devices that a tree's arrays lie on, which JAX compiles for.

    Arrays of numpy lie on none.
    """
    leaves = jax.tree.leaves(arrays)
    held = (leaf.sharding.device_set for leaf in leaves if isinstance(leaf, jax.Array))
    return list(set().union(*held))


def target() -> Target:
    """Return what the program that is being traced is compiled for."""
    if _target.value is not None:
        return _target.value
    default: Any = jax.config.jax_default_device  # pyright: ignore
    if default is None:
        platform = jax.default_backend()
    else:
        platform = default if isinstance(default, str) else default.platform
    return Target(platform, jax.device_count(platform))


def on_cpu() -> bool:
    """Whether operations are written as XLA computes them fastest on a CPU."""
    return target().platform == "cpu"


def uses_kernels(*operands: jax.Array) -> bool:
    """Whether the compiled kernels compute what is being traced from these operands.

    They are made for float32 arrays of known sizes and one CPU device: XLA cannot split
    their work, and would gather the operands of several devices on each of them.
    """
    return (
        target() == _ONE_CPU
        and all(x.dtype == jnp.float32 for x in operands)
        and all(isinstance(n, int) and n > 0 for x in operands for n in x.shape)
        and library() is not None
    )


def missing_kernels() -> str:
    """Say why there are no kernels where they would be used; empty otherwise."""
    return reason() if target() == _ONE_CPU else ""
