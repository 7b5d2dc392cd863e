"""The Lovász losses: the Jaccard index' convex extension, by sorting the errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from jaxseg.losses.bands import Bands
from jaxseg.losses.base import ClassMean, one_a_class
from jaxseg.losses.each_class import Scores, held_by, summed_over_classes


@dataclass(frozen=True)
class Lovasz(ClassMean):
    """The Lovász extension of the Jaccard loss (Berman et al. 2018, arXiv:1705.08790).

    Of a multiclass task it is the Lovász-Softmax, whose mean is over the classes that
    the label has: a class that is absent from the batch (or from the image, of
    `per_image`) adds nothing.  Of the other tasks it is the Lovász hinge of each class,
    and their mean; without a labelled pixel that is the hinge of the pixel with the
    largest score.  Both as in the authors' code and SMP, which however sorts all
    classes of a multilabel batch together.  A batch without a counted pixel has loss 0.
    A pixel's `factor` is its weight in the Jaccard index.

    It sorts all pixels of the batch once for each class that counts, n log n of n
    pixels: on CPUs as long as the rest of many a training step.  Memory is that of some
    arrays `[B, H, W]`, whatever the number of classes.

    Attributes:
      per_image: the mean over the images, in place of the batch's pixels together.
      others: see `ClassMean`.
    """

    per_image: bool = False

    def __call__(
        self,
        logits: jax.Array,
        label: jax.Array,
        factor: jax.Array | None = None,
        prepared: Any = None,
        align_corners: bool = False,
    ) -> jax.Array:
        """Return the loss of a whole batch, see `Loss`."""
        logits = logits.astype(jnp.float32)
        if factor is None:
            factor = jnp.ones(label.shape[: logits.ndim - 1], jnp.float32)
        scores = Scores(self.task, Bands(self.bands, align_corners), self._softmax)
        scale = self._scale(label, factor, logits.shape[-1])
        return summed_over_classes(self._of_class, scores, logits, label, factor, scale)

    @property
    def _softmax(self) -> bool:
        return self.task == "multiclass"

    def _groups(self, x: jax.Array) -> jax.Array:
        """Return the pixels that are sorted together, `[groups, pixels]`."""
        return x.reshape(len(x) if self.per_image else 1, -1)

    def _scale(self, label: jax.Array, factor: jax.Array, classes: int) -> jax.Array:
        """Return the factor of each class' loss in each group, `[classes, groups]`.

        It is 0 of a class that does not count there.
        """

        def held(there: jax.Array, other: jax.Array) -> jax.Array:
            counts = there if self._softmax else there | other
            return jnp.any(self._groups(counts & (factor > 0)), 1)

        weights = one_a_class(self.weights, classes)[:, None]
        weights = weights * held_by(held, self.task, label, classes)
        total = jnp.sum(weights, 0)
        groups = jnp.maximum(jnp.sum(total > 0), 1)
        return weights / jnp.where(total > 0, total, 1.0) / groups

    def _of_class(
        self,
        score: jax.Array,
        there: jax.Array,
        other: jax.Array,
        factor: jax.Array,
        scale: jax.Array,
    ) -> jax.Array:
        """Return what a class adds to the loss, see `OfClass`."""
        wrong = score if self._softmax else 1 + score
        error = self._groups(jnp.where(there, 1 - score, wrong))
        fixed = jax.lax.stop_gradient(error)

        def weights() -> jax.Array:
            counts = self._groups(there * factor), self._groups(other * factor)
            return scale[:, None] * jax.vmap(_lovasz_weights)(fixed, *counts)

        none = jnp.zeros_like(fixed)
        found = jax.lax.cond(jnp.any(scale > 0), weights, lambda: none)
        return jnp.sum(jax.nn.relu(error) * found)


def _lovasz_weights(error: jax.Array, there: jax.Array, other: jax.Array) -> jax.Array:
    """Return what each pixel's error adds to the loss, float32 `[pixels]`.

    By falling error, that is by how much the Jaccard loss grows with the pixel (alg. 1
    of the paper): a missed pixel makes the overlap smaller by its weight, a false one
    the union larger.
    """
    counted = there + other
    key = jnp.where(counted > 0, -error, jnp.inf)
    _, place = jax.lax.sort((key, jnp.arange(len(error))), num_keys=1)
    there, other = there[place], other[place]
    labelled = jnp.sum(there)
    overlap = labelled - jnp.cumsum(there)
    union = labelled + jnp.cumsum(other)
    before = jnp.where(union - other > 0, union - other, 1.0)
    growth = (there + overlap * other / before) / jnp.where(union > 0, union, 1.0)
    first = (jnp.arange(len(error)) == 0) & (there + other > 0)
    growth = jnp.where(labelled > 0, growth, first.astype(jnp.float32))
    return jnp.zeros_like(error).at[place].set(growth, unique_indices=True)
