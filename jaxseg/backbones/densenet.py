"""DenseNet-121/161/169/201 (Huang et al. 2017, arXiv:1608.06993).

The arithmetic is torchvision's: the paper's DenseNet-BC for ImageNet (table 1; 161 is
the authors' wider model, k = 48), with the ReLU of the last normalisation left to the
classifier.  The features are those of segmentation_models.pytorch: the output of each
dense block after the normalisation and ReLU of its transition; the last block's output
is normalised only.
Deviations from torchvision:

- The average pooling of a transition rounds odd sizes up, where torchvision drops the
  last row and column; the two agree on even sizes.
- Below output stride 32 the pooling keeps a stride of 1 and a dilated window, and the
  3x3 convolutions after it dilate.  `uniform_dilation` changes nothing, because no
  dilated convolution has a stride.
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

from jaxseg.backbones.classifier import PooledClassifier
from jaxseg.backbones.entry import plan_stages, registry
from jaxseg.nn.blocks import scaled
from jaxseg.nn.convolution import Conv
from jaxseg.nn.normalization import BatchNorm
from jaxseg.nn.pooling import average_pool, max_pool
from jaxseg.nn.remat import block_output


class DenseLayer(nn.Module):
    """Normalised 1x1 and 3x3 convolutions (paper, sec. 3, "bottleneck layers").

    Attributes:
      growth: new channels; the inner width is four times as many.
      rate: atrous rate of the 3x3 convolution.
      dtype: compute type.
    """

    growth: int
    rate: int = 1
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """Map `[B, h, w, C]` to `[B, h, w, growth]`."""
        conv = functools.partial(Conv, dtype=self.dtype)
        norm = functools.partial(BatchNorm, dtype=self.dtype)
        x = nn.relu(norm(name="norm1")(x, train))
        x = conv(4 * self.growth, 1, name="conv1")(x)
        x = nn.relu(norm(name="norm2")(x, train))
        return conv(self.growth, 3, rate=self.rate, name="conv2")(x)


class DenseNet(nn.Module):
    """Four dense blocks as five feature maps, of which the first is the stem's.

    Attributes:
      layers: number of dense layers in each block.
      growth: channels that a layer adds (k in the paper).
      width: factor on the growth rate and on the stem's 2k channels.
      max_channels: upper bound on those and on the output of a transition; a dense
        block adds the channels of its layers to it.
      output_stride: 32, 16 or 8.
      uniform_dilation: unused; poolings carry the dropped strides.
      dtype: compute type.
    """

    layers: tuple[int, int, int, int]
    growth: int = 32
    width: float = 1.0
    max_channels: int | None = None
    output_stride: int = 32
    uniform_dilation: bool = False
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, image: jax.Array, train: bool = False) -> tuple[jax.Array, ...]:
        """Map `[B, H, W, 3]` to features of strides 2, 4, 8, 16, 32 before dilation."""
        conv = functools.partial(Conv, dtype=self.dtype)
        norm = functools.partial(BatchNorm, dtype=self.dtype)
        growth = scaled(self.growth, self.width, self.max_channels)
        stem = scaled(2 * self.growth, self.width, self.max_channels)
        x = conv(stem, 7, 2, name="stem_conv")(image.astype(self.dtype))
        x = nn.relu(norm(name="stem_norm")(x, train))
        features = [x]
        x = max_pool(x, 3, 2, centred=True)
        _, *stages = plan_stages((2, 2, 2, 2, 2), self.output_stride)
        for number, (stage, count) in enumerate(zip(stages, self.layers, strict=True)):
            if number > 0:
                passed = scaled(x.shape[-1] // 2, 1.0, self.max_channels)
                x = conv(passed, 1, name=f"transition{number}_conv")(x)
                x = block_output(average_pool(x, stage.stride, stage.first_rate))
            for index in range(count):
                new = DenseLayer(
                    growth,
                    stage.rate,
                    self.dtype,
                    name=f"stage{number + 1}_layer{index + 1}",
                )(x, train)
                # The backward pass keeps only the new channels, not each concatenation.
                x = jnp.concatenate([x, block_output(new)], axis=-1)
            last = number == len(self.layers) - 1
            name = "final_norm" if last else f"transition{number + 1}_norm"
            x = norm(name=name)(x, train)
            x = x if last else nn.relu(x)
            features.append(x)
        return tuple(features)


class RectifiedClassifier(PooledClassifier):
    """A `PooledClassifier` that begins with a ReLU."""

    def __call__(self, features: Sequence[jax.Array], train: bool = False) -> jax.Array:
        """Map features to logits `[B, h, w, classes]`; 1 x 1 without a window."""
        return super().__call__([nn.relu(features[-1])], train)


def _variant(
    parameters: int, *layers: int, growth: int = 32
) -> tuple[int, dict[str, Any]]:
    return parameters, {"layers": layers, "growth": growth}


DENSENETS = {
    name: dataclasses.replace(entry, classifier=RectifiedClassifier)
    for name, entry in registry(
        DenseNet,
        "Huang et al. 2017, arXiv:1608.06993",
        densenet121=_variant(7_978_856, 6, 12, 24, 16),
        densenet161=_variant(28_681_000, 6, 12, 36, 24, growth=48),
        densenet169=_variant(14_149_480, 6, 12, 32, 32),
        densenet201=_variant(20_013_928, 6, 12, 48, 32),
    ).items()
}
"""Name -> entry."""
