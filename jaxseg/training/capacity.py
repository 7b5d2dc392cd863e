"""Checks that a training fits into memory, before its first step.

A system that runs out of memory may end the process without a word.  The batch is
therefore compared with the host's memory before data is opened, and the compiled step,
whose buffers XLA has laid out, with the device's memory before the run folder is made.
"""

from __future__ import annotations

import math
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from jaxseg import memory
from jaxseg.parallel import devices
from jaxseg.parallel.mesh import abstract_batch
from jaxseg.training.state import TrainState

Leaves = dict[str, tuple[tuple[int, ...], Any]]
"""Shape and dtype of each array of a batch, by its name."""

SMALLER = (
    "give a smaller --train.batch_size or --augment.crop, a larger --train.accumulate,"
    " --model.remat True or --model.dtype bfloat16"
)
"""Options that reduce the memory of a training."""


def batch_leaves(
    batch_size: int,
    crop: tuple[int, int],
    weighted: bool,
    planes: tuple[int, ...] = (),
) -> Leaves:
    """Return the arrays of a training batch, of all hosts together.

    Args:
      batch_size: number of images.
      crop: height and width of each image, pixels.
      weighted: whether each pixel has a weight.
      planes: what the shape of a label has behind `[H, W]`, see `LabelSet.planes`.
    """
    leaves: Leaves = {
        "image": ((batch_size, *crop, 3), np.uint8),
        "label": ((batch_size, *crop, *planes), np.uint8),
        "valid": ((batch_size,), np.bool_),
    }
    if weighted:
        leaves["weight"] = ((batch_size, *crop), np.float32)
    return leaves


def require_batch(leaves: Leaves) -> None:
    """Refuse a batch that the host's memory cannot hold, before it is read.

    Args:
      leaves: from `batch_leaves`.

    Raises:
      UserError: the batch is larger than the memory that is free.
    """
    memory.require(
        _bytes(leaves) // jax.process_count(),
        f"a batch of {_images(leaves)}",
        "give a smaller --train.batch_size or --augment.crop",
    )


def compile_step(step: Any, state: TrainState, leaves: Leaves, mesh: Mesh) -> Any:
    """Compile a training step and refuse it if it needs more memory than there is.

    Args:
      step: from `create_train_step`.
      state: on the mesh; this does not block on its values.
      leaves: from `batch_leaves`.
      mesh: the devices.

    Returns:
      The compiled step, which is called like `step`.

    Raises:
      UserError: the step takes more memory than there is.
    """
    compiled = step.lower(state, abstract_batch(leaves, mesh)).compile()
    share = -(-_bytes(leaves) // mesh.size)
    devices.require(compiled, share, f"a step of {_images(leaves)}", SMALLER)
    return compiled


def _images(leaves: Leaves) -> str:
    images, height, width, _ = leaves["image"][0]
    return f"{images} images of {height}x{width}"


def _bytes(leaves: Leaves) -> int:
    return sum(
        math.prod(shape) * np.dtype(dtype).itemsize for shape, dtype in leaves.values()
    )
