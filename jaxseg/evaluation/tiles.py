"""Overlap-tile inference: an image of any size in the memory of a batch of tiles.

Ronneberger et al. 2015, arXiv:1505.04597, fig. 2.  A network without padding predicts
the interior of its input; the margin around a tile is read from the image, and outside
the image from its mirror image.  Tiles that start at multiples of the network's stride
give the same output as the whole image.  Images have two axes, volumes three.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from jaxseg.errors import UserError
from jaxseg.heads.unet_original import UNetEncoder
from jaxseg.heads.unet_parts import mirrored
from jaxseg.nn.lowering import compiling_for, devices_of
from jaxseg.nn.normalization import normalize_image
from jaxseg.segmenter import Segmenter

Network = Callable[[Any, jax.Array], jax.Array]
"""`(variables, [n, *(tile + 2 * margin), C]) -> [n, *tile, classes]`."""

TiledScores = Callable[[Any, np.ndarray], np.ndarray]
"""`(variables, image [*spatial, C]) -> float32 [*spatial, classes]`, on the host."""


def overlap_tile(
    network: Network,
    tile: Sequence[int],
    *,
    margin: int,
    stride: int = 1,
    batch_size: int = 4,
) -> TiledScores:
    """Return a function that applies `network` to every tile of an image.

    It is compiled once, whatever the images' sizes.

    Args:
      network: its input is `margin` larger on each side than its output.
      tile: size of its output, pixels along each axis.
      margin: pixels.
      stride: of the network; tiles start at multiples of it.
      batch_size: tiles at a time.

    Raises:
      UserError: a tile smaller than the stride.
    """
    steps = [size // stride * stride for size in tile]
    if min(steps) < 1:
        raise UserError(
            f"a tile side of {min(tile)}: give at least the network's stride, {stride}"
        )
    compiled = jax.jit(network)

    def read(image: np.ndarray, position: Sequence[int]) -> np.ndarray:
        spans = [
            mirrored(np.arange(start - margin, start + side + margin), size)
            for start, side, size in zip(position, tile, image.shape[:-1], strict=True)
        ]
        return image[np.ix_(*spans)]

    def scores(variables: Any, image: np.ndarray) -> np.ndarray:
        *sizes, _ = image.shape
        starts = [range(0, size, step) for size, step in zip(sizes, steps, strict=True)]
        positions = list(itertools.product(*starts))
        total = np.empty(0, np.float32)
        for first in range(0, len(positions), batch_size):
            part = positions[first : first + batch_size]
            filled = part + part[-1:] * (batch_size - len(part))
            tiles = np.stack([read(image, position) for position in filled])
            with compiling_for(devices_of(variables)):
                found = np.asarray(compiled(variables, tiles))
            if first == 0:
                total = np.empty((*sizes, found.shape[-1]), np.float32)
            for position, logits in zip(part, found, strict=False):
                inside = [
                    slice(start, min(start + step, size))
                    for start, step, size in zip(position, steps, sizes, strict=True)
                ]
                kept = tuple(slice(span.stop - span.start) for span in inside)
                total[tuple(inside)] = logits[kept]
        return total

    return scores


def tiled_unet(
    model: Segmenter,
    tile: Sequence[int],
    *,
    mean: Sequence[float],
    std: Sequence[float],
    batch_size: int = 4,
) -> TiledScores:
    """Return the overlap-tile form of an unpadded U-Net, for uint8 images.

    Args:
      model: a U-Net with its own backbone, without padding.
      tile: pixels along each axis; rounded up to a size that the network can output.
      mean: normalisation, on the scale 0..1.
      std: normalisation, on the scale 0..1.
      batch_size: tiles at a time.

    Raises:
      UserError: the model is another one.
    """
    encoder = model.backbone
    if not isinstance(encoder, UNetEncoder) or encoder.padding != "valid":
        raise UserError(
            "only a U-Net without padding is tiled: give head 'unet_original'"
        )
    # The margin of a tile, mirror image included, is cut on the host.
    bare = model.clone(backbone=encoder.clone(mirror=False))

    def network(variables: Any, image: jax.Array) -> jax.Array:
        image = normalize_image(image, mean, std)
        logits, _ = bare.apply(variables, image, method="low_resolution")
        return logits

    margin = encoder.margin
    outputs = [encoder.input_size(size) - 2 * margin for size in tile]
    return overlap_tile(
        network, outputs, margin=margin, stride=encoder.stride, batch_size=batch_size
    )
