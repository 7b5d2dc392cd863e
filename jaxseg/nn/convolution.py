"""Convolutions, and how each is computed on a given platform.

`Conv` is Linen's `nn.Conv` with PyTorch's symmetric padding and a lowering of our own:
on a CPU, XLA runs 1x1, dilated, strided and depthwise convolutions far below the speed
of a matrix product, so there they are written as products over the taps.  On GPU and
TPU XLA's own convolution is used.  The choice is made in `convolve` and nowhere else.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from jaxseg.nn import cpu_kernels
from jaxseg.nn.blocks import ACTIVATIONS
from jaxseg.nn.normalization import BatchNorm, RunningAffine

NHWC = ("NHWC", "HWIO", "NHWC")

Padding = Literal["symmetric", "same"] | int | tuple[int, int]

Ending = tuple[jax.Array, jax.Array, jax.Array | None, bool]
"""What follows a convolution: scale, offset, what is added, whether a ReLU."""

HE_NORMAL_FAN_OUT = nn.initializers.variance_scaling(2.0, "fan_out", "normal")
"""He et al. 2015 (arXiv:1502.01852), eq. 14; by fan-out as torchvision's ResNet."""

LINEAR = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")
"""PyTorch's default, U(-1 / sqrt(fan_in), 1 / sqrt(fan_in)): for classifiers."""


def convolve(
    image: jax.Array,
    kernel: jax.Array,
    strides: Sequence[int],
    padding: str | Sequence[tuple[int, int]],
    lhs_dilation: Sequence[int] = (1, 1),
    rhs_dilation: Sequence[int] = (1, 1),
    dimension_numbers: Any = None,
    feature_group_count: int = 1,
    precision: Any = None,
    preferred_element_type: Any = None,
    ending: Ending | None = None,
) -> jax.Array:
    """Convolve like `lax.conv_general_dilated`, by the platform's fastest lowering.

    Args:
      image: float `[B, H, W, C]`.
      kernel: float `[kh, kw, C / groups, O]`.
      strides: of the output, rows and columns.
      padding: zeros before and after, rows and columns; or "SAME".
      lhs_dilation: as in lax; anything but 1 falls back to lax.
      rhs_dilation: the atrous rate, rows and columns.
      dimension_numbers: taken for the signature's sake; always NHWC, HWIO.
      feature_group_count: number of channel groups.
      precision: as in lax.
      preferred_element_type: as in lax.
      ending: what follows, where `cpu_kernels` are usable and there is one group.

    Returns:
      float `[B, H', W', O]` of the image's type.
    """
    groups, channels = feature_group_count, image.shape[-1]
    if isinstance(padding, str):
        field = [
            (taps - 1) * rate + 1
            for taps, rate in zip(kernel.shape[:2], rhs_dilation, strict=True)
        ]
        padding = lax.padtype_to_pads(image.shape[1:3], field, strides, padding)
    plain = tuple(lhs_dilation) == (1, 1) and precision is None
    plain = plain and preferred_element_type is None
    channelwise = groups == channels == kernel.shape[-1] > 1
    compiled = (
        plain
        and (groups == 1 or channelwise)
        and image.ndim == 4
        and all(
            size + sum(edges) > (taps - 1) * rate  # the output is not empty
            for size, edges, taps, rate in zip(
                image.shape[1:3], padding, kernel.shape[:2], rhs_dilation, strict=True
            )
        )
    )
    if compiled and cpu_kernels.usable(image, kernel):
        rows, columns = padding
        geometry = (tuple(strides), (tuple(rows), tuple(columns)), tuple(rhs_dilation))
        if channelwise:
            return cpu_kernels.convolve_channels(image, kernel, geometry)
        if ending is not None:
            return cpu_kernels.convolve_affine(image, kernel, geometry, *ending)
        return cpu_kernels.convolve(image, kernel, geometry)
    if ending is not None:
        raise ValueError("only the compiled kernels take what follows a convolution")
    special = plain and jax.default_backend() == "cpu"
    if special and groups == 1:
        if kernel.shape[:2] == (1, 1) and _all_zero(padding):
            return pointwise(image, kernel, strides)
        if max(rhs_dilation) > 1 and max(strides) == 1:
            return atrous(image, kernel, padding, rhs_dilation)
    if special and channelwise:
        geometry = (tuple(strides), tuple(padding), tuple(rhs_dilation))
        return depthwise(image, kernel, *geometry)
    return lax.conv_general_dilated(
        image,
        kernel,
        strides,
        padding,
        lhs_dilation,
        rhs_dilation,
        NHWC,
        groups,
        precision=precision,
        preferred_element_type=preferred_element_type,
    )


def _all_zero(padding: Sequence[tuple[int, int]]) -> bool:
    return all(before == after == 0 for before, after in padding)


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
    """Convolve by a dilated kernel, stride 1, as one matrix product a tap.

    Each tap multiplies only the part of the image that it meets: at rate 36 on 32x32
    just the centre tap has work to do.
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
    if total is None:  # the kernel lies wholly in the padding
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

    The gradients are written the same way: autodiff would scatter the image's, and take
    the kernel's in a pass over the image for each tap.  (So there is no forward mode,
    `jax.jvp`, through it.)
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
    """Return row and column of each tap and the part of the image that it meets."""
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
    # One reduction of as many operands as taps reads image and gradient once.
    sums = lax.reduce(
        [part.astype(jnp.float32) * wide for _, _, part in taps],
        [jnp.zeros((), jnp.float32)] * len(taps),
        lambda ones, others: [a + b for a, b in zip(ones, others, strict=True)],
        (0, 1, 2),
    )
    for_kernel = jnp.stack(sums).reshape(kernel.shape).astype(kernel.dtype)
    sizes = (image.shape[1], image.shape[2])
    return _spread(gradient, kernel, sizes, strides, padding, rates), for_kernel


def _spread(
    gradient: jax.Array,
    kernel: jax.Array,
    sizes: Sequence[int],
    strides: Sequence[int],
    padding: Sequence[tuple[int, int]],
    rates: Sequence[int],
) -> jax.Array:
    """Return the gradient of a depthwise convolution's image `[B, *sizes, C]`.

    Pixels at the same place between strides meet the same taps, so each such phase is
    a convolution of the gradient of stride 1; the phases are then interleaved.
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


def Conv(  # noqa: N802 - stands where a module class would
    channels: int,
    kernel: int = 1,
    stride: int = 1,
    rate: int = 1,
    groups: int = 1,
    bias: bool = False,
    kernel_init: nn.initializers.Initializer = HE_NORMAL_FAN_OUT,
    padding: Padding = "symmetric",
    dtype: Any = jnp.float32,
    name: str | None = None,
    ending: Ending | None = None,
) -> nn.Conv:
    """Return a Linen convolution that pads symmetrically, as PyTorch's `padding=` does.

    Args:
      channels: output channels.
      kernel: side of the kernel.
      stride: output stride.
      rate: atrous rate.
      groups: channel groups; as many as input channels make it depthwise.
      bias: whether a bias is added.
      kernel_init: initialiser of the kernel.
      padding: "symmetric" is `rate * (kernel - 1) // 2` zeros on each side; "same" is
        TensorFlow's, which puts the odd zero behind and depends on the image's size; a
        number is that many on each side, a pair before and behind.
      dtype: compute type; parameters are float32.
      name: the submodule's name, which is part of the checkpoint's format.
      ending: as in `convolve`.
    """
    if padding == "symmetric":
        padding = rate * (kernel - 1) // 2
    if isinstance(padding, int):
        padding = (padding, padding)
    return nn.Conv(
        channels,
        (kernel, kernel),
        strides=(stride, stride),
        padding="SAME" if isinstance(padding, str) else (padding, padding),
        kernel_dilation=(rate, rate),
        feature_group_count=groups,
        use_bias=bias,
        dtype=dtype,
        kernel_init=kernel_init,
        conv_general_dilated=functools.partial(convolve, ending=ending),
        name=name,
    )


def conv_norm(
    x: jax.Array,
    train: bool,
    channels: int,
    kernel: int = 1,
    *,
    names: tuple[str, str],
    relu: bool = False,
    plus: jax.Array | None = None,
    epsilon: float = 1e-5,
    dtype: Any = jnp.float32,
    groups: int = 1,
    **options: Any,
) -> jax.Array:
    """Convolve and normalise; a residual is added and a ReLU follows, if wanted.

    By running statistics all of it is one pass, where the kernels for it are usable.
    The two are submodules of the module that calls this.

    Args:
      x: float `[B, H, W, C]`.
      train: normalise by the batch's statistics.
      channels: output channels.
      kernel: side of the kernel.
      names: of the convolution and of the normalisation.
      relu: whether a ReLU ends it.
      plus: float `[B, H', W', channels]` that is added before the ReLU, or None.
      epsilon: added to the variance by the normalisation.
      dtype: compute type.
      groups: channel groups of the convolution.
      options: further arguments of `Conv`, but no bias.

    Returns:
      float `[B, H', W', channels]`.
    """
    conv = functools.partial(
        Conv, channels, kernel, groups=groups, dtype=dtype, name=names[0], **options
    )
    plain = groups == 1 and dtype == jnp.float32 and x.ndim == 4
    if plain and not train and cpu_kernels.usable(x):
        affine = RunningAffine(epsilon, name=names[1])(channels)
        return conv(ending=(*affine, plus, relu))(x)
    last = plus is None
    norm = BatchNorm(epsilon=epsilon, relu=relu and last, dtype=dtype, name=names[1])
    x = norm(conv()(x), train)
    if not last:
        x = nn.relu(x + plus) if relu else x + plus
    return x


def ScoreConv(  # noqa: N802
    num_classes: int,
    kernel: int = 1,
    rate: int = 1,
    dtype: Any = jnp.float32,
    name: str | None = None,
) -> nn.Conv:
    """Return the convolution that turns features into class logits, with a bias."""
    return Conv(
        num_classes,
        kernel,
        rate=rate,
        bias=True,
        kernel_init=LINEAR,
        dtype=dtype,
        name=name,
    )


class ConvNorm(nn.Module):
    """Convolution, batch normalisation, ReLU.

    Attributes:
      channels: output channels.
      kernel: side of the kernel.
      stride: output stride.
      rate: atrous rate.
      separable: a depthwise then a pointwise convolution instead of a full one, with
        no non-linearity between (Chollet 2017, arXiv:1610.02357).
      act: whether the ReLU follows.
      groups: channel groups of the convolution.
      padding: as in `Conv`.
      activation: name in `ACTIVATIONS`.
      epsilon: added to the variance by the normalisation.
      dtype: compute type.
    """

    channels: int
    kernel: int = 3
    stride: int = 1
    rate: int = 1
    separable: bool = False
    act: bool = True
    groups: int = 1
    padding: Padding = "symmetric"
    activation: str = "relu"
    epsilon: float = 1e-5
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, train: bool = False) -> jax.Array:
        """Map `[B, H, W, C]` to `[B, H / stride, W / stride, channels]`."""
        kernel, stride, rate = self.kernel, self.stride, self.rate
        if self.separable:
            c, dtype = x.shape[-1], self.dtype
            conv = Conv(
                c,
                kernel,
                stride,
                rate,
                groups=c,
                padding=self.padding,
                dtype=dtype,
                name="depthwise",
            )
            x = conv(x)
            kernel = stride = rate = 1
        relu = self.act and self.activation == "relu"
        x = conv_norm(
            x,
            train,
            self.channels,
            kernel,
            names=("conv", "norm"),
            relu=relu,
            epsilon=self.epsilon,
            dtype=self.dtype,
            groups=self.groups,
            stride=stride,
            rate=rate,
            padding=self.padding,
        )
        return ACTIVATIONS[self.activation](x) if self.act and not relu else x
