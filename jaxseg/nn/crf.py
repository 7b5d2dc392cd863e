"""The fully connected conditional random field, which aligns labels with image edges.

Kraehenbuehl and Koltun, "Efficient Inference in Fully Connected CRFs with Gaussian Edge
Potentials" (arXiv:1210.5644), which DeepLab v1 and v2 apply to the network's scores.
Two Gaussian kernels join each pixel to every other: the appearance kernel K1, of the
distance in position and colour, and the smoothness kernel K2, of the distance in
position.  Mean field inference starts from Q = softmax(logits) and repeats

    Q <- softmax(logits - (w1 K1 Q + w2 K2 Q) compatibility^T).

Deviations from the paper:

- No permutohedral lattice: the sums over pairs are matrix products over tiles of K1,
  which is never whole in memory.  Tiles of negligible pairs are left out (`cutoff`),
  and the pairs can be sampled (`stride`).
- The kernels include the pair of a pixel with itself and are normalised to N^-1/2 K
  N^-1/2, where N is the diagonal matrix of the row sums of K, as in the authors' later
  code and pydensecrf.  `normalization` offers two others: "row" is N^-1 K, as in their
  code of 2011 and DeepLab's layer in Caffe; "none" is the paper's equations, sums over
  j != i that are not normalised.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxseg.errors import UserError

NORMALIZATIONS = ("symmetric", "row", "none")

Filter = Callable[[jax.Array], jax.Array]
"""Maps values `[pixels, C]` to the product of a kernel with them, `[pixels, C]`."""


@dataclasses.dataclass(frozen=True)
class DenseCRF:
    """The parameters of `dense_crf`; hashable, so it can be a static argument.

    The defaults are DeepLab v2's for ResNet-101 on PASCAL VOC, as its reproduction
    kazuto1011/deeplab-pytorch has them (configs/voc12.yaml).  The paper
    (arXiv:1606.00915) takes ten iterations and searches w1 in 3..6, theta_alpha in
    30..100 and theta_beta in 3..6.  DeepLab v1's script for VOC has theta_alpha 49,
    theta_beta 5 and theta_gamma 3.

    Attributes:
      appearance_weight: w1, the weight of K1.
      smoothness_weight: w2, the weight of K2.
      theta_alpha: standard deviation of K1 in space, pixels.
      theta_beta: standard deviation of K1 in colour, on the scale 0..255.
      theta_gamma: standard deviation of K2, pixels.
      iterations: mean field updates.
      normalization: one of `NORMALIZATIONS`.
      cutoff: leave out tiles of K1 whose pairs are all further apart than this along
        the features' principal axis, in standard deviations; `math.inf` leaves out
        none.  A pair that is left out has a K1 below exp(-cutoff^2 / 2); the mean
        change of the marginals on 240x180 photographs is 1e-6 at 3, 4e-5 at 2 and 2e-4
        at 1.
      stride: sum K1 only over pixels whose distance in rows and in columns is a
        multiple of `stride`, each weighted by stride^2; the work falls by stride^2.
        The mean change of the marginals on 480x360 photographs is 0.0005 at 2, which is
        that of pydensecrf's lattice, and 0.001 at 4.  On a CPU take 2 or 4.
      tile: pixels in a side of a tile of K1; it only changes the speed.

    Raises:
      UserError: a value is out of range.
    """

    appearance_weight: float = 4.0
    smoothness_weight: float = 3.0
    theta_alpha: float = 67.0
    theta_beta: float = 3.0
    theta_gamma: float = 1.0
    iterations: int = 10
    normalization: str = "symmetric"
    cutoff: float = 3.0
    stride: int = 1
    tile: int = 512

    def __post_init__(self):
        if self.normalization not in NORMALIZATIONS:
            known = ", ".join(NORMALIZATIONS)
            raise UserError(
                f"normalization {self.normalization!r}: give one of {known}"
            )
        for name in ("theta_alpha", "theta_beta", "theta_gamma", "cutoff"):
            if not getattr(self, name) > 0:
                raise UserError(f"{name} {getattr(self, name)}: give a number above 0")
        for name, least in (("iterations", 0), ("stride", 1), ("tile", 1)):
            if getattr(self, name) < least:
                raise UserError(f"{name} {getattr(self, name)}: give at least {least}")


@functools.partial(jax.jit, static_argnames="crf")
def dense_crf(
    logits: jax.Array,
    image: jax.Array,
    crf: DenseCRF = DenseCRF(),
    *,
    appearance_weight: float | jax.Array | None = None,
    smoothness_weight: float | jax.Array | None = None,
    compatibility: jax.Array | None = None,
) -> jax.Array:
    """Return the marginals of the fully connected CRF by mean field inference.

    Differentiable (in reverse mode) in the logits, the weights and the compatibility;
    the image is a constant.

    An iteration evaluates K1 at (H W)^2 pairs, each in about 2 C + 10 operations and an
    exponential; ten iterations take 18 TFLOP for 500x375 pixels and 21 classes.  The
    default `cutoff` and thetas compute 6% to 23% of that on photographs.  K2 is two
    small matrix products.  The memory is that of a few arrays of the logits' size.

    Args:
      logits: float `[H, W, C]` or `[B, H, W, C]`, the network's at the image's size, or
        any unary energies negated.
      image: `[H, W, 3]` or `[B, H, W, 3]`, 0..255, uint8 or float, not normalised.
      crf: the parameters.
      appearance_weight: replaces that of `crf`, to be learned.
      smoothness_weight: replaces that of `crf`, to be learned.
      compatibility: float `[C, C]`, the cost of label l near label l'; None is the
        Potts model, 0 on the diagonal and 1 elsewhere.

    Returns:
      float32 probabilities of the logits' shape, which sum to 1 over the last axis.

    Raises:
      UserError: the shapes do not agree.
    """
    if logits.ndim not in (3, 4) or logits.shape[:-1] != image.shape[:-1]:
        raise UserError(
            f"logits {logits.shape} and image {image.shape} differ: give [H, W, C] and"
            " [H, W, 3], or both with a batch in front; resize the logits to the image"
        )
    classes = logits.shape[-1]
    if compatibility is None:
        compatibility = 1.0 - jnp.eye(classes)
    if compatibility.shape != (classes, classes):
        raise UserError(
            f"compatibility {compatibility.shape}: give {(classes, classes)}, a row "
            "and a column for each class"
        )
    if appearance_weight is None:
        appearance_weight = crf.appearance_weight
    if smoothness_weight is None:
        smoothness_weight = crf.smoothness_weight

    weights = appearance_weight, smoothness_weight
    infer = functools.partial(
        _mean_field, crf=crf, weights=weights, compatibility=compatibility
    )
    # One image after the other: one is enough work for a device, and has its own tiles.
    infer_all = infer if logits.ndim == 3 else functools.partial(jax.lax.map, infer)
    return infer_all((logits, image))


def _mean_field(
    pair: tuple[jax.Array, jax.Array],
    crf: DenseCRF,
    weights: tuple[Any, Any],
    compatibility: jax.Array,
) -> jax.Array:
    """Return the marginals of one image, from its logits and pixels."""
    logits = pair[0].astype(jnp.float32).reshape(-1, pair[0].shape[-1])
    appearance = _normalize(_appearance(pair[1], crf), len(logits), crf)
    smoothness = _normalize(_smoothness(pair[1], crf), len(logits), crf)

    def update(marginals: jax.Array, _: None) -> tuple[jax.Array, None]:
        messages = weights[0] * appearance(marginals)
        messages += weights[1] * smoothness(marginals)
        return jax.nn.softmax(logits - _product(messages, compatibility.T)), None

    start = jax.nn.softmax(logits)
    marginals, _ = jax.lax.scan(update, start, length=crf.iterations)
    return marginals.reshape(pair[0].shape)


# Full float32 on every platform; the default precision of GPUs and TPUs is lower.
_product = functools.partial(jnp.matmul, precision="highest")


def _normalize(kernel: Filter, pixels: int, crf: DenseCRF) -> Filter:
    """Return `kernel` normalised as `crf` says; it includes a pixel's own value."""
    if crf.normalization == "none":
        return lambda values: kernel(values) - values
    total = kernel(jnp.ones((pixels, 1)))
    if crf.normalization == "row":
        return lambda values: kernel(values) / total
    scale = jax.lax.rsqrt(total)
    return lambda values: scale * kernel(scale * values)


def _smoothness(image: jax.Array, crf: DenseCRF) -> Filter:
    """Return K2: a product with the rows' Gaussian and one with the columns'."""
    height, width, _ = image.shape

    def gaussian(length: int) -> jax.Array:
        place = jnp.arange(length) / crf.theta_gamma
        return jnp.exp(-0.5 * (place[:, None] - place) ** 2)

    rows, columns = gaussian(height), gaussian(width)

    def sums(values: jax.Array) -> jax.Array:
        grid = _product(rows, values.reshape(height, -1))
        grid = _product(columns, grid.reshape(height, width, -1))
        return grid.reshape(values.shape)

    return sums


def _appearance(image: jax.Array, crf: DenseCRF) -> Filter:
    """Return K1."""
    tiles = _tiles(image, crf)
    share = crf.stride**2  # the weight of each sampled pixel but the pixel itself

    def sums(values: jax.Array) -> jax.Array:
        return share * _tiled_sums(tiles, values) - (share - 1) * values

    return sums


class _Tiles(NamedTuple):
    """Pixels in groups of similar features, and the groups that each is joined to."""

    features: Any  # [groups, tile, 5], in standard deviations
    pixel: Any  # [groups * tile], index in the image; the number of pixels for padding
    place: Any  # [pixels], where each pixel of the image is in `pixel`
    first: Any  # [groups], the first of the groups that a group is joined to
    last: Any  # [groups], the end of these groups, exclusive


def _tiles(image: jax.Array, crf: DenseCRF) -> _Tiles:
    """Sort the pixels by the features' principal axis and cut them into groups.

    A distance along one axis is a lower bound of the distance in all five, so the
    groups that are near enough to a group are a range.  With a stride, each of the
    stride^2 interleaved subsampled images is sorted and cut separately.
    """
    height, width, _ = image.shape
    stride, pixels = crf.stride, height * width
    image = jax.lax.stop_gradient(image.astype(jnp.float32))
    image = jnp.pad(
        image, ((0, -height % stride), (0, -width % stride), (0, 0)), "edge"
    )
    row, column = jnp.indices(image.shape[:2])
    space = jnp.stack([row, column], -1) / crf.theta_alpha
    features = jnp.concatenate([space, image / crf.theta_beta], -1)
    pixel = jnp.where((row < height) & (column < width), row * width + column, pixels)

    count = pixel.size // stride**2
    tile = min(crf.tile, count)

    def subsampled(x: jax.Array, **padding: Any) -> jax.Array:
        x = x.reshape(len(x) // stride, stride, -1, stride, x.shape[-1])
        x = x.transpose(1, 3, 0, 2, 4).reshape(stride**2, count, -1)
        return jnp.pad(x, ((0, 0), (0, -count % tile), (0, 0)), **padding)

    features = subsampled(features, mode="edge")
    pixel = subsampled(pixel[..., None], constant_values=pixels)

    features -= features.mean((0, 1))
    scatter = jnp.einsum("gpi,gpj->ij", features, features, precision="highest")
    key = _product(features, jnp.linalg.eigh(scatter).eigenvectors[:, -1])
    order = jnp.argsort(key)
    key = jnp.take_along_axis(key, order, 1).reshape(stride**2, -1, tile)
    features = jnp.take_along_axis(features, order[..., None], 1)
    pixel = jnp.take_along_axis(pixel, order[..., None], 1).ravel()

    low, high = key[..., 0], key[..., -1]
    first = (high[:, None] < low[..., None] - crf.cutoff).sum(-1)
    last = (low[:, None] <= high[..., None] + crf.cutoff).sum(-1)
    start = key.shape[1] * jnp.arange(stride**2)[:, None]
    place = jnp.zeros(pixels, int).at[pixel].set(jnp.arange(pixel.size), mode="drop")
    return _Tiles(
        features=features.reshape(-1, tile, features.shape[-1]),
        pixel=pixel,
        place=place,
        first=(start + first).ravel(),
        last=(start + last).ravel(),
    )


@jax.custom_vjp
def _tiled_sums(tiles: _Tiles, values: jax.Array) -> jax.Array:
    """Return sum_j exp(-|f_i - f_j|^2 / 2) values_j over the tiles; `[pixels, C]`."""
    shape = (*tiles.features.shape[:2], values.shape[-1])
    values = values.at[tiles.pixel].get(mode="fill", fill_value=0).reshape(shape)

    def group(arguments: tuple[jax.Array, jax.Array, jax.Array]) -> jax.Array:
        here, first, last = arguments
        centre = here.mean(0)  # |a|^2 + |b|^2 - 2 a b is more exact for small a and b
        here = here - centre

        def add(index: jax.Array, total: jax.Array) -> jax.Array:
            there = tiles.features[index] - centre
            squares = (here**2).sum(1)[:, None] + (there**2).sum(1)
            squares = jnp.maximum(squares - 2 * _product(here, there.T), 0)
            return total + _product(jnp.exp(-0.5 * squares), values[index])

        return jax.lax.fori_loop(first, last, add, jnp.zeros(shape[1:]))

    sums = jax.lax.map(group, (tiles.features, tiles.first, tiles.last))
    return sums.reshape(-1, shape[-1])[tiles.place]


# The kernel is symmetric, so the gradient is the same product; no tile is stored.
_tiled_sums.defvjp(
    lambda tiles, values: (_tiled_sums(tiles, values), tiles),
    lambda tiles, cotangent: (None, _tiled_sums(tiles, cotangent)),
)
