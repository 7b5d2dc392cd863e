"""Random changes to the values of pixels: noise, blur, gamma, grey and holes.

None of them moves a pixel, so that the label stays as it is, but for the holes, which
may be ignored.  `transforms.PhotometricDistortion` changes colours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import cv2
import numpy as np
from pydantic import AfterValidator, Field

from jaxseg.data.labels import IGNORE
from jaxseg.data.transforms import Colour, Sample, to_bytes
from jaxseg.ranges import Share, in_order

Deviation = Annotated[float, Field(ge=0, le=255)]
Blur = Annotated[float, Field(gt=0, le=100)]
Exponent = Annotated[float, Field(ge=0.05, le=20)]
Holes = Annotated[int, Field(ge=1, le=1000)]


@dataclass(frozen=True)
class GaussianNoise:
    """Add normal noise, independent in each pixel and channel.

    Attributes:
      probability: in [0, 1].
      std: range of the standard deviation, of 255; uniform.
    """

    probability: Share = 0.5
    std: Annotated[tuple[Deviation, Deviation], AfterValidator(in_order)] = (2.0, 12.0)

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Return the sample, or one with noise in its image."""
        if rng.random() >= self.probability:
            return sample
        std = np.float32(rng.uniform(*self.std))
        noise = rng.standard_normal(sample["image"].shape, np.float32)
        noise *= std
        image = cv2.add(sample["image"], noise, dtype=cv2.CV_8U)  # rounds, saturates
        return {**sample, "image": image}


@dataclass(frozen=True)
class GaussianBlur:
    """Blur the image by a Gaussian; it is mirrored at its edges.

    Attributes:
      probability: in [0, 1].
      sigma: range of the Gaussian's standard deviation, pixels; uniform.  The default
        is that of SimCLR (Chen et al. 2020, arXiv:2002.05709, app. A).
    """

    probability: Share = 0.5
    sigma: Annotated[tuple[Blur, Blur], AfterValidator(in_order)] = (0.1, 2.0)

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Return the sample, or one with a blurred image."""
        if rng.random() >= self.probability:
            return sample
        sigma = rng.uniform(*self.sigma)
        border = cv2.BORDER_REFLECT_101
        image = cv2.GaussianBlur(sample["image"], (0, 0), sigma, borderType=border)
        return {**sample, "image": image}


@dataclass(frozen=True)
class Gamma:
    """Raise values in 0..1 to a power; below 1 it brightens, above 1 it darkens.

    Attributes:
      probability: in [0, 1].
      gamma: range of the power, uniform in its logarithm.  The default is that of
        nnU-Net (Isensee et al. 2021, doi:10.1038/s41592-020-01008-z).
    """

    probability: Share = 0.5
    gamma: Annotated[tuple[Exponent, Exponent], AfterValidator(in_order)] = (0.7, 1.5)

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Return the sample, or a brighter or darker one."""
        if rng.random() >= self.probability:
            return sample
        gamma = np.exp(rng.uniform(*np.log(self.gamma)))
        table = to_bytes(255 * (np.arange(256) / 255) ** gamma)
        image = cv2.LUT(np.ascontiguousarray(sample["image"]), table)
        return {**sample, "image": image}


@dataclass(frozen=True)
class Grey:
    """Replace colours by their grey value (ITU-R BT.601), the same in all channels.

    Attributes:
      probability: in [0, 1]; 0.2 is SimCLR's.
    """

    probability: Share = 0.2

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Return the sample, or one without colours."""
        if rng.random() >= self.probability:
            return sample
        grey = cv2.cvtColor(np.ascontiguousarray(sample["image"]), cv2.COLOR_RGB2GRAY)
        return {**sample, "image": cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB)}


@dataclass(frozen=True)
class CoarseDropout:
    """Fill rectangles of the image with one colour.

    DeVries and Taylor 2017, arXiv:1708.04552 (Cutout), with several holes.  The label
    under a hole stays, so that the network has to tell it from what is around; this and
    the ranges are the defaults of albumentations 2.0.  Holes lie inside the image.

    Attributes:
      probability: in [0, 1].
      holes: range of their number, uniform.
      size: range of a hole's height and width, shares of those of the image; uniform.
      ignore: whether pixels under a hole become ignored.
      fill: RGB of the holes.
    """

    probability: Share = 0.5
    holes: Annotated[tuple[Holes, Holes], AfterValidator(in_order)] = (1, 2)
    size: Annotated[tuple[Share, Share], AfterValidator(in_order)] = (0.1, 0.2)
    ignore: bool = False
    fill: Colour = (0, 0, 0)

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Return the sample, or one with holes."""
        if rng.random() >= self.probability:
            return sample
        image, label = sample["image"].copy(), sample["label"]
        label = label.copy() if self.ignore else label
        sides = image.shape[:2]
        for _ in range(rng.integers(self.holes[0], self.holes[1] + 1)):
            height, width = (round(side * rng.uniform(*self.size)) for side in sides)
            top = rng.integers(sides[0] - height + 1)
            left = rng.integers(sides[1] - width + 1)
            hole = slice(top, top + height), slice(left, left + width)
            image[hole] = self.fill
            if self.ignore:
                label[hole] = IGNORE
        return {**sample, "image": image, "label": label}
