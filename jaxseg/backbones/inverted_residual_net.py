"""Networks of inverted residual blocks, built from the tables in their papers.

Deviations: a width factor and a cap on channels, for small models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxseg.backbones.entry import plan_stages
from jaxseg.backbones.inverted_residual import (
    Arithmetic,
    InvertedResidual,
    pad,
    round_channels,
)
from jaxseg.nn.blocks import ACTIVATIONS, scaled
from jaxseg.nn.convolution import Conv
from jaxseg.nn.remat import block_output


@dataclass(frozen=True)
class Row:
    """A row of a network's table: blocks of one width; only the first has a stride.

    Attributes:
      kernel: side of the depthwise kernels.
      stride: of the first block.
      channels: of the blocks' outputs.
      expansions: for each block, depthwise channels divided by input channels.
      squeeze: whether the blocks have squeeze-and-excitation.
      activation: name in `ACTIVATIONS`.
      ahead: number of blocks at the end of the row that already have the atrous rate of
        the next row's first block.
    """

    kernel: int
    stride: int
    channels: int
    expansions: tuple[float, ...]
    squeeze: bool = False
    activation: str = "relu"
    ahead: int = 0


def ends_of_strides(rows: Sequence[Row]) -> tuple[str, ...]:
    """Return the names of the last block before each stride and of the last block.

    The first name is the stem's if the first row has a stride.
    """
    names = ["stem"]
    names += [f"stage{i}_block{len(row.expansions)}" for i, row in enumerate(rows, 1)]
    strides = [row.stride for row in rows] + [2]
    return tuple(name for name, s in zip(names, strides, strict=True) if s == 2)


class InvertedResidualNet(nn.Module):
    """A stem, rows of inverted residual blocks and an optional last 1x1 convolution.

    Attributes:
      rows: the network's table.
      stem: channels of the first convolution, 3x3 and strided.
      activation: of the stem and of the last convolution, a name in `ACTIVATIONS`.
      taps: names of the modules whose outputs are the features; "stem" is the stem.
      last: channels of the last convolution, 0 for none.
      gate: of the squeeze-and-excitations: "sigmoid" (EfficientNet, squeezed to a
        quarter of the block's input) or "hard_sigmoid" (MobileNetV3, squeezed to a
        quarter of the depthwise channels).
      drop: probability of skipping the last block in training; it grows linearly from 0
        at the first block.
      arithmetic: padding and normalisation.
      width: factor on all channels.
      max_channels: upper bound on them, before the expansion.
      output_stride: 32, 16 or 8.
      uniform_dilation: see `plan_stages`.
      dtype: compute type.
    """

    rows: tuple[Row, ...]
    stem: int
    activation: str
    taps: tuple[str, ...]
    last: int = 0
    gate: str = "sigmoid"
    drop: float = 0.0
    arithmetic: Arithmetic = Arithmetic()
    width: float = 1.0
    max_channels: int | None = None
    output_stride: int = 32
    uniform_dilation: bool = False
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, image: jax.Array, train: bool = False) -> tuple[jax.Array, ...]:
        """Map `[B, H, W, 3]` to features of strides 2, 4, 8, 16, 32 before dilation."""
        strides = [2, *(row.stride for row in self.rows)]
        _, *plans = plan_stages(strides, self.output_stride, self.uniform_dilation)
        paddings = self._paddings(strides)
        count = sum(len(row.expansions) for row in self.rows)
        done, maps = 0, {}
        x, padding = pad(image.astype(self.dtype), 3, 2, paddings[0])
        x = self._end("stem", x, train, self.stem, kernel=3, stride=2, padding=padding)
        maps["stem"] = x
        for number, row in enumerate(self.rows, 1):
            plan, following = plans[number - 1], plans[min(number, len(plans) - 1)]
            for index, expansion in enumerate(row.expansions):
                first = index == 0
                rate = plan.first_rate if first else plan.rate
                if index >= len(row.expansions) - row.ahead:
                    rate = following.first_rate
                name = f"stage{number}_block{index + 1}"
                x = self._block(
                    x,
                    row,
                    expansion,
                    shortcut=not first or row.stride == 1,
                    stride=plan.stride if first else 1,
                    rate=rate,
                    drop=self.drop * done / count,
                    padding=paddings[number] if first else paddings[-1],
                    name=name,
                )(x, train)
                x = maps[name] = block_output(x)
                done += 1
        if self.last:
            name = f"stage{len(self.rows) + 1}"
            x = self._end(name, x, train, self.last)
            maps[f"{name}_conv"] = block_output(x)
        return tuple(maps[name] for name in self.taps)

    def _paddings(self, strides: Sequence[int]) -> list[str]:
        """Return the padding at each stride, then that of all other convolutions."""
        padding = self.arithmetic.padding
        if isinstance(padding, str):
            return [padding] * (len(strides) + 1)
        paddings = []
        for stride in strides:
            paddings.append("symmetric" if padding % 2 else "even")
            padding = -(-padding // stride)
        return [*paddings, "symmetric"]

    def _end(
        self, name: str, x: jax.Array, train: bool, channels: int, **arguments: Any
    ) -> jax.Array:
        """Apply the stem or the last convolution, with its norm and activation."""
        channels = self._channels(channels)
        x = Conv(channels, dtype=self.dtype, name=f"{name}_conv", **arguments)(x)
        x = self.arithmetic.norm(f"{name}_norm", self.dtype)(x, train)
        return ACTIVATIONS[self.activation](x)

    def _block(
        self, x: jax.Array, row: Row, expansion: float, shortcut: bool, **arguments: Any
    ) -> InvertedResidual:
        """Return a block for the input x."""
        inputs, channels = x.shape[-1], self._channels(row.channels)
        # The ratios hold for any width factor.
        expanded = inputs if expansion == 1 else round_channels(inputs * expansion)
        squeezed = 0
        if row.squeeze and self.gate == "sigmoid":
            squeezed = max(1, inputs // 4)
        elif row.squeeze:
            squeezed = round_channels(expanded // 4)
        return InvertedResidual(
            channels,
            expanded,
            squeezed=squeezed,
            kernel=row.kernel,
            shortcut=shortcut and inputs == channels,
            activation=row.activation,
            gate=self.gate,
            arithmetic=self.arithmetic,
            dtype=self.dtype,
            **arguments,
        )

    def _channels(self, count: int) -> int:
        return scaled(count, self.width, self.max_channels)
