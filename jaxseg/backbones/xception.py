"""Xception (Chollet 2017, arXiv:1610.02357, fig. 5).

The arithmetic is that of the Keras weights, which timm has as `legacy_xception`, except
for the stem.  The two convolutions of the original stem are not padded, so that
features lose up to three rows and columns.  Here they are padded, as in
segmentation_models.pytorch, so that sizes round up; `padded_stem=False` gives the
original.

The features are timm's: the outputs before each stride, after a ReLU.  Deviations from
the paper: below output stride 32 the strides of the poolings become atrous rates, of
the poolings themselves too; a width factor and a cap on channels.
"""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxseg.backbones.classifier import PooledClassifier
from jaxseg.backbones.entry import HALF, BackboneEntry, plan_stages, registry
from jaxseg.nn.blocks import scaled
from jaxseg.nn.convolution import Conv
from jaxseg.nn.normalization import BatchNorm
from jaxseg.nn.pooling import max_pool
from jaxseg.nn.remat import block_output


class XceptionBlock(nn.Module):
    """Separable convolutions, max pooling if it has a stride, and a shortcut.

    Attributes:
      channels: of each separable convolution.
      rectify: whether the block begins with a ReLU.
      pool: stride and atrous rate of the pooling, or None.
      rate: atrous rate of the convolutions.
      dtype: compute type.
    """

    channels: tuple[int, ...]
    rectify: bool = True
    pool: tuple[int, int] | None = None
    rate: int = 1
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """Map `[B, H, W, C]` to `[B, H / stride, W / stride, channels[-1]]`."""
        y = x
        for number, channels in enumerate(self.channels, 1):
            if number > 1 or self.rectify:
                y = nn.relu(y)
            y = separable(y, channels, self.rate, number, train)
        if self.pool is not None:
            stride, rate = self.pool
            y = max_pool(y, 3, stride, rate, centred=True)
            conv = Conv(
                self.channels[-1], 1, stride, dtype=self.dtype, name="shortcut_conv"
            )
            x = BatchNorm(dtype=self.dtype, name="shortcut_norm")(conv(x), train)
        return x + y


def separable(
    x: jax.Array, channels: int, rate: int, number: int, train: bool, prefix: str = ""
) -> jax.Array:
    """Convolve depthwise and pointwise, then normalise, as submodules of the caller."""
    inside, dtype = x.shape[-1], x.dtype
    name = f"{prefix}depthwise{number}"
    x = Conv(inside, 3, 1, rate, groups=inside, dtype=dtype, name=name)(x)
    x = Conv(channels, dtype=dtype, name=f"{prefix}pointwise{number}")(x)
    return BatchNorm(dtype=dtype, name=f"{prefix}norm{number}")(x, train)


class Xception(nn.Module):
    """Xception as five feature maps.

    Attributes:
      middle: number of blocks of the middle flow.
      padded_stem: pad the stem's convolutions, so that sizes round up.
      width: factor on the channels.
      max_channels: upper bound on them.
      output_stride: 32, 16 or 8.
      uniform_dilation: see `plan_stages`.
      dtype: compute type.
    """

    middle: int = 8
    padded_stem: bool = True
    width: float = 1.0
    max_channels: int | None = None
    output_stride: int = 32
    uniform_dilation: bool = False
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, image: jax.Array, train: bool = False) -> tuple[jax.Array, ...]:
        """Map `[B, H, W, 3]` to features of strides 2, 4, 8, 16, 32 before dilation."""
        blocks = [((128,) * 2, 2), ((256,) * 2, 2), ((728,) * 2, 2)]
        blocks += [((728,) * 3, 1)] * self.middle + [((728, 1024), 2)]
        strides = [2, *(stride for _, stride in blocks)]
        plan = plan_stages(strides, self.output_stride, self.uniform_dilation)
        x = self._stem(image.astype(self.dtype), train)
        features = [x]
        for number, (widths, stride) in enumerate(blocks, 1):
            stage = plan[number]
            if stride > 1 and number > 1:
                features.append(nn.relu(x))
            x = XceptionBlock(
                channels=tuple(self._channels(count) for count in widths),
                rectify=number > 1,
                pool=(stage.stride, stage.first_rate) if stride > 1 else None,
                rate=plan[number - 1].rate,
                dtype=self.dtype,
                name=f"block{number}",
            )(x, train)
            x = block_output(x)
        for number, count in ((1, 1536), (2, 2048)):
            channels, rate = self._channels(count), plan[-1].rate
            x = nn.relu(separable(x, channels, rate, number, train, "exit_"))
        return (*features, x)

    def _stem(self, x: jax.Array, train: bool) -> jax.Array:
        """Map `[B, H, W, 3]` to `[B, H / 2, W / 2, 64]`."""
        conv = functools.partial(Conv, kernel=3, dtype=self.dtype)
        padding = 1 if self.padded_stem else 0
        for number, count, stride in ((1, 32, 2), (2, 64, 1)):
            channels, name = self._channels(count), f"stem_conv{number}"
            x = conv(channels, stride=stride, padding=padding, name=name)(x)
            norm = BatchNorm(dtype=self.dtype, name=f"stem_norm{number}")
            x = nn.relu(norm(x, train))
        return x

    def _channels(self, count: int) -> int:
        return scaled(count, self.width, self.max_channels)


XCEPTIONS: dict[str, BackboneEntry] = {
    name: replace(
        entry,
        crop=299,
        mean=HALF,
        std=HALF,
        classifier=functools.partial(PooledClassifier, dropout=0.5),
        classifier_arguments={"padded_stem": False},
    )
    for name, entry in registry(
        Xception, "Chollet 2017, arXiv:1610.02357", xception=(22_855_952, {})
    ).items()
}
"""Name -> entry; crop and dropout are the paper's (sec. 4.3)."""
