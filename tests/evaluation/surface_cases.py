"""Pairs of regions whose surface distances by MONAI are stored.

`benchmarks/golden_surfaces.py` computes MONAI's values, and `test_surfaces.py` compares
with them without torch.
"""

import numpy as np

SIZE = (40, 60)


def disc(row: float, column: float, radius: float) -> np.ndarray:
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    return (rows - row) ** 2 + (columns - column) ** 2 <= radius**2


def box(top: int, left: int, bottom: int, right: int) -> np.ndarray:
    found = np.zeros(SIZE, bool)
    found[top:bottom, left:right] = True
    return found


def noise(seed: int, share: float) -> np.ndarray:
    return np.random.RandomState(seed).uniform(size=SIZE) < share  # a frozen stream


CASES = {
    "equal": (disc(20, 30, 10), disc(20, 30, 10)),
    "shifted": (disc(20, 30, 10), disc(22, 33, 10)),
    "larger": (disc(20, 30, 8), disc(20, 30, 13)),
    "apart": (disc(8, 8, 5), disc(30, 50, 7)),
    "at the border": (box(0, 0, 15, 20), box(0, 0, 12, 26)),
    "the whole image": (np.ones(SIZE, bool), box(5, 5, 40, 60)),
    "a hole": (disc(20, 30, 15) & ~disc(20, 30, 6), disc(20, 30, 15)),
    "one pixel": (box(3, 4, 4, 5), box(30, 40, 31, 41)),
    "a line": (box(10, 5, 11, 50), box(13, 5, 14, 40)),
    "an outlier": (disc(20, 20, 9), disc(20, 20, 9) | box(2, 55, 4, 57)),
    "noise": (noise(1, 0.5), noise(2, 0.4)),
    "sparse noise": (noise(3, 0.01), noise(4, 0.02)),
}
"""Name -> label and prediction, bool."""
