"""The compiled kernels: loaded once in a process, and called through XLA's FFI.

Without a compiler, or with $JAXSEG_KERNELS=0, there are none, and XLA's operations do.
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
"""What the source defines."""


class Library:
    """The loaded kernels, and the numbers of the source by which memory is sized.

    Attributes:
      columns: output channels that a product computes at once.
      points: products that a tile of a 3x3 convolution takes, each with a weight.
      lines: of an output, that a task of a depthwise weight gradient sums.
      pixels: that a task of the moments or of their gradient sums.
      mark: tells these kernels from those of another source or CPU, in their names.
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
        """Return the name that XLA knows a kernel by; programs are kept under it."""
        return f"jaxseg_{name}_{self.mark}"


def library() -> Library | None:
    """Load the kernels, built first where they are not; None says there are none."""
    loaded = _load()
    return loaded if isinstance(loaded, Library) else None


def reason() -> str:
    """Say why there are no kernels; empty if there are."""
    loaded = _load()
    return loaded if isinstance(loaded, str) else ""


def loaded() -> Library:
    """Return the kernels, where `lowering.uses_kernels` said that there are some."""
    found = library()
    assert found is not None
    return found


def compiled(name: str, *shapes: Sequence[int]) -> Callable[..., Any]:
    """Return a kernel as a function to float32 arrays of these shapes.

    The last of them is scratch memory.  A kernel that finds it too small, or sizes of
    arrays that do not agree, touches nothing and returns an error, which XLA raises.
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
    except Exception as error:  # speed is all that is lost
        return f"{type(error).__name__}: {error}"
