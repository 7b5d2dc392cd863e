"""The models that are compared, by name, and their batch.

`torch_side` builds the peer's model and `jaxseg_side` ours, both from a `Case`.
"""

from __future__ import annotations

import argparse
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from benchmarks import side_by_side

MODELS = {
    "deeplabv3_resnet50": ("torchvision", "deeplabv3", "resnet50"),
    "fcn_resnet50": ("torchvision", "fcn", "resnet50"),
    "deeplabv3plus_resnet50": ("smp", "deeplabv3plus", "resnet50"),
    "unet_resnet34": ("smp", "unet", "resnet34"),
}
"""Name -> library, head, backbone."""

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
LEARNING_RATE, MOMENTUM, WEIGHT_DECAY = 1e-3, 0.9, 1e-4
AUXILIARY_WEIGHT = 0.5
"""Weight of the auxiliary loss in torchvision's recipe; SMP has no auxiliary head."""
CHECKED_STEPS = 3
IGNORE = 255


@dataclass(frozen=True)
class Case:
    """The work of a race, which times contenders in turn.

    Attributes:
      model: a name in `MODELS`.
      size: height and width of the images, pixels.
      batch: images in a step.
      classes: number of classes.
      steps: number of steps in one timed run.
      gpu: whether to compute in bfloat16 on the GPU, or in float32 on the CPU.
      folder: folder in which the reference writes `weights.pth`.
      contender: name of the contender.
    """

    model: str
    size: int
    batch: int
    classes: int
    steps: int
    gpu: bool
    folder: str = ""
    contender: str = ""

    @property
    def library(self) -> str:
        """Library of the peer's model."""
        return MODELS[self.model][0]

    @property
    def head(self) -> str:
        """Name of the head, in jaxseg and in the peer's library."""
        return MODELS[self.model][1]

    @property
    def backbone(self) -> str:
        """Name of the backbone, in jaxseg and in the peer's library."""
        return MODELS[self.model][2]

    @property
    def weights(self) -> str:
        """File of the peer's random weights."""
        return f"{self.folder}/weights.pth"

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """Return image uint8 `[B, H, W, 3]` and label uint8 `[B, H, W]`.

        Both are noise in blocks of 16 pixels; a twentieth of the labels is ignored.
        """
        rng = np.random.default_rng(0)
        side = -(-self.size // 16)
        image = rng.integers(0, 256, (self.batch, side, side, 3), np.uint8)
        label = rng.integers(0, self.classes, (self.batch, side, side), np.uint8)
        label[rng.random(label.shape) < 0.05] = IGNORE
        image, label = (x.repeat(16, 1).repeat(16, 2) for x in (image, label))
        return image[:, : self.size, : self.size], label[:, : self.size, : self.size]


def step_check(losses: list[float], gradient_norm: float) -> dict[str, np.ndarray]:
    """Return the results of the first steps, on which all contenders must agree."""
    return {
        "loss": np.array(losses[0]),
        "later": np.array(losses[1:]),
        "gradient": np.array(gradient_norm),
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of a `Case`; see `cases` for the defaults."""
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--gpu", action="store_true", help="bfloat16 on the GPU")
    parser.add_argument("--size", type=int, help="pixels; default 256, with --gpu 512")
    parser.add_argument("--batch", type=int, help="images; default 4, with --gpu 16")
    parser.add_argument("--classes", type=int, default=21)
    parser.add_argument("--steps", type=int, help="in a run; default 1, with --gpu 10")


def cases(options: argparse.Namespace) -> Iterator[Case]:
    """Yield the cases that the command line asks for."""
    gpu = options.gpu
    for model in options.models:
        yield Case(
            model=model,
            size=options.size or (512 if gpu else 256),
            batch=options.batch or (16 if gpu else 4),
            classes=options.classes,
            steps=options.steps or (10 if gpu else 1),
            gpu=gpu,
        )


def settings(case: Case) -> dict[str, Any]:
    """Return the arguments for a worker; folder and contender come from the race."""
    given = asdict(case)
    del given["folder"], given["contender"]
    return given


def race(
    entries: Mapping[str, str],
    case: Case,
    options: argparse.Namespace,
    *,
    rounds: int,
    limits: Mapping[str, float],
) -> dict[str, side_by_side.Contestant]:
    """Race contenders over a case: on 2 cores, or with all for the GPU."""
    return side_by_side.race(
        entries,
        settings(case),
        rounds=rounds,
        threads=options.threads or (0 if options.gpu else 2),
        limits=limits,
        together=options.gpu,
    )


def main(
    what: str,
    contenders: Mapping[str, str],
    *,
    exact: Mapping[str, float],
    rounded: Mapping[str, float],
    on_cpu_only: Collection[str] = (),
) -> None:
    """Race over every case that the command line asks for; print a table of each.

    Args:
      what: name of what is timed.
      contenders: name -> entry.
      exact: largest differences in float32.
      rounded: largest differences in bfloat16, on the GPU.
      on_cpu_only: contenders that are left out on the GPU.
    """
    parser = argparse.ArgumentParser(description=f"{what}, side by side.")
    add_arguments(parser)
    side_by_side.add_arguments(parser, list(contenders))
    parser.add_argument("--peak", type=float, default=0.0, help="TFLOP/s of a product")
    options = parser.parse_args()
    names = options.contenders
    if options.gpu:
        names = [name for name in names if name not in on_cpu_only]
    entries = side_by_side.chosen(contenders, names)
    limits = rounded if options.gpu else exact
    for case in cases(options):
        side_by_side.show(
            title(what, case),
            race(entries, case, options, rounds=options.rounds, limits=limits),
            unit="ms",
            per_run=case.steps,
            peak=options.peak * 1e12,
            out=options.out,
        )


def title(what: str, case: Case) -> str:
    """Return the line above a table."""
    kind = "bfloat16" if case.gpu else "float32"
    side = case.size
    return (
        f"{what}: {case.model} of {case.library}, batch {case.batch}, {side}x{side},"
        f" {case.classes} classes, {kind}"
    )
