"""Transforms by name, for `augment.transforms`, and a check of their results.

`TRANSFORMS` is the registry; `register_transform` adds to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxseg.data.orientation_transforms import QuarterTurns, VerticalFlip
from jaxseg.data.pixel_transforms import (
    CoarseDropout,
    Gamma,
    GaussianBlur,
    GaussianNoise,
    Grey,
)
from jaxseg.data.transforms import (
    ElasticDeformation,
    PhotometricDistortion,
    RandomFlip,
    RandomRotation,
    Sample,
    Transform,
)
from jaxseg.errors import UserError
from jaxseg.registration import require_dataclass
from jaxseg.registry import Decorator, Registry


@dataclass(frozen=True)
class Checked:
    """A transform from a configuration, whose results are checked.

    Attributes:
      owner: name of the transform, for messages.
      transform: the transform.
    """

    owner: str
    transform: Transform

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Apply the transform.

        Raises:
          UserError: the transform fails, or does not return a sample.
        """
        before = sample["label"].shape
        try:
            sample = self.transform(sample, rng)
        except UserError:
            raise
        except Exception as error:  # whatever the user's code does
            name = type(error).__name__
            raise UserError(f"{self.owner}: {name}: {error}") from error
        found = _described(sample)
        if not _is_sample(sample, before[2:]):
            planes = "".join(f", {count}" for count in before[2:])
            raise UserError(
                f"{self.owner} returned {found}; it must return a sample with image"
                f" uint8 [H, W, 3] and label uint8 [H, W{planes}]"
            )
        now = sample["label"].shape
        if now[0] > before[0] or now[1] > before[1]:
            raise UserError(
                f"{self.owner} returned {found}, larger than the {list(before)} that it"
                " was given; a crop can only shrink"
            )
        return sample


def _is_sample(found: Any, planes: tuple[int, ...]) -> bool:
    if not isinstance(found, dict):
        return False
    image, label = (found.get(name) for name in ("image", "label"))
    if not isinstance(image, np.ndarray) or not isinstance(label, np.ndarray):
        return False
    sizes = label.ndim >= 2 and label.shape[2:] == planes
    sizes = sizes and image.shape == (*label.shape[:2], 3)
    return sizes and image.dtype == label.dtype == np.uint8


def _described(found: Any) -> str:
    if not isinstance(found, dict):
        return f"a {type(found).__name__}"
    arrays = {name: np.asarray(found.get(name)) for name in ("image", "label")}
    return ", ".join(f"{name} {a.dtype} {list(a.shape)}" for name, a in arrays.items())


TRANSFORMS: Registry[type[Any]] = Registry(
    "transform",
    {
        "photometric": PhotometricDistortion,
        "rotation": RandomRotation,
        "elastic": ElasticDeformation,
        "flip": RandomFlip,
        "vertical_flip": VerticalFlip,
        "quarter_turns": QuarterTurns,
        "gaussian_noise": GaussianNoise,
        "gaussian_blur": GaussianBlur,
        "gamma": Gamma,
        "grey": Grey,
        "coarse_dropout": CoarseDropout,
    },
)
"""Name in `augment.transforms` -> class."""


def register_transform(name: str) -> Decorator[type[Any]]:
    """Return a decorator that adds a transform, a frozen dataclass.

    It is called as `(sample, rng)` and returns a new sample with `image` uint8
    `[H, W, 3]` and `label` uint8 `[H, W]`, no larger than before; if classes may
    overlap, `label` has the shape `[H, W, classes]` before and after.  It must not
    write into the arrays that it is given.  Random numbers must come from `rng`, a
    `numpy.random.Generator`; several threads call the transform at the same time.  Its
    fields are options, each with its type and range.

    Args:
      name: name of the transform in a configuration.

    Raises:
      UserError: the name is a built-in one, or the transform is no frozen dataclass.
    """
    TRANSFORMS.require_name(name)

    def add(transform: Any) -> Any:
        require_dataclass(TRANSFORMS, name, transform)
        if "__call__" not in dir(transform):
            raise UserError(
                f"transform {name!r}: class {transform.__name__} has no"
                " __call__(self, sample, rng)"
            )
        TRANSFORMS.register(name, transform, of=transform)
        return transform

    return add
