"""The boundary loss: predicted pixels cost their distance from the labelled region."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from jaxseg.losses.bands import Bands
from jaxseg.losses.base import ClassMean, element_counts, one_a_class, pixel_counts
from jaxseg.losses.distances import signed_distances
from jaxseg.losses.each_class import Scores, summed_over_classes


@dataclass(frozen=True)
class Boundary(ClassMean):
    """The mean of `p * d` (Kervadec et al. 2019, arXiv:1812.07032, eq. 5).

    p is the probability of a class at a pixel, d the signed distance to the border of
    its labelled region in pixels, negative inside; the mean is over the counted pixels
    and the classes, as in the authors' code.  Distances are exact, and between counted
    pixels alone.  A class that is absent from an image adds 0 there, as does one that
    is all of it.  A batch without a counted pixel has loss 0.

    It is negative where a prediction is good, and says little where one is far off: the
    paper adds it to a loss of regions, as in "generalised_dice + 0.01*boundary".

    The distances of a class that the batch has take 2 B H W^2 comparisons.  Memory is
    that of some arrays `[B, H, W]`, whatever the number of classes.

    Attributes:
      all of them: see `ClassMean`.
    """

    additive: ClassVar[bool] = True

    def prepare(self, label: jax.Array, factor: jax.Array | None) -> jax.Array:
        """Return the reciprocal of the number of counted pixels, or 1 if that is 0.

        It is float32 `[1]`, of a multilabel task `[classes]`.
        """
        counted = pixel_counts(self.task, label, factor)
        counted = element_counts(self.task, label, counted)
        total = jnp.sum(counted, tuple(range(counted.ndim - 1)))
        return 1 / jnp.where(total > 0, total, 1.0)

    def __call__(
        self,
        logits: jax.Array,
        label: jax.Array,
        factor: jax.Array | None = None,
        prepared: Any = None,
        align_corners: bool = False,
    ) -> jax.Array:
        """Return the weighted mean over pixels and classes, see `Loss`."""
        logits = logits.astype(jnp.float32)
        if prepared is None:
            prepared = self.prepare(label, factor)
        if factor is None:
            factor = jnp.ones(label.shape[: logits.ndim - 1], jnp.float32)
        weights = one_a_class(self.weights, logits.shape[-1])
        scale = weights / jnp.sum(weights) * prepared
        scores = Scores(self.task, Bands(self.bands, align_corners))
        return summed_over_classes(_of_class, scores, logits, label, factor, scale)


def _of_class(
    p: jax.Array,
    there: jax.Array,
    other: jax.Array,
    factor: jax.Array,
    scale: jax.Array,
) -> jax.Array:
    """Return what a class adds to the loss, see `OfClass`."""

    def distances() -> jax.Array:
        return scale * factor * signed_distances(there, other)

    counts = there.any() & (scale > 0)
    none = jnp.zeros_like(factor)
    return jnp.sum(p * jax.lax.cond(counts, distances, lambda: none))
