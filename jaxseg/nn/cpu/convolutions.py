"""Convolutions by the compiled kernels, and their gradients.

They are used where `lowering.uses_kernels` says so.  There is no forward mode
(`jax.jvp`) through them, and XLA does not fuse with them.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxseg.nn.cpu.library import compiled, loaded

PARTIAL_SUMS = 2**20
"""Largest number of floats of the partial sums of a weight gradient."""

LARGE = 2**15
"""Least number of weights of a kernel that XLA should not copy, above first layers'."""


Geometry = tuple[
    tuple[int, int], tuple[tuple[int, int], tuple[int, int]], tuple[int, int]
]
"""Strides, numbers of zeros before and after, and rates, each of rows and columns."""


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def convolve(image: jax.Array, kernel: jax.Array, geometry: Geometry) -> jax.Array:
    """Convolve all channels together.

    Args:
      image: float32 `[B, H, W, C]`.
      kernel: float32 `[kh, kw, C, O]`.
      geometry: strides, padding and rates.

    Returns:
      float32 `[B, H', W', O]`.
    """
    return _convolve(geometry, False, image, kernel)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 6))
def convolve_affine(
    image: jax.Array,
    kernel: jax.Array,
    geometry: Geometry,
    scale: jax.Array,
    offset: jax.Array,
    residual: jax.Array | None,
    relu: bool,
) -> jax.Array:
    """Convolve, scale and shift channels, add a residual and rectify, in one pass.

    Args:
      image: float32 `[B, H, W, C]`.
      kernel: float32 `[kh, kw, C, O]`.
      geometry: strides, padding and rates.
      scale: float32 `[O]`, multiplied with the convolution's output.
      offset: float32 `[O]`, added to the scaled output.
      residual: float32 `[B, H', W', O]` that is added before the ReLU, or None.
      relu: whether a ReLU follows.

    Returns:
      float32 `[B, H', W', O]`.
    """
    return _convolve(geometry, relu, image, kernel, scale, offset, residual)


def _affine_forward(*arguments: Any) -> tuple[jax.Array, Any]:
    *operands, relu = arguments
    del operands[2]
    return convolve_affine(*arguments), operands


def _affine_backward(
    geometry: Geometry, relu: bool, saved: Any, gradient: jax.Array
) -> Any:
    """Recompute the same steps as XLA operations, and differentiate these."""

    def steps(image, kernel, scale, offset, residual):
        y = convolve(image, kernel, geometry) * scale + offset
        y = y if residual is None else y + residual
        return jax.nn.relu(y) if relu else y

    return jax.vjp(steps, *saved)[1](gradient)


convolve_affine.defvjp(_affine_forward, _affine_backward)


def _convolve(
    geometry: Geometry,
    relu: bool,
    image: jax.Array,
    kernel: jax.Array,
    scale: jax.Array | None = None,
    offset: jax.Array | None = None,
    residual: jax.Array | None = None,
) -> jax.Array:
    shape = _shape(image, kernel, geometry)
    scratch = _panels(kernel.shape, *kernel.shape[2:])
    epilogue = [
        jnp.zeros((0,) * axes, jnp.float32) if given is None else given
        for given, axes in ((scale, 1), (offset, 1), (residual, 4))
    ]
    operands = (image, kernel, *epilogue)
    return _call("convolve", shape, scratch, geometry, *operands, relu=relu)


def _saving(convolution: Callable[..., Any]) -> Callable[..., Any]:
    """Return the forward pass, which saves its operands for the gradients."""

    def forward(image: jax.Array, kernel: jax.Array, geometry: Geometry) -> Any:
        return convolution(image, kernel, geometry), (image, kernel)

    return forward


def _convolve_backward(
    geometry: Geometry, saved: tuple[jax.Array, jax.Array], gradient: jax.Array
) -> tuple[jax.Array, jax.Array]:
    image, kernel = saved
    channels, outputs = kernel.shape[2:]
    scratch = _panels(kernel.shape, outputs, channels)
    for_image = _call(
        "input_gradient", image.shape, scratch, geometry, gradient, kernel
    )
    sums = _taps(kernel.shape) * channels * outputs
    scratch = sums * max(1, min(32, PARTIAL_SUMS // sums))
    # The image's gradient, an operand here, is computed first: it reads the kernel, and
    # if the optimizer's update of the kernel could run before it, XLA would copy the
    # kernel.  For small kernels the copy is cheap, so no operand is passed.
    nothing = jnp.zeros((0,) * 4, jnp.float32)
    operands = (image, gradient, for_image if kernel.size >= LARGE else nothing)
    for_kernel = _call("weight_gradient", kernel.shape, scratch, geometry, *operands)
    return for_image, for_kernel


convolve.defvjp(_saving(convolve), _convolve_backward)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def convolve_channels(
    image: jax.Array, kernel: jax.Array, geometry: Geometry
) -> jax.Array:
    """Convolve each channel by itself, as `convolve` does all of them.

    Args:
      image: float32 `[B, H, W, C]`.
      kernel: float32 `[kh, kw, 1, C]`.
      geometry: strides, padding and rates.

    Returns:
      float32 `[B, H', W', C]`.
    """
    shape = _shape(image, kernel, geometry)
    return _call("convolve_channels", shape, 0, geometry, image, kernel)


def _channels_backward(
    geometry: Geometry, saved: tuple[jax.Array, jax.Array], gradient: jax.Array
) -> tuple[jax.Array, jax.Array]:
    image, kernel = saved
    operands = (geometry, gradient, kernel)
    for_image = _call("channels_input_gradient", image.shape, 0, *operands)
    lines = gradient.shape[0] * gradient.shape[1]
    scratch = -(-lines // loaded().lines) * kernel.size
    operands = (geometry, image, gradient)
    for_kernel = _call("channels_weight_gradient", kernel.shape, scratch, *operands)
    return for_image, for_kernel


convolve_channels.defvjp(_saving(convolve_channels), _channels_backward)


def _shape(image: jax.Array, kernel: jax.Array, geometry: Geometry) -> tuple[int, ...]:
    """Return the output's shape."""
    strides, padding, rates = geometry
    sides = [
        (image.shape[1 + a] + sum(padding[a]) - (kernel.shape[a] - 1) * rates[a] - 1)
        // strides[a]
        + 1
        for a in (0, 1)
    ]
    return (image.shape[0], *sides, kernel.shape[3])


def _taps(kernel: Sequence[int]) -> int:
    """Return the number of weights per input and output channel, for tiles or taps."""
    return loaded().points if tuple(kernel[:2]) == (3, 3) else math.prod(kernel[:2])


def _panels(kernel: Sequence[int], channels: int, outputs: int) -> int:
    """Return the number of floats of the packed weights."""
    columns = loaded().columns
    return _taps(kernel) * channels * -(-outputs // columns) * columns


def _call(
    name: str,
    shape: Sequence[int],
    scratch: int,
    geometry: Geometry,
    *operands: jax.Array,
    **attributes: Any,
) -> jax.Array:
    strides, padding, rates = geometry
    attributes |= {
        "strides": np.array(strides, np.int64),
        "padding": np.array([before for before, _ in padding], np.int64),
        "rates": np.array(rates, np.int64),
    }
    return compiled(name, shape, (scratch,))(*operands, **attributes)[0]
