"""Balanced sampling: images of rare classes are drawn more often, crops by class.

`data.balance` names a way to balance, with options in brackets.  The images that an
epoch draws depend on the seed and the epoch only.  `transforms.RandomScaleCrop` cuts
the crops, and `pipeline` makes batches.
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

    The factor of a class that occurs in a share f of the images is `max(1, sqrt(t /
    f))`, and that of an image is the largest of its classes' factors.

    Attributes:
      threshold: t, in (0, 1]: classes in a smaller share of the images are drawn more.
      crops: probability that a crop's centre is a pixel of a class drawn uniformly
        among those of the image; nnU-Net takes one third of a batch.
    """

    threshold: Annotated[float, Field(gt=0, le=1)] = 0.1
    crops: Share = 0.5

    def repeats(self, frequencies: ClassFrequencies) -> tuple[float, ...]:
        """Return how often each image is to be drawn in an epoch, at least once.

        Args:
          frequencies: of the classes, with the classes of each image.
        """
        images, classes = frequencies.images, len(frequencies.pixels)
        having = np.bincount([c for there in images for c in there], minlength=classes)
        shares = np.maximum(having, 1) / max(1, len(images))
        factors = np.maximum(1.0, np.sqrt(self.threshold / shares)).tolist()
        return tuple(max((factors[c] for c in there), default=1.0) for there in images)


BALANCES: dict[str, type[ByClasses]] = {"classes": ByClasses}
"""Name in `data.balance` -> class."""


def parse_sampling(text: str) -> ByClasses | None:
    """Read `NAME` or `NAME(OPTION=VALUE)` of `BALANCES`; empty text is None.

    Raises:
      UserError: the text is anything else.
    """
    if not text:
        return None
    named = parse("data.balance", text)
    owner = f"data.balance {text!r}"
    kind = choose("data.balance", named.name, BALANCES)
    return create(owner, kind, check_class_options(owner, kind, named.options))


def epoch_length(repeats: Sequence[float]) -> int:
    """Return the number of draws in every epoch: the sum of the factors, rounded up."""
    return math.ceil(math.fsum(repeats))


def draws(repeats: Sequence[float], seed: int, epoch: int) -> np.ndarray:
    """Return the indices of the images that an epoch draws, in a random order.

    Systematic sampling: the factors are laid end to end on a line, and points at equal
    distances from a random start choose the images.  Let s be the factor of an image
    times the epoch's length over the sum of all factors.  The image is drawn floor(s)
    or ceil(s) times, on average s times; so each is drawn at least once.

    Args:
      repeats: factor of each image, at least 1.
      seed: seed of the run.
      epoch: number of the epoch, from 0.

    Returns:
      int64 `[epoch_length(repeats)]`.
    """
    random = np.random.default_rng((seed, epoch))
    length, ends = epoch_length(repeats), np.cumsum(repeats)
    points = (np.arange(length) + random.random()) * (ends[-1] / length)
    chosen = np.searchsorted(ends, points, side="right")
    return random.permutation(np.minimum(chosen, len(repeats) - 1))
