"""The compiled kernels: loaded once in a process, and called through XLA's FFI.

Without a compiler, or with $JAXSEG_KERNELS=0, XLA's own operations are used instead.
"""

from __future__ import annotations

import ctypes
import functools
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from jaxseg.errors import UserError
from jaxseg.nn.cpu.build import built

KERNELS = (
    "convolve",
    "input_gradient",
    "weight_gradient",
    "convolve_channels",
    "channels_input_gradient",
    "channels_weight_gradient",
    "moments",
    "normalization_sums",
)
"""Names of the kernels in the source."""


class Library:
    """The loaded kernels, and the constants of their source that size scratch memory.

    Attributes:
      columns: number of output channels that a product computes at once.
      points: number of products, and of weights, per tile of a 3x3 convolution.
      lines: number of output lines that one task of a depthwise weight gradient sums.
      pixels: number of pixels that one task of the moments or their gradient sums.
      mark: hash of source and processor, which is part of the kernels' names.
    """

    def __init__(self, path: Path, mark: str) -> None:
        library = ctypes.CDLL(str(path))
        self.columns: int = library.jaxseg_columns()
        self.points: int = library.jaxseg_points()
        self.lines: int = library.jaxseg_lines()
        self.pixels: int = library.jaxseg_pixels()
        self.mark = mark
        for name in KERNELS:
            capsule = jax.ffi.pycapsule(getattr(library, f"jaxseg_{name}"))
            jax.ffi.register_ffi_target(self.target(name), capsule, platform="cpu")

    def target(self, name: str) -> str:
        """Return a kernel's name in XLA, on which the cache of programs depends."""
        return f"jaxseg_{name}_{self.mark}"


def library() -> Library | None:
    """Return the kernels, which are built if necessary; None if they cannot be used."""
    loaded = _load()
    return loaded if isinstance(loaded, Library) else None


def reason() -> str:
    """Return why there are no kernels; empty if there are."""
    loaded = _load()
    return loaded if isinstance(loaded, str) else ""


def loaded() -> Library:
    """Return the kernels; call this only if `lowering.uses_kernels` is true."""
    found = library()
    assert found is not None
    return found


def compiled(name: str, *shapes: Sequence[int]) -> Callable[..., Any]:
    """Return a kernel as a function to float32 arrays of these shapes.

    The last array is scratch memory.  If it is too small, or if sizes of arrays do not
    agree, the kernel writes nothing and returns an error, which XLA raises.
    """
    types = [jax.ShapeDtypeStruct(tuple(shape), jnp.float32) for shape in shapes]
    return jax.ffi.ffi_call(loaded().target(name), types, vmap_method="sequential")


@functools.cache
def _load() -> Library | str:
    """Return the kernels, or why there are none."""
    if os.environ.get("JAXSEG_KERNELS") == "0":
        return "$JAXSEG_KERNELS is 0"
    try:
        return Library(*built())
    except UserError as error:
        return str(error)
    except Exception as error:  # XLA's own operations are slower, but correct
        return f"{type(error).__name__}: {error}"
