"""The inverted residual block, of which MobileNets and EfficientNets are made.

It is MobileNetV2's (Sandler et al. 2018, arXiv:1801.04381, fig. 3 and 4b), with
squeeze-and-excitation as in MobileNetV3 (Howard et al. 2019, arXiv:1905.02244, fig. 4).
What the publishers of weights do differently is an `Arithmetic`.

Deviation: depthwise kernels start with the variance of one channel's fan, as in the
authors' networks, not of all channels' together as torchvision's.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxseg.nn.blocks import ACTIVATIONS, SqueezeExcite, StochasticDepth
from jaxseg.nn.convolution import Conv, Padding
from jaxseg.nn.normalization import BatchNorm

DEPTHWISE = nn.initializers.variance_scaling(2.0, "fan_in", "normal")
"""A depthwise kernel's fan-in is its taps."""


@dataclass(frozen=True)
class Arithmetic:
    """What the publishers of a network's weights compute differently.

    Attributes:
      epsilon: of the normalisations.
      momentum: of the normalisations, the weight of the old statistics.
      padding: "symmetric"; "same", TensorFlow's; or the image's side for which the
        latter is frozen: strided convolutions then pad as they would on such an image.
    """

    epsilon: float = 1e-5
    momentum: float = 0.9
    padding: Literal["symmetric", "same"] | int = "symmetric"

    def norm(self, name: str, dtype: Any) -> BatchNorm:
        """Return a normalisation."""
        return BatchNorm(self.momentum, self.epsilon, dtype=dtype, name=name)


TENSORFLOW = Arithmetic(1e-3, 0.99, "same")
"""Of the networks that their authors published."""


def round_channels(channels: float) -> int:
    """Round to a multiple of 8, at least 8 and at least 90 % (MobileNetV2's code)."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


class InvertedResidual(nn.Module):
    """Expand (1x1), filter each channel, gate, project (1x1), and a shortcut.

    Attributes:
      channels: of the output.
      expanded: channels of the depthwise convolution; there is no expansion if the
        input has as many.
      squeezed: channels of the gate's bottleneck; 0 leaves the gate out.
      kernel: side of the depthwise kernel.
      stride: of the depthwise convolution.
      rate: atrous rate of the depthwise convolution.
      shortcut: whether the input is added.
      activation: name in `ACTIVATIONS`.
      gate: of the squeeze-and-excitation; "hard_sigmoid" has a ReLU in its bottleneck,
        "sigmoid" the block's activation.
      drop: probability of leaving the branch out in training.
      padding: "symmetric", "same" or "even": see `pad`.
      arithmetic: normalisation.
      dtype: compute type.
    """

    channels: int
    expanded: int
    squeezed: int = 0
    kernel: int = 3
    stride: int = 1
    rate: int = 1
    shortcut: bool = False
    activation: str = "relu"
    gate: str = "sigmoid"
    drop: float = 0.0
    padding: str = "symmetric"
    arithmetic: Arithmetic = Arithmetic()
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, train: bool = False) -> jax.Array:
        """Map `[B, H, W, C]` to `[B, H / stride, W / stride, channels]`."""
        norm = functools.partial(self.arithmetic.norm, dtype=self.dtype)
        activate = ACTIVATIONS[self.activation]
        y = x
        if self.expanded != x.shape[-1]:
            y = Conv(self.expanded, dtype=self.dtype, name="expand_conv")(y)
            y = activate(norm("expand_norm")(y, train))
        y, padding = pad(y, self.kernel, self.stride, self.padding)
        y = Conv(
            self.expanded,
            self.kernel,
            self.stride,
            self.rate,
            groups=self.expanded,
            kernel_init=DEPTHWISE,
            padding=padding,
            dtype=self.dtype,
            name="depthwise_conv",
        )(y)
        y = activate(norm("depthwise_norm")(y, train))
        if self.squeezed:
            between = self.activation if self.gate == "sigmoid" else "relu"
            y = SqueezeExcite(
                self.squeezed, between, self.gate, self.dtype, name="squeeze"
            )(y)
        y = Conv(self.channels, dtype=self.dtype, name="project_conv")(y)
        y = norm("project_norm")(y, train)
        if self.shortcut:
            y = x + StochasticDepth(self.drop, name="stochastic_depth")(y, train)
        return y


def pad(
    x: jax.Array, kernel: int, stride: int, padding: str
) -> tuple[jax.Array, Padding]:
    """Return a convolution's input and the padding that it is to be given.

    "even" is what "same" would be on a map of even size, whatever the size; odd sizes
    get one zero more behind, so that they round up.
    """
    if padding == "even" and stride > 1:
        rows, columns = (side % 2 for side in x.shape[1:3])
        x = jnp.pad(x, ((0, 0), (0, rows), (0, columns), (0, 0)))
        before = (kernel - 2) // 2
        return x, (before, kernel - 2 - before)
    return x, "same" if padding == "same" else "symmetric"
