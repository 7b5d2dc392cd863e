"""Balanced sampling: images of rare classes are drawn more often, crops by class.

`data.balance` names a way to balance, with options in brackets.  What is drawn in an
epoch is a function of the seed and the epoch alone.  Cropping itself is left to
`transforms.RandomScaleCrop`, and batching to `pipeline`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from jaxseg.data.frequencies import ClassFrequencies
from jaxseg.errors import choose
from jaxseg.ranges import Share
from jaxseg.registry import check_class_options, create, parse


@dataclass(frozen=True)
class ByClasses:
    """Images by repeat factors (Gupta et al. 2019, LVIS, arXiv:1908.03195), and crops.

    The factor of a class that a share f of the images has is `max(1, sqrt(t / f))`,
    that of an image the largest of its classes.

    Attributes:
      threshold: t, in (0, 1]: classes that fewer of the images have are drawn more.
      crops: probability that a crop's centre is a pixel of a class drawn uniformly
        among those of the image; nnU-Net takes one third of a batch.
    """

    threshold: Annotated[float, Field(gt=0, le=1)] = 0.1
    crops: Share = 0.5

    def repeats(self, frequencies: ClassFrequencies) -> tuple[float, ...]:
        """Return how often each image is to be drawn in an epoch, at least once.

        Args:
          frequencies: of the classes, with those of each image.
        """
        images, classes = frequencies.images, len(frequencies.pixels)
        having = np.bincount([c for there in images for c in there], minlength=classes)
        shares = np.maximum(having, 1) / max(1, len(images))
        factors = np.maximum(1.0, np.sqrt(self.threshold / shares)).tolist()
        return tuple(max((factors[c] for c in there), default=1.0) for there in images)


BALANCES: dict[str, type[ByClasses]] = {"classes": ByClasses}
"""Name -> what `data.balance` does by it."""


def parse_sampling(text: str) -> ByClasses | None:
    """Read `NAME` or `NAME(OPTION=VALUE)` of `BALANCES`; empty text is None.

    Raises:
      UserError: it is anything else.
    """
    if not text:
        return None
    named = parse("data.balance", text)
    owner = f"data.balance {text!r}"
    kind = choose("data.balance", named.name, BALANCES)
    return create(owner, kind, check_class_options(owner, kind, named.options))


def epoch_length(repeats: Sequence[float]) -> int:
    """Return the number of draws in an epoch, the same in all: the sum, rounded up."""
    return math.ceil(math.fsum(repeats))


def draws(repeats: Sequence[float], seed: int, epoch: int) -> np.ndarray:
    """Return the indices of the images that an epoch draws, in a random order.

    Systematic sampling: the factors lie one behind the other on a line, and points at
    equal distances from a random start choose the images.  An image of factor r is
    drawn floor(s) or ceil(s) times, s being r times the length over the sum of all
    factors, and s times on average over the epochs; so each is drawn at least once.

    Args:
      repeats: of each image, at least 1.
      seed: of the run.
      epoch: from 0.

    Returns:
      int64 `[epoch_length(repeats)]`.
    """
    random = np.random.default_rng((seed, epoch))
    length, ends = epoch_length(repeats), np.cumsum(repeats)
    points = (np.arange(length) + random.random()) * (ends[-1] / length)
    chosen = np.searchsorted(ends, points, side="right")
    return random.permutation(np.minimum(chosen, len(repeats) - 1))
