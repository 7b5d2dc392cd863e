"""A bad input: its files, its command line, and the message that must refuse it.

The cases are in the `bad_*.py` files beside this one, one for each kind; all of them go
through `jaxseg.cli.main` in `test_bad_input.py`.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SIZE = (48, 56)
"""Height and width of every sound image."""

EXPERIMENT = """
from jaxseg import *

def get_config():
    return Config(
        data=DataConfig(name="folder", root={root!r}, cache={cache!r}, threads=2),
        augment=AugmentConfig(crop=(33, 33), max_class_share=1.0),
        model=ModelConfig(head="fcn8s", backbone="resnet18", width=0.125,
                          max_channels=16),
        train=TrainConfig(steps=1, batch_size=8, log_every=1, eval_every=1),
        evaluation=EvaluationConfig(batch_size=8),
    )
"""


@dataclass(frozen=True)
class Place:
    """Where a case lays out its files, and the sound things that it may take along.

    Attributes:
      folder: an empty folder, the working directory of the command.
      sound_data: a folder data set that nothing is wrong with.
      sound_run: a run trained on it.
      cache: where its prepared records lie.
    """

    folder: Path
    sound_data: Path
    sound_run: Path
    cache: Path

    def write(self, name: str, content: str | bytes = b"") -> Path:
        """Write a file, its folders too."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(
            content.encode(errors="surrogateescape")
            if isinstance(content, str)
            else content
        )
        return path

    def data(self) -> Path:
        """Copy the sound data set into `data`."""
        shutil.copytree(self.sound_data, self.folder / "data")
        return self.folder / "data"

    def run(self) -> Path:
        """Copy the sound run into `bad`."""
        shutil.copytree(self.sound_run, self.folder / "bad")
        return self.folder / "bad"

    def experiment(self, root: Path | None = None) -> str:
        """Write a sound experiment on a data set; records of a given one go to cache/.

        Returns:
          Its name.
        """
        cache = self.cache if root is None else self.folder / "cache"
        text = EXPERIMENT.format(root=str(root or self.sound_data), cache=str(cache))
        self.write("sound.py", text)
        return "sound.py"

    def config(self) -> dict[str, Any]:
        """Return the sound run's `config.json`."""
        return json.loads((self.sound_run / "config.json").read_text())

    def image(self, name: str = "image.png", seed: int = 0) -> Path:
        """Write a sound image."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels(seed)).save(path)
        return path


@dataclass(frozen=True)
class Case:
    """A bad input.

    Attributes:
      name: what is wrong.
      make: lays it out in a place and returns the command line.
      said: a regular expression that the error line must hold.
      begun: whether it shows only when the run has begun, which leaves its folder.
    """

    name: str
    make: Callable[[Place], list[str]]
    said: str
    begun: bool = False


def pixels(seed: int = 0) -> np.ndarray:
    """Draw an image."""
    return np.random.default_rng(seed).integers(0, 256, (*SIZE, 3), np.uint8)


def train(config: str, *overrides: str) -> list[str]:
    """Return the command line of a training that must not begin."""
    return ["--config", config, "--workdir", "new_run", *overrides]


def evaluate(run: Path | str, *options: str) -> list[str]:
    """Return the command line of an evaluation."""
    return ["evaluate", "--run", str(run), *options]


def predict(run: Path | str, *images: Path | str) -> list[str]:
    """Return the command line of a prediction into `out`."""
    return ["predict", "--run", str(run), *map(str, images), "--out", "out"]
