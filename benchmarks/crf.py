"""The dense CRF against its exact sums and against pydensecrf's lattice.

    python -m benchmarks.crf                 scikit-learn's photographs
    python -m benchmarks.crf --images camvid/val --classes 11
    python -m benchmarks.crf --crop 0 0 --cutoff 5         whole images; takes minutes
    python -m benchmarks.crf --golden tests/nn/golden/crf.npz    remake a test's file

Needs pydensecrf2.  The logits imitate a network of stride 8: every eighth label, one in
twenty of them wrong, plus noise, resized.  The columns are the seconds of a compiled
call; the mean absolute difference of the marginals from the exact ones; the share of
pixels whose most likely label is that of the exact ones; and the share of pixels whose
most likely label is the clean one.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import jax.numpy as jnp
import numpy as np
from PIL import Image
from pydensecrf import densecrf
from sklearn.cluster import KMeans
from sklearn.datasets import load_sample_images

from jaxseg.nn.crf import DenseCRF, dense_crf
from jaxseg.nn.upsampling import resize_bilinear

STRIDE = 8
SETTINGS = {
    "DeepLab v2": DenseCRF(),
    "DeepLab v1": DenseCRF(theta_alpha=49.0, theta_beta=5.0, theta_gamma=3.0),
    "wide": DenseCRF(theta_alpha=80.0, theta_beta=13.0, theta_gamma=3.0),
}
VARIANTS = {
    "cutoff 3": {},
    "cutoff 2": {"cutoff": 2.0},
    "stride 2": {"stride": 2},
    "stride 4": {"stride": 4},
}


def lattice(logits: np.ndarray, image: np.ndarray, crf: DenseCRF) -> np.ndarray:
    """Return pydensecrf's marginals, `[H, W, C]`."""
    height, width, classes = logits.shape
    field = densecrf.DenseCRF2D(width, height, classes)
    field.setUnaryEnergy(np.ascontiguousarray(-logits.reshape(-1, classes).T))
    field.addPairwiseGaussian(sxy=crf.theta_gamma, compat=crf.smoothness_weight)
    field.addPairwiseBilateral(
        sxy=crf.theta_alpha,
        srgb=crf.theta_beta,
        rgbim=np.array(image, order="C"),
        compat=crf.appearance_weight,
    )
    return np.asarray(field.inference(crf.iterations)).T.reshape(logits.shape)


def ours(logits: np.ndarray, image: np.ndarray, crf: DenseCRF) -> np.ndarray:
    return np.asarray(dense_crf(jnp.asarray(logits), jnp.asarray(image), crf))


def noisy_logits(label: np.ndarray, classes: int, rng: np.random.Generator):
    """Return logits as of a network of stride 8 for `label`, float32 `[H, W, C]`."""
    low = label[STRIDE // 2 :: STRIDE, STRIDE // 2 :: STRIDE]
    wrong = rng.random(low.shape) < 0.05
    low = np.where(wrong, rng.integers(0, classes, low.shape), low)
    scores = 4 * (low[..., None] == np.arange(classes))
    scores = scores + rng.normal(0, 1.5, scores.shape)
    return np.asarray(resize_bilinear(jnp.float32(scores)[None], label.shape)[0])


def photographs() -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yield scikit-learn's two photographs; the labels are clusters of colour."""
    for name, image in zip(
        ("china", "flower"), load_sample_images().images, strict=True
    ):
        colours = cv2.GaussianBlur(image, (0, 0), 3).reshape(-1, 3)
        clusters = KMeans(5, n_init=1, random_state=0).fit(colours[::16])
        yield name, image, clusters.predict(colours).reshape(image.shape[:2])


def folder(path: Path, count: int) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yield `count` images of a folder, evenly spaced, and their masks."""
    files = sorted((path / "images").iterdir())
    for file in files[:: max(1, len(files) // count)][:count]:
        image = np.asarray(Image.open(file).convert("RGB"))
        yield (
            file.stem,
            image,
            np.asarray(Image.open(path / "masks" / f"{file.stem}.png")),
        )


def timed(run: Callable[..., np.ndarray], *arguments) -> tuple[np.ndarray, float]:
    start = time.perf_counter()
    return run(*arguments), time.perf_counter() - start


def compare(logits, image, label, crf: DenseCRF, cutoff: float) -> None:
    """Print a row for each method."""
    known = label < logits.shape[-1]
    exact, seconds = timed(ours, logits, image, dataclasses.replace(crf, cutoff=cutoff))

    def row(method: str, marginals: np.ndarray, seconds: float) -> None:
        best = marginals.argmax(-1)
        print(
            f"  {method:12s} {seconds:8.2f} {np.abs(marginals - exact).mean():10.6f}"
            f" {(best == exact.argmax(-1)).mean():8.4f}"
            f" {(best == label)[known].mean():8.4f}",
            flush=True,
        )

    unary = np.exp(logits - logits.max(-1, keepdims=True))
    row("no CRF", unary / unary.sum(-1, keepdims=True), 0.0)
    row("exact" if cutoff == math.inf else f"cutoff {cutoff:g}", exact, seconds)
    for method, changes in VARIANTS.items():
        variant = dataclasses.replace(crf, **changes)
        ours(logits, image, variant)
        row(method, *timed(ours, logits, image, variant))
    row("pydensecrf", *timed(lattice, logits, image, crf))


def golden(path: Path) -> None:
    """Write a small scene, its logits and pydensecrf's marginals."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:40, :48]
    label = np.where((rows - 14) ** 2 + (columns - 14) ** 2 < 100, 1, 0)
    label = np.where((rows > 22) & (columns > 20 + (rows - 22) // 3), 2, label)
    palette = np.array([[70, 90, 80], [150, 110, 90], [90, 130, 160]])
    shade = np.stack([rows // 2, columns // 3, (rows + columns) // 4], -1)
    image = np.uint8(palette[label] + shade + rng.normal(0, 4, (40, 48, 3)))
    logits = np.float16(noisy_logits(label, 3, rng))
    crf = DenseCRF(theta_alpha=20.0, theta_beta=8.0, theta_gamma=2.0)
    np.savez_compressed(
        path,
        about="pydensecrf2 1.1, symmetric normalisation; by benchmarks/crf.py --golden",
        image=image,
        label=np.uint8(label),
        logits=logits,
        marginals=np.float16(lattice(np.float32(logits), image, crf)),
        parameters=repr(crf),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=Path, help="a folder of images/ and masks/")
    parser.add_argument("--classes", type=int, default=5)
    parser.add_argument("--count", type=int, default=2)
    parser.add_argument("--crop", type=int, nargs=2, default=(180, 240))
    parser.add_argument(
        "--cutoff", type=float, default=math.inf, help="the reference's"
    )
    parser.add_argument("--settings", nargs="*", default=list(SETTINGS))
    parser.add_argument("--golden", type=Path, help="write this file, and nothing else")
    arguments = parser.parse_args()
    if arguments.golden:
        return golden(arguments.golden)
    cases = (
        folder(arguments.images, arguments.count) if arguments.images else photographs()
    )
    print("  method        seconds  difference  agree    accuracy")
    for name, image, label in cases:
        height, width = (
            min(a or b, b) for a, b in zip(arguments.crop, label.shape, strict=True)
        )
        top, left = (label.shape[0] - height) // 2, (label.shape[1] - width) // 2
        window = slice(top, top + height), slice(left, left + width)
        logits = noisy_logits(
            label[window], arguments.classes, np.random.default_rng(0)
        )
        for setting in arguments.settings:
            print(f"{name} {height}x{width}, {arguments.classes} classes, {setting}")
            compare(
                logits,
                image[window],
                label[window],
                SETTINGS[setting],
                arguments.cutoff,
            )


if __name__ == "__main__":
    main()
