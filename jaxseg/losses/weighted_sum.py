"""Several losses, added with a weight each: `cross_entropy + 0.5*dice`."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from jaxseg.errors import UserError
from jaxseg.losses.base import Loss
from jaxseg.registry import Named, parse

LARGEST = 1e6
"""Largest weight in a sum."""


@dataclass(frozen=True)
class WeightedSum(Loss):
    """A weighted sum of losses.

    It is `summed` if each of its terms is, or is additive; `add` makes one.

    Attributes:
      losses: the terms.
      weights: one for each of them.
    """

    summed: ClassVar[bool] = True

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
        terms = zip(self.losses, prepared, strict=True)
        return self._sum(
            loss(logits, label, factor, known, align_corners) for loss, known in terms
        )

    def part(
        self,
        logits: jax.Array,
        label: jax.Array,
        factor: jax.Array | None = None,
        prepared: Any = None,
        align_corners: bool = False,
    ) -> tuple[Any, ...]:
        """Return what a part of a batch adds to each term, see `Loss`."""
        terms = zip(self.losses, prepared, strict=True)
        return tuple(
            loss.part(logits, label, factor, known, align_corners)
            for loss, known in terms
        )

    def whole(self, total: tuple[Any, ...]) -> jax.Array:
        """Return the sum from what the parts of a batch add to each term."""
        terms = zip(self.losses, total, strict=True)
        return self._sum(loss.whole(found) for loss, found in terms)

    def _sum(self, values: Iterable[jax.Array]) -> jax.Array:
        total = jnp.zeros((), jnp.float32)
        for weight, value in zip(self.weights, values, strict=True):
            total += weight * value
        return total

    def check_classes(self, num_classes: int | None) -> None:
        """Refuse options of the terms that do not fit, see `Loss`."""
        for loss in self.losses:
            loss.check_classes(num_classes)


@dataclass(frozen=True)
class AdditiveSum(WeightedSum):
    """A weighted sum of losses that are all additive."""

    additive: ClassVar[bool] = True


def add(losses: Sequence[Loss], weights: Sequence[float]) -> WeightedSum:
    """Return the sum of losses, each with a weight."""
    additive = all(loss.additive for loss in losses)
    kind = AdditiveSum if additive else WeightedSum
    return kind(tuple(losses), tuple(weights))


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
