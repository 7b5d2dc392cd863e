"""Which pixels of an image each element of a function's output depends on.

The function is traced to a jaxpr with abstract values, and extents (`extents.py`) are
carried through its equations by the rules of `rules.py`.  That holds for any model,
however it is lowered: a convolution written as slices and matrix products gives the
same as one convolution.  What is known without the image (an interpolation's weights, a
shuffle's indices) is computed, so that its zeros count; parameters count as dense.

Limits: an extent is an interval, so the holes of dilated kernels are not seen
(`gridding.py` shows those), nor is a product with zero, except in interpolation weights
and known masks of `where`.  A primitive without a rule (a loop, a sort, a scatter)
counts as reading all of its operands; its name is reported, and the result is an upper
bound.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax.extend import core

from jaxseg.analysis.extents import (
    NONE_HIGH,
    NONE_LOW,
    Extent,
    along,
    hull,
    nothing,
    union,
)
from jaxseg.analysis.rules import ELEMENTWISE, REDUCTIONS, RULES, Value
from jaxseg.nn.lowering import ANY_DEVICE, compiling_for

_LARGEST_KNOWN = 2**24
"""Elements up to which an array that does not depend on the image is computed."""

_CALLS = {
    "jit": "jaxpr",
    "remat2": "jaxpr",
    "closed_call": "call_jaxpr",
    "custom_jvp_call": "call_jaxpr",
    "custom_vjp_call": "call_jaxpr",
}
"""Primitives that call a function once -> the parameter that holds it."""


class Dependence:
    """Carries the extents of one image axis through a function.

    Attributes:
      size: of the image along the axis.
      image_level: whether sums over the whole axis count (global pooling, statistics of
        an instance normalisation); if not, what comes of them counts as constant.
      approximated: names of primitives without a rule that were met.
    """

    def __init__(self, size: int, image_level: bool = True) -> None:
        self.size = size
        self.image_level = image_level
        self.approximated: set[str] = set()

    def trace(
        self, function: Callable[..., Any], axis: int, image: Any, *others: Any
    ) -> Any:
        """Return the extents of `function(image, *others)`.

        Args:
          function: traced, not run.
          axis: of the image array; `size` long.
          image: `jax.ShapeDtypeStruct`.
          *others: trees of the same, which do not depend on the image.

        Returns:
          The output's tree with an `Extent` for each array.
        """
        with compiling_for(ANY_DEVICE):
            closed, shapes = jax.make_jaxpr(function, return_shape=True)(image, *others)
        first = along(axis, len(image.shape), self.size)
        rest = [nothing(len(leaf.shape)) for leaf in jax.tree.leaves(others)]
        values = self._walk(closed.jaxpr, closed.consts, [first, *rest])
        leaves, tree = jax.tree.flatten(shapes)
        extents = [
            _extent(value, leaf) for value, leaf in zip(values, leaves, strict=True)
        ]
        return jax.tree.unflatten(tree, extents)

    def _walk(
        self, jaxpr: Any, constants: Sequence[Any], values: Sequence[Value]
    ) -> list[Value]:
        known: dict[Any, Value] = dict(zip(jaxpr.invars, values, strict=True))
        for variable, constant in zip(jaxpr.constvars, constants, strict=True):
            known[variable] = (
                np.asarray(constant)
                if _is_plain(variable.aval)
                else nothing(len(variable.aval.shape))
            )

        def read(atom: Any) -> Value:
            if isinstance(atom, core.Literal):
                aval: Any = atom.aval
                return np.asarray(atom.val, aval.dtype)
            return known[atom]

        for equation in jaxpr.eqns:
            outputs = self._apply(equation, [read(atom) for atom in equation.invars])
            known.update(zip(equation.outvars, outputs, strict=True))
        return [read(atom) for atom in jaxpr.outvars]

    def _apply(self, equation: Any, values: list[Value]) -> Sequence[Value]:
        """Return what is known of an equation's outputs."""
        name, outs = equation.primitive.name, [out.aval for out in equation.outvars]
        known = all(isinstance(value, np.ndarray) for value in values)
        if known and all(_is_plain(out) for out in outs):
            if name == "jit" or name not in _CALLS:
                return _computed(equation, values)
        if name in _CALLS:
            inner = equation.params[_CALLS[name]]
            return self._walk(
                getattr(inner, "jaxpr", inner), getattr(inner, "consts", ()), values
            )
        extents = [
            _extent(value, atom.aval)
            for value, atom in zip(values, equation.invars, strict=True)
        ]
        if all((extent.low > extent.high).all() for extent in extents):
            return [nothing(len(out.shape)) for out in outs]
        result = None
        if name in ELEMENTWISE:
            result = union(extents)
        elif name in REDUCTIONS:
            result = self._reduced(
                extents[0], [int(a) for a in equation.params["axes"]]
            )
        elif name in RULES:
            result = RULES[name](equation, values, extents)
        if result is None:
            self.approximated.add(name)
            everything = union(hull(e, range(e.low.ndim)) for e in extents)
            return [everything.reshape(*(1,) * len(out.shape)) for out in outs]
        return [result] if isinstance(result, Extent) else result

    def _reduced(self, extent: Extent, axes: Sequence[int]) -> Extent:
        result = hull(extent, axes)
        if self.image_level:
            return result
        # An image-level sum is one that turns parts of the image into all of it.
        part = (extent.low > 0) | (extent.high < self.size - 1)
        whole = (result.low <= 0) & (result.high >= self.size - 1)
        drop = part.any(tuple(axes)) & whole
        low = np.where(drop, np.int32(NONE_LOW), result.low)
        return Extent(low, np.where(drop, np.int32(NONE_HIGH), result.high))


def _is_plain(aval: Any) -> bool:
    """Tell whether an array is worth computing, and no random key."""
    return isinstance(aval.dtype, np.dtype) and aval.size <= _LARGEST_KNOWN


def _extent(value: Value, aval: Any) -> Extent:
    return nothing(len(aval.shape)) if isinstance(value, np.ndarray) else value


def _computed(equation: Any, values: Sequence[Any]) -> list[np.ndarray]:
    result = equation.primitive.bind(*values, **equation.params)
    results = result if equation.primitive.multiple_results else [result]
    return [np.asarray(array) for array in results]
