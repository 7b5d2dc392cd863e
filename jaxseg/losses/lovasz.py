"""The Lovász losses: the Jaccard index' convex extension, by sorting the errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from jaxseg.data.labels import Task
from jaxseg.losses.bands import Bands
from jaxseg.losses.base import Loss, Weights, require_length, spatial_size
from jaxseg.losses.each_class import each_class
from jaxseg.ranges import Count


@dataclass(frozen=True)
class Lovasz(Loss):
    """The Lovász extension of the Jaccard loss (Berman et al. 2018, arXiv:1705.08790).

    Of a multiclass task it is the Lovász-Softmax, whose mean is over the classes that
    the label has: a class that is absent from the batch (or from the image, of
    `per_image`) adds nothing.  Of the other tasks it is the Lovász hinge of each class,
    and their mean; without a labelled pixel that is the hinge of the pixel with the
    largest score.  Both as in the authors' code and SMP, which however sorts all
    classes of a multilabel batch together.  A batch without a counted pixel has loss 0.
    A pixel's `factor` is its weight in the Jaccard index.

    It sorts all pixels of the batch once for each class, and once more for the
    gradient: n log n of n pixels, which on CPUs takes longer than the rest of many a
    training step.  Classes that the batch lacks are not sorted.  Memory is that of some
    arrays `[B, H, W]`, whatever the number of classes.

    Attributes:
      weights: of each class in the mean; empty weights all alike, 0 leaves a class out.
        A binary task has one class.
      per_image: the mean over the images, in place of the batch's pixels together.
      bands: number of parts that the rows are cut into where the softmax is normalised;
        1 for images whose rows lie on several devices.
      task: see `Loss`.
    """

    weights: Weights = ()
    per_image: bool = False
    bands: Count = 16
    task: Task = "multiclass"

    def check_classes(self, num_classes: int | None) -> None:
        """Refuse weights that are not one a class, see `Loss`."""
        count = 1 if self.task == "binary" else num_classes
        require_length("weights", self.weights, count)

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
            factor = jnp.ones((len(label), *spatial_size(logits, label)), jnp.float32)
        softmax = self.task == "multiclass"

        def of_class(score: jax.Array, there: jax.Array, other: jax.Array) -> Any:
            error = jnp.where(there, 1 - score, score if softmax else 1 + score)
            shape = len(score) if self.per_image else 1, -1
            return _of_groups(
                error.reshape(shape),
                (there * factor).reshape(shape),
                (other * factor).reshape(shape),
                softmax,
            )

        bands = Bands(self.bands, align_corners)
        values, held = each_class(of_class, self.task, bands, logits, label, softmax)
        weights = jnp.ones(len(values)) if not self.weights else jnp.array(self.weights)
        weights = weights[:, None] * held
        total = jnp.sum(weights, 0)
        means = jnp.sum(weights * values, 0) / jnp.where(total > 0, total, 1.0)
        return jnp.sum(means) / jnp.maximum(jnp.sum(total > 0), 1)


def _of_groups(
    error: jax.Array, there: jax.Array, other: jax.Array, softmax: bool
) -> tuple[jax.Array, jax.Array]:
    """Return a class' loss in each group of pixels, and whether it counts there.

    Args:
      error: float32 `[groups, pixels]`; a hinge's may be negative.
      there: how often each pixel counts that has the class, of the same shape.
      other: likewise of pixels that have it not.
      softmax: whether a class counts only where it is labelled.

    Returns:
      float32 and bool `[groups]`.
    """
    held = jnp.sum(there if softmax else there + other, 1) > 0

    def sort() -> jax.Array:
        fixed = jax.lax.stop_gradient(error)
        return jax.vmap(_lovasz_weights)(fixed, there, other)

    weights = jax.lax.cond(jnp.any(held), sort, lambda: jnp.zeros_like(error))
    return jnp.sum(jax.nn.relu(error) * weights, 1), held


def _lovasz_weights(error: jax.Array, there: jax.Array, other: jax.Array) -> jax.Array:
    """Return what each pixel's error adds to the loss, float32 `[pixels]`.

    By falling error, that is by how much the Jaccard loss grows with the pixel (alg. 1
    of the paper): a missed pixel makes the overlap smaller by its weight, a false one
    the union larger.
    """
    counted = there + other
    key = jnp.where(counted > 0, -error, jnp.inf)
    place = jnp.arange(len(error))
    _, place, there, other = jax.lax.sort((key, place, there, other), num_keys=1)
    labelled = jnp.sum(there)
    overlap = labelled - jnp.cumsum(there)
    union = labelled + jnp.cumsum(other)
    before = jnp.where(union - other > 0, union - other, 1.0)
    growth = (there + overlap * other / before) / jnp.where(union > 0, union, 1.0)
    first = (jnp.arange(len(error)) == 0) & (there + other > 0)
    growth = jnp.where(labelled > 0, growth, first.astype(jnp.float32))
    return jnp.zeros_like(error).at[place].set(growth, unique_indices=True)
