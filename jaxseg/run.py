"""A run: its folder on disk, and the objects that its Config stands for.

The folder holds `config.json`, `labels.json`, `metrics.jsonl`, `results.json`,
`checkpoints/`, `samples/`, `events/` and `report.html`.  Training (`training.loop`)
fills it, prediction and evaluation read it.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import optax

from jaxseg.backbones import BACKBONES
from jaxseg.config import Config, EvaluationConfig, flatten, from_file, to_json
from jaxseg.data.labels import LabelSet
from jaxseg.errors import UserError, choose
from jaxseg.evaluation.inference import Scores, create_scores
from jaxseg.evaluation.windows import WindowedScores
from jaxseg.locks import locked
from jaxseg.models import (
    DEFAULT_BACKBONE,
    SMALLEST,
    Segmenter,
    abstract_variables,
    create_model,
)
from jaxseg.nn.crf import DenseCRF
from jaxseg.report.console import warn
from jaxseg.training.checkpoint import Checkpoints
from jaxseg.training.losses import (
    LOSSES,
    CrossEntropy,
    Loss,
    check_class_weights,
)
from jaxseg.training.optimizer import SCHEDULES, create_optimizer
from jaxseg.weights.families.heads_smp import SMP_ARGUMENTS
from jaxseg.weights.load import load_weights
from jaxseg.weights.surgery import transplant

Triple = tuple[float, float, float]

CHANGEABLE = (
    "name",
    "data.root",
    "data.cache",
    "data.threads",
    "data.memory",
    "mesh.",
    "train.steps",
    "train.log_every",
    "train.eval_every",
    "train.checkpoint_every",
    "evaluation.",
)
"""What a resumed run may change: nothing that its parameters depend on up to here."""


@dataclass(frozen=True)
class Run:
    """A run and its folder.

    Attributes:
      workdir: the folder.
      config: what the run is.
      labels: names and colours of its classes.
    """

    workdir: Path
    config: Config
    labels: LabelSet

    @contextmanager
    def claim(self) -> Iterator[None]:
        """Make the folder, or find in it the run to resume; none else may meanwhile.

        Raises:
          UserError: the folder cannot be written, is claimed, or holds another
            experiment; the difference is named and nothing is changed.
        """
        path = self.workdir / "config.json"
        if not os.path.isfile(path) and os.path.exists(self.checkpoints):
            raise UserError(f"{self.workdir} has checkpoints but no config.json")
        with ExitStack() as held:
            try:
                self.workdir.mkdir(parents=True, exist_ok=True)
                free = held.enter_context(locked(self.workdir / ".lock", wait=False))
            except OSError as error:
                raise self._unwritable(error) from error
            if not free:
                raise UserError(
                    f"{self.workdir}: another process is training here; wait for it,"
                    " or choose another --workdir"
                )
            if path.is_file():
                old = from_file(path)
                if difference := _difference(old, self.config):
                    raise UserError(
                        f"{self.workdir} holds a run with {difference}: choose another"
                        " --workdir, or delete the folder to begin anew"
                    )
            try:
                write_text(path, to_json(self.config))
                write_text(self.workdir / "labels.json", _labels_to_json(self.labels))
            except OSError as error:
                raise self._unwritable(error) from error
            yield

    def _unwritable(self, error: OSError) -> UserError:
        return UserError(
            f"{self.workdir}: cannot write the run folder ({error.strerror}); choose"
            " another with --workdir"
        )

    @classmethod
    def open(cls, workdir: str | Path) -> Run:
        """Open a run folder to read.

        Raises:
          UserError: it is no run folder.
        """
        workdir = Path(workdir)
        for name in ("config.json", "labels.json"):
            if not os.path.isfile(workdir / name):
                raise UserError(f"{workdir}: not a run folder, {name} is missing")
        config = from_file(workdir / "config.json")
        return cls(workdir, config, _read_labels(workdir / "labels.json"))

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
    if not os.path.isfile(Path(weights) / "config.json"):
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
    entry = choose("backbone", model.backbone or DEFAULT_BACKBONE, BACKBONES)
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
    if not options.scales or min(options.scales) <= 0:
        raise UserError(f"evaluation.scales {options.scales}: positive factors, please")
    if options.window and options.window < SMALLEST:
        raise UserError(
            f"evaluation.window {options.window}: at least {SMALLEST} pixels, or 0"
        )
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
    if not 0 <= options.warmup_steps < max(1, config.train.steps):
        raise UserError(
            f"optimizer.warmup_steps {options.warmup_steps}: fewer than train.steps,"
            f" {config.train.steps}"
        )
    return choose("schedule", options.schedule, SCHEDULES)(
        options.learning_rate,
        options.final_learning_rate,
        config.train.steps,
        options.warmup_steps,
        options.power,
    )


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
    if not 0 <= options.label_smoothing < 1:
        raise UserError(f"train.label_smoothing {options.label_smoothing}: in [0, 1)")
    kind = choose("loss", options.loss, LOSSES)
    made = kind(options.class_weights, options.label_smoothing)
    if config.mesh.spatial > 1 and isinstance(made, CrossEntropy):
        made = dataclasses.replace(made, bands=1)
    return made


def write_text(path: Path, text: str) -> None:
    """Replace a file in one step, so that a kill leaves the old or the new one."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)


def _difference(old: Config, new: Config) -> str | None:
    """Say which value of `new` does not continue a run of `old`, or return None."""
    before, after = flatten(old), flatten(new)
    changed = [
        f"{name} {before[name]}, not {after[name]}"
        for name in before
        if before[name] != after[name] and not name.startswith(CHANGEABLE)
    ]
    return ", ".join(changed[:3]) or None


def _labels_to_json(labels: LabelSet) -> str:
    return json.dumps({"names": labels.names, "palette": labels.palette}) + "\n"


def _read_labels(path: Path) -> LabelSet:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        palette = tuple((r, g, b) for r, g, b in content["palette"])
        return LabelSet(tuple(content["names"]), palette)
    except (UserError, OSError, ValueError, TypeError, KeyError, RecursionError) as e:
        raise UserError(f"{path}: not a label set: {e}") from e
