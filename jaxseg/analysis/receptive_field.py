"""Receptive fields: the pixels that an output can depend on, and their influence.

The theoretical field is the interval of image pixels that an output pixel depends on.
It is found from the model's graph only, without computing or allocating parameters; if
branches meet, it is the hull of their fields.  The effective field is how strongly each
pixel influences the output, from gradients (Luo et al. 2016, arXiv:1701.04128).
`gridding.py` finds the holes between the pixels that dilated convolutions read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jaxseg.analysis.dependence import Dependence

TWO_SIGMA = 0.9545
"""The share of a normal distribution within two standard deviations."""


@dataclass(frozen=True)
class ReceptiveField:
    """Theoretical receptive fields along one axis of the image.

    Attributes:
      low: int `[n]`, first pixel that each output position depends on.
      high: int `[n]`, last pixel; below `low` where there is none.
      image_size: pixels along the axis.
      approximated: primitives of which only an upper bound is known.
    """

    low: np.ndarray
    high: np.ndarray
    image_size: int
    approximated: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Pixels of the largest field."""
        return int(max(0, (self.high - self.low).max() + 1))

    @property
    def clipped(self) -> bool:
        """Whether the image's borders may cut the largest field short.

        A field that is clipped however large the image is global: it sees everything.
        """
        inside = self._inside()
        fields = self.high[inside] - self.low[inside] + 1
        return not fields.size or int(fields.max()) < self.size

    @property
    def stride(self) -> float:
        """Distance of neighbouring fields' centres, pixels.

        Behind a resize, where the distances differ, image size by output size.
        """
        steps = np.diff(self._centres()[self._inside()])
        if steps.size and (steps == steps[0]).all():
            return float(steps[0])
        return self.image_size / len(self.low)

    @property
    def offset(self) -> float:
        """Centre of output 0's field, pixels, were the image infinite.

        Output i is centred at `offset + i * stride`: 0 where the corner pixels' centres
        are on each other, `(stride - 1) / 2` where the outputs are spread evenly.
        """
        places = self._inside()
        if not places.size:
            return (self.stride - 1) / 2
        return float((self._centres()[places] - places * self.stride).mean())

    def _inside(self) -> np.ndarray:
        """Return output positions whose fields no border cuts short.

        They reach neither the first nor the last pixel that any field reaches; and of
        these the middle half, since strides may skip a border's last pixels.
        """
        free = (self.low > self.low.min()) & (self.high < self.high.max())
        places = np.flatnonzero(free)
        return places[len(places) // 4 : len(places) - len(places) // 4]

    def _centres(self) -> np.ndarray:
        return (self.low + self.high) / 2


def theoretical(
    module: nn.Module,
    image_size: Sequence[int] = (4096, 64),
    *,
    variables: Any = None,
    axis: int = 0,
    output: int = -1,
    method: str | None = None,
    image_level: bool = True,
    channels: int = 3,
) -> ReceptiveField:
    """Return the theoretical receptive fields of a module's output.

    Args:
      module: maps an image `[1, *image_size, channels]` to an array `[1, *spatial, C]`
        or a sequence of them: a backbone, a segmenter, any layer.
      image_size: pixels along each spatial axis.  Only shapes are computed, so a long
        axis costs nothing; the field is exact if it is not `clipped`.
      variables: arrays or their abstract shapes; None derives them.
      axis: spatial axis, 0 the rows.
      output: which output is looked at, if there are several; -1 is the deepest.
      method: of the module; None is `__call__`.
      image_level: whether sums over the whole image count: the global pooling of ASPP
        or of squeeze-and-excitation makes every field the whole image.  Without them
        it is the field of the rest.  Attention is not affected.
      channels: of the image.
    """
    image = jax.ShapeDtypeStruct((1, *image_size, channels), jnp.float32)
    if variables is None:
        key = jax.random.key(0)
        variables = jax.eval_shape(lambda x: module.init(key, x, method=method), image)
    dependence = Dependence(image_size[axis], image_level)

    def run(image: Any, variables: Any) -> Any:
        return _chosen(module.apply(variables, image, method=method), output)

    extent = dependence.trace(run, 1 + axis, image, variables)
    others = tuple(index for index in range(extent.low.ndim) if index != 1 + axis)
    positions = jax.eval_shape(run, image, variables).shape[1 + axis]
    return ReceptiveField(
        np.broadcast_to(extent.low.min(others), positions),
        np.broadcast_to(extent.high.max(others), positions),
        image_size[axis],
        tuple(sorted(dependence.approximated)),
    )


def _chosen(outputs: Any, output: int) -> Any:
    return outputs[output] if isinstance(outputs, tuple | list) else outputs


@dataclass(frozen=True)
class EffectiveField:
    """How strongly each pixel of the image influences the central output pixel.

    Attributes:
      influence: float64 `[H, W]`, not negative.
    """

    influence: np.ndarray

    @property
    def extent(self) -> tuple[int, int]:
        """Rows and columns of the smallest box that holds all influence."""
        rows, columns = (np.flatnonzero(self.influence.any(other)) for other in (1, 0))
        if not len(rows):
            return 0, 0
        return int(rows[-1] - rows[0] + 1), int(columns[-1] - columns[0] + 1)

    @property
    def centre(self) -> tuple[int, int]:
        """Row and column of the centre of mass, rounded."""
        total = max(self.influence.sum(), np.finfo(float).tiny)
        rows, columns = (
            np.arange(size) @ self.influence.sum(other) / total
            for size, other in zip(self.influence.shape, (1, 0), strict=True)
        )
        return round(rows), round(columns)

    def side(self, share: float = TWO_SIGMA) -> int:
        """Return the side, pixels, of the square that holds a share of the influence.

        It is centred at `centre`, and odd.
        """
        row, column = self.centre
        rows, columns = np.indices(self.influence.shape)
        away = np.maximum(abs(rows - row), abs(columns - column))
        held = np.cumsum(np.bincount(away.ravel(), self.influence.ravel()))
        return 2 * int(np.searchsorted(held, share * held[-1])) + 1

    def root_area(self, share: float = TWO_SIGMA) -> float:
        """Return the square root of the number of pixels of notable influence.

        That is more than `1 - share` of the largest: the paper's size (sec. 3).
        """
        strong = self.influence > (1 - share) * self.influence.max()
        return float(np.sqrt(strong.sum()))


def _influence(run: Callable[[Any, Any], Any], squared: bool) -> Callable[..., Any]:
    """Return `(image, signs, variables) -> [H, W]`, the central pixel's gradient."""

    def central(image: Any, signs: Any, variables: Any) -> Any:
        out = run(variables, image)
        pixel = out[0, out.shape[1] // 2, out.shape[2] // 2]
        return jnp.sum(pixel.astype(jnp.float32) * signs)

    @jax.jit
    def influence(image: Any, signs: Any, variables: Any) -> Any:
        gradient = jax.grad(central)(image, signs, variables)
        return (gradient**2 if squared else jnp.abs(gradient)).sum(-1)

    return influence


def effective(
    module: nn.Module,
    image_size: tuple[int, int],
    key: jax.Array,
    *,
    variables: Any = None,
    images: jax.Array | None = None,
    count: int = 8,
    seeds: int = 1,
    output: int = -1,
    method: str | None = None,
    squared: bool = False,
    channels: int = 3,
) -> EffectiveField:
    """Return the effective receptive field of a module's central output pixel.

    The gradient is that of the output's channels, each with a random sign: so they do
    not cancel, and the mean of squares is the Jacobian's squared norm.

    Args:
      module: as for `theoretical`, with two spatial axes.
      image_size: height and width.
      key: random key of inputs, signs and parameters.
      variables: parameters and statistics; None draws `seeds` initialisations.
      images: float `[count, H, W, channels]`, normalised; None draws standard normals.
      count: images drawn for each initialisation.
      seeds: initialisations, if no variables are given.
      output: which output is looked at, if there are several.
      method: of the module; None is `__call__`.
      squared: average the squared gradient instead of its absolute value.
      channels: of the image.

    Returns:
      The mean over images and initialisations, summed over the image's channels.
    """
    shape = (count, *image_size, channels)
    draw = [variables]
    if variables is None:
        blank = jnp.zeros((1, *shape[1:]))
        start = jax.jit(lambda key: module.init(key, blank, method=method))
        draw = (start(each) for each in jax.random.split(key, seeds))

    def run(variables: Any, image: Any) -> Any:
        return _chosen(module.apply(variables, image[None], method=method), output)

    influence = _influence(run, squared)
    total, number = np.zeros(image_size), 0
    for each in draw:
        key, image_key, sign_key = jax.random.split(key, 3)
        batch = jax.random.normal(image_key, shape) if images is None else images
        width = jax.eval_shape(run, each, batch[0]).shape[-1]
        signs = jax.random.rademacher(sign_key, (len(batch), width), jnp.float32)
        for image, sign in zip(batch, signs, strict=True):
            total += np.asarray(influence(image, sign, each), np.float64)
            number += 1
    return EffectiveField(total / number)
