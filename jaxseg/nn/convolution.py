"""Convolutions, and how each is computed on a given platform.

`Conv` is Linen's `nn.Conv` with PyTorch's symmetric padding and a lowering of our own.
For a CPU `convolve` takes the compiled kernels (`nn.cpu.convolutions`) or, where they
cannot be used, products over the taps (`nn.cpu.products`); for a GPU or TPU it takes
XLA's own convolution.  `nn.lowering` knows what is compiled for.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from jaxseg.nn.blocks import ACTIVATIONS
from jaxseg.nn.cpu import convolutions as kernels
from jaxseg.nn.cpu import products
from jaxseg.nn.lowering import on_cpu, uses_kernels
from jaxseg.nn.normalization import BatchNorm, RunningAffine

NHWC = ("NHWC", "HWIO", "NHWC")

Padding = Literal["symmetric", "same"] | int | tuple[int, int]

Epilogue = tuple[jax.Array, jax.Array, jax.Array | None, bool]
"""Scale, offset, residual and whether a ReLU follows: applied to the convolution."""

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
    epilogue: Epilogue | None = None,
) -> jax.Array:
    """Convolve like `lax.conv_general_dilated`, by the platform's fastest lowering.

    Args:
      image: float `[B, H, W, C]`.
      kernel: float `[kh, kw, C / groups, O]`.
      strides: of the output, rows and columns.
      padding: zeros before and after, rows and columns; or "SAME".
      lhs_dilation: as in lax; anything but 1 is left to lax.
      rhs_dilation: the atrous rate, rows and columns.
      dimension_numbers: taken for the signature's sake; always NHWC, HWIO.
      feature_group_count: number of channel groups.
      precision: as in lax; anything but None is left to lax.
      preferred_element_type: as in lax; anything but None is left to lax.
      epilogue: applied to the convolution's output, or None.

    Returns:
      float `[B, H', W', O]` of the image's type.
    """
    if isinstance(padding, str):
        field = [
            (taps - 1) * rate + 1
            for taps, rate in zip(kernel.shape[:2], rhs_dilation, strict=True)
        ]
        padding = lax.padtype_to_pads(image.shape[1:3], field, strides, padding)
    if tuple(lhs_dilation) == (1, 1) and precision is preferred_element_type is None:
        (top, bottom), (left, right) = padding
        edges = ((top, bottom), (left, right))
        geometry = (tuple(strides), edges, tuple(rhs_dilation))
        done = _on_cpu(image, kernel, geometry, feature_group_count, epilogue)
        if done is not None:
            return done
    y = lax.conv_general_dilated(
        image,
        kernel,
        strides,
        padding,
        lhs_dilation,
        rhs_dilation,
        NHWC,
        feature_group_count,
        precision=precision,
        preferred_element_type=preferred_element_type,
    )
    return _apply_epilogue(y, epilogue)


def _on_cpu(
    image: jax.Array,
    kernel: jax.Array,
    geometry: Any,
    groups: int,
    epilogue: Epilogue | None,
) -> jax.Array | None:
    """Convolve by the fastest lowering for a CPU, or return None to leave it to XLA."""
    strides, padding, rates = geometry
    channelwise = groups == image.shape[-1] == kernel.shape[-1] > 1
    if groups > 1 and not channelwise:
        return None
    y: Any
    empty = any(
        size + sum(edges) <= (taps - 1) * rate
        for size, edges, taps, rate in zip(
            image.shape[1:3], padding, kernel.shape[:2], rates, strict=True
        )
    )
    if not empty and uses_kernels(image, kernel):
        if channelwise:
            y = kernels.convolve_channels(image, kernel, geometry)
        elif epilogue is None:
            y = kernels.convolve(image, kernel, geometry)
        else:
            return kernels.convolve_affine(image, kernel, geometry, *epilogue)
    elif not on_cpu():
        return None
    elif channelwise:
        y = products.depthwise(image, kernel, *geometry)
    elif kernel.shape[:2] == (1, 1) and padding == ((0, 0), (0, 0)):
        y = products.pointwise(image, kernel, strides)
    elif max(rates) > 1 and max(strides) == 1:
        y = products.atrous(image, kernel, padding, rates)
    else:
        return None
    return _apply_epilogue(y, epilogue)


def _apply_epilogue(y: jax.Array, epilogue: Epilogue | None) -> jax.Array:
    """Apply an epilogue by XLA's operations."""
    if epilogue is None:
        return y
    scale, offset, residual, relu = epilogue
    y = y * scale + offset
    y = y if residual is None else y + residual
    return nn.relu(y) if relu else y


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
    epilogue: Epilogue | None = None,
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
      epilogue: as in `convolve`.
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
        conv_general_dilated=functools.partial(convolve, epilogue=epilogue),
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
    residual: jax.Array | None = None,
    epsilon: float = 1e-5,
    dtype: Any = jnp.float32,
    groups: int = 1,
    **options: Any,
) -> jax.Array:
    """Convolve and normalise; a residual is added and a ReLU follows, if wanted.

    By running statistics all of it is one pass, where the compiled kernels are used.
    The two are submodules of the module that calls this.

    Args:
      x: float `[B, H, W, C]`.
      train: normalise by the batch's statistics.
      channels: output channels.
      kernel: side of the kernel.
      names: of the convolution and of the normalisation.
      relu: whether a ReLU ends it.
      residual: float `[B, H', W', channels]` that is added before the ReLU, or None.
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
    if plain and not train and uses_kernels(x):
        affine = RunningAffine(epsilon, name=names[1])(channels)
        return conv(epilogue=(*affine, residual, relu))(x)
    fused = relu and residual is None
    norm = BatchNorm(epsilon=epsilon, relu=fused, dtype=dtype, name=names[1])
    x = norm(conv()(x), train)
    if residual is not None:
        x = nn.relu(x + residual) if relu else x + residual
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
