"""The focal loss: cross-entropy that weighs less where a pixel is right already."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import jax
import jax.numpy as jnp
from pydantic import Field

from jaxseg.losses.base import power, targets
from jaxseg.losses.pixel_mean import PixelMean
from jaxseg.ranges import Share


@dataclass(frozen=True)
class Focal(PixelMean):
    """The mean of `-(1 - p)^gamma log p`, p being the probability of what is right.

    Lin et al. 2017, arXiv:1708.02002, eq. 4 and 5.  Of a multiclass task p is the
    softmax's, as in MONAI's `FocalLoss(use_softmax=True)`, whose mean is over the
    classes too and so is smaller by their number.  Of the other tasks it equals SMP's
    and MONAI's.  A batch without a counted pixel has loss 0; a class that is absent
    from the batch adds nothing where there is a softmax, and is learnt to be absent
    where there are sigmoids.

    Attributes:
      gamma: 0 is cross-entropy.
      alpha: with sigmoids: factor on the loss of pixels that have the class, 1 - alpha
        on that of the others, in the sum and not in the normaliser; None is 1 on both.
      one_vs_rest: of a multiclass task, a sigmoid a class in the softmax' place, and
        the mean over the classes, as in SMP.
      others: see `PixelMean`.
    """

    gamma: Annotated[float, Field(ge=0, le=100)] = 2.0
    alpha: Share | None = None
    one_vs_rest: bool = False

    def __post_init__(self) -> None:
        """Refuse what has no meaning together.

        Raises:
          ValueError: the first found.
        """
        softmax = self.task == "multiclass" and not self.one_vs_rest
        if softmax and self.alpha is not None:
            raise ValueError(
                "alpha is of sigmoids; give one_vs_rest=True with it, or"
                " --train.class_weights in its place"
            )
        if self.one_vs_rest and self.task != "multiclass":
            raise ValueError(
                f"one_vs_rest is of multiclass labels, and data.task is {self.task!r},"
                " which has sigmoids without it"
            )

    def each(self, logits: jax.Array, label: jax.Array) -> jax.Array:
        """Return the loss of each pixel times its class' weight, see `PixelMean`."""
        target = targets(self.task, logits.shape[-1], label)
        if self.task == "multiclass" and not self.one_vs_rest:
            log_p = jnp.sum(jax.nn.log_softmax(logits) * target, axis=-1)
            total = self._focused(-log_p)
        else:
            sign = 1 - 2 * target
            total = self._focused(jax.nn.softplus(sign * logits))
            if self.alpha is not None:
                total *= self.alpha * target + (1 - self.alpha) * (1 - target)
            if self.task == "multiclass":
                total = jnp.mean(total, axis=-1)
        return self._weighted(total, label)

    def _focused(self, entropy: jax.Array) -> jax.Array:
        """Return the loss of a cross-entropy `-log p`."""
        if self.gamma == 0:
            return entropy
        wrong = -jnp.expm1(-entropy)
        return power(wrong, self.gamma) * entropy

    def _weighted(self, total: jax.Array, label: jax.Array) -> jax.Array:
        if self.task == "binary":
            total = total[..., 0]
        return total * self._pixel_weights(label) if self.class_weights else total
