"""ResNet-18/34/50/101/152 (He et al. 2016, arXiv:1512.03385).

The arithmetic is torchvision's: the stride of a bottleneck sits on its 3x3 convolution
("v1.5"), and with an output stride below 32 the first block of a dilated stage keeps
the rate of the stage before (`replace_stride_with_dilation`).  Deviations from the
paper beyond that: a width factor and a cap on channels, for small models.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxseg.errors import UserError
from jaxseg.nn.convolution import Conv
from jaxseg.nn.normalization import BatchNorm
from jaxseg.nn.remat import block_output


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut (paper, fig. 5 left).

    Attributes:
      channels: the stage's width.
      stride: of the first convolution.
      first_rate: atrous rate of the first convolution.
      rate: atrous rate of the second convolution.
      project: whether the shortcut is a 1x1 convolution.
      dtype: compute type.
    """

    expansion = 1
    channels: int
    stride: int = 1
    first_rate: int = 1
    rate: int = 1
    project: bool = False
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """Map `[B, H, W, C]` to `[B, H / stride, W / stride, channels]`."""
        conv = functools.partial(Conv, self.channels, dtype=self.dtype)
        norm = functools.partial(BatchNorm, dtype=self.dtype)
        y = conv(3, self.stride, self.first_rate, name="conv1")(x)
        y = nn.relu(norm(name="norm1")(y, train))
        y = conv(3, 1, self.rate, name="conv2")(y)
        y = norm(name="norm2")(y, train)
        if self.project:
            x = conv(1, self.stride, name="shortcut_conv")(x)
            x = norm(name="shortcut_norm")(x, train)
        return nn.relu(x + y)


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 convolutions and a shortcut (paper, fig. 5 right).

    Attributes:
      channels: the inner width; the output has four times as many.
      stride: of the 3x3 convolution.
      first_rate: atrous rate of the 3x3 convolution.
      rate: unused; it keeps the two blocks' arguments alike.
      project: whether the shortcut is a 1x1 convolution.
      dtype: compute type.
    """

    expansion = 4
    channels: int
    stride: int = 1
    first_rate: int = 1
    rate: int = 1
    project: bool = False
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """Map `[B, H, W, C]` to `[B, H / stride, W / stride, 4 * channels]`."""
        conv = functools.partial(Conv, dtype=self.dtype)
        norm = functools.partial(BatchNorm, dtype=self.dtype)
        y = conv(self.channels, 1, name="conv1")(x)
        y = nn.relu(norm(name="norm1")(y, train))
        y = conv(self.channels, 3, self.stride, self.first_rate, name="conv2")(y)
        y = nn.relu(norm(name="norm2")(y, train))
        y = conv(self.channels * self.expansion, 1, name="conv3")(y)
        y = norm(name="norm3")(y, train)
        if self.project:
            x = conv(y.shape[-1], 1, self.stride, name="shortcut_conv")(x)
            x = norm(name="shortcut_norm")(x, train)
        return nn.relu(x + y)


class ResNet(nn.Module):
    """A residual network as five feature maps.

    Attributes:
      blocks: number of blocks in each of the four stages.
      block: `BasicBlock` or `Bottleneck`.
      width: factor on the 64, 128, 256, 512 channels of the stages (and the stem).
      max_channels: upper bound on them, before a bottleneck's expansion.
      output_stride: 32, 16 or 8.
      dtype: compute type.
    """

    blocks: tuple[int, int, int, int]
    block: type[BasicBlock] | type[Bottleneck]
    width: float = 1.0
    max_channels: int | None = None
    output_stride: int = 32
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, image: jax.Array, train: bool = False) -> tuple[jax.Array, ...]:
        """Map `[B, H, W, 3]` to features of strides 2, 4, 8, 16, 32 before dilation."""
        x = image.astype(self.dtype)
        x = Conv(self._channels(64), 7, 2, dtype=self.dtype, name="stem_conv")(x)
        x = nn.relu(BatchNorm(dtype=self.dtype, name="stem_norm")(x, train))
        features = [x]
        edge = ((1, 1), (1, 1))
        x = nn.max_pool(x, (3, 3), (2, 2), edge)  # pyright: ignore[reportArgumentType]
        stride, rate = 4, 1
        for stage, count in enumerate(self.blocks):
            step, first_rate = (1 if stage == 0 else 2), rate
            if stride * step > self.output_stride:
                rate, step = rate * step, 1
            stride *= step
            channels = self._channels(64 * 2**stage)
            # Decided by the architecture alone, so that the parameters do not depend on
            # the output stride or on the image's size.
            project = stage > 0 or x.shape[-1] != channels * self.block.expansion
            for index in range(count):
                x = self.block(
                    channels=channels,
                    stride=step if index == 0 else 1,
                    first_rate=first_rate if index == 0 else rate,
                    rate=rate,
                    project=project and index == 0,
                    dtype=self.dtype,
                    name=f"stage{stage + 1}_block{index + 1}",
                )(x, train)
                x = block_output(x)
            features.append(x)
        return tuple(features)

    def _channels(self, count: int) -> int:
        """Scale and cap a width; multiples of 8 keep matrix units busy."""
        if self.width != 1.0:
            count = max(8, round(count * self.width / 8) * 8)
        return min(count, self.max_channels or count)


def _resnet(
    block: type[BasicBlock] | type[Bottleneck], *blocks: int
) -> Callable[..., ResNet]:
    def build(
        width: float = 1.0,
        max_channels: int | None = None,
        output_stride: int = 32,
        dtype: Any = jnp.float32,
    ) -> ResNet:
        if output_stride not in (8, 16, 32):
            raise UserError(f"output stride {output_stride}: a ResNet has 8, 16 or 32")
        if width <= 0:
            raise UserError(f"model.width {width}: it must be positive")
        stages = (blocks[0], blocks[1], blocks[2], blocks[3])
        return ResNet(stages, block, width, max_channels, output_stride, dtype)

    return build


RESNETS: dict[str, Callable[..., ResNet]] = {
    "resnet18": _resnet(BasicBlock, 2, 2, 2, 2),
    "resnet34": _resnet(BasicBlock, 3, 4, 6, 3),
    "resnet50": _resnet(Bottleneck, 3, 4, 6, 3),
    "resnet101": _resnet(Bottleneck, 3, 4, 23, 3),
    "resnet152": _resnet(Bottleneck, 3, 8, 36, 3),
}
"""Name -> constructor of the backbone."""
