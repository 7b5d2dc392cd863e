"""Optimizers of optax: schedules, decay masks, a factor of the backbone, clipping."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import optax

from jaxseg.registry import Registry


def poly(
    peak: float, final: float, steps: int, warmup: int = 0, power: float = 0.9
) -> optax.Schedule:
    """Return the poly schedule, `(peak - final) (1 - t / T) ** power + final`.

    Liu et al. 2015 (arXiv:1506.04579, ParseNet), as mmsegmentation's `PolyLR`.
    `warmup` steps before it climb linearly from `peak / warmup`.
    """
    decay = optax.polynomial_schedule(peak, final, power, max(1, steps - warmup))
    return _warmed_up(decay, peak, warmup)


def cosine(
    peak: float, final: float, steps: int, warmup: int = 0, power: float = 1.0
) -> optax.Schedule:
    """Return half a cosine (Loshchilov & Hutter 2017, arXiv:1608.03983)."""
    alpha = final / peak if peak else 0.0
    decay = optax.cosine_decay_schedule(peak, max(1, steps - warmup), alpha, power)
    return _warmed_up(decay, peak, warmup)


def constant(
    peak: float, final: float, steps: int, warmup: int = 0, power: float = 1.0
) -> optax.Schedule:
    """Return the constant `peak`, after the warm-up."""
    del final, steps, power
    return _warmed_up(optax.constant_schedule(peak), peak, warmup)


def _warmed_up(schedule: optax.Schedule, peak: float, warmup: int) -> optax.Schedule:
    if not warmup:
        return schedule
    climb = optax.linear_schedule(peak / warmup, peak, warmup)
    return optax.join_schedules([climb, schedule], [warmup])


SCHEDULES: Registry[Callable[..., optax.Schedule]] = Registry(
    "schedule", {"poly": poly, "cosine": cosine, "constant": constant}
)
"""Name -> `(peak, final, steps, warmup, power) -> schedule`."""


def is_decayed(params: Any) -> Any:
    """Return a tree of bools: kernels decay, biases and norms (one axis) do not."""
    return jax.tree.map(lambda leaf: leaf.ndim > 1, params)


def _sgd(momentum: float, weight_decay: float) -> optax.GradientTransformation:
    """SGD in PyTorch's order: decay is added to the gradient before the momentum."""
    decay = optax.add_decayed_weights(weight_decay, is_decayed)
    return optax.chain(decay, optax.trace(momentum) if momentum else optax.identity())


def _adamw(momentum: float, weight_decay: float) -> optax.GradientTransformation:
    """Decoupled decay (Loshchilov & Hutter 2019, arXiv:1711.05101); momentum is b1."""
    return optax.chain(
        optax.scale_by_adam(b1=momentum),
        optax.add_decayed_weights(weight_decay, is_decayed),
    )


OPTIMIZERS: Registry[Callable[[float, float], optax.GradientTransformation]] = Registry(
    "optimizer", {"sgd": _sgd, "adamw": _adamw}
)
"""Name -> `(momentum, weight decay) -> update direction`, before the learning rate."""


def create_optimizer(
    name: str,
    schedule: optax.Schedule,
    *,
    momentum: float = 0.9,
    weight_decay: float = 0.0,
    backbone_factor: float = 1.0,
    clip_norm: float | None = None,
    freeze_backbone: bool = False,
) -> optax.GradientTransformation:
    """Build the update: clipping, direction, learning rate, factor of the backbone.

    Args:
      name: "sgd" or "adamw".
      schedule: step -> learning rate.
      momentum: of SGD, or Adam's first decay rate.
      weight_decay: on parameters of more than one axis.
      backbone_factor: multiplies the updates of parameters under "backbone".
      clip_norm: largest global norm of the gradient, or None.
      freeze_backbone: never update parameters under "backbone".

    Raises:
      UserError: an unknown name.
    """
    steps = [OPTIMIZERS.find(name)(momentum, weight_decay)]
    if clip_norm is not None:
        steps.insert(0, optax.clip_by_global_norm(clip_norm))
    steps.append(optax.scale_by_learning_rate(schedule))
    if backbone_factor != 1.0:
        steps.append(optax.masked(optax.scale(backbone_factor), _is_backbone))
    if freeze_backbone:  # weight decay would change parameters even without gradients
        steps.append(optax.masked(optax.set_to_zero(), _is_backbone))
    return optax.chain(*steps)


def _is_backbone(params: Any) -> Any:
    return {
        name: jax.tree.map(lambda _, inside=name == "backbone": inside, subtree)
        for name, subtree in params.items()
    }
