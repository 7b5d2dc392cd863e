"""How each JAX primitive carries extents from its operands to its results.

A rule takes an equation, what is known of its operands (`Value`) and their extents, and
returns the extent of the result, a list of them if there are several, or None where it
cannot say.  `dependence.py` applies them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jaxseg.analysis.extents import (
    NONE_HIGH,
    NONE_LOW,
    Extent,
    combine,
    condense,
    hull,
    regroup,
    union,
    window,
)

Value = Extent | np.ndarray
"""The extent of an array, or the array itself if it does not depend on the image."""

Rule = Callable[[Any, Sequence[Value], Sequence[Extent]], Any]

ELEMENTWISE = frozenset(
    """abs acos acosh add add_any and asin asinh atan atan2 atanh cbrt ceil clamp
    convert_element_type copy copy_p cos cosh div eq erf erf_inv erfc exp exp2 expm1
    floor ge gt integer_pow is_finite le log log1p logistic lt max min mul name ne neg
    nextafter not or pow reduce_precision rem round rsqrt sign sin sinh sqrt square
    stop_gradient sub tan tanh xor""".split()
)
"""Primitives whose result depends, element by element, on all operands."""

REDUCTIONS = frozenset(
    """argmax argmin reduce_and reduce_max reduce_min reduce_or reduce_prod reduce_sum
    reduce_xor""".split()
)
"""Primitives that reduce over the parameter `axes`."""


def _select(equation: Any, values: Sequence[Value], extents: Sequence[Extent]) -> Any:
    which = values[0]
    if not isinstance(which, np.ndarray) or len(extents) != 3:
        return union(extents)
    no, yes = extents[1:]
    low, high = np.where(which, yes.low, no.low), np.where(which, yes.high, no.high)
    return condense(Extent(low, high))


def _broadcast(
    equation: Any, values: Sequence[Value], extents: Sequence[Extent]
) -> Any:
    shape = [1] * len(equation.params["shape"])
    for source, target in enumerate(equation.params["broadcast_dimensions"]):
        shape[target] = extents[0].shape[source]
    return extents[0].reshape(*shape)


def _reshape(equation: Any, values: Sequence[Value], extents: Sequence[Extent]) -> Any:
    return regroup(extents[0], _shape(equation), equation.params["new_sizes"])


def _squeeze(equation: Any, values: Sequence[Value], extents: Sequence[Extent]) -> Any:
    return hull(extents[0], [int(a) for a in equation.params["dimensions"]])


def _transpose(
    equation: Any, values: Sequence[Value], extents: Sequence[Extent]
) -> Any:
    return extents[0].transpose(equation.params["permutation"])


def _reverse(equation: Any, values: Sequence[Value], extents: Sequence[Extent]) -> Any:
    axes = equation.params["dimensions"]
    return Extent(np.flip(extents[0].low, axes), np.flip(extents[0].high, axes))


def _concatenate(
    equation: Any, values: Sequence[Value], extents: Sequence[Extent]
) -> Any:
    axis = equation.params["dimension"]
    shape = list(
        np.broadcast_shapes(
            *((*e.shape[:axis], 1, *e.shape[axis + 1 :]) for e in extents)
        )
    )
    parts = []
    for extent, operand in zip(extents, equation.invars, strict=True):
        shape[axis] = operand.aval.shape[axis]
        parts.append(extent.expand(shape))
    return condense(
        Extent(
            np.concatenate([part.low for part in parts], axis),
            np.concatenate([part.high for part in parts], axis),
        )
    )


def _pad(equation: Any, values: Sequence[Value], extents: Sequence[Extent]) -> Any:
    operand, filling = extents
    shape, out = _shape(equation), equation.outvars[0].aval.shape
    for axis, (before, _, between) in enumerate(equation.params["padding_config"]):
        operand = window(
            operand, axis, shape[axis], out[axis], 1, 1, int(before), int(between) + 1
        )
    return union([operand, filling])


def _slice(equation: Any, values: Sequence[Value], extents: Sequence[Extent]) -> Any:
    starts, strides = equation.params["start_indices"], equation.params["strides"]
    return _cut(equation, extents[0], starts, strides or (1,) * len(starts))


def _dynamic_slice(
    equation: Any, values: Sequence[Value], extents: Sequence[Extent]
) -> Any:
    sizes, result = equation.params["slice_sizes"], extents[0]
    starts = []
    for axis, size in enumerate(_shape(equation)):
        start = values[1 + axis]
        if isinstance(start, np.ndarray):
            starts.append(int(np.clip(start, 0, size - sizes[axis])))
        else:  # anywhere along the axis
            result, starts = hull(result, [axis], keep=True), [*starts, 0]
    cut = _cut(equation, result, starts, (1,) * len(starts))
    ones = (1,) * cut.low.ndim
    return union([cut, *(extent.reshape(*ones) for extent in extents[1:])])


def _cut(
    equation: Any, extent: Extent, starts: Sequence[int], strides: Sequence[int]
) -> Extent:
    for axis, size in enumerate(equation.outvars[0].aval.shape):
        index = starts[axis] + np.arange(size)[:, None] * strides[axis]
        extent = combine(extent, axis, index)
    return extent


def _split(equation: Any, values: Sequence[Value], extents: Sequence[Extent]) -> Any:
    axis, start, parts = equation.params["axis"], 0, []
    for size in equation.params["sizes"]:
        index = start + np.arange(size)[:, None]
        parts.append(combine(extents[0], axis, index))
        start += size
    return parts


def _gather(equation: Any, values: Sequence[Value], extents: Sequence[Extent]) -> Any:
    """Gather the bounds as the data would be, where the indices are known."""
    indices, params = values[1], dict(equation.params)
    if not isinstance(indices, np.ndarray):
        return None
    numbers, sizes = params["dimension_numbers"], list(params["slice_sizes"])
    shape = list(_shape(equation))
    picked = (*numbers.collapsed_slice_dims, *numbers.operand_batching_dims)
    for axis, size in enumerate(shape):
        alike = extents[0].shape[axis] == 1 and axis not in picked
        if alike and sizes[axis] == size:  # taken whole: one position stands for all
            shape[axis] = sizes[axis] = 1
    full, params["slice_sizes"] = extents[0].expand(shape), tuple(sizes)
    bounds = []
    for bound, none in ((full.low, NONE_LOW), (full.high, NONE_HIGH)):
        params["fill_value"] = none
        bounds.append(np.asarray(equation.primitive.bind(bound, indices, **params)))
    return condense(Extent(*bounds))


def _pool(equation: Any, values: Sequence[Value], extents: Sequence[Extent]) -> Any:
    params, shape = equation.params, _shape(equation)
    outs = equation.outvars
    result = union(extents[: len(outs)])  # the others are what the sums start from
    for axis, taps in enumerate(params["window_dimensions"]):
        result = window(
            result,
            axis,
            shape[axis],
            outs[0].aval.shape[axis],
            taps,
            params["window_strides"][axis],
            params["padding"][axis][0],
            params["base_dilation"][axis],
            params["window_dilation"][axis],
        )
    return [result] * len(outs)


def _convolution(
    equation: Any, values: Sequence[Value], extents: Sequence[Extent]
) -> Any:
    params = equation.params
    numbers, groups = params["dimension_numbers"], params["feature_group_count"]
    if params["batch_group_count"] != 1:
        return None
    inputs, kernel, outputs = (
        [variable.aval.shape[axis] for axis in spec]
        for variable, spec in zip(
            (*equation.invars, *equation.outvars),
            (numbers.lhs_spec, numbers.rhs_spec, numbers.out_spec),
            strict=True,
        )
    )
    image = extents[0].transpose(numbers.lhs_spec)  # batch, channels, space
    for index, padding in enumerate(params["padding"]):
        image = window(
            image,
            2 + index,
            inputs[2 + index],
            outputs[2 + index],
            kernel[2 + index],
            params["window_strides"][index],
            padding[0],
            params["lhs_dilation"][index],
            params["rhs_dilation"][index],
        )
    channels = np.arange(inputs[1]).reshape(groups, -1)
    image = combine(image, 1, np.repeat(channels, outputs[1] // groups, axis=0))
    image = image.transpose(np.argsort(numbers.out_spec).tolist())
    everywhere = hull(extents[1], range(extents[1].low.ndim))
    return union([image, everywhere])


def _dot(equation: Any, values: Sequence[Value], extents: Sequence[Extent]) -> Any:
    """Sum over the contracted axes; zeros of a known matrix are left out."""
    contracted, batch = equation.params["dimension_numbers"]
    for side in (0, 1):
        matrix = values[side]
        if isinstance(matrix, np.ndarray) and matrix.ndim == 2 and not batch[0]:
            axis, other = contracted[side], contracted[1 - side]
            if len(axis) == 1:
                rows = np.moveaxis(matrix != 0, axis[0], 1)
                result = combine(extents[1 - side], other[0], *_nonzero(rows))
                order = list(range(result.low.ndim))
                order.insert(0 if side == 0 else len(order), order.pop(other[0]))
                return result.transpose(order)
    ranks = [
        extent.low.ndim - len(axes) - len(shared)
        for extent, axes, shared in zip(extents, contracted, batch, strict=True)
    ]
    parts = []
    for side, extent in enumerate(extents):
        free = set(range(extent.low.ndim)) - {*contracted[side], *batch[side]}
        order = [*batch[side], *sorted(free), *contracted[side]]
        extent = extent.transpose(order)
        extent = hull(extent, range(len(order) - len(contracted[side]), len(order)))
        ones = [1] * ranks[1 - side]
        shared, own = extent.shape[: len(batch[0])], extent.shape[len(batch[0]) :]
        parts.append(extent.reshape(*shared, *((*own, *ones), (*ones, *own))[side]))
    return union(parts)


def _nonzero(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the true places of each row, and which of those are not filling."""
    taps = max(1, int(rows.sum(1).max()))
    index = np.argsort(~rows, axis=1, kind="stable")[:, :taps]
    return index, np.take_along_axis(rows, index, 1)


def _shape(equation: Any) -> tuple[int, ...]:
    return equation.invars[0].aval.shape


RULES: dict[str, Rule] = {
    "select_n": _select,
    "broadcast_in_dim": _broadcast,
    "reshape": _reshape,
    "squeeze": _squeeze,
    "transpose": _transpose,
    "rev": _reverse,
    "concatenate": _concatenate,
    "pad": _pad,
    "slice": _slice,
    "dynamic_slice": _dynamic_slice,
    "split": _split,
    "gather": _gather,
    "reduce_window": _pool,
    "reduce_window_max": _pool,
    "reduce_window_min": _pool,
    "reduce_window_sum": _pool,
    "conv_general_dilated": _convolution,
    "dot_general": _dot,
}
"""Primitive -> rule; besides `ELEMENTWISE` and `REDUCTIONS`."""
