"""Residual networks and their variants.

- ResNet-18/34/50/101/152 (He et al. 2016, arXiv:1512.03385), and their plain
  counterparts of 18 and 34 layers, without shortcuts (sec. 3.3);
- ResNeXt (Xie et al. 2017, arXiv:1611.05431): grouped 3x3 convolutions;
- wide ResNet (Zagoruyko & Komodakis 2016, arXiv:1605.07146): bottlenecks of twice the
  inner width;
- SE-ResNet (Hu et al. 2018, arXiv:1709.01507): gated channels;
- ResNet-C and ResNet-D (He et al. 2019, arXiv:1812.01187): the stem has three 3x3
  convolutions, and in D the shortcuts average before their convolution.

The arithmetic is torchvision's, or timm's where torchvision has no such network; the
blocks are in `residual`.  If the output stride is below 32, the first block of a
dilated stage keeps the rate of the previous stage, like torchvision's
`replace_stride_with_dilation`.  Further deviations from the papers are a width factor
and a cap on channels, for small models.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxseg.backbones.entry import BackboneEntry, plan_stages, registry
from jaxseg.backbones.residual import BasicBlock, Bottleneck
from jaxseg.nn.blocks import scaled
from jaxseg.nn.convolution import conv_norm
from jaxseg.nn.pooling import max_pool
from jaxseg.nn.remat import block_output


class ResNet(nn.Module):
    """A residual network as five feature maps.

    Attributes:
      blocks: number of blocks in each of the four stages.
      block: `BasicBlock` or `Bottleneck`.
      options: further arguments of every block.
      deep_stem: three 3x3 convolutions instead of one 7x7.
      multi_grid: factors on the atrous rates of the blocks of the last stage, repeated
        if there are more blocks; DeepLabV3 has 1, 2, 4 (arXiv:1706.05587, sec. 3.2).
      width: factor on the 64, 128, 256, 512 channels of the stages (and the stem).
      max_channels: upper bound on them, before a bottleneck's expansion.
      output_stride: 32, 16 or 8.
      uniform_dilation: see `plan_stages`.
      dtype: compute type.
    """

    blocks: tuple[int, int, int, int]
    block: type[BasicBlock] | type[Bottleneck]
    options: Mapping[str, Any] = field(default_factory=dict)
    deep_stem: bool = False
    multi_grid: tuple[int, ...] = ()
    width: float = 1.0
    max_channels: int | None = None
    output_stride: int = 32
    uniform_dilation: bool = False
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, image: jax.Array, train: bool = False) -> tuple[jax.Array, ...]:
        """Map `[B, H, W, 3]` to features of strides 2, 4, 8, 16, 32 before dilation."""
        _, _, *stages = plan_stages(
            (2, 2, 1, 2, 2, 2), self.output_stride, self.uniform_dilation
        )
        x = self._stem(image.astype(self.dtype), train)
        features = [x]
        x = max_pool(x, 3, 2, centred=True)
        for number, (stage, count) in enumerate(zip(stages, self.blocks, strict=True)):
            channels = self._channels(64 * 2**number)
            # The architecture alone decides this, so that the parameters depend neither
            # on the output stride nor on the image's size.
            project = number > 0 or x.shape[-1] != channels * self.block.expansion
            grid = (self.multi_grid if number == 3 else ()) or (1,)
            for index in range(count):
                unit = grid[index % len(grid)]
                x = self.block(
                    channels=channels,
                    stride=stage.stride if index == 0 else 1,
                    first_rate=unit * (stage.first_rate if index == 0 else stage.rate),
                    rate=unit * stage.rate,
                    project=project and index == 0,
                    dtype=self.dtype,
                    name=f"stage{number + 1}_block{index + 1}",
                    **self.options,
                )(x, train)
                x = block_output(x)
            features.append(x)
        return tuple(features)

    def _stem(self, x: jax.Array, train: bool) -> jax.Array:
        """Map `[B, H, W, 3]` to `[B, H / 2, W / 2, 64]`."""
        layers = [("", 64, 7, 2)]
        if self.deep_stem:
            layers = [("1", 32, 3, 2), ("2", 32, 3, 1), ("3", 64, 3, 1)]
        for number, count, kernel, stride in layers:
            x = conv_norm(
                x,
                train,
                self._channels(count),
                kernel,
                stride=stride,
                relu=True,
                names=(f"stem_conv{number}", f"stem_norm{number}"),
                dtype=self.dtype,
            )
        return x

    def _channels(self, count: int) -> int:
        return scaled(count, self.width, self.max_channels)


DEPTHS: dict[int, tuple[type, tuple[int, int, int, int]]] = {
    18: (BasicBlock, (2, 2, 2, 2)),
    34: (BasicBlock, (3, 4, 6, 3)),
    50: (Bottleneck, (3, 4, 6, 3)),
    101: (Bottleneck, (3, 4, 23, 3)),
    152: (Bottleneck, (3, 8, 36, 3)),
}
"""Number of layers -> block, blocks of each stage (paper, table 1)."""


def _variant(
    depth: int, parameters: int, deep_stem: bool = False, **options: Any
) -> tuple[int, dict[str, Any]]:
    block, blocks = DEPTHS[depth]
    arguments = {"block": block, "blocks": blocks, "deep_stem": deep_stem}
    return parameters, {**arguments, "options": options}


RESNETS: dict[str, BackboneEntry] = {
    **registry(
        ResNet,
        "He et al. 2016, arXiv:1512.03385",
        resnet18=_variant(18, 11_689_512),
        resnet34=_variant(34, 21_797_672),
        resnet50=_variant(50, 25_557_032),
        resnet101=_variant(101, 44_549_160),
        resnet152=_variant(152, 60_192_808),
        plain18=_variant(18, 11_515_688, residual=False),
        plain34=_variant(34, 21_623_848, residual=False),
    ),
    **registry(
        ResNet,
        "Xie et al. 2017, arXiv:1611.05431",
        resnext50_32x4d=_variant(50, 25_028_904, groups=32, base_width=4),
        resnext101_32x8d=_variant(101, 88_791_336, groups=32, base_width=8),
        resnext101_64x4d=_variant(101, 83_455_272, groups=64, base_width=4),
    ),
    **registry(
        ResNet,
        "Zagoruyko & Komodakis 2016, arXiv:1605.07146",
        wide_resnet50_2=_variant(50, 68_883_240, base_width=128),
        wide_resnet101_2=_variant(101, 126_886_696, base_width=128),
    ),
    **registry(
        ResNet,
        "Hu et al. 2018, arXiv:1709.01507",
        seresnet18=_variant(18, 11_779_624, squeeze_excite=True),
        seresnet34=_variant(34, 21_960_416, squeeze_excite=True),
        seresnet50=_variant(50, 28_088_024, squeeze_excite=True),
        seresnet101=_variant(101, 49_326_872, squeeze_excite=True),
        seresnet152=_variant(152, 66_821_848, squeeze_excite=True),
    ),
    **registry(
        ResNet,
        "He et al. 2019, arXiv:1812.01187",
        resnet18c=_variant(18, 11_708_744, deep_stem=True),
        resnet34c=_variant(34, 21_816_904, deep_stem=True),
        resnet50c=_variant(50, 25_576_264, deep_stem=True),
        resnet101c=_variant(101, 44_568_392, deep_stem=True),
        resnet152c=_variant(152, 60_212_040, deep_stem=True),
        resnet18d=_variant(18, 11_708_744, deep_stem=True, average=True),
        resnet34d=_variant(34, 21_816_904, deep_stem=True, average=True),
        resnet50d=_variant(50, 25_576_264, deep_stem=True, average=True),
        resnet101d=_variant(101, 44_568_392, deep_stem=True, average=True),
        resnet152d=_variant(152, 60_212_040, deep_stem=True, average=True),
    ),
}
"""Name -> entry."""
