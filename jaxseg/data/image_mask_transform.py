"""A transform made of any callable with albumentations' signature."""

from __future__ import annotations

import random
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from jaxseg.data.labels import IGNORE
from jaxseg.data.transforms import Sample
from jaxseg.errors import UserError


@dataclass(frozen=True)
class ImageMaskTransform(ABC):
    """Calls `f(image=image, mask=mask)`, which returns a dict of `image` and `mask`.

    A class derived from it says by `create` what f is, such as a `Compose` of
    albumentations, and is registered as any other transform.  Its fields are options.

    Before every sample f gets the sample's generator, or a seed that is drawn from it,
    and each thread has an f of its own, so that a sample is a function of (seed, epoch,
    index) if f is one of these.  The arrays that f is given are copies.
    """

    _local: threading.local = field(
        default_factory=threading.local, init=False, repr=False, compare=False
    )

    @abstractmethod
    def create(self) -> Callable[..., Any]:
        """Return f; called once in each thread."""

    def seed(self, function: Any, rng: np.random.Generator) -> None:
        """Seed f, by `set_random_state` or `set_random_seed`; override it for others.

        Args:
          function: what `create` returned.
          rng: the sample's generator.

        Raises:
          UserError: it has neither of them.
        """
        seed = int(rng.integers(2**32))
        # The seed comes second: a Compose of albumentations hands it on to all of its
        # transforms, which then draw the same numbers, and are applied all or none.
        if hasattr(function, "set_random_state"):
            function.set_random_state(rng, random.Random(seed))
        elif hasattr(function, "set_random_seed"):
            function.set_random_seed(seed)
        else:
            raise UserError(
                f"transform {type(self).__name__}: {type(function).__name__}, which"
                " create returns, has neither set_random_state, as albumentations 2"
                " has, nor set_random_seed(seed); write seed(self, function, rng),"
                " which does nothing if nothing in it is random"
            )

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Return the sample with the image and the mask that f returns.

        Raises:
          UserError: f cannot be seeded, or returns anything else.
        """
        if not hasattr(self._local, "function"):
            self._local.function = self.create()
        function = self._local.function
        self.seed(function, rng)
        image, mask = np.array(sample["image"]), np.array(sample["label"])
        found = function(image=image, mask=mask)
        name = type(self).__name__
        if not isinstance(found, dict) or not {"image", "mask"} <= found.keys():
            said = sorted(found) if isinstance(found, dict) else type(found).__name__
            raise UserError(
                f"transform {name}: what create returns gave {said}; it must give a"
                " dict of image and mask"
            )
        label = found["mask"]
        self._require_no_new_values(sample["label"], label)
        return {**sample, "image": found["image"], "label": label}

    def _require_no_new_values(self, before: np.ndarray, mask: Any) -> None:
        """Refuse values of a mask that can only come from interpolation or filling."""
        if not isinstance(mask, np.ndarray) or mask.dtype != np.uint8:
            return  # said by `named_transforms.Checked`, of every transform
        there = np.bincount(before.ravel(), minlength=256)
        there[IGNORE] = 1
        values = np.flatnonzero(
            (np.bincount(mask.ravel(), minlength=256) > 0) & ~(there > 0)
        )
        if len(values):
            raise UserError(
                f"transform {type(self).__name__}: its mask has the value {values[0]},"
                " which the mask before has not; interpolate masks by their nearest"
                f" pixel, and fill them with {IGNORE}"
            )
