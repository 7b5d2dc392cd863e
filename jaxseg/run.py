"""The folder of a run: writes its description, and opens it for reading.

The folder holds `config.json`, `labels.json`, `data.json`, `metrics.jsonl`,
`results.json`, `checkpoints/`, `samples/`, `events/` and `report.html`.  Training
(`commands.claim`, `commands.train`) fills it, prediction and evaluation read it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax

from jaxseg.build import build_model
from jaxseg.config import Config, DataConfig
from jaxseg.data.frequencies import ClassFrequencies
from jaxseg.data.identity import Identity
from jaxseg.data.labels import PLAIN, LabelSet, MaskForm
from jaxseg.data.tfds_datasets import TFDS_DATASETS
from jaxseg.errors import UnknownName, UserError
from jaxseg.paths import replace_text, require_run
from jaxseg.report.console import warn
from jaxseg.schema import from_file, to_json
from jaxseg.segmenter import Segmenter, abstract_variables
from jaxseg.training.checkpoint import Checkpoints

CONFIG, LABELS, DATA = "config.json", "labels.json", "data.json"
FREQUENCIES = "class_frequencies.json"
"""Files of a run folder."""


@dataclass(frozen=True)
class Run:
    """A run and its folder.

    Attributes:
      workdir: the folder.
      config: what the run is.
      labels: names and colours of its classes.
      form: how the masks of its data encode the classes.
    """

    workdir: Path
    config: Config
    labels: LabelSet
    form: MaskForm = PLAIN

    @classmethod
    def open(cls, workdir: str | Path) -> Run:
        """Open a run folder for reading.

        Raises:
          UserError: it is no run folder.
        """
        workdir = require_run(workdir)
        config = from_file(workdir / CONFIG)
        labels, form = read_labels(workdir / LABELS)
        return cls(workdir, config, labels, form or _form_of(config.data))

    def data(self) -> Identity | None:
        """Read which data the run is of; None if the run is older than that record.

        Raises:
          UserError: the file holds anything else.
        """
        path = self.workdir / DATA
        return Identity.read(path) if os.path.exists(path) else None

    def frequencies(self) -> ClassFrequencies | None:
        """Read the class frequencies that the loss' weights come from.

        It is None if they do not come from any.

        Raises:
          UserError: the file holds anything else.
        """
        path = self.workdir / FREQUENCIES
        return ClassFrequencies.read(path) if os.path.exists(path) else None

    def write(
        self, data: Identity, frequencies: ClassFrequencies | None = None
    ) -> None:
        """Write the description of the run: data, classes and config.

        Args:
          data: what it is trained on.
          frequencies: of the classes, if the loss' weights come from them.

        Raises:
          OSError: the folder cannot be written.
        """
        labels = {
            "names": self.labels.names,
            "palette": self.labels.palette,
            "mask_values": self.form.values,
            "mask_colours": self.form.colours,
        }
        if frequencies is not None:
            replace_text(self.workdir / FREQUENCIES, frequencies.write())
        replace_text(self.workdir / DATA, data.write())
        replace_text(self.workdir / LABELS, json.dumps(labels) + "\n")
        replace_text(self.workdir / CONFIG, to_json(self.config))

    @property
    def checkpoints(self) -> Path:
        """The folder of the checkpoints."""
        return self.workdir / "checkpoints"

    @contextmanager
    def naming_remedy(self) -> Iterator[None]:
        """Add the remedy to errors on names that the run's experiment registered.

        Raises:
          UserError: what was raised inside, with the folder and the remedy.
        """
        try:
            yield
        except UnknownName as error:
            raise UserError(
                f"{self.workdir}: {error}. If it is your own, name the file that"
                " registers it, mostly the experiment: --import FILE, or in Python"
                " jaxseg.load_config(FILE) before"
            ) from error

    def best_variables(
        self, sharding: jax.sharding.Sharding | None = None
    ) -> tuple[Segmenter, dict[str, Any], int]:
        """Build the model and read the weights of the best checkpoint.

        Args:
          sharding: where they go; None is the first device.

        Returns:
          The model, what its `apply` takes, and the step.

        Raises:
          UserError: there is no checkpoint yet.
        """
        sharding = sharding or jax.sharding.SingleDeviceSharding(jax.devices()[0])
        with self.naming_remedy():
            model = build_model(self.config, self.labels.num_classes)
        if not self.checkpoints.is_dir():
            raise UserError(f"{self.workdir}: no checkpoint yet; train it first")
        with Checkpoints(self.checkpoints, warn, read_only=True) as checkpoints:
            step = checkpoints.best_step()
            if step is None:
                raise UserError(f"{self.workdir}: no checkpoint yet; train it first")
            variables = checkpoints.restore_variables(
                abstract_variables(model, sharding), step, self.config.train.ema > 0
            )
        return model, variables, step


def read_labels(path: Path) -> tuple[LabelSet, MaskForm | None]:
    """Read the classes of a run.

    Returns:
      The classes, and how the masks of its data encode them; None if the run is older
      than that record.

    Raises:
      UserError: the file holds anything else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        palette = tuple((r, g, b) for r, g, b in content["palette"])
        labels = LabelSet(tuple(content["names"]), palette)
        if "mask_values" not in content:
            return labels, None
        values = tuple(map(int, content["mask_values"]))
        if len(values) not in (0, labels.num_classes):
            raise ValueError(f"{len(values)} values of masks")
        return labels, MaskForm(values, bool(content["mask_colours"]))
    except (UserError, OSError, ValueError, TypeError, KeyError, RecursionError) as e:
        raise UserError(f"{path}: not a label set: {e}") from e


def _form_of(data: DataConfig) -> MaskForm:
    """Derive from the options how the masks of an older run encode the classes."""
    if data.name in TFDS_DATASETS:
        return MaskForm(TFDS_DATASETS[data.name].labels.raw_values)
    return MaskForm(data.mask_values, bool(data.palette and not data.mask_values))
