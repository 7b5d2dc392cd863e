"""Losses of regions: how a class' predicted region overlaps the labelled one.

They are functions of three sums a class over all pixels of the batch: of the overlap,
of what is predicted, and of what is labelled.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import jax
import jax.numpy as jnp
from pydantic import Field

from jaxseg.losses.bands import Bands, summed
from jaxseg.losses.base import (
    ClassMean,
    element_counts,
    one_a_class,
    pixel_counts,
    power,
    probabilities,
    targets,
)
from jaxseg.ranges import Factor

SMALLEST = 1e-7
"""Least denominator of a score, as in SMP."""

Exponent = Annotated[float, Field(gt=0, le=100)]


@dataclass(frozen=True)
class RegionLoss(ClassMean):
    """A function of the sums of each class over the batch.

    A pixel's `factor` is its weight in the sums.  A class without a labelled and
    without a predicted pixel has loss 0, and so has a batch without a counted pixel.

    Attributes:
      all of them: see `ClassMean`.
    """

    summed: ClassVar[bool] = True

    def __call__(
        self,
        logits: jax.Array,
        label: jax.Array,
        factor: jax.Array | None = None,
        prepared: Any = None,
        align_corners: bool = False,
    ) -> jax.Array:
        """Return the loss of a whole batch, see `Loss`."""
        return self.whole(self.part(logits, label, factor, prepared, align_corners))

    def part(
        self,
        logits: jax.Array,
        label: jax.Array,
        factor: jax.Array | None = None,
        prepared: Any = None,
        align_corners: bool = False,
    ) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Return the sums of each class, float32 `[classes]`, see `Loss`."""
        logits = logits.astype(jnp.float32)
        counted = pixel_counts(self.task, label, factor)
        bands = Bands(self.bands, align_corners)
        return summed(self.sums, bands, logits, label, counted)

    def whole(self, total: tuple[jax.Array, jax.Array, jax.Array]) -> jax.Array:
        """Return the loss from the sums of each class, see `Loss`."""
        return self.of_sums(*total)

    def sums(
        self, logits: jax.Array, label: jax.Array, counted: jax.Array
    ) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Return the overlap, what is predicted and what is labelled.

        Args:
          logits: float32 `[B, H, W, classes]`.
          label: int `[B, H, W]`, of a multilabel task `[B, H, W, classes]`.
          counted: float32 `[B, H, W]`.

        Returns:
          float32 `[classes]` each.
        """
        target = targets(self.task, logits.shape[-1], label)
        weight = element_counts(self.task, label, counted)
        predicted = probabilities(self.task, logits) * weight
        axes = tuple(range(logits.ndim - 1))
        return (
            jnp.sum(predicted * target, axes),
            jnp.sum(predicted, axes),
            jnp.sum(target * weight, axes),
        )

    def of_sums(
        self, overlap: jax.Array, predicted: jax.Array, labelled: jax.Array
    ) -> jax.Array:
        """Return the loss from the sums of each class, float32 `[classes]`."""
        raise NotImplementedError

    def mean(self, values: jax.Array) -> jax.Array:
        """Return the weighted mean of the classes' values."""
        if not self.weights:
            return jnp.mean(values)
        weights = one_a_class(self.weights, len(values))
        return jnp.sum(values * weights) / jnp.sum(weights)


@dataclass(frozen=True)
class OverlapLoss(RegionLoss):
    """One minus a score of each class.

    Attributes:
      smooth: added above and below the line of a score.
      absent: what a class without a labelled pixel in the batch adds to the mean over
        all classes: "zero", as in SMP; or "count", what any other adds, as in MONAI,
        so that it is learnt to be absent.
      others: see `RegionLoss`.
    """

    smooth: Factor = 0.0
    absent: Literal["zero", "count"] = "zero"

    def fraction(
        self, overlap: jax.Array, false: jax.Array, missed: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        """Return what is above and below the line of the score of each class.

        Args:
          overlap: float32 `[classes]`, pixels that are labelled and predicted.
          false: likewise, that are predicted only.
          missed: likewise, that are labelled only.
        """
        raise NotImplementedError

    def losses(
        self, overlap: jax.Array, predicted: jax.Array, labelled: jax.Array
    ) -> jax.Array:
        """Return one minus the score of each class, float32 `[classes]`."""
        errors = predicted - overlap, labelled - overlap
        above, below = self.fraction(overlap, *errors)
        there = labelled if self.absent == "zero" else labelled + predicted
        return jnp.where(there > 0, 1 - above / jnp.maximum(below, SMALLEST), 0.0)

    def of_sums(
        self, overlap: jax.Array, predicted: jax.Array, labelled: jax.Array
    ) -> jax.Array:
        """Return the mean over the classes, see `RegionLoss`."""
        return self.mean(self.losses(overlap, predicted, labelled))


@dataclass(frozen=True)
class Dice(OverlapLoss):
    """One minus the Dice coefficient, its mean over the classes.

    Milletari et al. 2016, arXiv:1606.04797; here without squares and over the batch, as
    in SMP's `DiceLoss` and MONAI's `DiceLoss(batch=True)`: `1 - (2 overlap + smooth) /
    (predicted + labelled + smooth)`.  A class that is absent from the batch adds 0,
    as in SMP; `absent="count"` is MONAI's way.

    Attributes:
      smooth: added above and below the line; SMP 0.6 adds twice its own.
      others: see `OverlapLoss`.
    """

    def fraction(
        self, overlap: jax.Array, false: jax.Array, missed: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        """Return twice the overlap and the sum of both regions, smoothed."""
        above = 2 * overlap + self.smooth
        return above, above + false + missed


@dataclass(frozen=True)
class Jaccard(OverlapLoss):
    """One minus the Jaccard index (IoU), its mean over the classes.

    Rahman and Wang 2016; SMP's `JaccardLoss`: `1 - (overlap + smooth) / (union +
    smooth)`.  A class that is absent from the batch adds 0, as in SMP;
    `absent="count"` is MONAI's way.

    Attributes:
      others: see `OverlapLoss`.
    """

    def fraction(
        self, overlap: jax.Array, false: jax.Array, missed: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        """Return the overlap and the union, smoothed."""
        above = overlap + self.smooth
        return above, above + false + missed


@dataclass(frozen=True)
class Tversky(OverlapLoss):
    """One minus the Tversky index, its mean over the classes.

    Salehi et al. 2017, arXiv:1706.05721: `1 - (overlap + smooth) / (overlap + alpha *
    false + beta * missed + smooth)`.  A class that is absent from the batch adds 0, as
    in SMP; `absent="count"` is MONAI's way.

    Attributes:
      alpha: weight of false positives, as in SMP and MONAI.
      beta: weight of missed pixels.
      gamma: exponent of the mean over the classes, as in SMP.
      others: see `OverlapLoss`.
    """

    alpha: Factor = 0.5
    beta: Factor = 0.5
    gamma: Exponent = 1.0

    def fraction(
        self, overlap: jax.Array, false: jax.Array, missed: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        """Return the overlap and, weighted, the union, smoothed."""
        above = overlap + self.smooth
        return above, above + self.alpha * false + self.beta * missed

    def of_sums(
        self, overlap: jax.Array, predicted: jax.Array, labelled: jax.Array
    ) -> jax.Array:
        """Return the mean over the classes, see `RegionLoss`."""
        mean = self.mean(self.losses(overlap, predicted, labelled))
        return power(mean, self.gamma)


@dataclass(frozen=True)
class FocalTversky(Tversky):
    """The mean over the classes of a power of one minus the Tversky index.

    Abraham and Khan 2019, arXiv:1810.07842, whose gamma is 4/3 in an exponent of 1 /
    gamma.  Of one class it is SMP's `TverskyLoss` of the same gamma, which of several
    takes the power of their mean (as `tversky` does here).  A class that is absent from
    the batch adds 0, as in SMP.

    Attributes:
      alpha: weight of false positives; the paper's is 0.3.
      beta: weight of missed pixels; the paper's is 0.7.
      gamma: the exponent; the paper's is 3/4.
      others: see `OverlapLoss`.
    """

    alpha: Factor = 0.3
    beta: Factor = 0.7
    gamma: Exponent = 0.75

    def of_sums(
        self, overlap: jax.Array, predicted: jax.Array, labelled: jax.Array
    ) -> jax.Array:
        """Return the mean over the classes, see `RegionLoss`."""
        losses = self.losses(overlap, predicted, labelled)
        return self.mean(power(losses, self.gamma))


@dataclass(frozen=True)
class GeneralisedDice(RegionLoss):
    """One minus a Dice coefficient over all classes, the small ones weighing more.

    Sudre et al. 2017, arXiv:1707.03237: a class weighs 1 / labelled^2.  A class that is
    absent from the batch weighs as much as the heaviest that is there, as in MONAI's
    `GeneralizedDiceLoss(batch=True)`.

    Attributes:
      weighting: 1 / labelled^2 ("square"), 1 / labelled ("simple") or 1 ("uniform").
      smooth: added above and below the line, as MONAI does, where the weights of large
        regions are small beside it.
      others: see `RegionLoss`; `weights` are factors on the classes' own.
    """

    weighting: Literal["square", "simple", "uniform"] = "square"
    smooth: Factor = 0.0

    def of_sums(
        self, overlap: jax.Array, predicted: jax.Array, labelled: jax.Array
    ) -> jax.Array:
        """Return one minus the coefficient, see `RegionLoss`."""
        power = {"square": 2, "simple": 1, "uniform": 0}[self.weighting]
        there = labelled > 0
        weights = 1 / jnp.where(there, labelled, 1.0) ** power
        heaviest = jnp.max(jnp.where(there, weights, 0.0))
        weights = jnp.where(there, weights, heaviest)
        weights *= one_a_class(self.weights, len(weights))
        # The weights of large regions are tiny: relative to the heaviest they are not.
        weights = weights / jnp.where(heaviest > 0, heaviest, 1.0)
        smooth = self.smooth / jnp.where(heaviest > 0, heaviest, 1.0)
        above = 2 * jnp.sum(weights * overlap) + smooth
        below = jnp.sum(weights * (predicted + labelled)) + smooth
        loss = 1 - above / jnp.where(below > 0, below, 1.0)
        return jnp.where(heaviest > 0, loss, 0.0)
