"""How often each class occurs in a split, and the weights of classes by it.

The classes of each image are kept too, for `balance`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from jaxseg.data.labels import IGNORE, LabelSet
from jaxseg.data.samples import Samples
from jaxseg.errors import UserError, choose
from jaxseg.ranges import Decay
from jaxseg.registry import check_class_options, create, parse


@dataclass(frozen=True)
class ClassFrequencies:
    """How often each class occurs in a split; the counts are exact.

    Attributes:
      pixels: number of pixels of each class.
      around: for each class, the number of pixels that are not ignored in the images
        that have the class.
      images: the classes that each image has, in the order of the split; empty if an
        earlier version counted.
    """

    pixels: tuple[int, ...]
    around: tuple[int, ...]
    images: tuple[tuple[int, ...], ...] = ()

    def write(self) -> str:
        """Return it as JSON text; `read` reads it back equal."""
        return json.dumps(asdict(self)) + "\n"

    @classmethod
    def read(cls, path: Path) -> ClassFrequencies:
        """Read a file of the text that `write` returned.

        Raises:
          UserError: the file holds anything else.
        """
        try:
            return cls.of_values(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
            raise UserError(f"{path}: not class frequencies ({error})") from error

    @classmethod
    def of_values(cls, values: Mapping[str, Any]) -> ClassFrequencies:
        """Return the frequencies with these attributes, which may come from JSON.

        Raises:
          ValueError, TypeError, KeyError: the values are anything else.
        """
        pixels, around = (
            tuple(map(_count, values[name])) for name in ("pixels", "around")
        )
        if len(pixels) != len(around):
            raise ValueError("two lists of different lengths")
        images = tuple(tuple(map(_count, each)) for each in values.get("images", ()))
        if max((max(each, default=0) for each in images), default=0) >= len(pixels):
            raise ValueError("an image has a class that does not exist")
        return cls(pixels, around, images)

    def difference(self, now: ClassFrequencies, names: Sequence[str]) -> str | None:
        """Describe the first difference to other frequencies, or return None.

        Args:
          now: the frequencies that were counted now.
          names: names of the classes.
        """
        for name, old, new in zip(names, self.pixels, now.pixels, strict=False):
            if old != new:
                return f"{new} pixels of class {name!r}, not {old}"
        known = now if self.images else replace(now, images=())
        return None if self == known else "its classes are in other images"


def _count(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"{value!r} is no number of pixels, and no class")
    return value


def count_classes(samples: Samples, labels: LabelSet) -> ClassFrequencies:
    """Read every sample once and count the pixels of its label.

    Args:
      samples: the samples of a split.
      labels: the classes.

    Raises:
      UserError: a sample cannot be read.
    """

    def count(index: int) -> np.ndarray:
        label = samples[index]["label"]
        pixels = _pixels(label, labels.num_classes)
        # If classes may overlap, a pixel counts once for each class.
        overlapping = label.ndim == 3
        asked = (label != IGNORE).sum((0, 1)) if overlapping else pixels.sum()
        return np.stack([pixels, np.where(pixels > 0, asked, 0)])

    total, images = np.zeros((2, labels.num_classes), np.int64), []
    with ThreadPoolExecutor(min(os.cpu_count() or 1, 8)) as pool:
        for found in pool.map(count, range(len(samples))):
            total += found
            images.append(tuple(np.flatnonzero(found[0]).tolist()))
    pixels, around = total.tolist()
    return ClassFrequencies(tuple(pixels), tuple(around), tuple(images))


def _pixels(label: np.ndarray, classes: int) -> np.ndarray:
    """Return the pixels of each class in a label, int64 `[classes]`."""
    if label.ndim == 3:
        return (label == 1).sum((0, 1))
    return np.bincount(label.ravel(), minlength=IGNORE + 1)[:classes]


@dataclass(frozen=True)
class Inverse:
    """Weights in inverse proportion to the number of pixels.

    The weight of class c is `n / (k n_c)`, where n_c is its number of pixels, n that of
    all classes, and k the number of classes that occur.  This is scikit-learn's
    "balanced"; the mean over the pixels is 1.
    """

    def weights(self, frequencies: ClassFrequencies) -> tuple[float, ...]:
        """Return the weight of each class; 0 of one that does not occur."""
        pixels = np.array(frequencies.pixels, float)
        there = pixels > 0
        return _where(there, lambda: pixels.sum() / (there.sum() * pixels[there]))


@dataclass(frozen=True)
class Median:
    """Weights by median frequency balancing (Eigen and Fergus 2015, arXiv:1411.4734).

    The frequency of a class is its share of the pixels of the images that have it; its
    weight is the median of all frequencies over its own.
    """

    def weights(self, frequencies: ClassFrequencies) -> tuple[float, ...]:
        """Return the weight of each class; 0 of one that does not occur."""
        pixels, around = (
            np.array(counts, float)
            for counts in (frequencies.pixels, frequencies.around)
        )
        there = pixels > 0

        def found() -> np.ndarray:
            shares = pixels[there] / around[there]
            return np.median(shares) / shares

        return _where(there, found)


@dataclass(frozen=True)
class Effective:
    """Weights in inverse proportion to the effective number of pixels.

    Cui et al. 2019, arXiv:1901.05555: `(1 - beta) / (1 - beta^n_c)`, scaled so that the
    weights sum to the number of classes that occur.

    Attributes:
      beta: in [0, 1); classes of more than about 1 / (1 - beta) pixels have the same
        effective number.
    """

    beta: Decay = 0.999999

    def weights(self, frequencies: ClassFrequencies) -> tuple[float, ...]:
        """Return the weight of each class; 0 of one that does not occur."""
        pixels = np.array(frequencies.pixels, float)
        there = pixels > 0

        def found() -> np.ndarray:
            if self.beta == 0:
                return np.ones(there.sum())
            seen = -np.expm1(pixels[there] * np.log(self.beta))
            return there.sum() / seen / (1 / seen).sum()

        return _where(there, found)


def _where(there: np.ndarray, found: Callable[[], np.ndarray]) -> tuple[float, ...]:
    """Return a value for each class that occurs, and 0 for the others."""
    weights = np.zeros(len(there))
    if there.any():
        weights[there] = found()
    return tuple(weights.tolist())


BALANCES: dict[str, type[Inverse | Median | Effective]] = {
    "inverse": Inverse,
    "median": Median,
    "effective": Effective,
}
"""Name in `train.class_balance` -> class."""


def parse_balance(text: str) -> Inverse | Median | Effective:
    """Read `NAME` or `NAME(OPTION=VALUE)` of `BALANCES`.

    Raises:
      UserError: the text is anything else.
    """
    named = parse("class balance", text)
    owner = f"class balance {text!r}"
    kind = choose("class balance", named.name, BALANCES)
    return create(owner, kind, check_class_options(owner, kind, named.options))
