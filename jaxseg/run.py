"""The folder of a run: writes its description, and opens it for reading.

The folder holds `config.json`, `labels.json`, `data.json`, `metrics.jsonl`,
`results.json`, `checkpoints/`, `samples/`, `events/` and `report.html`; and
`class_frequencies.json` if the weights of the classes, balanced sampling, or the rare
classes that are pasted come from them.  Training (`commands.claim`, `commands.train`)
fills it, prediction and evaluation read it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import jax

from jaxseg.build import build_model
from jaxseg.config import Config, DataConfig, EvaluationConfig
from jaxseg.data.frequencies import ClassFrequencies
from jaxseg.data.identity import Identity
from jaxseg.data.labels import PLAIN, LabelSet, MaskForm, known_task
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


class Best(NamedTuple):
    """The best checkpoint of a run.

    Attributes:
      model: the model of the run.
      variables: the variables of the model.
      step: the step of the checkpoint.
      thresholds: the best threshold of each class that has a logit; empty for a
        multiclass task.
    """

    model: Segmenter
    variables: dict[str, Any]
    step: int
    thresholds: tuple[float, ...]


@dataclass(frozen=True)
class Run:
    """A run and its folder.

    Attributes:
      workdir: the folder.
      config: the options of the run.
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
          UserError: the folder is no run folder.
        """
        workdir = require_run(workdir)
        config = from_file(workdir / CONFIG)
        labels, form = read_labels(workdir / LABELS)
        if labels.task != config.data.task:
            raise UserError(
                f"{workdir / LABELS}: classes of the task {labels.task!r}, and"
                f" {CONFIG} is of {config.data.task!r}; restore both from a copy"
            )
        return cls(workdir, config, labels, form or _form_of(config.data))

    def data(self) -> Identity | None:
        """Read the identity of the run's data; None if an older run has none.

        Raises:
          UserError: the file holds anything else.
        """
        path = self.workdir / DATA
        return Identity.read(path) if os.path.exists(path) else None

    def frequencies(self) -> ClassFrequencies | None:
        """Read the class frequencies that the run depends on, or return None.

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
          data: the identity of its data.
          frequencies: how often the classes occur, if the run depends on that.

        Raises:
          OSError: the folder cannot be written.
        """
        labels = {
            "names": self.labels.names,
            "palette": self.labels.palette,
            "mask_values": self.form.values,
            "mask_colours": self.form.colours,
            "mask_bits": self.form.bits,
            "task": self.labels.task,
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
          UserError: the error that was raised inside, with the folder and the remedy.
        """
        try:
            yield
        except UnknownName as error:
            raise UserError(
                f"{self.workdir}: {error}. If it is your own, name the file that"
                " registers it, usually the experiment: --import FILE, or in Python"
                " jaxseg.load_config(FILE) before"
            ) from error

    def thresholds(
        self, options: EvaluationConfig, best: Sequence[float]
    ) -> tuple[float, ...]:
        """Return the threshold of each class that has a logit; empty if multiclass.

        Args:
          options: the options of inference.
          best: the thresholds of the best checkpoint, for the threshold "best".

        Raises:
          UserError: the best thresholds are asked for but were not recorded.
        """
        count = 0 if self.labels.task == "multiclass" else self.labels.num_logits
        if options.threshold != "best":
            return (options.threshold,) * count
        if len(best) != count:
            raise UserError(
                f"{self.workdir}: its best checkpoint was not evaluated yet, so that no"
                " best threshold is known; give --threshold 0.5, or train on"
            )
        return tuple(best)

    def best_variables(
        self, sharding: jax.sharding.Sharding | None = None
    ) -> tuple[Segmenter, dict[str, Any], int]:
        """Return model, variables and step of `best`.

        Raises:
          UserError: there is no checkpoint yet.
        """
        best = self.best(sharding)
        return best.model, best.variables, best.step

    def best(self, sharding: jax.sharding.Sharding | None = None) -> Best:
        """Build the model and read the weights of the best checkpoint.

        Args:
          sharding: sharding of the variables; None takes the first device.

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
            return Best(model, variables, step, checkpoints.thresholds(step))


def read_labels(path: Path) -> tuple[LabelSet, MaskForm | None]:
    """Read the classes of a run.

    Returns:
      The classes, and how the masks of its data encode them, or None for an older run.

    Raises:
      UserError: the file holds anything else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        palette = tuple((r, g, b) for r, g, b in content["palette"])
        task = known_task(content.get("task", "multiclass"))  # older runs have none
        labels = LabelSet(tuple(content["names"]), palette, task=task)
        if "mask_values" not in content:
            return labels, None
        values = tuple(map(int, content["mask_values"]))
        count = 2 if task == "multilabel" else labels.num_classes
        if len(values) not in (0, count):
            raise ValueError(f"{len(values)} values of masks")
        bits = bool(content.get("mask_bits", False))
        return labels, MaskForm(values, bool(content["mask_colours"]), bits)
    except (UserError, OSError, ValueError, TypeError, KeyError, RecursionError) as e:
        raise UserError(f"{path}: not a label set: {e}") from e


def _form_of(data: DataConfig) -> MaskForm:
    """Derive from the options how the masks of an older run encode the classes."""
    if data.name in TFDS_DATASETS:
        return MaskForm(TFDS_DATASETS[data.name].labels.raw_values)
    return MaskForm(data.mask_values, bool(data.palette and not data.mask_values))
