"""Draw training samples as the model sees them: augmented, with their labels.

They are the first samples of the training: its order, its augmentation, its seed.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from jaxseg.build import build, check_images
from jaxseg.config import Config
from jaxseg.data.pipeline import TrainingStream
from jaxseg.errors import UserError
from jaxseg.experiment import load_config
from jaxseg.parallel.devices import require_devices
from jaxseg.report.console import print_line
from jaxseg.report.grid import sample_grid
from jaxseg.report.image_files import save_picture
from jaxseg.trainer.data import TrainingData, open_training_data

OVERRIDES = True
"""Words that are no options of this command change the config."""

_MOST = 256


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("--config", required=True, help="an experiment file")
    parser.add_argument(
        "--out", type=Path, default=Path("browse.png"), help="default: browse.png"
    )
    parser.add_argument("--count", type=int, default=12, help="of samples; default: 12")


def run(options: argparse.Namespace) -> int:
    """Write the picture, and print its path."""
    if not 1 <= options.count <= _MOST:
        raise UserError(f"--count {options.count}: 1 to {_MOST} samples")
    if options.out.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise UserError(f"--out {options.out}: name a .png or .jpg")
    config = load_config(options.config, options.overrides)
    check_images(config)
    require_devices()
    weighed = bool(config.data.balance or config.train.class_balance)
    data = open_training_data(config.data, weighed)
    images, masks = first_samples(config, data, options.count)
    save_picture(options.out, sample_grid(images, masks, data.dataset.labels))
    print_line(str(options.out))
    return 0


def first_samples(
    config: Config, data: TrainingData, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the samples that a training begins with.

    Args:
      config: of the training.
      data: its data.
      count: of samples.

    Returns:
      images: uint8 `[count, H, W, 3]`.
      masks: uint8 `[count, H, W]`, or `[count, H, W, classes]`.
    """
    parts = build(config, data.num_classes, data.frequencies)
    size = config.train.batch_size
    stream = TrainingStream(
        data.training,
        parts.transform,
        batch_size=size,
        seed=config.seed,
        repeats=parts.repeats,
        threads=config.data.threads,
    )
    try:
        batches = [next(stream) for _ in range(-(-count // size))]
    finally:
        stream.close()
    images, masks = (
        np.concatenate([np.asarray(batch[name]) for batch in batches])[:count]
        for name in ("image", "label")
    )
    return images, masks
