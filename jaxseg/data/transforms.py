"""Random changes to an image and its mask together: (sample, rng) -> sample.

A sample is a dict with `image` uint8 `[H, W, 3]` RGB and `label` uint8 `[H, W]`, class
or `IGNORE`; if classes may overlap, the label is `[H, W, classes]` of 0, 1 or `IGNORE`,
whose planes are changed alike.  A transform draws only from the generator that it is
given, so a sample is a function of (seed, epoch, index).  Images stay bytes, and are
normalised on the device.  Images are interpolated bilinearly and masks take the nearest
pixel, both with pixel centres at one half, so that they stay aligned.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import cv2
import numpy as np
from pydantic import Field

from jaxseg.data.labels import IGNORE
from jaxseg.data.planes import each_plane
from jaxseg.errors import UserError
from jaxseg.ranges import Byte, Factor, Share

Sample = dict[str, Any]
Transform = Callable[[Sample, np.random.Generator], Sample]
Colour = tuple[Byte, Byte, Byte]


@dataclass(frozen=True)
class RandomScaleCrop:
    """Scale by a random factor and cut a crop, reading only the crop's own pixels.

    A crop in which one class has more than `max_class_share` of the counted pixels is
    drawn again, ten times at most (mmsegmentation's `cat_max_ratio`).  If classes may
    overlap, a crop in which more than that share has no class is drawn again too.  If
    the scaled image is smaller than the crop, the result is smaller, and `Pad` follows.

    A crop by class has a random pixel of a class as its centre, or is as near to it as
    the image's border allows.  The class is drawn uniformly among those of the image
    (and of `classes`); an image that has none of them is cropped anywhere.

    Attributes:
      crop: height and width of the result, pixels.
      scale: range of the factor, uniform.
      max_class_share: in (0, 1]; 1 accepts every crop.
      by_class: probability of a crop by class.
      classes: that a crop by class is of; none is all.
    """

    crop: tuple[int, int]
    scale: tuple[float, float] = (1.0, 1.0)
    max_class_share: float = 1.0
    by_class: float = 0.0
    classes: tuple[int, ...] = ()

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Return the sample's scaled crop."""
        image, label = sample["image"], sample["label"]
        factor = rng.uniform(*self.scale)
        # The crop's extent in source pixels, and its size after scaling.
        source = [
            max(1, min(size, round(side / factor)))
            for size, side in zip(label.shape[:2], self.crop, strict=True)
        ]
        target = [
            max(1, min(side, round(extent * factor)))
            for extent, side in zip(source, self.crop, strict=True)
        ]
        centres = None
        if self.by_class and rng.random() < self.by_class:
            centres = _pixels_of_a_class(label, self.classes, rng)
        rows, columns = slice(0), slice(0)
        for _ in range(10):
            top, left = _corner(label.shape, source, centres, rng)
            rows, columns = slice(top, top + source[0]), slice(left, left + source[1])
            if self._is_mixed(label[rows, columns]):
                break
        image, label = image[rows, columns], label[rows, columns]
        if target != source:
            size = (target[1], target[0])
            image = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
            nearest = cv2.INTER_NEAREST_EXACT
            label = each_plane(
                lambda plane: cv2.resize(plane, size, interpolation=nearest), label
            )
        return {**sample, "image": image, "label": label}

    def _is_mixed(self, label: np.ndarray) -> bool:
        if self.max_class_share >= 1:
            return True
        if label.ndim == 3:
            return self._planes_are_mixed(label)
        counts = np.bincount(label.ravel(), minlength=IGNORE + 1)[:IGNORE]
        return bool(0 < counts.max() <= self.max_class_share * counts.sum())

    def _planes_are_mixed(self, label: np.ndarray) -> bool:
        counted = (label != IGNORE).any(axis=2).sum()
        classes = (label == 1).sum(axis=(0, 1))
        none = counted - (label == 1).any(axis=2).sum()
        largest = max(none, classes.max())
        return bool(0 < largest <= self.max_class_share * counted)


def classes_of(label: np.ndarray) -> np.ndarray:
    """Return the classes that a label has pixels of, in their order."""
    if label.ndim == 3:
        return np.flatnonzero((label == 1).any(axis=(0, 1)))
    counts = cv2.calcHist([label], [0], None, [256], [0, 256])
    return np.flatnonzero(counts[:IGNORE])


def _pixels_of_a_class(
    label: np.ndarray, classes: Sequence[int], rng: np.random.Generator
) -> np.ndarray | None:
    """Draw one of a label's classes; return the flat indices of its pixels.

    Where `classes` are given, only these are drawn; None is that there are none.
    """
    there = classes_of(label)
    if classes:
        there = there[np.isin(there, classes)]
    if not len(there):
        return None
    drawn = there[rng.integers(len(there))]
    found = label[..., drawn] == 1 if label.ndim == 3 else label == drawn
    return np.flatnonzero(found)


def _corner(
    shape: tuple[int, ...],
    extent: Sequence[int],
    centres: np.ndarray | None,
    rng: np.random.Generator,
) -> tuple[int, int]:
    """Draw the top left pixel of a crop, anywhere or around one of the centres."""
    free = shape[0] - extent[0], shape[1] - extent[1]
    if centres is None:
        return int(rng.integers(free[0] + 1)), int(rng.integers(free[1] + 1))
    row, column = divmod(int(centres[rng.integers(len(centres))]), shape[1])
    top = min(max(row - extent[0] // 2, 0), free[0])
    return top, min(max(column - extent[1] // 2, 0), free[1])


@dataclass(frozen=True)
class RandomRotation:
    """Rotate about the centre by a random angle; pixels outside are ignored.

    Attributes:
      degrees: the angle is uniform in [-degrees, degrees].
      fill: RGB of the image outside.
    """

    degrees: Annotated[float, Field(ge=0, le=180)]
    fill: Colour = (0, 0, 0)

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Return the rotated sample, of the same size."""
        angle = rng.uniform(-self.degrees, self.degrees)
        height, width = sample["label"].shape[:2]
        centre = ((width - 1) / 2, (height - 1) / 2)
        matrix = cv2.getRotationMatrix2D(centre, angle, 1.0)

        def turn(array: np.ndarray, flags: int, fill: Sequence[int]) -> np.ndarray:
            return cv2.warpAffine(
                array, matrix, (width, height), flags=flags, borderValue=fill
            )

        image = turn(sample["image"], cv2.INTER_LINEAR, self.fill)
        label = each_plane(
            lambda plane: turn(plane, cv2.INTER_NEAREST, (IGNORE,)), sample["label"]
        )
        return {**sample, "image": image, "label": label}


@dataclass(frozen=True)
class ElasticDeformation:
    """Deform image and mask smoothly; pixels outside are ignored.

    Ronneberger et al. 2015, arXiv:1505.04597, sec. 3.1: random displacements on a grid
    of 3 x 3 points, interpolated bicubically to every pixel.

    Attributes:
      std: standard deviation of the Gaussian displacements along each axis, pixels; the
        paper's is 10.
      fill: RGB of the image outside.
    """

    std: Annotated[float, Field(ge=0, le=10_000)]
    fill: Colour = (0, 0, 0)

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Return the deformed sample, of the same size."""
        height, width = sample["label"].shape[:2]
        grid = rng.normal(0.0, self.std, (3, 3, 2)).astype(np.float32)
        shift = cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
        columns = shift[..., 0] + np.arange(width, dtype=np.float32)
        rows = shift[..., 1] + np.arange(height, dtype=np.float32)[:, None]

        def bend(array: np.ndarray, flags: int, fill: Sequence[int]) -> np.ndarray:
            return cv2.remap(array, columns, rows, flags, borderValue=fill)

        image = bend(sample["image"], cv2.INTER_LINEAR, self.fill)
        label = each_plane(
            lambda plane: bend(plane, cv2.INTER_NEAREST, (IGNORE,)), sample["label"]
        )
        return {**sample, "image": image, "label": label}


@dataclass(frozen=True)
class RandomFlip:
    """Mirror left and right.

    Attributes:
      probability: in [0, 1].
    """

    probability: Share = 0.5

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Return the sample or its mirror image."""
        if rng.random() >= self.probability:
            return sample
        return mirrored(sample, 1)


def mirrored(sample: Sample, axis: int) -> Sample:
    """Mirror a sample: top and bottom along axis 0, left and right along axis 1."""
    label = each_plane(lambda plane: cv2.flip(plane, axis), sample["label"])
    return {**sample, "image": cv2.flip(sample["image"], axis), "label": label}


@dataclass(frozen=True)
class PhotometricDistortion:
    """Random brightness, contrast, saturation and hue (Liu et al. 2016, SSD, sec. 2.2).

    Each is applied with probability one half.  Brightness and contrast act as one table
    over bytes, saturation and hue on HSV.

    Attributes:
      brightness: largest shift, on the scale 0..255.
      contrast: range of the factor.
      saturation: range of the factor.
      hue: largest shift, in degrees of 360.
    """

    brightness: Annotated[float, Field(ge=0, le=255)] = 32.0
    contrast: tuple[Factor, Factor] = (0.5, 1.5)
    saturation: tuple[Factor, Factor] = (0.5, 1.5)
    hue: Annotated[float, Field(ge=0, le=180)] = 36.0

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Return the sample with its image's colours changed."""
        use = rng.random(4) < 0.5
        shift = rng.uniform(-self.brightness, self.brightness) * use[0]
        factor = rng.uniform(*self.contrast) if use[1] else 1.0
        saturation = rng.uniform(*self.saturation) if use[2] else 1.0
        hue = rng.uniform(-self.hue, self.hue) * use[3]
        image = sample["image"]
        values = np.arange(256, dtype=np.float32)
        if use[0] or use[1]:
            image = cv2.LUT(
                np.ascontiguousarray(image), to_bytes(values * factor + shift)
            )
        if use[2] or use[3]:
            hsv = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2HSV_FULL)
            turned = (values + hue * 256 / 360).astype(np.int64) % 256
            table = np.stack([turned, values * saturation, values], axis=-1)
            hsv = cv2.LUT(hsv, to_bytes(table)[None])
            image = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB_FULL)
        return {**sample, "image": image}


def to_bytes(values: np.ndarray) -> np.ndarray:
    """Round numbers to uint8; those outside of 0..255 take its nearest end."""
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


@dataclass(frozen=True)
class Pad:
    """Pad to a size at the bottom and right; the padding is ignored.

    Attributes:
      size: height and width of the result; a larger sample is an error.
      fill: RGB of the padding.
    """

    size: tuple[int, int]
    fill: tuple[int, int, int] = (0, 0, 0)

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Return a sample of exactly `size`."""
        del rng
        height, width = sample["label"].shape[:2]
        if (height, width) == self.size:
            return sample
        if height > self.size[0] or width > self.size[1]:
            raise ValueError(f"a sample of {height} x {width} is larger than {self}")
        edges = (0, self.size[0] - height, 0, self.size[1] - width)
        constant = cv2.BORDER_CONSTANT
        image, label = sample["image"], sample["label"]
        image = cv2.copyMakeBorder(image, *edges, constant, value=self.fill)
        label = each_plane(
            lambda plane: cv2.copyMakeBorder(plane, *edges, constant, value=IGNORE),
            label,
        )
        sample = {**sample, "image": image, "label": label}
        if "weight" in sample:
            weight = sample["weight"]
            weight = cv2.copyMakeBorder(weight, *edges, constant, value=0)
            sample["weight"] = weight
        return sample


@dataclass(frozen=True)
class Compose:
    """Transforms one after the other.

    Attributes:
      transforms: the transforms in their order.
    """

    transforms: tuple[Transform, ...]

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Return the sample after all transforms."""
        for transform in self.transforms:
            sample = transform(sample, rng)
        return sample


def training_transforms(
    crop: tuple[int, int],
    *,
    scale: tuple[float, float] = (1.0, 1.0),
    max_class_share: float = 1.0,
    by_class: float = 0.0,
    flip: float = 0.0,
    rotation: float = 0.0,
    elastic: float = 0.0,
    photometric: bool = False,
    further: Sequence[Transform] = (),
    mean: Sequence[float] = (0.0, 0.0, 0.0),
) -> Compose:
    """Return the usual chain: scale and crop, rotate, deform, flip, distort, pad.

    Args:
      crop: height and width of the result, pixels.
      scale: range of the scale factor.
      max_class_share: largest share of one class in a crop.
      by_class: probability of a crop around a pixel of a drawn class.
      flip: probability of a left-right flip.
      rotation: largest angle, degrees.
      elastic: standard deviation of the elastic displacements, pixels.
      photometric: whether colours are distorted.
      further: transforms that come before padding.
      mean: colour of padding, on the scale 0..1; the normalised image is 0 there.

    Raises:
      UserError: the scales are not in order.
    """
    low, high = scale
    if low > high:
        raise UserError(
            f"augment.scale {low:g} {high:g}: give the smaller factor first"
        )
    red, green, blue = (round(255 * value) for value in mean)
    fill = (red, green, blue)
    transforms: list[Transform] = [
        RandomScaleCrop(crop, scale, max_class_share, by_class)
    ]
    if rotation:
        transforms.append(RandomRotation(rotation, fill))
    if elastic:
        transforms.append(ElasticDeformation(elastic, fill))
    if flip:
        transforms.append(RandomFlip(flip))
    if photometric:
        transforms.append(PhotometricDistortion())
    return Compose((*transforms, *further, Pad(crop, fill)))
