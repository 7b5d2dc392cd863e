"""The original U-Net for images and for volumes: its contracting and expanding path.

For images: Ronneberger, Fischer & Brox 2015, arXiv:1505.04597, fig. 1.  Without padding
the network maps 572 x 572 pixels to 388 x 388.  The image is therefore extended by its
mirror image (fig. 2), so that every pixel of it gets a prediction.  The ReLUs are those
of fig. 1; the authors' released network has one more after each up-convolution.
Dropout is where the released network has it, at the end of the two deepest levels.

For volumes: Cicek et al. 2016, arXiv:1606.06650, fig. 2.  The classes are the same, and
the number of axes of the input tells which network they are.  The up-convolutions for
volumes keep the number of channels and have no bias, which gives the 19,069,955
parameters of the paper.

Deviations: batch normalisation is an option for images too, padding ("same") is an
option for both, and linear or nearest upsampling can replace the up-convolution.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxseg.errors import UserError, choose
from jaxseg.heads.unet_parts import ConvReLU, mirrored
from jaxseg.nn.blocks import scaled
from jaxseg.nn.convolution import LINEAR
from jaxseg.nn.remat import block_output
from jaxseg.nn.upsampling import (
    UPSAMPLINGS,
    UpConv,
    Upsample,
    UpsamplingName,
    resize_linear,
    resize_nearest,
)
from jaxseg.ranges import Share

IMAGE_CHANNELS = ((64, 64), (128, 128), (256, 256), (512, 512), (1024, 1024))
"""Widths of the two convolutions of each level (U-Net, fig. 1)."""

VOLUME_CHANNELS = ((32, 64), (64, 128), (128, 256), (256, 512))
"""The same of the 3-D U-Net (fig. 2): doubled before the pooling."""


class UNetEncoder(nn.Module):
    """The contracting path: two convolutions a level, 2x2 max pooling between levels.

    Attributes:
      channels: widths of the two convolutions of each level.
      padding: "valid", the paper's, or "same".
      norm: batch normalisation before each ReLU.
      dropout: probability, at the end of the two deepest levels.
      mirror: extend the image by its mirror image, so that every pixel gets a
        prediction; False takes a tile that already has its margin.  For "valid" only.
      width: factor on the channels.
      max_channels: upper bound on them.
      dtype: compute type.
    """

    channels: tuple[tuple[int, int], ...] = IMAGE_CHANNELS
    padding: str = "valid"
    norm: bool = False
    dropout: Share = 0.5
    mirror: bool = True
    width: float = 1.0
    max_channels: int | None = None
    dtype: Any = jnp.float32

    @property
    def stride(self) -> int:
        """Total stride, pixels."""
        return 2 ** (len(self.channels) - 1)

    @property
    def margin(self) -> int:
        """What the unpadded network removes from each side of its input, pixels."""
        return 6 * self.stride - 4 if self.padding == "valid" else 0

    def input_size(self, size: int) -> int:
        """Return the smallest input size whose output has at least `size` pixels.

        Sizes before each pooling must be even, so an output size is 4 more than a
        multiple of the stride.
        """
        deepest = -(-(size + 4 * (self.stride - 1)) // self.stride)
        return self.stride * (deepest + 8) - 4

    @nn.compact
    def __call__(self, image: jax.Array, train: bool = False) -> tuple[jax.Array, ...]:
        """Map `[B, *spatial, C]` to features of strides 1, 2, 4, ...

        Without padding, all but the deepest feature are cropped to the sizes that the
        expanding path concatenates them at; the shallowest is cropped so that the
        logits have the image's size.

        Raises:
          UserError: a tile of a size that the unpadded network does not take.
        """
        size = image.shape[1:-1]
        x = image.astype(self.dtype)
        if self.padding == "valid" and self.mirror:
            x = self._surround(x)
        elif self.padding == "valid":
            size = self._answered(size)
        features = []
        for level, widths in enumerate(self.channels):
            if level:
                window = (2,) * (x.ndim - 2)
                x = nn.max_pool(x, window, window, "SAME")  # odd sizes round up
            for index, width in enumerate(widths, start=1):
                name = f"level{level + 1}_conv{index}"
                x = ConvReLU(
                    scaled(width, self.width, self.max_channels),
                    self.padding,
                    self.norm,
                    self.dtype,
                    name=name,
                )(x, train)
            if level >= len(self.channels) - 2:
                name = f"level{level + 1}_dropout"
                x = nn.Dropout(self.dropout, deterministic=not train, name=name)(x)
            x = block_output(x)
            features.append(x)
        if self.padding == "valid":
            features[:-1] = self._cropped(features[:-1], size)
        return tuple(features)

    def _surround(self, x: jax.Array) -> jax.Array:
        for axis, size in enumerate(x.shape[1:-1], start=1):
            stop = self.input_size(size) - self.margin
            x = jnp.take(x, mirrored(jnp.arange(-self.margin, stop), size), axis=axis)
        return x

    def _answered(self, sizes: Sequence[int]) -> tuple[int, ...]:
        answered = tuple(size - 2 * self.margin for size in sizes)
        for size, inner in zip(sizes, answered, strict=True):
            fitting = self.input_size(max(4, inner))
            if fitting != size:
                raise UserError(
                    f"a tile of {size} pixels with its margin: the U-Net takes"
                    f" {self.input_size(4)} and multiples of {self.stride} more,"
                    f" such as {fitting}"
                )
        return answered

    def _cropped(
        self, features: Sequence[jax.Array], size: Sequence[int]
    ) -> list[jax.Array]:
        """Crop evenly; at stride 1 to `size` and the margin of two convolutions."""
        cropped = []
        for level, feature in enumerate(features):
            border = 6 * (self.stride >> level) - 8
            shape = feature.shape[1:-1]
            stops = [length - border for length in shape]
            if level == 0:
                stops = [border + length + 4 for length in size]
            window = tuple(slice(border, stop) for stop in stops)
            cropped.append(feature[:, *window])
        return cropped


class UNetDecoder(nn.Module):
    """The expanding path: a level upsamples, appends its skip, and convolves twice.

    A level has as many channels as its skip.

    Attributes:
      num_classes: number of classes.
      padding: "valid" or "same", the encoder's.
      norm: batch normalisation before each ReLU.
      upsampling: "transposed", the paper's, or another name in `UPSAMPLINGS`; of
        volumes "transposed", "nearest" or "trilinear".  With "transposed" and
        "nearest" tiles join exactly; the others depend on where a tile ends.
      dtype: compute type.
    """

    num_classes: int
    padding: str = "valid"
    norm: bool = False
    upsampling: UpsamplingName = "transposed"
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, features: Sequence[jax.Array], train: bool = False) -> jax.Array:
        """Map features to logits `[B, *spatial, classes]` at the image's size.

        Raises:
          UserError: an upsampling that volumes do not have.
        """
        volume = features[0].ndim == 5
        known = UPSAMPLINGS_OF_VOLUMES if volume else UPSAMPLINGS
        choose("upsampling", self.upsampling, known)
        enlarge = UPSAMPLINGS_OF_VOLUMES.get(self.upsampling, self._upsample)
        x, *skips = features[::-1]
        for level, skip in zip(range(len(skips), 0, -1), skips, strict=True):
            channels = skip.shape[-1]
            x = enlarge(x, channels, self.dtype, f"level{level}_up")
            # Skips of odd sizes are smaller than twice the deeper feature.
            window = tuple(slice(size) for size in skip.shape[1:-1])
            x = jnp.concatenate([x[:, *window], skip], axis=-1)
            for index in (1, 2):
                name = f"level{level}_conv{index}"
                x = ConvReLU(channels, self.padding, self.norm, self.dtype, name=name)(
                    x, train
                )
        return nn.Dense(
            self.num_classes, kernel_init=LINEAR, dtype=self.dtype, name="classifier"
        )(x)

    def _upsample(
        self, x: jax.Array, channels: int, dtype: Any, name: str
    ) -> jax.Array:
        height, width = _doubled(x)
        return Upsample(self.upsampling, dtype, name=name)(x, (height, width))


def _doubled(x: jax.Array) -> tuple[int, ...]:
    return tuple(2 * size for size in x.shape[1:-1])


def _up_conv(x: jax.Array, channels: int, dtype: Any, name: str) -> jax.Array:
    volume = x.ndim == 5
    channels = x.shape[-1] if volume else channels
    return UpConv(channels, bias=not volume, dtype=dtype, name=name)(x)


UPSAMPLINGS_OF_VOLUMES: dict[str, Callable[..., jax.Array]] = {
    "transposed": _up_conv,
    "trilinear": lambda x, channels, dtype, name: resize_linear(x, _doubled(x)),
    "nearest": lambda x, channels, dtype, name: resize_nearest(x, _doubled(x)),
}
"""Name -> `(x, channels, dtype, name)` doubled along each axis."""
