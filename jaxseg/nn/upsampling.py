"""Resizing feature maps and logits: fixed and learned upsampling.

`resize_*` are functions to any size; `Upsample` is the choice that every decoder
offers, by a name in `UPSAMPLINGS`.  Values equal PyTorch's for the same settings.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Annotated, Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from jaxseg.errors import choose
from jaxseg.nn.convolution import Conv
from jaxseg.nn.lowering import on_cpu
from jaxseg.registry import one_of


def linear_weights(size: int, target: int, align_corners: bool = False) -> jax.Array:
    """Return the `[target, size]` matrix that interpolates one axis linearly."""
    if align_corners:
        centre = jnp.arange(target) * ((size - 1) / max(target - 1, 1))
    else:
        centre = (jnp.arange(target) + 0.5) * (size / target) - 0.5
        centre = jnp.clip(centre, 0, size - 1)
    return jax.nn.relu(1 - jnp.abs(centre[:, None] - jnp.arange(size)))


def resize_linear(
    x: jax.Array, size: tuple[int, ...], align_corners: bool = False
) -> jax.Array:
    """Resize by linear interpolation along each spatial axis; edges are repeated.

    Equal to PyTorch's `interpolate` in mode "bilinear" (two axes) or "trilinear"
    (three).  Written as one matrix product an axis: fast on every platform, and its
    gradient is deterministic.

    Args:
      x: float `[B, *spatial, C]`.
      size: target spatial size, as many numbers as x has spatial axes.
      align_corners: put the corner pixels' centres on each other, as older weights
        want; False, today's usage, puts pixel centres at one half.

    Returns:
      `[B, *size, C]` of x's type; sums are float32.
    """
    for axis, target in enumerate(size, start=1):
        source = x.shape[axis]
        if source == target:
            continue
        if source == 1:  # one value: repeated
            shape = (*x.shape[:axis], target, *x.shape[axis + 1 :])
            x = jnp.broadcast_to(x, shape)
            continue
        weights = linear_weights(source, target, align_corners).astype(x.dtype)
        x = jnp.moveaxis(jnp.tensordot(weights, x, (1, axis)), 0, axis)
    return x


def resize_bilinear(
    x: jax.Array, size: tuple[int, int], align_corners: bool = False
) -> jax.Array:
    """Resize `[B, h, w, C]` to `[B, *size, C]`; see `resize_linear`."""
    return resize_linear(x, size, align_corners)


def resize_nearest(x: jax.Array, size: tuple[int, ...]) -> jax.Array:
    """Resize by repeating the nearest pixel, as PyTorch's `mode="nearest"`.

    Args:
      x: `[B, *spatial, C]`.
      size: target spatial size.
    """
    for axis, target in enumerate(size, start=1):
        source = x.shape[axis]
        if target == source:
            continue
        if target % source == 0:  # a broadcast, cheaper than a gather
            x = _repeated(x, target // source, axis)
        else:
            x = jnp.take(x, jnp.arange(target) * source // target, axis=axis)
    return x


def _repeated(x: jax.Array, times: int, axis: int) -> jax.Array:
    """Repeat each element along an axis.

    On a CPU the gradient is a sum of slices, since XLA's reduction over so short an
    axis is several times slower; there is no forward mode through it.
    """
    repeat = _repeat if on_cpu() else _plain_repeat
    return repeat(x, times, axis)


def _plain_repeat(x: jax.Array, times: int, axis: int) -> jax.Array:
    shape = (*x.shape[: axis + 1], times, *x.shape[axis + 1 :])
    x = jnp.broadcast_to(jnp.expand_dims(x, axis + 1), shape)
    return x.reshape(*shape[:axis], -1, *shape[axis + 2 :])


def _repeat_forward(x: jax.Array, times: int, axis: int) -> tuple[jax.Array, None]:
    return _plain_repeat(x, times, axis), None


def _repeat_backward(
    times: int, axis: int, _: None, gradient: jax.Array
) -> tuple[jax.Array]:
    shape = gradient.shape
    parts = gradient.reshape(*shape[:axis], -1, times, *shape[axis + 1 :])
    slices = (jax.lax.index_in_dim(parts, i, axis + 1, False) for i in range(times))
    return (functools.reduce(jnp.add, slices),)


_repeat = jax.custom_vjp(_plain_repeat, nondiff_argnums=(1, 2))
_repeat.defvjp(_repeat_forward, _repeat_backward)


def pixel_shuffle(x: jax.Array, factor: int) -> jax.Array:
    """Move channels into space (Shi et al. 2016, arXiv:1609.05158, eq. 4).

    Args:
      x: `[B, h, w, C * factor^2]`, channels in PyTorch's order: C, row, column.
      factor: upsampling factor.

    Returns:
      `[B, h * factor, w * factor, C]`.
    """
    b, h, w, c = x.shape
    x = x.reshape(b, h, w, c // factor**2, factor, factor)
    x = x.transpose(0, 1, 4, 2, 5, 3)
    return x.reshape(b, h * factor, w * factor, c // factor**2)


def bilinear_kernel(key: Any, shape: tuple[int, ...], dtype: Any) -> jax.Array:
    """Initialise a transposed convolution as linear interpolation, channel by channel.

    Long et al. 2015, arXiv:1411.4038, sec. 4.1.

    Args:
      key: unused.
      shape: `[k, k, in, out]`; channels that have no partner get zeros.
      dtype: of the kernel.
    """
    side = shape[0]
    factor = (side + 1) // 2
    centre = factor - 1 if side % 2 else factor - 0.5
    line = 1 - jnp.abs(jnp.arange(side) - centre) / factor
    channels = jnp.eye(shape[2], shape[3], dtype=dtype)
    return (line[:, None] * line)[:, :, None, None].astype(dtype) * channels


class TransposedConv(nn.Module):
    """A transposed convolution, PyTorch's `ConvTranspose2d`, cut to an exact factor.

    Attributes:
      channels: output channels.
      factor: stride.
      kernel: side; None is twice the factor (even factors), which covers evenly.
      bias: whether a bias is added.
      kernel_init: initialiser.
      dtype: compute type.
    """

    channels: int
    factor: int = 2
    kernel: int | None = None
    bias: bool = True
    kernel_init: nn.initializers.Initializer = nn.initializers.he_normal()
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Map `[B, h, w, C]` to `[B, factor * h, factor * w, channels]`."""
        side = self.kernel or 2 * self.factor - self.factor % 2
        shape = (side, side, x.shape[-1], self.channels)
        kernel = self.param("kernel", self.kernel_init, shape, jnp.float32)
        # The full output has factor * (h - 1) + side rows.  Cut it evenly, an odd row
        # in front: PyTorch's padding (excess + 1) // 2 and output_padding excess % 2.
        excess = side - self.factor
        before = max(0, (excess + 1) // 2)
        cut = (side - 1 - before, side - 1 - (excess - before))
        x = lax.conv_general_dilated(
            x.astype(self.dtype),
            jnp.flip(kernel, (0, 1)).astype(self.dtype),
            (1, 1),
            (cut, cut),
            lhs_dilation=(self.factor, self.factor),
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )
        if self.bias:
            x = x + self.param("bias", nn.initializers.zeros, (self.channels,)).astype(
                self.dtype
            )
        return x


class UpConv(nn.Module):
    """A 2x2 (2x2x2) transposed convolution of stride 2.

    Its taps do not overlap, so it is one matrix product and a change of order.

    Attributes:
      channels: output channels.
      bias: whether a bias is added.
      dtype: compute type.
    """

    channels: int
    bias: bool = True
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Map `[B, *spatial, C]` to `[B, *(2 * spatial), channels]`."""
        batch, *spatial, channels = x.shape
        taps = (2,) * len(spatial)
        init = nn.initializers.variance_scaling(
            2.0, "fan_in", "normal", batch_axis=tuple(range(len(taps)))
        )
        kernel = self.param("kernel", init, (*taps, channels, self.channels))
        x, kernel = x.astype(self.dtype), kernel.astype(self.dtype)
        x = jnp.tensordot(x, kernel, (-1, len(taps)))
        pairs = [(axis, axis + len(taps)) for axis in range(1, len(taps) + 1)]
        x = x.transpose(0, *(axis for pair in pairs for axis in pair), -1)
        x = x.reshape(batch, *(2 * size for size in spatial), self.channels)
        if self.bias:
            bias = self.param("bias", nn.initializers.zeros, (self.channels,))
            x = x + bias.astype(self.dtype)
        return x


class Upsample(nn.Module):
    """Upsampling by a name, to any size; the number of channels stays.

    The learned ones enlarge by a whole factor and cut what is too much, below and on
    the right: features of odd sizes were rounded up there.

    Attributes:
      method: a name in `UPSAMPLINGS`.
      dtype: compute type.
    """

    method: str = "bilinear"
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, size: tuple[int, int]) -> jax.Array:
        """Map `[B, h, w, C]` to `[B, *size, C]`; size is not smaller than (h, w)."""
        enlarge = choose("upsampling", self.method, UPSAMPLINGS)
        return enlarge(x, size, x.shape[-1], self.dtype)


def _then_conv(resize: Callable[..., jax.Array]) -> Callable[..., jax.Array]:
    def enlarge(
        x: jax.Array, size: tuple[int, int], channels: int, dtype: Any
    ) -> jax.Array:
        return Conv(channels, 3, bias=True, dtype=dtype, name="conv")(resize(x, size))

    return enlarge


def _factor(x: jax.Array, size: tuple[int, int]) -> int:
    """Return the ratio of the two strides, a power of two.

    The ratio of the sizes, rounded up, can be less: 9 and 3 pixels of an image of 33
    have strides 4 and 16.  Parameters must not depend on the image's size.
    """
    ratio = max(-(-size[0] // x.shape[1]), -(-size[1] // x.shape[2]))
    return 1 << (ratio - 1).bit_length()


def _transposed(
    x: jax.Array, size: tuple[int, int], channels: int, dtype: Any
) -> jax.Array:
    factor = _factor(x, size)
    enlarge = TransposedConv(
        channels, factor, kernel_init=bilinear_kernel, dtype=dtype, name="transposed"
    )
    return enlarge(x)[:, : size[0], : size[1]]


def _shuffled(
    x: jax.Array, size: tuple[int, int], channels: int, dtype: Any
) -> jax.Array:
    factor = _factor(x, size)
    conv = Conv(channels * factor**2, 3, bias=True, dtype=dtype, name="conv")
    return pixel_shuffle(conv(x), factor)[:, : size[0], : size[1]]


UPSAMPLINGS: dict[str, Callable[..., jax.Array]] = {
    "bilinear": lambda x, size, channels, dtype: resize_bilinear(x, size),
    "nearest": lambda x, size, channels, dtype: resize_nearest(x, size),
    "bilinear_conv": _then_conv(resize_bilinear),
    "nearest_conv": _then_conv(resize_nearest),
    "transposed": _transposed,
    "pixel_shuffle": _shuffled,
}
"""Name -> what `Upsample` does by it."""

UpsamplingName = Annotated[str, one_of("upsampling", UPSAMPLINGS)]
"""A name in `UPSAMPLINGS`."""
