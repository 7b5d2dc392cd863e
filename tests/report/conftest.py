"""An image and a mask of three classes, some of it ignored."""

import numpy as np
import pytest

from jaxseg.data.labels import IGNORE


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)


@pytest.fixture
def mask() -> np.ndarray:
    mask = np.zeros((40, 60), np.int32)
    mask[10:30, 10:30] = 1
    mask[10:30, 40:50] = 2
    mask[:5] = IGNORE
    return mask
