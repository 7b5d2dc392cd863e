"""The aligned Xception of DeepLab (Chen et al. 2018, arXiv:1802.02611, fig. 4).

It differs from `xception` by strided separable convolutions instead of pooling, by a
normalisation after every depthwise convolution, and by more blocks.  The arithmetic is
that of timm's `xception41`, `xception65` and `xception71`, which is DeepLab's.

The features are timm's: the inputs of the strided convolutions and the last output.
The decoder of DeepLabV3+ reads the one of stride 4.  Deviation from the paper: a width
factor and a cap on channels.
"""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxseg.backbones.entry import HALF, BackboneEntry, plan_stages, registry
from jaxseg.nn.blocks import scaled
from jaxseg.nn.convolution import ConvNorm
from jaxseg.nn.remat import block_output


class AlignedBlock(nn.Module):
    """Three separable convolutions, the last of them strided, and a shortcut.

    Attributes:
      channels: of each separable convolution.
      stride: of the last.
      rate: atrous rate of the first two.
      last_rate: atrous rate of the last.
      shortcut: "project" (a strided 1x1 convolution), "identity" or "none"; without a
        shortcut the ReLU follows each convolution, depthwise and pointwise, instead of
        preceding both.
      dtype: compute type.
    """

    channels: tuple[int, int, int]
    stride: int = 1
    rate: int = 1
    last_rate: int = 1
    shortcut: str = "identity"
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> tuple[jax.Array, jax.Array]:
        """Return the output of the block and the input of its last convolution."""
        act = self.shortcut == "none"
        conv = functools.partial(ConvNorm, epsilon=1e-3, act=act, dtype=self.dtype)
        y = inside = x
        for number, channels in enumerate(self.channels, 1):
            stride, rate = (
                (self.stride, self.last_rate) if number == 3 else (1, self.rate)
            )
            inside = y if act else nn.relu(y)
            count = inside.shape[-1]
            depthwise = conv(
                count, 3, stride, rate, groups=count, name=f"depthwise{number}"
            )
            y = depthwise(inside, train)
            y = conv(channels, 1, name=f"pointwise{number}")(y, train)
        if self.shortcut == "project":
            x = conv(self.channels[-1], 1, self.stride, name="shortcut")(x, train)
        return (y if self.shortcut == "none" else x + y), inside


class AlignedXception(nn.Module):
    """The aligned Xception as five feature maps.

    Attributes:
      entry: channels and stride of each block of the entry flow.
      middle: number of blocks of the middle flow.
      width: factor on the channels.
      max_channels: upper bound on them.
      output_stride: 32, 16 or 8.
      uniform_dilation: see `plan_stages`.
      dtype: compute type.
    """

    entry: tuple[tuple[int, int], ...] = ((128, 2), (256, 2), (728, 2))
    middle: int = 16
    width: float = 1.0
    max_channels: int | None = None
    output_stride: int = 32
    uniform_dilation: bool = False
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, image: jax.Array, train: bool = False) -> tuple[jax.Array, ...]:
        """Map `[B, H, W, 3]` to features of strides 2, 4, 8, 16, 32 before dilation."""
        blocks = [((count,) * 3, stride) for count, stride in self.entry]
        blocks += [((728,) * 3, 1)] * self.middle
        blocks += [((728, 1024, 1024), 2), ((1536, 1536, 2048), 1)]
        strides = [2, *(stride for _, stride in blocks)]
        plan = plan_stages(strides, self.output_stride, self.uniform_dilation)
        stem = functools.partial(ConvNorm, epsilon=1e-3, dtype=self.dtype)
        x = image.astype(self.dtype)
        x = stem(self._channels(32), stride=2, name="stem1")(x, train)
        x = stem(self._channels(64), name="stem2")(x, train)
        features = []
        for number, (widths, stride) in enumerate(blocks, 1):
            first, second, third = (self._channels(count) for count in widths)
            project = stride > 1 or third != x.shape[-1]
            last = number == len(blocks)
            x, inside = AlignedBlock(
                channels=(first, second, third),
                stride=plan[number].stride,
                rate=plan[number - 1].rate,
                last_rate=plan[number].first_rate,
                shortcut="none" if last else "project" if project else "identity",
                dtype=self.dtype,
                name=f"block{number}",
            )(x, train)
            x = block_output(x)
            if stride > 1:
                features.append(inside)
        return (*features, x)

    def _channels(self, count: int) -> int:
        return scaled(count, self.width, self.max_channels)


ALIGNED_XCEPTIONS: dict[str, BackboneEntry] = {
    name: replace(entry, crop=299, mean=HALF, std=HALF)
    for name, entry in registry(
        AlignedXception,
        "Chen et al. 2018, arXiv:1802.02611",
        xception41=(26_969_560, {"middle": 8}),
        xception65=(39_916_312, {}),
        xception71=(
            42_338_736,
            {"entry": ((128, 2), (256, 1), (256, 2), (728, 1), (728, 2))},
        ),
    ).items()
}
"""Name -> entry."""
