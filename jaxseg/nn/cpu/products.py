"""Convolutions as products over the kernel's taps, as XLA operations.

On a CPU, XLA runs 1x1, dilated, strided and depthwise convolutions far below the speed
of a matrix product.  These forms are as fast as one, for any float type and any number
of devices; `convolution.convolve` chooses among them.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax


def pointwise(
    image: jax.Array, kernel: jax.Array, strides: Sequence[int] = (1, 1)
) -> jax.Array:
    """Convolve by a 1x1 kernel as one matrix product; a stride is a slice before it."""
    image = image[:, :: strides[0], :: strides[1]]
    return lax.dot_general(image, kernel[0, 0], (((3,), (0,)), ((), ())))


def atrous(
    image: jax.Array,
    kernel: jax.Array,
    padding: Sequence[tuple[int, int]],
    rates: Sequence[int],
) -> jax.Array:
    """Convolve by a dilated kernel, stride 1, as one matrix product per tap.

    Each tap multiplies only the part of the image that it overlaps; at rate 36 on 32x32
    only the centre tap does.
    """
    sizes = image.shape[1:3]
    taps = kernel.shape[:2]
    outs = [
        sizes[axis] + sum(padding[axis]) - (taps[axis] - 1) * rates[axis]
        for axis in (0, 1)
    ]
    total = None
    for row in range(taps[0]):
        for column in range(taps[1]):
            start, stop, offset = [], [], []
            for axis, tap in enumerate((row, column)):
                shift = tap * rates[axis] - padding[axis][0]
                start.append(max(0, -shift))
                stop.append(min(outs[axis], sizes[axis] - shift))
                offset.append(shift)
            if start[0] >= stop[0] or start[1] >= stop[1]:
                continue
            part = image[
                :,
                start[0] + offset[0] : stop[0] + offset[0],
                start[1] + offset[1] : stop[1] + offset[1],
            ]
            part = lax.dot_general(
                part,
                kernel[row, column],
                (((3,), (0,)), ((), ())),
                preferred_element_type=jnp.float32,
            )
            widths = [(start[a], outs[a] - stop[a]) for a in (0, 1)]
            part = jnp.pad(part, ((0, 0), *widths, (0, 0)))
            total = part if total is None else total + part
    if total is None:  # the kernel overlaps only padding
        shape = (image.shape[0], *outs, kernel.shape[-1])
        return jnp.zeros(shape, image.dtype)
    return total.astype(image.dtype)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4))
def depthwise(
    image: jax.Array,
    kernel: jax.Array,
    strides: Sequence[int],
    padding: Sequence[tuple[int, int]],
    rates: Sequence[int],
) -> jax.Array:
    """Convolve each channel by itself as a sum of shifted images, which XLA fuses.

    The gradients are written in the same way: automatic differentiation would compute
    that of the image by a scatter, and that of the kernel by one pass over the image
    for each tap.  There is no forward mode (`jax.jvp`) through it.
    """
    taps = _taps(image, kernel.shape[:2], strides, padding, rates)
    total = jnp.zeros((), jnp.float32)
    for row, column, part in taps:
        total = total + part.astype(jnp.float32) * kernel[row, column, 0]
    return total.astype(image.dtype)


def _taps(
    image: jax.Array,
    taps: Sequence[int],
    strides: Sequence[int],
    padding: Sequence[tuple[int, int]],
    rates: Sequence[int],
) -> list[tuple[int, int, jax.Array]]:
    """Return row and column of each tap and the part of the image that it overlaps."""
    image = jnp.pad(image, ((0, 0), *padding, (0, 0)))
    spans = [
        ((image.shape[1 + a] - (taps[a] - 1) * rates[a] - 1) // strides[a]) * strides[a]
        for a in (0, 1)
    ]
    found = []
    for row in range(taps[0]):
        for column in range(taps[1]):
            top, left = row * rates[0], column * rates[1]
            part = image[
                :,
                top : top + spans[0] + 1 : strides[0],
                left : left + spans[1] + 1 : strides[1],
            ]
            found.append((row, column, part))
    return found


def _depthwise_forward(
    image: jax.Array, kernel: jax.Array, *geometry: Any
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return depthwise(image, kernel, *geometry), (image, kernel)


def _depthwise_backward(
    strides: Sequence[int],
    padding: Sequence[tuple[int, int]],
    rates: Sequence[int],
    saved: tuple[jax.Array, jax.Array],
    gradient: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    image, kernel = saved
    taps = _taps(image, kernel.shape[:2], strides, padding, rates)
    wide = gradient.astype(jnp.float32)
    # A single reduction with an operand for each tap reads image and gradient once.
    sums = lax.reduce(
        [part.astype(jnp.float32) * wide for _, _, part in taps],
        [jnp.zeros((), jnp.float32)] * len(taps),
        lambda ones, others: [a + b for a, b in zip(ones, others, strict=True)],
        (0, 1, 2),
    )
    for_kernel = jnp.stack(sums).reshape(kernel.shape).astype(kernel.dtype)
    sizes = (image.shape[1], image.shape[2])
    return _image_gradient(gradient, kernel, sizes, strides, padding, rates), for_kernel


def _image_gradient(
    gradient: jax.Array,
    kernel: jax.Array,
    sizes: Sequence[int],
    strides: Sequence[int],
    padding: Sequence[tuple[int, int]],
    rates: Sequence[int],
) -> jax.Array:
    """Return the gradient of a depthwise convolution's image `[B, *sizes, C]`.

    Pixels of one phase (position modulo the stride) are multiplied by the same taps, so
    each phase's gradient is a convolution of stride 1.  The phases are interleaved.
    """
    lengths = [-(-sizes[a] // strides[a]) for a in (0, 1)]
    plans = []  # axis -> phase -> (tap, offset in the gradient)
    for a in (0, 1):
        plans.append([])
        for phase in range(strides[a]):
            starts = [
                (tap, phase + padding[a][0] - tap * rates[a])
                for tap in range(kernel.shape[a])
            ]
            plans[a].append(
                [
                    (t, start // strides[a])
                    for t, start in starts
                    if not start % strides[a]
                ]
            )
    margins = []
    for a in (0, 1):
        offsets = [offset for plan in plans[a] for _, offset in plan]
        over = max(offsets) + lengths[a] - gradient.shape[1 + a]
        margins.append((max(0, -min(offsets)), max(0, over)))
    gradient = jnp.pad(gradient, ((0, 0), *margins, (0, 0)))
    shape = (gradient.shape[0], *lengths, gradient.shape[-1])
    rows = []
    for row_plan in plans[0]:
        columns = []
        for column_plan in plans[1]:
            total = jnp.zeros(shape, jnp.float32)
            for row, above in row_plan:
                for column, before in column_plan:
                    top, left = above + margins[0][0], before + margins[1][0]
                    part = gradient[:, top : top + lengths[0], left : left + lengths[1]]
                    total = total + part.astype(jnp.float32) * kernel[row, column, 0]
            columns.append(total.astype(gradient.dtype))
        rows.append(jnp.stack(columns, axis=3))
    whole = jnp.stack(rows, axis=2)  # [B, h, phases, w, phases, C]
    sides = [lengths[a] * strides[a] for a in (0, 1)]
    whole = whole.reshape(shape[0], *sides, shape[-1])
    return whole[:, : sizes[0], : sizes[1]]


depthwise.defvjp(_depthwise_forward, _depthwise_backward)
