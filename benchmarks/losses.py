"""Time and memory of a training step with each loss, relative to cross-entropy.

    python -m benchmarks.losses [--losses dice lovasz] [--write docs/losses.md]

A row is a loss and a number of classes.  `seconds` is the median step, and `time` its
ratio to a step of cross-entropy with as many classes.  The two are run in turn, so that
other work of the machine affects both, and the ratio is the median of those of the
pairs.  `MiB` is the memory that the compiled program needs in addition to its
arguments, and `memory` its ratio to that of cross-entropy; `growth` is the ratio to the
same loss at the first number of classes.  Every image has all classes, which is the
worst case for losses that go class by class.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax

from benchmarks.document import markdown, put
from jaxseg.build_loss import build_loss
from jaxseg.config import Config, TrainConfig
from jaxseg.losses import LOSSES
from jaxseg.models import create_model
from jaxseg.parallel.mesh import create_mesh, device_put, shard_batch
from jaxseg.report.console import log, print_line, table
from jaxseg.training.state import create_state
from jaxseg.training.step import create_train_step

HEADER = ("loss", "classes", "seconds", "time", "MiB", "memory", "growth")
FIRST = "cross_entropy"
SUMS = ("cross_entropy + 0.5*dice",)
MIB = 2**20


class Step:
    """A compiled training step with its state and batch."""

    def __init__(self, text: str, classes: int, options: argparse.Namespace) -> None:
        """Compile the step of a loss."""
        model = create_model(options.head, options.backbone, classes)
        schedule = optax.constant_schedule(1e-4)
        optimizer, mesh = optax.sgd(schedule), create_mesh(jax.devices()[:1])
        step = create_train_step(
            model,
            optimizer,
            schedule,
            build_loss(Config(train=TrainConfig(loss=text)), classes),
            mesh,
            mean=model.mean,
            std=model.std,
        )
        side = (options.size, options.size)
        state = device_put(create_state(model, optimizer, 0, side), mesh)
        rng = np.random.default_rng(0)
        shape = (options.batch, *side)
        batch = {
            "image": rng.integers(0, 256, (*shape, 3), dtype=np.uint8),
            "label": rng.integers(0, classes, shape).astype(np.uint8),
            "valid": np.ones(options.batch, bool),
        }
        self.batch = shard_batch(batch, mesh)
        self.compiled: Any = step.lower(state, self.batch).compile()
        self.state = state
        memory = self.compiled.memory_analysis()
        self.bytes = memory.temp_size_in_bytes

    def seconds(self) -> float:
        """Take a step."""
        start = time.perf_counter()
        self.state, metrics = self.compiled(self.state, self.batch)
        jax.block_until_ready((self.state, metrics))
        return time.perf_counter() - start


def measure(options: argparse.Namespace) -> list[tuple[str, ...]]:
    """Return the rows of the table."""
    rows, first = [], {}
    for classes in options.classes:
        plain = Step(FIRST, classes, options)
        plain.seconds()
        for text in options.losses:
            step = plain if text == FIRST else Step(text, classes, options)
            step.seconds()
            pairs = [(plain.seconds(), step.seconds()) for _ in range(options.steps)]
            taken = statistics.median(mine for _, mine in pairs)
            ratio = statistics.median(mine / other for other, mine in pairs)
            first.setdefault(text, step.bytes)
            rows.append(
                (
                    text,
                    str(classes),
                    f"{taken:.3f}",
                    "1" if step is plain else f"{ratio:.2f}",
                    f"{step.bytes / MIB:.0f}",
                    f"{step.bytes / plain.bytes:.3f}",
                    f"{step.bytes / first[text]:.3f}",
                )
            )
            log(" ".join(rows[-1]))
    return rows


def main() -> None:
    """Measure, print the table, and write it."""
    known = [name for name in LOSSES if name != "binary_cross_entropy"]
    parser = argparse.ArgumentParser(description="What each loss costs.")
    parser.add_argument("--losses", nargs="+", default=[*known, *SUMS])
    parser.add_argument("--classes", nargs="+", type=int, default=[21, 150])
    parser.add_argument("--head", default="deeplabv3plus")
    parser.add_argument("--backbone", default="resnet50")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--write", type=Path, metavar="DOCUMENT")
    options = parser.parse_args()
    rows = measure(options)
    table(rows, HEADER)
    print_line(f"jax {jax.__version__}, {jax.devices()[0].device_kind}")
    if options.write:
        put(options.write, "losses", ["", *markdown(HEADER, rows), ""])


if __name__ == "__main__":
    main()
