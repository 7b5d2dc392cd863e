"""Tensors of a peer's model made from their names, alike with and without torch.

Golden files then hold names, shapes and logits only, and no weights.
"""

import math
import zlib

import numpy as np

# RandomState's stream is frozen.  The length is prime, so that no kernel repeats.
NUMBERS = np.random.RandomState(0).uniform(-1, 1, 65521).astype(np.float32)

STEP = 8
"""Rows and columns from one logit of a segmenter that is kept to the next."""

ONES = ("running_var", "gamma", "layer_scale")


def tensor_of(name, shape):
    """Return a tensor for a name: kernels by fan-in, scales around one."""
    if name.endswith("num_batches_tracked"):
        return np.zeros(shape, np.int64)
    start = zlib.crc32(name.encode()) % len(NUMBERS)
    values = np.resize(np.roll(NUMBERS, -start), shape)
    if name.endswith(ONES) or (len(shape) == 1 and name.endswith("weight")):
        return 1 + values / 2
    if len(shape) < 2:
        return values / 5
    return values * np.float32(math.sqrt(5 / math.prod(shape[1:])))


def image_of(height, width):
    """Return float32 `[1, height, width, 3]`."""
    return 2 * np.resize(NUMBERS, (1, height, width, 3))
