"""Several losses, added with a weight each: `cross_entropy + 0.5*dice`."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxseg.errors import UserError
from jaxseg.losses.base import Loss
from jaxseg.registry import Named, parse

LARGEST = 1e6
"""Of the weights of a sum."""


@dataclass(frozen=True)
class WeightedSum(Loss):
    """A weighted sum of losses.

    Attributes:
      losses: the terms.
      weights: one for each of them.
    """

    losses: tuple[Loss, ...]
    weights: tuple[float, ...]

    def prepare(self, label: jax.Array, factor: jax.Array | None) -> tuple[Any, ...]:
        """Return what each term must know of the labels of the whole batch."""
        return tuple(loss.prepare(label, factor) for loss in self.losses)

    def __call__(
        self,
        logits: jax.Array,
        label: jax.Array,
        factor: jax.Array | None = None,
        prepared: Any = None,
        align_corners: bool = False,
    ) -> jax.Array:
        """Return the sum, see `Loss`."""
        if prepared is None:
            prepared = self.prepare(label, factor)
        total = jnp.zeros((), jnp.float32)
        for loss, weight, known in zip(
            self.losses, self.weights, prepared, strict=True
        ):
            total += weight * loss(logits, label, factor, known, align_corners)
        return total

    def check_classes(self, num_classes: int | None) -> None:
        """Refuse options of the terms that do not fit, see `Loss`."""
        for loss in self.losses:
            loss.check_classes(num_classes)


class Term(NamedTuple):
    """A term of a sum: its weight, and the loss by its name with its options."""

    weight: float
    loss: Named


def parse_sum(text: str) -> tuple[Term, ...]:
    """Read `NAME + WEIGHT*NAME(OPTION=VALUE) + ...`; blanks are optional.

    Args:
      text: from a configuration.

    Raises:
      UserError: it is anything else, or a weight is not above 0.
    """
    if not set(text) & set("+*"):
        return (Term(1.0, parse("loss", text)),)
    try:
        node = ast.parse(text.strip(), mode="eval").body
    except (ValueError, SyntaxError, RecursionError, MemoryError) as error:
        raise _misread(text) from error
    parts: list[ast.expr] = []
    while isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        parts.append(node.right)
        node = node.left
    return tuple(_term(text, part) for part in (node, *reversed(parts)))


def _term(text: str, node: ast.expr) -> Term:
    weight: Any = 1.0
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        try:
            weight = ast.literal_eval(node.left)
        except (ValueError, TypeError) as error:
            raise _misread(text) from error
        node = node.right
        if type(weight) not in (int, float) or not 0 < weight <= LARGEST:
            raise UserError(
                f"loss {text!r}: weight {weight}; a weight is a number above 0 and at"
                f" most {LARGEST:g}, and a loss of weight 0 is left out"
            )
    if isinstance(node, ast.Name):
        return Term(float(weight), Named(node.id))
    if not isinstance(node, ast.Call):
        raise _misread(text)
    return Term(float(weight), parse("loss", ast.unparse(node)))


def _misread(text: str) -> UserError:
    return UserError(
        f"loss {text!r}: give a sum of names, each with a weight before it and options"
        " behind it where it has them, such as cross_entropy + 0.5*dice(smooth=1.0)"
    )
