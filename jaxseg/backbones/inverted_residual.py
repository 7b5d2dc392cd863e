"""The inverted residual block, of which MobileNets and EfficientNets are made.

The block is MobileNetV2's (Sandler et al. 2018, arXiv:1801.04381, fig. 3 and 4b), with
squeeze-and-excitation as in MobileNetV3 (Howard et al. 2019, arXiv:1905.02244, fig. 4).
An `Arithmetic` holds what differs between the publishers of weights.

Deviation from torchvision: the initial variance of a depthwise kernel follows the fan
of one channel, as in the authors' networks; torchvision takes the fan of all channels.
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

HE_NORMAL_FAN_IN = nn.initializers.variance_scaling(2.0, "fan_in", "normal")
"""He et al. 2015 (arXiv:1502.01852); the fan-in of a depthwise kernel is its area."""


@dataclass(frozen=True)
class Arithmetic:
    """What the publishers of a network's weights compute differently.

    Attributes:
      epsilon: of the normalisations.
      momentum: of the normalisations, the weight of the old statistics.
      padding: "symmetric"; "same", which is TensorFlow's; or the side of an image, in
        pixels: every strided convolution then pads as "same" would on that image.
      name: the name by which a user chooses it.
      sources: the sources in `jaxseg.weights` whose files need this arithmetic.
    """

    epsilon: float = 1e-5
    momentum: float = 0.9
    padding: Literal["symmetric", "same"] | int = "symmetric"
    name: str = ""
    sources: tuple[str, ...] = ()

    def norm(self, name: str, dtype: Any) -> BatchNorm:
        """Return a normalisation."""
        return BatchNorm(self.momentum, self.epsilon, dtype=dtype, name=name)


TORCHVISION = Arithmetic(1e-3, 0.99, name="torchvision", sources=("torchvision",))
"""torchvision's of EfficientNet-B5 to B7 and of MobileNetV3."""

TIMM = Arithmetic(name="timm", sources=("timm", "smp"))
"""timm's of the networks that timm trained."""

TENSORFLOW = Arithmetic(1e-3, 0.99, "same", "tensorflow", ("timm", "smp", "package"))
"""The arithmetic of the networks' authors, which timm's `tf_` models have."""


def round_channels(channels: float) -> int:
    """Round to a multiple of 8, at least 8 and at least 90 % (MobileNetV2's code)."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


class InvertedResidual(nn.Module):
    """Expand (1x1), filter each channel, gate, project (1x1), and add the shortcut.

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
            kernel_init=HE_NORMAL_FAN_IN,
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
    """Return the input and the padding argument of a convolution.

    "even" pads a map of any size as "same" pads a map of even size.  An odd size gets
    one more zero at the end, so that sizes round up.
    """
    if padding == "even" and stride > 1:
        rows, columns = (side % 2 for side in x.shape[1:3])
        x = jnp.pad(x, ((0, 0), (0, rows), (0, columns), (0, 0)))
        before = (kernel - 2) // 2
        return x, (before, kernel - 2 - before)
    return x, "same" if padding == "same" else "symmetric"
