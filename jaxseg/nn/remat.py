"""Rematerialisation: what a backward pass keeps, and what it computes again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
from jax.ad_checkpoint import checkpoint_name

_BLOCK_OUTPUT = "block_output"


def block_output(x: jax.Array) -> jax.Array:
    """Mark the output of a backbone's block as worth keeping."""
    return checkpoint_name(x, _BLOCK_OUTPUT)


def recompute_blocks(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make the backward pass keep the marked outputs and recompute the rest."""
    policy = jax.checkpoint_policies.save_only_these_names(_BLOCK_OUTPUT)
    return jax.checkpoint(function, policy=policy)
