"""GoogLeNet (Szegedy et al. 2015, arXiv:1409.4842).

The arithmetic is torchvision's, whose deviations from the paper are: batch
normalisation after every convolution in place of local response normalisation, 3x3
convolutions in place of 5x5, a last max-pooling of 2x2, dropout of 0.2 in place of 0.4
before the classifier, and auxiliary classifiers that average any map to 4 x 4.
torchvision's published weights expect images normalised with mean 0.5 and standard
deviation 0.5 instead of ImageNet's (`transform_input=True` there; this module expects
images that are already normalised so).
Deviations from torchvision:

- The 3x3 max-poolings round odd sizes up, where torchvision rounds down; the two agree
  where the map before each of them has even sides.
- Below output stride 32 a max-pooling keeps a stride of 1 and a dilated window, and all
  windows and 3x3 convolutions after it dilate.  `uniform_dilation` changes nothing,
  because no dilated convolution has a stride.
- A width factor and a cap on channels, for small models.
"""

from __future__ import annotations

import functools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxseg.backbones.classifier import PooledClassifier
from jaxseg.backbones.entry import HALF, BackboneEntry, plan_stages
from jaxseg.nn.blocks import scaled
from jaxseg.nn.convolution import Conv, ConvNorm
from jaxseg.nn.pooling import adaptive_average, max_pool
from jaxseg.nn.remat import block_output

EPSILON = 1e-3
"""Epsilon of every batch normalisation."""

MODULES = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}
"""Inception module -> channels: 1x1; reduction, 3x3; reduction, "5x5"; after pooling.

Table 1 of the paper.
"""


class Inception(nn.Module):
    """Four branches side by side (paper, fig. 2b).

    Attributes:
      channels: six numbers, in the order of `MODULES`.
      rate: atrous rate of the 3x3 convolutions and of the pooling.
      dtype: compute type.
    """

    channels: tuple[int, ...]
    rate: int = 1
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """Map `[B, h, w, C]` to as many pixels, four branches' channels in a row."""
        conv = functools.partial(ConvNorm, epsilon=EPSILON, dtype=self.dtype)
        one, reduce2, two, reduce3, three, four = self.channels
        branches = [conv(one, 1, name="branch1")(x, train)]
        for number, reduced, channels in ((2, reduce2, two), (3, reduce3, three)):
            y = conv(reduced, 1, name=f"reduce{number}")(x, train)
            branch = conv(channels, 3, rate=self.rate, name=f"branch{number}")
            branches.append(branch(y, train))
        pooled = max_pool(x, 3, rate=self.rate, centred=True)
        branches.append(conv(four, 1, name="branch4")(pooled, train))
        return jnp.concatenate(branches, axis=-1)


class GoogLeNet(nn.Module):
    """GoogLeNet as five feature maps.

    Attributes:
      width: factor on the channels of every convolution.
      max_channels: upper bound on them; an inception module puts four side by side.
      output_stride: 32, 16 or 8.
      uniform_dilation: unused; poolings carry the dropped strides.
      dtype: compute type.
    """

    width: float = 1.0
    max_channels: int | None = None
    output_stride: int = 32
    uniform_dilation: bool = False
    dtype: Any = jnp.float32

    def __call__(self, image: jax.Array, train: bool = False) -> tuple[jax.Array, ...]:
        """Map `[B, H, W, 3]` to features of strides 2, 4, 8, 16, 32 before dilation."""
        return self.with_taps(image, train)[0]

    @nn.compact
    def with_taps(
        self, image: jax.Array, train: bool = False
    ) -> tuple[tuple[jax.Array, ...], tuple[jax.Array, jax.Array]]:
        """Return the features and what the auxiliary classifiers read.

        Args:
          image: float `[B, H, W, 3]`.
          train: use batch statistics.

        Returns:
          The first and third convolution and inception modules 3b, 4e, 5b; and the
          modules 4a and 4d, of stride 16 before dilation.
        """
        _, _, *stages = plan_stages((2, 2, 2, 2, 2), self.output_stride)
        conv = functools.partial(ConvNorm, epsilon=EPSILON, dtype=self.dtype)
        x = image.astype(self.dtype)
        x = conv(self._channels(64), 7, 2, name="stem_conv1")(x, train)
        features, taps = [x], {}
        x = max_pool(x, 3, 2)
        x = conv(self._channels(64), 1, name="stem_conv2")(x, train)
        x = conv(self._channels(192), 3, name="stem_conv3")(x, train)
        features.append(block_output(x))
        for stage, window, names in zip(
            stages,
            (3, 3, 2),
            (("3a", "3b"), ("4a", "4b", "4c", "4d", "4e"), ("5a", "5b")),
            strict=True,
        ):
            x = max_pool(x, window, stage.stride, stage.first_rate)
            for name in names:
                x = Inception(
                    tuple(self._channels(count) for count in MODULES[name]),
                    rate=stage.rate,
                    dtype=self.dtype,
                    name=f"inception{name}",
                )(x, train)
                x = taps[name] = block_output(x)
            features.append(x)
        return tuple(features), (taps["4a"], taps["4d"])

    def _channels(self, count: int) -> int:
        return scaled(count, self.width, self.max_channels)


class AuxiliaryClassifier(nn.Module):
    """Pooling to 4 x 4, a 1x1 convolution, two dense layers (paper, sec. 5).

    Attributes:
      num_classes: number of classes.
      dropout: probability, between the dense layers.
      dtype: compute type.
    """

    num_classes: int
    dropout: float = 0.7
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, train: bool = False) -> jax.Array:
        """Map `[B, h, w, C]` to float32 logits `[B, 1, 1, classes]`."""
        x = adaptive_average(x, (4, 4))
        x = ConvNorm(128, 1, epsilon=EPSILON, dtype=self.dtype, name="conv")(x, train)
        init = nn.initializers.he_normal()
        x = Conv(
            1024,
            4,
            bias=True,
            padding=0,
            kernel_init=init,
            dtype=self.dtype,
            name="fc1",
        )(x)
        drop = nn.Dropout(self.dropout, deterministic=not train, name="dropout")
        x = drop(nn.relu(x))
        x = nn.Dense(self.num_classes, dtype=self.dtype, name="fc2")(x)
        return x.astype(jnp.float32)


class GoogLeNetAuxiliary(nn.Module):
    """The two auxiliary classifiers, for training only.

    The paper adds each one's loss to the classifier's with a weight of 0.3 (sec. 5).

    Attributes:
      num_classes: number of classes.
      dtype: compute type.
    """

    num_classes: int
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(
        self, taps: tuple[jax.Array, jax.Array], train: bool = False
    ) -> tuple[jax.Array, jax.Array]:
        """Map `GoogLeNet.with_taps`'s taps to float32 logits `[B, 1, 1, classes]`."""
        early, late = (
            AuxiliaryClassifier(self.num_classes, dtype=self.dtype, name=name)(x, train)
            for name, x in zip(("aux1", "aux2"), taps, strict=True)
        )
        return early, late


GOOGLENETS = {
    "googlenet": BackboneEntry(
        GoogLeNet,
        "Szegedy et al. 2015, arXiv:1409.4842",
        6_624_904,
        classifier=functools.partial(PooledClassifier, dropout=0.2),
        auxiliary=GoogLeNetAuxiliary,
        mean=HALF,
        std=HALF,
    )
}
"""Name -> entry."""
