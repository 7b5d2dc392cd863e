"""A run: its folder on disk, and the objects that its Config stands for.

The folder holds `config.json`, `labels.json`, `data.json`, `metrics.jsonl`,
`results.json`, `checkpoints/`, `samples/`, `events/` and `report.html`.  Training
(`training.claim`, `training.loop`) fills it, prediction and evaluation read it.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import optax

from jaxseg import checks
from jaxseg.backbones.names import find_backbone
from jaxseg.checks import check_class_weights
from jaxseg.config import (
    Config,
    DataConfig,
    EvaluationConfig,
    from_file,
    to_json,
)
from jaxseg.data.identity import Identity
from jaxseg.data.labels import PLAIN, LabelSet, MaskForm
from jaxseg.data.stock import STOCK
from jaxseg.errors import UserError, choose
from jaxseg.evaluation.inference import Scores, create_scores
from jaxseg.evaluation.windows import WindowedScores
from jaxseg.models import (
    DEFAULT_BACKBONE,
    Segmenter,
    abstract_variables,
    create_model,
)
from jaxseg.nn.crf import DenseCRF
from jaxseg.paths import replace_text, require_run
from jaxseg.report.console import warn
from jaxseg.training.checkpoint import Checkpoints
from jaxseg.training.losses import (
    LOSSES,
    CrossEntropy,
    Loss,
)
from jaxseg.training.optimizer import SCHEDULES, create_optimizer
from jaxseg.weights.families.heads_smp import SMP_ARGUMENTS
from jaxseg.weights.folders import is_run
from jaxseg.weights.load import find_files, load_weights
from jaxseg.weights.surgery import transplant

CONFIG, LABELS, DATA = "config.json", "labels.json", "data.json"
"""Files of a run folder."""

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Run:
    """A run and its folder.

    Attributes:
      workdir: the folder.
      config: what the run is.
      labels: names and colours of its classes.
      form: how the masks of its data say the classes.
    """

    workdir: Path
    config: Config
    labels: LabelSet
    form: MaskForm = PLAIN

    @classmethod
    def open(cls, workdir: str | Path) -> Run:
        """Open a run folder to read.

        Raises:
          UserError: it is no run folder.
        """
        workdir = require_run(workdir)
        config = from_file(workdir / CONFIG)
        labels, form = read_labels(workdir / LABELS)
        return cls(workdir, config, labels, form or _form_of(config.data))

    def data(self) -> Identity | None:
        """Read which data the run is of; None if it was begun before that was noted.

        Raises:
          UserError: the file holds anything else.
        """
        path = self.workdir / DATA
        return Identity.read(path) if os.path.exists(path) else None

    def write(self, data: Identity) -> None:
        """Write what the run is: of which data, with which classes, and its config.

        Raises:
          OSError: the folder cannot be written.
        """
        labels = {
            "names": self.labels.names,
            "palette": self.labels.palette,
            "mask_values": self.form.values,
            "mask_colours": self.form.colours,
        }
        replace_text(self.workdir / DATA, data.write())
        replace_text(self.workdir / LABELS, json.dumps(labels) + "\n")
        replace_text(self.workdir / CONFIG, to_json(self.config))

    @property
    def checkpoints(self) -> Path:
        """The folder of the checkpoints."""
        return self.workdir / "checkpoints"

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
        model = segmenter(self.config, self.labels.num_classes)
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


def require_weights(config: Config) -> None:
    """Refuse weights that are not there, before data is prepared for them.

    Raises:
      UserError: `model.weights` names no run, file, folder or package with weights.
    """
    weights = config.model.weights
    if weights and not is_run(Path(weights)):
        find_files(weights)


def starting_variables(
    config: Config,
    model: Segmenter,
    variables: Mapping[str, Any],
    log: Callable[[str], None],
) -> dict[str, Any]:
    """Put the weights that a config names in the place of freshly drawn variables.

    Args:
      config: whose `model.weights` is a weights file, a run folder or `package:NAME`.
      model: that of the config.
      variables: drawn from the seed; they stay where nothing fits.
      log: is told what was taken.

    Raises:
      UserError: nothing in it fits the model, or it cannot be read.
    """
    weights = config.model.weights
    if not is_run(Path(weights)):
        return load_weights(
            model,
            weights,
            strict=False,
            variables=variables,
            bgr=config.model.bgr,
            log=log,
        )
    run = Run.open(weights)
    if (theirs := normalization(run.config)) != normalization(config):
        mean, std = (" ".join(str(value) for value in values) for values in theirs)
        raise UserError(
            f"model.weights {weights}: its images were normalised otherwise; give"
            f" --model.mean {mean} --model.std {std}"
        )
    _, source, step = run.best_variables()
    merged, taken, kept = transplant(source, variables)
    if not taken:
        raise UserError(f"model.weights {weights}: nothing in it fits this model")
    drawn = f", {len(kept)} drawn anew: {', '.join(kept[:3])}" if kept else ""
    log(f"{weights}, step {step}: {len(taken)} tensors taken{drawn}")
    return merged


def segmenter(config: Config, num_classes: int) -> Segmenter:
    """Build the model of a config.

    Raises:
      UserError: an unknown name or an option that does not fit.
    """
    model = config.model
    options = {
        "output_stride": model.output_stride,
        "channels": model.channels,
        "rates": model.rates,
        "separable": model.separable,
        "dropout": model.dropout,
        "upsampling": model.upsampling,
        "uniform_dilation": model.uniform_dilation or None,
    }
    given = {name: value for name, value in options.items() if value is not None}
    if model.preset:
        preset = choose("preset", model.preset, {"smp": SMP_ARGUMENTS})
        given = dict(choose("head of this preset", model.head, preset)) | given
    return create_model(
        model.head,
        model.backbone,
        num_classes,
        arithmetic=model.arithmetic,
        width=model.width,
        max_channels=model.max_channels,
        auxiliary=model.auxiliary,
        multi_grid=model.multi_grid,
        freeze=model.freeze,
        dtype=model.dtype,
        **given,
    )


def normalization(config: Config) -> tuple[Triple, Triple]:
    """Return mean and standard deviation of RGB values 0..1 that the model wants."""
    model = config.model
    entry = find_backbone(model.backbone or DEFAULT_BACKBONE, model.arithmetic)
    return model.mean or entry.mean, model.std or entry.std


def scores(
    config: Config, model: Segmenter, evaluation: EvaluationConfig | None = None
) -> Scores | WindowedScores:
    """Build what gives an image its class scores, whole or by window.

    Args:
      config: of the run.
      model: its model.
      evaluation: other options than the run's.
    """
    options = evaluation or config.evaluation
    mean, std = normalization(config)
    crf = DenseCRF(iterations=options.crf, stride=options.crf_stride)
    given: dict[str, Any] = dict(
        mean=mean,
        std=std,
        scales=options.scales,
        flip=options.flip,
        crf=crf if options.crf else None,
        multiple=size_multiple(model, options),
    )
    if not options.window:
        return create_scores(model, **given)
    return WindowedScores(
        model, **given, window=options.window, batch_size=options.batch_size
    )


def size_multiple(model: Segmenter, evaluation: EvaluationConfig) -> int:
    """Return what image sides are padded to multiples of: as asked, or the model's."""
    return evaluation.size_multiple or model.size_multiple


def learning_rate(config: Config) -> optax.Schedule:
    """Build the learning-rate schedule of a config."""
    options = config.optimizer
    if options.learning_rate <= 0:
        raise UserError(
            f"optimizer.learning_rate {options.learning_rate}: not positive"
        )
    return choose("schedule", options.schedule, SCHEDULES)(
        options.learning_rate,
        options.final_learning_rate,
        config.train.steps,
        warmup_steps(config),
        options.power,
    )


def warmup_steps(config: Config) -> int:
    """Return the length of the warm-up of a config; a share is rounded down.

    Raises:
      UserError: it is no whole number of steps, or not shorter than the run.
    """
    return checks.warmup_steps(config.optimizer.warmup_steps, config.train.steps)


def optimizer(config: Config, schedule: optax.Schedule) -> optax.GradientTransformation:
    """Build the optimiser of a config."""
    options = config.optimizer
    return create_optimizer(
        options.name,
        schedule,
        momentum=options.momentum,
        weight_decay=options.weight_decay,
        backbone_factor=options.backbone_factor,
        clip_norm=options.clip_norm,
        freeze_backbone=config.model.freeze == "backbone",
    )


def loss(config: Config, num_classes: int) -> Loss:
    """Build the loss of a config."""
    options = config.train
    check_class_weights(options.class_weights, num_classes)
    kind = choose("loss", options.loss, LOSSES)
    made = kind(options.class_weights, options.label_smoothing)
    if config.mesh.spatial > 1 and isinstance(made, CrossEntropy):
        made = dataclasses.replace(made, bands=1)
    return made


def read_labels(path: Path) -> tuple[LabelSet, MaskForm | None]:
    """Read the classes of a run.

    Returns:
      The classes, and how the masks of its data say them; None if the run was begun
      before that was noted.

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
    """Tell from its options how the masks of an older run said the classes."""
    if data.name in STOCK:
        return MaskForm(STOCK[data.name].labels.raw_values)
    return MaskForm(data.mask_values, bool(data.palette and not data.mask_values))
