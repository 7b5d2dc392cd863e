"""What a data set is like: classes with weights, sizes with a crop, colours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jaxseg.data.frequencies import BALANCES, ClassFrequencies
from jaxseg.doctor.facts import ImageFacts, PairFacts
from jaxseg.doctor.set_checks import SetFacts

_LARGEST_CROP, _SMALLEST_CROP, _MULTIPLE = 512, 64, 32


@dataclass(frozen=True)
class ClassSummary:
    """A class in the training split.

    Attributes:
      name: of the class.
      colour: RGB, in pictures.
      pixels: how many have it.
      share: of the pixels that count, 0..1; of classes that overlap, of all pixels.
      images: how many have it.
      weight: by median frequency balancing; 0 where it does not occur, None for
        classes that overlap.
    """

    name: str
    colour: tuple[int, int, int]
    pixels: int
    share: float
    images: int
    weight: float | None


@dataclass(frozen=True)
class Summary:
    """What a data set is like.

    Attributes:
      images: number of images of each split.
      classes: of the training split; empty if they are unknown.
      ignored: share of its pixels that are ignored, 0..1.
      sizes: height, width and number of images of each size, the most frequent first.
      crop: height and width that suit the sizes; None without images.
      mean: of red, green and blue over the training images, 0..1; None without images.
      deviation: standard deviation likewise.
    """

    images: dict[str, int]
    classes: tuple[ClassSummary, ...]
    ignored: float
    sizes: tuple[tuple[int, int, int], ...]
    crop: tuple[int, int] | None
    mean: tuple[float, ...] | None
    deviation: tuple[float, ...] | None


def summarise(facts: SetFacts) -> Summary:
    """Sum up a data set; what is said of training is of the training split."""
    images = Counter(each.split for each in facts.pairs)
    train = [each for each in facts.pairs if each.split == facts.config.train_split]
    sound = [each.image for each in train if isinstance(each.image, ImageFacts)]
    sizes = Counter(
        each.image.size for each in facts.pairs if isinstance(each.image, ImageFacts)
    )
    mean, deviation = _statistics(sound)
    classes, ignored = _classes(facts, train)
    return Summary(
        dict(images),
        classes,
        ignored,
        tuple((*size, count) for size, count in sizes.most_common()),
        _crop([image.size for image in sound]),
        mean,
        deviation,
    )


def _statistics(
    images: Sequence[ImageFacts],
) -> tuple[tuple[float, ...] | None, tuple[float, ...] | None]:
    """Return mean and standard deviation over all pixels."""
    if not images:
        return None, None
    pixels = np.array([np.prod(image.size) for image in images], float)
    mean, square = (
        np.average(np.stack(values), axis=0, weights=pixels)
        for values in ([i.mean for i in images], [i.square for i in images])
    )
    deviation = np.sqrt(np.maximum(square - mean**2, 0))
    return tuple((mean / 255).tolist()), tuple((deviation / 255).tolist())


def _crop(sizes: Sequence[tuple[int, int]]) -> tuple[int, int] | None:
    """Return the largest crop, up to 512, that 19 of 20 images fill."""
    if not sizes:
        return None
    sides = np.quantile(np.array(sizes), 0.05, axis=0, method="lower")
    height, width = (
        int(min(max(side // _MULTIPLE * _MULTIPLE, _SMALLEST_CROP), _LARGEST_CROP))
        for side in sides
    )
    return height, width


def _classes(
    facts: SetFacts, train: Sequence[PairFacts]
) -> tuple[tuple[ClassSummary, ...], float]:
    coding = facts.meaning.coding
    content = facts.contents.get(facts.config.train_split)
    if coding is None or content is None:
        return (), 0.0
    labels = coding.labels
    known = [each for each in train if each.masks.keys() <= facts.of_files.keys()]
    of_images = [
        np.sum([facts.of_files[path].pixels for path in each.masks], axis=0)
        for each in known
        if each.masks
    ]
    rows = np.array(of_images, np.int64).reshape(-1, labels.num_classes)
    pixels, there = rows.sum(axis=0), rows > 0
    if labels.planes:
        weights: Sequence[float | None] = [None] * labels.num_classes
        areas = [
            each.image.size for each in known if isinstance(each.image, ImageFacts)
        ]
        every = sum(height * width for height, width in areas)
    else:
        around = (there * rows.sum(axis=1, keepdims=True)).sum(axis=0)
        frequencies = ClassFrequencies(tuple(pixels.tolist()), tuple(around.tolist()))
        weights = BALANCES["median"]().weights(frequencies)
        every = int(pixels.sum())
    classes = tuple(
        ClassSummary(
            name, colour, int(count), int(count) / max(every, 1), int(images), weight
        )
        for name, colour, count, images, weight in zip(
            labels.names,
            labels.palette,
            pixels,
            there.sum(axis=0),
            weights,
            strict=True,
        )
    )
    return classes, content.ignored / max(sum(content.pixels) + content.ignored, 1)
