"""Mixing a training sample with another one of its split: CutMix, ClassMix, copy-paste.

`augment.mix` names what mixes, with options in brackets.  The other sample, the
partner, is drawn, read and augmented by the generator of the sample that it is mixed
into, so that a mixed sample too is a function of (seed, epoch, index), whatever the
batch, the processes and the threads.  A partner costs what a sample costs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated

import cv2
import numpy as np
from pydantic import Field

from jaxseg.data.frequencies import ClassFrequencies
from jaxseg.data.labels import IGNORE
from jaxseg.data.samples import Samples
from jaxseg.data.transforms import (
    Compose,
    RandomScaleCrop,
    Sample,
    Transform,
    classes_of,
)
from jaxseg.errors import UserError, choose
from jaxseg.ranges import Byte, Share
from jaxseg.registry import check_class_options, create, parse


@dataclass(frozen=True)
class CutMix:
    """Paste a rectangle of the partner, image and label (Yun et al. 2019).

    arXiv:1905.04899, sec. 3.1: the rectangle has the sides of the image times
    sqrt(1 - lambda), lambda drawn from Beta(alpha, alpha), and a centre anywhere in the
    image, whose edges cut it.  The paper classifies and mixes labels by area; here each
    pixel takes the label that comes with it (French et al. 2020, arXiv:1906.01916).

    Attributes:
      probability: in [0, 1].
      alpha: of the Beta distribution; 1, the paper's, is uniform.
    """

    probability: Share = 0.5
    alpha: Annotated[float, Field(ge=0.01, le=100)] = 1.0

    def pasted(self, partner: Sample, rng: np.random.Generator) -> np.ndarray:
        """Draw what of the partner is pasted, bool `[H, W]`."""
        sides = partner["label"].shape[:2]
        ratio = np.sqrt(1 - rng.beta(self.alpha, self.alpha))
        pasted = np.zeros(sides, bool)
        ends = []
        for side in sides:
            half, centre = int(side * ratio) // 2, int(rng.integers(side))
            ends.append(slice(max(centre - half, 0), centre + half))
        pasted[tuple(ends)] = True
        return pasted


@dataclass(frozen=True)
class ClassMix:
    """Paste the pixels of half of the partner's classes (Olsson et al. 2021).

    arXiv:2007.07936, alg. 1; half is rounded down, as in the authors' code, so that of
    one class nothing is pasted.  The paper mixes predictions for images without labels;
    here the classes are those of the label.  Ignored pixels are never pasted.

    Attributes:
      probability: in [0, 1].
    """

    probability: Share = 0.5

    def pasted(self, partner: Sample, rng: np.random.Generator) -> np.ndarray:
        """Draw what of the partner is pasted, bool `[H, W]`."""
        label = partner["label"]
        there = classes_of(label)
        half = rng.choice(there, len(there) // 2, replace=False) if len(there) else []
        return _pixels_of(label, half)


@dataclass(frozen=True)
class CopyPaste:
    """Paste the pixels of rare classes of a partner that has some.

    Ghiasi et al. 2021, arXiv:2012.07177, paste objects of one image onto another; here
    these are the pixels of the rare classes.  A rare class is drawn uniformly, an image
    uniformly among those that have it, and the partner's crop lies around a pixel of a
    rare class.

    Attributes:
      probability: in [0, 1].
      threshold: classes are rare that fewer than this share of the pixels of the
        training split have.
      classes: in place of the threshold, the rare classes themselves.
    """

    probability: Share = 0.5
    threshold: Annotated[float, Field(gt=0, le=1)] = 0.02
    classes: tuple[Byte, ...] = ()

    def pasted(self, partner: Sample, rng: np.random.Generator) -> np.ndarray:
        """Return what of the partner is pasted, bool `[H, W]`."""
        del rng
        return _pixels_of(partner["label"], self.classes)

    def with_classes(self, frequencies: ClassFrequencies) -> CopyPaste:
        """Return it with the classes that are rare in a split.

        Args:
          frequencies: of the classes in the training split.

        Raises:
          UserError: none is rare, or one of those given does not exist or occur.
        """
        pixels = np.array(frequencies.pixels)
        if self.classes:
            wrong = [c for c in self.classes if c >= len(pixels) or not pixels[c]]
            if wrong:
                raise UserError(
                    f"augment.mix copy_paste: no training image has class {wrong[0]},"
                    f" of {len(pixels)} classes"
                )
            return self
        shares = pixels / max(pixels.sum(), 1)
        rare = np.flatnonzero((shares < self.threshold) & (pixels > 0))
        if not len(rare):
            least = shares[pixels > 0].min() if pixels.any() else 0.0
            raise UserError(
                f"augment.mix copy_paste(threshold={self.threshold:g}): no class is so"
                f" rare, the rarest has {least:.3g} of the training pixels; give a"
                " larger threshold, or the classes, as in copy_paste(classes=(3,))"
            )
        return dataclasses.replace(self, classes=tuple(rare.tolist()))


Mix = CutMix | ClassMix | CopyPaste

MIXES: dict[str, type[Mix]] = {
    "cutmix": CutMix,
    "classmix": ClassMix,
    "copy_paste": CopyPaste,
}
"""Name -> what `augment.mix` may name."""


def parse_mix(text: str) -> Mix:
    """Read `NAME` or `NAME(OPTION=VALUE)` of `MIXES`.

    Raises:
      UserError: it is anything else.
    """
    named = parse("augment.mix", text)
    kind = choose("augment.mix", named.name, MIXES)
    owner = f"augment.mix {named.name!r}"
    return create(owner, kind, check_class_options(owner, kind, named.options))


def mixed(sample: Sample, partner: Sample, pasted: np.ndarray) -> Sample:
    """Return a sample with pixels of a partner of the same size, and their labels.

    Args:
      sample: any.
      partner: whose pixels are pasted; of overlapping classes all planes of them.
      pasted: bool `[H, W]`.
    """
    mask = pasted.view(np.uint8)
    image = cv2.copyTo(partner["image"], mask, sample["image"].copy())
    label = sample["label"].copy()
    if label.ndim == 3:  # of more planes than OpenCV takes
        label[pasted] = partner["label"][pasted]
    else:
        label = cv2.copyTo(partner["label"], mask, label)
    return {**sample, "image": image, "label": label}


def _pixels_of(label: np.ndarray, classes: Sequence[int] | np.ndarray) -> np.ndarray:
    """Return which pixels of a label have one of some classes, bool `[H, W]`."""
    chosen = np.zeros(IGNORE + 1, bool)
    chosen[np.asarray(classes, int)] = True
    if label.ndim == 3:
        return (label[..., chosen[: label.shape[2]]] == 1).any(axis=2)
    return cv2.LUT(label, chosen.view(np.uint8)).view(bool)


@dataclass(frozen=True)
class Augmentation:
    """All that is done to a training sample.

    Attributes:
      chain: makes any sample one of the crop's size.
      mixes: with a partner each, in this order.
      last: what comes after them.
      images: of each class the indices of the images that have it, for `CopyPaste`.
    """

    chain: Compose
    mixes: tuple[Mix, ...] = ()
    last: tuple[Transform, ...] = ()
    images: tuple[tuple[int, ...], ...] = ()

    def of(self, samples: Samples, repeats: Sequence[float] = ()) -> Transform:
        """Return the transform of the samples of a split.

        Args:
          samples: the split, of which partners are read too.
          repeats: how often each of them is drawn in an epoch, as often they are
            partners; none draws all alike.
        """
        drawn = np.cumsum(repeats if len(repeats) else np.ones(len(samples)))
        mixings: list[Transform] = []
        for mix in self.mixes:
            if isinstance(mix, CopyPaste):
                chain = _around(self.chain, mix.classes)
                having = [self.images[each] for each in mix.classes]
                mixings.append(_Mixing(mix, samples, chain, _OfClasses(having)))
            else:
                mixings.append(_Mixing(mix, samples, self.chain, _Anyone(drawn)))
        return Compose((*self.chain.transforms, *mixings, *self.last))


@dataclass(frozen=True)
class _Mixing:
    """Mixes a sample of the crop's size with a partner."""

    mix: Mix
    samples: Samples
    chain: Compose
    draw: Callable[[np.random.Generator], int]

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        if rng.random() >= self.mix.probability:
            return sample
        partner = self.chain(self.samples[self.draw(rng)], rng)
        return mixed(sample, partner, self.mix.pasted(partner, rng))


@dataclass(frozen=True)
class _Anyone:
    """Draws an image as often as an epoch does; `ends` adds up how often that is."""

    ends: np.ndarray

    def __call__(self, rng: np.random.Generator) -> int:
        point = rng.random() * self.ends[-1]
        index = int(np.searchsorted(self.ends, point, side="right"))
        return min(index, len(self.ends) - 1)


@dataclass(frozen=True)
class _OfClasses:
    """Draws a class, and one of the images that have it."""

    having: Sequence[Sequence[int]]

    def __call__(self, rng: np.random.Generator) -> int:
        images = self.having[int(rng.integers(len(self.having)))]
        return images[int(rng.integers(len(images)))]


def _around(chain: Compose, classes: tuple[int, ...]) -> Compose:
    """Return a chain whose crops lie around a pixel of one of some classes."""
    return Compose(
        tuple(
            dataclasses.replace(each, by_class=1.0, classes=classes)
            if isinstance(each, RandomScaleCrop)
            else each
            for each in chain.transforms
        )
    )
