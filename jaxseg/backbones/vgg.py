"""VGG-11/13/16/19, plain and normalised (Simonyan & Zisserman 2015, arXiv:1409.1556).

The features are the outputs of the five max-poolings, which FCN and Hypercolumns read.
The arithmetic is torchvision's.  It deviates from the paper by the variants with batch
normalisation, and by an average pooling to 7 x 7 before the dense layers, which changes
nothing at 224 pixels.  Deviations from torchvision:

- Max-pooling rounds odd sizes up, where torchvision drops the last row and column; the
  two agree on multiples of 32.
- Below output stride 32 a max-pooling keeps its stride of 1 and a dilated window, and
  the convolutions after it dilate (DeepLab; Chen et al. 2015, arXiv:1412.7062, sec.
  3.1).  `uniform_dilation` changes nothing, because no convolution has a stride.
- The first dense layer is stored as a 7x7 convolution, so that it can slide.
- A width factor and a cap on channels, for small models.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxseg.backbones.entry import plan_stages, registry
from jaxseg.errors import UserError
from jaxseg.nn.blocks import scaled
from jaxseg.nn.convolution import Conv
from jaxseg.nn.normalization import BatchNorm
from jaxseg.nn.pooling import adaptive_average, max_pool
from jaxseg.nn.remat import block_output

CONVOLUTIONS = {
    11: (1, 1, 2, 2, 2),
    13: (2, 2, 2, 2, 2),
    16: (2, 2, 3, 3, 3),
    19: (2, 2, 4, 4, 4),
}
"""Depth -> number of convolutions before each max-pooling (paper, table 1)."""


class VGG(nn.Module):
    """Five rounds of 3x3 convolutions and a max-pooling, as five feature maps.

    Attributes:
      convolutions: number of convolutions in each round.
      normalized: whether batch normalisation follows each convolution.
      width: factor on the 64, 128, 256, 512, 512 channels.
      max_channels: upper bound on them.
      output_stride: 32, 16 or 8.
      uniform_dilation: unused; poolings carry the strides.
      dtype: compute type.
    """

    convolutions: tuple[int, int, int, int, int]
    normalized: bool = False
    width: float = 1.0
    max_channels: int | None = None
    output_stride: int = 32
    uniform_dilation: bool = False
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, image: jax.Array, train: bool = False) -> tuple[jax.Array, ...]:
        """Map `[B, H, W, 3]` to features of strides 2, 4, 8, 16, 32 before dilation."""
        x = image.astype(self.dtype)
        features = []
        stages = plan_stages((2, 2, 2, 2, 2), self.output_stride)
        rounds = zip(stages, self.convolutions, (64, 128, 256, 512, 512), strict=True)
        for number, (stage, count, channels) in enumerate(rounds, start=1):
            channels = scaled(channels, self.width, self.max_channels)
            # The pooling ends the round, so the whole round keeps the previous rate.
            rate = stage.first_rate
            conv = functools.partial(Conv, channels, 3, rate=rate, bias=True)
            for index in range(1, count + 1):
                x = conv(dtype=self.dtype, name=f"stage{number}_conv{index}")(x)
                if self.normalized:
                    norm = f"stage{number}_norm{index}"
                    x = BatchNorm(dtype=self.dtype, name=norm)(x, train)
                x = nn.relu(x)
            x = block_output(max_pool(x, 2, stage.stride, rate))
            features.append(x)
        return tuple(features)


class VGGClassifier(nn.Module):
    """Three dense layers on 7 x 7 features, with dropout (paper, sec. 2.1 and 3.1).

    "fc6" is a 7x7 convolution, "fc7" and "classifier" are dense: the same parameters
    classify a crop and slide over a map, which is how the paper tests (sec. 3.2).

    Attributes:
      num_classes: number of classes.
      dropout: probability, after each of the first two layers.
      window: None averages the map to 7 x 7, for one prediction; (7, 7) slides.
      rate: the atrous rate of the map; used with a window only.
      dtype: compute type.
    """

    num_classes: int
    dropout: float = 0.5
    window: tuple[int, int] | None = None
    rate: int = 1
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, features: Sequence[jax.Array], train: bool = False) -> jax.Array:
        """Map features to logits `[B, h, w, classes]`; 1 x 1 without a window.

        With a window the deepest feature loses 6 * rate rows and columns.

        Raises:
          UserError: a window that is not 7 x 7.
        """
        if self.window not in (None, (7, 7)):
            raise UserError(
                f"a window of {self.window[0]}x{self.window[1]} features: VGG's"
                " classifier has 7x7, a crop of 224 pixels"
            )
        x, rate = features[-1], self.rate
        if self.window is None:
            x, rate = adaptive_average(x, (7, 7)), 1
        hidden = 8 * x.shape[-1]  # the paper's 4096 of 512
        init = nn.initializers.he_normal()
        x = Conv(
            hidden,
            7,
            rate=rate,
            bias=True,
            padding=0,
            kernel_init=init,
            dtype=self.dtype,
            name="fc6",
        )(x)
        drop = functools.partial(nn.Dropout, self.dropout, deterministic=not train)
        x = drop(name="dropout6")(nn.relu(x))
        x = nn.Dense(hidden, kernel_init=init, dtype=self.dtype, name="fc7")(x)
        x = drop(name="dropout7")(nn.relu(x))
        return nn.Dense(self.num_classes, dtype=self.dtype, name="classifier")(x)


def _variant(
    parameters: int, depth: int, normalized: bool = False
) -> tuple[int, dict[str, Any]]:
    arguments = {"convolutions": CONVOLUTIONS[depth], "normalized": normalized}
    return parameters, arguments


VGGS = {
    name: dataclasses.replace(entry, classifier=VGGClassifier)
    for name, entry in registry(
        VGG,
        "Simonyan & Zisserman 2015, arXiv:1409.1556",
        vgg11=_variant(132_863_336, 11),
        vgg11_bn=_variant(132_868_840, 11, normalized=True),
        vgg13=_variant(133_047_848, 13),
        vgg13_bn=_variant(133_053_736, 13, normalized=True),
        vgg16=_variant(138_357_544, 16),
        vgg16_bn=_variant(138_365_992, 16, normalized=True),
        vgg19=_variant(143_667_240, 19),
        vgg19_bn=_variant(143_678_248, 19, normalized=True),
    ).items()
}
"""Name -> entry."""
