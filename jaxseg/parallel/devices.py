"""The devices that JAX finds, and the memory that they have."""

from __future__ import annotations

from typing import Any

import jax

from jaxseg import memory
from jaxseg.errors import UserError


def require_devices() -> None:
    """Refuse platforms asked for that are not there; JAX is started by this.

    Raises:
      UserError: $JAX_PLATFORMS names what JAX does not know or does not find; the
        message says what there is.
    """
    try:
        jax.devices()
    except (RuntimeError, AssertionError) as error:  # the latter for "cuda"
        asked: str | None = jax.config.jax_platforms  # pyright: ignore
        if not asked:
            raise
        jax.config.update("jax_platforms", None)
        there = sorted({device.platform for device in jax.devices()})
        jax.config.update("jax_platforms", asked)
        raise UserError(
            f"JAX_PLATFORMS={asked} is not here: JAX finds {', '.join(there)}; unset"
            f" JAX_PLATFORMS, or give JAX_PLATFORMS={there[0]} (NVIDIA GPUs need"
            " requirements-cuda.txt)"
        ) from error


def are_cpus() -> bool:
    """Whether the devices that JAX takes are CPUs."""
    return jax.local_devices()[0].platform == "cpu"


def left() -> str:
    """Say how much memory is left, on the first device or, for a CPU, on the host."""
    device = jax.local_devices()[0]
    stats = _stats(device)
    if stats is None:
        return memory.left()
    limit = stats["bytes_limit"]
    free = memory.written(limit - stats["bytes_in_use"])
    return f"{free} of {memory.written(limit)} are left on {device}"


def require(compiled: Any, given: int, what: str, remedy: str) -> None:
    """Refuse a program that needs more memory than there is, before it is run.

    Args:
      compiled: of `jax.jit(...).lower(...).compile()`.
      given: bytes of its arguments on each device that are not there yet.
      what: it is, for the message.
      remedy: what takes less.

    Raises:
      UserError: its buffers do not fit.  Where the compiler does not say what they
        take, or a device other than a CPU what it has, nothing is refused.
    """
    sizes = compiled.memory_analysis()
    if sizes is None:
        return
    needed = sizes.temp_size_in_bytes + given
    needed += max(0, sizes.output_size_in_bytes - sizes.alias_size_in_bytes)
    device = jax.local_devices()[0]
    if device.platform == "cpu":  # all of them share the host's memory
        memory.require(needed * jax.local_device_count(), what, remedy)
    elif stats := _stats(device):
        free = stats["bytes_limit"] - stats["bytes_in_use"]
        memory.require(needed, what, remedy, free)


def _stats(device: Any) -> dict[str, int] | None:
    """Return what a device says of its memory, bytes; None where it does not say."""
    stats = device.memory_stats()
    return stats if stats and {"bytes_limit", "bytes_in_use"} <= set(stats) else None
