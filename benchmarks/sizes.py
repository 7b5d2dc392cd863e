"""Accuracy of every head at different sizes of images, for different paddings.

    python -m benchmarks.sizes --root CAMVID --figures FOLDER [--heads fcn8s ...]
    python -m benchmarks.sizes --figures FOLDER --write docs/sizes.md

A small network of each head that takes images is trained on CamVid, with a crop of 128
pixels.  Then it predicts crops of validation images at sizes from 64 to 400 pixels:
without padding, and padded by each rule in `RULES`.  All rules get the same crops, so
their difference has less noise than the accuracy itself.  Results are the share of
pixels that are right, in percent, without void pixels.  Those of each head are stored
in FOLDER, and `--write` puts the tables of all into a document.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.document import markdown, put
from jaxseg.config import DataConfig
from jaxseg.data.catalog import Dataset, open_dataset
from jaxseg.data.labels import IGNORE
from jaxseg.data.pipeline import CachedSamples, TrainingStream
from jaxseg.data.transforms import training_transforms
from jaxseg.evaluation.inference import create_scores
from jaxseg.heads import HEADS
from jaxseg.losses import LOSSES
from jaxseg.models import create_model
from jaxseg.parallel.mesh import create_mesh, device_put, shard_batch
from jaxseg.report.console import log
from jaxseg.segmenter import Segmenter
from jaxseg.training.optimizer import SCHEDULES, create_optimizer
from jaxseg.training.state import create_state
from jaxseg.training.step import create_train_step

SIZES = (64, 65, 97, 127, 160, 200, 257, 320, 321, 400)
CROP = 128
IMAGES = 12
SCALE = 0.75
"""Scale of the validation images before they are cropped; training has 0.5 to 1."""

LARGEST_STRIDE = 32


class Rule(NamedTuple):
    """How an image is padded: to which multiple, how, and at which sides."""

    multiple: int  # 0: of the backbone's output stride
    border: int = cv2.BORDER_REFLECT_101
    both: bool = False


RULES = {
    "exact": Rule(1),
    "stride, reflected": Rule(0),
    "32, reflected": Rule(32),
    "32, reflected, both sides": Rule(32, both=True),
    "32, repeated": Rule(32, cv2.BORDER_REPLICATE),
    "32, mean colour": Rule(32, cv2.BORDER_CONSTANT),
    "64, reflected": Rule(64),
}
"""Name -> rule; images are padded at the bottom and right unless the name differs."""

STEPS, BATCH = 200, 8
SMALL: dict[str, Any] = {
    "backbone": "resnet18",
    "width": 0.5,
    "max_channels": 48,
    "channels": 48,
}
OWN: dict[str, Any] = {"backbone": None, "width": 0.125}
OPTIONS = {
    **dict.fromkeys(HEADS, SMALL),
    **dict.fromkeys(("unet_original", "unet_same"), OWN),
    "segformer": {**SMALL, "backbone": "mit_b0"},
}
WITHOUT_CHANNELS = ("fcn32s", "fcn16s", "fcn8s", "hypercolumns", "unet", "deeplabv2")
IMAGE_HEADS = [name for name, entry in HEADS.items() if entry.axes == 2]


def build(head: str, classes: int) -> Segmenter:
    """Return a head's small net."""
    options = dict(OPTIONS[head])
    if head in WITHOUT_CHANNELS:
        options.pop("channels")
    return create_model(head, options.pop("backbone"), classes, **options)


def train(model: Segmenter, dataset: Dataset) -> Any:
    """Return the variables after a short training at `CROP`."""
    transform = training_transforms(
        (CROP, CROP), scale=(0.5, 1.0), max_class_share=1.0, mean=model.mean
    )
    stream = TrainingStream(
        CachedSamples(dataset.samples("train"), 512),
        transform,
        batch_size=BATCH,
        seed=0,
    )
    schedule = SCHEDULES["poly"](2e-3, 0.0, STEPS, 20, 0.9)
    optimizer = create_optimizer("adamw", schedule, weight_decay=1e-4, clip_norm=1.0)
    mesh = create_mesh(jax.devices()[:1])
    step = create_train_step(
        model,
        optimizer,
        schedule,
        LOSSES["cross_entropy"]((), 0.0),
        mesh,
        mean=model.mean,
        std=model.std,
    )
    state = device_put(create_state(model, optimizer, 0, (CROP, CROP)), mesh)
    loss = 0.0
    for _, batch in zip(range(STEPS), stream, strict=False):
        state, metrics = step(state, shard_batch(batch, mesh))
        loss = float(metrics["loss"])
    log(f"loss {loss:.3f}")
    return state.variables


def crops(dataset: Dataset, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Cut squares of `size` from validation images, at places drawn from a seed.

    Returns:
      uint8 `[IMAGES, size, size, 3]` and labels `[IMAGES, size, size]`.
    """
    samples = dataset.samples("val")
    rng = np.random.default_rng(0)
    images, labels = [], []
    for index in np.linspace(0, len(samples) - 1, IMAGES).astype(int):
        image, label = samples[index]["image"], samples[index]["label"]
        scale = max(SCALE, size / min(label.shape))
        width, height = (max(size, round(side * scale)) for side in label.shape[::-1])
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        label = cv2.resize(label, (width, height), interpolation=cv2.INTER_NEAREST)
        place = rng.random(2)  # shares of the free rows and columns, for all sizes
        top, left = (
            round(share * (side - size))
            for share, side in zip(place, label.shape, strict=True)
        )
        window = np.s_[top : top + size, left : left + size]
        images.append(image[window])
        labels.append(label[window])
    return np.stack(images), np.stack(labels)


def padded(images: np.ndarray, rule: Rule, mean: Any) -> tuple[np.ndarray, int]:
    """Pad images by a rule; return them and the offset of the images in them."""
    more = -images.shape[1] % rule.multiple
    before = more // 2 if rule.both else 0
    after = more - before
    colour = [round(255 * value) for value in mean]
    made = [
        cv2.copyMakeBorder(
            image, before, after, before, after, rule.border, None, colour
        )
        for image in images
    ]
    return np.stack(made), before


def measure(
    model: Segmenter, variables: Any, stride: int, dataset: Dataset
) -> dict[str, list[float]]:
    """Return the accuracy at each of `SIZES`, by the rule's name."""
    mean = model.mean
    scores = create_scores(model, mean=mean, std=model.std, multiple=1)
    predict = jax.jit(lambda v, image: jnp.argmax(scores(v, image), -1))
    found: dict[str, list[float]] = {name: [] for name in RULES}
    for size in SIZES:
        images, labels = crops(dataset, size)
        known: dict[Rule, float] = {}
        for name, rule in RULES.items():
            rule = rule._replace(multiple=rule.multiple or stride)
            if size % rule.multiple == 0:
                rule = RULES["exact"]
            if rule not in known:
                batch, start = padded(images, rule, mean)
                mask = np.asarray(predict(variables, batch))
                mask = mask[:, start : start + size, start : start + size]
                right = (mask == labels)[labels != IGNORE].mean()
                known[rule] = round(100 * float(right), 2)
            found[name].append(known[rule])
        log(f"{size}: {[row[-1] for row in found.values()]}")
    return found


def tables(figures: Mapping[str, Mapping[str, list[float]]]) -> list[str]:
    """Return the mean over sizes by rule, and each size by head."""
    others = [i for i, size in enumerate(SIZES) if size % LARGEST_STRIDE]

    def mean(values: list[float]) -> str:
        return f"{np.mean([values[index] for index in others]):.1f}"

    means = [
        (head, *(mean(found[name]) for name in RULES))
        for head, found in figures.items()
    ]
    every = [
        (head, name, *(f"{value:.1f}" for value in found[name]))
        for head, found in figures.items()
        for name in ("exact", "32, reflected", "64, reflected")
    ]
    off = ", ".join(str(SIZES[index]) for index in others)
    return [
        "",
        f"Mean over the sizes that are no multiple of 32 ({off}):",
        "",
        *markdown(("head", *RULES), means),
        "",
        "By size:",
        "",
        *markdown(("head", "padded", *map(str, SIZES)), every),
        "",
    ]


def main() -> None:
    """Train, measure, and write the tables."""
    parser = argparse.ArgumentParser(description="Accuracy over sizes.")
    parser.add_argument("--root", help="CamVid's folder")
    parser.add_argument("--figures", type=Path, required=True, help="a folder")
    parser.add_argument("--heads", nargs="+", default=IMAGE_HEADS)
    parser.add_argument("--write", type=Path, metavar="DOCUMENT")
    options = parser.parse_args()
    options.figures.mkdir(parents=True, exist_ok=True)
    figures = {}
    for head in options.heads:
        path = options.figures / f"{head}.json"
        if not path.exists() and options.root:
            log(head)
            dataset = open_dataset(DataConfig(name="camvid", root=options.root))
            model = build(head, dataset.labels.num_classes)
            variables = train(model, dataset)
            found = measure(model, variables, HEADS[head].output_stride, dataset)
            path.write_text(json.dumps(found))
        if path.exists():
            figures[head] = json.loads(path.read_text())
    if options.write:
        put(options.write, "sizes", tables(figures))


if __name__ == "__main__":
    main()
