"""Random mirror images and turns that move pixels and interpolate none.

`transforms.RandomFlip` mirrors left and right.  What is here is for images without an
upper side, such as those of microscopes and satellites.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jaxseg.data.transforms import Sample, mirrored
from jaxseg.ranges import Share


@dataclass(frozen=True)
class VerticalFlip:
    """Mirror top and bottom.

    Attributes:
      probability: in [0, 1].
    """

    probability: Share = 0.5

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Return the sample or its mirror image."""
        if rng.random() >= self.probability:
            return sample
        return mirrored(sample, 0)


@dataclass(frozen=True)
class QuarterTurns:
    """Turn by 90, 180 or 270 degrees, each as often as the others.

    Height and width stay as they are: of a sample that is not square, turned by 90 or
    270 degrees, the middle is cut out, as large as fits.  What is missing is filled by
    `Pad`, which comes last, and is ignored.

    Attributes:
      probability: of a turn; 0.75 has all four orientations equally often.
    """

    probability: Share = 0.75

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Return the sample or a turned one, which is no larger."""
        if rng.random() >= self.probability:
            return sample
        quarters = int(rng.integers(1, 4))
        # OpenCV, which comes after, takes no arrays with reversed rows.
        turned = {
            name: np.ascontiguousarray(
                np.rot90(sample[name], quarters)[_middle(sample[name], quarters)]
            )
            for name in ("image", "label")
        }
        return {**sample, **turned}


def _middle(array: np.ndarray, quarters: int) -> tuple[slice, slice]:
    """Return what of a turned array `[H, W, ...]` fits into its height and width."""
    height, width = array.shape[:2]
    if quarters % 2 == 0:
        return slice(height), slice(width)
    side = min(height, width)
    top, left = (width - side) // 2, (height - side) // 2
    return slice(top, top + side), slice(left, left + side)
