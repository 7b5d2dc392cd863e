"""Loss weights by which a network learns the borders between touching cells.

Ronneberger et al. 2015, arXiv:1505.04597, eq. 2:

    w(x) = w_c(x) + w_0 exp(-(d_1(x) + d_2(x))^2 / (2 sigma^2))

w_c balances the classes; d_1 and d_2 are the distances to the nearest and the second
nearest cell.  The second term is for background pixels: a border is background.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from jaxseg.data.labels import IGNORE


def border_weights(
    instances: np.ndarray,
    w0: float = 10.0,
    sigma: float = 5.0,
    *,
    balance: bool = True,
    ignored: np.ndarray | None = None,
) -> np.ndarray:
    """Return each pixel's weight (paper, eq. 2).

    Args:
      instances: int `[H, W]`, 0 the background, each other number one cell.
      w0: additional weight of a border without width.
      sigma: how fast the weight falls with the distances, pixels.
      balance: whether w_c is the inverse frequency of background and foreground, of
        mean 1 over the image; else it is 1.
      ignored: bool `[H, W]`, ignored pixels; None ignores none.

    Returns:
      float32 `[H, W]`, 0 where ignored.
    """
    counted = np.ones(instances.shape, bool) if ignored is None else ~ignored
    weights = counted.astype(np.float32)
    background = (instances == 0) & counted
    if balance:
        for region in (background, (instances != 0) & counted):
            if 0 < region.sum() < counted.sum():
                weights[region] = counted.sum() / (2 * region.sum())
    first, second = _two_distances(instances)
    border = w0 * np.exp(-((first + second) ** 2) / (2 * sigma**2))
    weights[background] += border[background]
    return weights


def _two_distances(instances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return float32 distances to the nearest two cells; infinite where there is none.

    There is a distance transform for each cell, but only two maps are in memory.
    """
    first = np.full(instances.shape, np.inf, np.float32)
    second = first.copy()
    for cell in np.unique(instances[instances != 0]):
        outside = (instances != cell).astype(np.uint8)
        distance = cv2.distanceTransform(outside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        second = np.minimum(second, np.maximum(first, distance))
        first = np.minimum(first, distance)
    return first, second


def connected_instances(mask: np.ndarray) -> np.ndarray:
    """Number the cells of a mask in which they do not touch.

    Args:
      mask: bool `[H, W]`, True in cells; pixels that only share a corner belong to two
        cells.

    Returns:
      int32 `[H, W]`, 0 the background.
    """
    _, instances = cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)
    return instances


@dataclass(frozen=True)
class BorderWeights:
    """A transform that computes the `weight` of a sample's pixels from its label.

    It comes last, so that the weights need not be transformed.

    Attributes:
      foreground: the class of the cells.
      w0: see `border_weights`.
      sigma: see `border_weights`.
      balance: see `border_weights`.
    """

    foreground: int = 1
    w0: float = 10.0
    sigma: float = 5.0
    balance: bool = True

    def __call__(
        self, sample: dict[str, Any], rng: np.random.Generator
    ) -> dict[str, Any]:
        """Return the sample with float32 `weight` `[H, W]`, 0 where it is ignored."""
        del rng
        label = sample["label"]
        instances = connected_instances(label == self.foreground)
        weight = border_weights(
            instances,
            self.w0,
            self.sigma,
            balance=self.balance,
            ignored=label == IGNORE,
        )
        return {**sample, "weight": weight}
