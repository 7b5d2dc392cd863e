"""The training state: step, parameters, statistics, optimizer state, average."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn
from flax import struct

from jaxseg.errors import UserError


class TrainState(struct.PyTreeNode):
    """The state of a run; one pytree, float32 but for the step.

    Attributes:
      step: int32 scalar, updates done.
      params: the model's parameters.
      batch_stats: running statistics of batch normalisation.
      opt_state: of the optimizer.
      ema: moving average of {"params", "batch_stats"}, or None.
    """

    step: Any
    params: Any
    batch_stats: Any
    opt_state: Any
    ema: Any = None

    @property
    def variables(self) -> dict[str, Any]:
        """What `model.apply` takes to evaluate: the average if there is one."""
        if self.ema is not None:
            return self.ema
        return {"params": self.params, "batch_stats": self.batch_stats}


def fresh_state(
    variables: Mapping[str, Any],
    optimizer: optax.GradientTransformation,
    ema: bool = False,
) -> TrainState:
    """Return the state at step 0 of a model's variables; may be traced."""
    params, stats = variables["params"], variables.get("batch_stats", {})
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        params=params,
        batch_stats=stats,
        opt_state=optimizer.init(params),
        ema={"params": params, "batch_stats": stats} if ema else None,
    )


def create_state(
    model: nn.Module,
    optimizer: optax.GradientTransformation,
    seed: int,
    image_size: tuple[int, ...],
    ema: bool = False,
) -> TrainState:
    """Initialise a state, as one compiled program; a function of `seed` alone.

    Args:
      model: a segmenter.
      optimizer: whose state is initialised too.
      seed: of the parameters.
      image_size: height and width to trace with; parameters do not depend on it.
      ema: keep a moving average.
    """

    def init(key: jax.Array) -> TrainState:
        variables = model.init(key, jnp.zeros((1, *image_size, 3), jnp.float32))
        return fresh_state(variables, optimizer, ema)

    # Hundreds of small random kernels that run once: not worth optimising.
    fast = jax.jit(init, compiler_options={"xla_backend_optimization_level": 0})
    return fast(jax.random.key(seed))


def with_variables(state: TrainState, variables: Mapping[str, Any]) -> TrainState:
    """Return a fresh state that starts from other parameters and statistics.

    Args:
      state: at step 0.
      variables: `params` and `batch_stats`, of the state's shapes.
    """
    params, stats = variables["params"], variables.get("batch_stats", {})
    average = None
    if state.ema is not None:  # arrays of its own: the step donates each once
        average = jax.tree.map(np.array, {"params": params, "batch_stats": stats})
    return state.replace(params=params, batch_stats=stats, ema=average)


def describe_difference(expected: Any, found: Any) -> str | None:
    """Say in a line how two trees of arrays differ, or return None if they fit.

    Args:
      expected: tree of arrays or `ShapeDtypeStruct`s.
      found: the other one.
    """
    ours, theirs = _leaves(expected), _leaves(found)
    for name, shape in ours.items():
        if name not in theirs:
            return f"{name} {shape} is missing"
        if theirs[name] != shape:
            return f"{name} is {theirs[name]}, expected {shape}"
    extra = [name for name in theirs if name not in ours]
    return f"{extra[0]} {theirs[extra[0]]} is not in this model" if extra else None


def _leaves(tree: Any) -> dict[str, tuple[int, ...]]:
    flat, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): tuple(leaf.shape)
        for path, leaf in flat
    }


def fingerprint(tree: Any) -> str:
    """Return the sha256 of a tree's names, types and bytes, as hexadecimal text."""
    digest = hashlib.sha256()
    flat, _ = jax.tree_util.tree_flatten_with_path(tree)
    for path, leaf in flat:
        array = np.asarray(leaf)
        digest.update(f"{jax.tree_util.keystr(path)} {array.dtype} ".encode())
        digest.update(f"{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def require_finite(loss: float, step: int) -> None:
    """Stop on a loss that is not a number.

    Raises:
      UserError: the loss is infinite or NaN; the message names the step.
    """
    if not math.isfinite(loss):
        raise UserError(
            f"the loss is {loss} at step {step}: lower optimizer.learning_rate, set"
            " optimizer.clip_norm or add warm-up; the last good checkpoint is kept"
        )
