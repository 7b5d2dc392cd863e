"""Online hard example mining: cross-entropy over the pixels that are hardest."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import jax
import jax.numpy as jnp
from pydantic import Field

from jaxseg.data.labels import IGNORE
from jaxseg.losses.cross_entropy import CrossEntropy
from jaxseg.ranges import Share


@dataclass(frozen=True)
class HardCrossEntropy(CrossEntropy):
    """Cross-entropy over the pixels whose loss is large (Shrivastava et al. 2016).

    arXiv:1604.03540, as in segmentation's common form (Wu et al. 2016,
    arXiv:1605.06885, sec. 3.3; mmsegmentation's `OHEMPixelSampler`): the pixels that
    are right with a probability of at most `threshold`, that is of a loss of at least
    `-log threshold`; and if these are fewer than the share `kept` of the batch's
    counted pixels, then the hardest ones up to that share, ties with the last
    included.  The mean is over the pixels that are chosen.  Of a multilabel task a
    pixel's loss is the mean over its classes.  Which pixels are chosen has no gradient.

    A batch without a counted pixel has loss 0; a class that is absent from the batch
    does what it does in `CrossEntropy`.  The choice is one sort of the batch's pixels.

    Attributes:
      threshold: probability of the right class.
      kept: smallest share of the counted pixels.
      others: see `CrossEntropy`.
    """

    additive: ClassVar[bool] = False

    threshold: Annotated[float, Field(gt=0, le=1)] = 0.7
    kept: Share = 0.0625

    def prepare(self, label: jax.Array, factor: jax.Array | None) -> Any:
        """Return nothing: what is chosen depends on the logits."""
        return None

    def __call__(
        self,
        logits: jax.Array,
        label: jax.Array,
        factor: jax.Array | None = None,
        prepared: Any = None,
        align_corners: bool = False,
    ) -> jax.Array:
        """Return the mean over the hardest pixels, see `Loss`."""
        chosen = self.chosen(logits, label, align_corners)
        factor = chosen if factor is None else chosen * factor
        total = self.total(logits, label, factor, align_corners)
        return total * super().prepare(label, factor)

    def chosen(
        self, logits: jax.Array, label: jax.Array, align_corners: bool = False
    ) -> jax.Array:
        """Return 1 for each pixel that is chosen and 0 for others, `[B, H, W]`."""
        loss = self._plain().pixel_map(logits, label, align_corners)
        there = label != IGNORE
        there = jnp.any(there, -1) if self.task == "multilabel" else there
        loss = jnp.where(there, loss, -1.0)
        limit = -math.log(self.threshold)
        count = jnp.floor(self.kept * jnp.sum(there)).astype(jnp.int32)
        falling = -jnp.sort(-loss, axis=None)
        last = jnp.where(count > 0, falling[jnp.maximum(count - 1, 0)], jnp.inf)
        limit = jnp.maximum(jnp.minimum(limit, last), 0.0)
        return (there & (loss >= limit)).astype(jnp.float32)

    def _plain(self) -> CrossEntropy:
        """Return the loss that tells how hard a pixel is: by its probability alone."""
        return CrossEntropy(bands=self.bands, task=self.task)
