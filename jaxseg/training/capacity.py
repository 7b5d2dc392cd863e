"""Whether a training fits into memory, found out before its first step.

A system that runs out of memory may end the process without a word, so the batch is
compared with the host's memory before data is opened, and the compiled step, whose
buffers XLA has laid out, with the device's before the run folder is made.
"""

from __future__ import annotations

import math
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from jaxseg import memory
from jaxseg.config import Config
from jaxseg.parallel import devices
from jaxseg.parallel.distributed import several
from jaxseg.parallel.mesh import abstract_batch
from jaxseg.training.state import TrainState

Leaves = dict[str, tuple[tuple[int, ...], Any]]
"""Shape and dtype by name."""

SMALLER = (
    "give a smaller --train.batch_size or --augment.crop, a larger --train.accumulate,"
    " --model.remat True or --model.dtype bfloat16"
)
"""What takes less memory in training."""


def require_batch(config: Config) -> None:
    """Refuse a batch that the host's memory cannot hold, before it is read.

    Raises:
      UserError: it is larger than the memory that is free.
    """
    memory.require(
        _bytes(_leaves(config)) // jax.process_count(),
        f"a batch of {_images(config)}",
        "give a smaller --train.batch_size or --augment.crop",
    )


def compile_step(step: Any, state: TrainState, config: Config, mesh: Mesh) -> Any:
    """Compile a training step and see whether its memory is there.

    Args:
      step: from `create_train_step`.
      state: on the mesh; its values are not looked at.
      config: of the run.
      mesh: the devices.

    Returns:
      The compiled step, which is called like `step`.

    Raises:
      UserError: it takes more memory than there is.
    """
    leaves = _leaves(config)
    compiled = step.lower(state, abstract_batch(leaves, mesh)).compile()
    share = -(-_bytes(leaves) // mesh.size)
    devices.require(compiled, share, f"a step of {_images(config)}", SMALLER)
    return compiled


def _images(config: Config) -> str:
    height, width = config.augment.crop
    return f"{config.train.batch_size} images of {height}x{width}"


def _leaves(config: Config) -> Leaves:
    """Return what a training batch of all hosts holds."""
    images, crop = config.train.batch_size, config.augment.crop
    leaves: Leaves = {
        "image": ((images, *crop, 3), np.uint8),
        "label": ((images, *crop), np.uint8),
        "valid": ((images,), np.bool_),
    }
    if config.train.border_weight:
        leaves["weight"] = ((images, *crop), np.float32)
    if several():
        leaves["stop"] = ((images,), np.bool_)
    return leaves


def _bytes(leaves: Leaves) -> int:
    return sum(
        math.prod(shape) * np.dtype(dtype).itemsize for shape, dtype in leaves.values()
    )
