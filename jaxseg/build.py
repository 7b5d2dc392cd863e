"""Turns a Config into objects, together with `build_loss` and `build_augmentation`.

`check` builds everything that needs no data, so that a Config that can never be built
is refused when an experiment is loaded.  `build` builds it for a data set's classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import optax
from jax.sharding import Mesh

from jaxseg.backbones import BACKBONES
from jaxseg.backbones.names import find_backbone, resolve_name
from jaxseg.build_augmentation import build_augmentation
from jaxseg.build_loss import build_loss
from jaxseg.config import Config, EvaluationConfig, ModelConfig
from jaxseg.data import tasks
from jaxseg.data.balance import parse_sampling
from jaxseg.data.catalog import check_data
from jaxseg.data.frequencies import ClassFrequencies
from jaxseg.data.labels import num_logits
from jaxseg.data.mixing import Augmentation
from jaxseg.errors import UserError, choose
from jaxseg.evaluation.inference import Scores, check_crf, create_scores
from jaxseg.evaluation.metrics import check_metrics
from jaxseg.evaluation.probabilities import Probabilities
from jaxseg.evaluation.step import EvaluationStep, create_evaluation_step
from jaxseg.evaluation.windows import WindowedScores
from jaxseg.heads import HEADS
from jaxseg.losses.base import Loss
from jaxseg.models import DEFAULT_BACKBONE, create_model
from jaxseg.nn.crf import DenseCRF
from jaxseg.output_checks import check_backbone, check_head
from jaxseg.parallel.mesh import check_batch_size
from jaxseg.registry import fields_of, parse
from jaxseg.segmenter import Segmenter
from jaxseg.training.optimizer import OPTIMIZERS, SCHEDULES, create_optimizer
from jaxseg.weights.families.heads_smp import SMP_ARGUMENTS

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Parts:
    """The objects of a run.

    Attributes:
      model: the model, without its variables.
      loss: a function of logits and labels.
      schedule: step -> learning rate.
      optimizer: gradients -> updates, learning rate included.
      augmentation: of training samples.
      mean: mean that is subtracted from RGB values 0..1.
      std: standard deviation by which these are divided.
      repeats: how often an epoch draws each training image; empty draws each once.
    """

    model: Segmenter
    loss: Loss
    schedule: optax.Schedule
    optimizer: optax.GradientTransformation
    augmentation: Augmentation
    mean: Triple
    std: Triple
    repeats: tuple[float, ...] = ()


def build(
    config: Config, num_classes: int, frequencies: ClassFrequencies | None = None
) -> Parts:
    """Build the objects of a run.

    Args:
      config: the options of the run.
      num_classes: number of classes of its data set; 2 for a binary one.
      frequencies: how often the classes occur in its training split, which
        `train.class_balance`, `data.balance` and `augment.mix` need.

    Raises:
      UserError: a name is unknown, or values cannot be combined.
    """
    tasks.check_count(config.data, num_classes)
    check_metrics(num_classes, config.data.task)
    schedule = build_schedule(config)
    mean, std = normalization(config)
    sampling = parse_sampling(config.data.balance)
    return Parts(
        model=build_model(config, num_classes),
        loss=build_loss(config, num_classes, frequencies),
        schedule=schedule,
        optimizer=build_optimizer(config, schedule),
        augmentation=build_augmentation(config, mean, frequencies),
        mean=mean,
        std=std,
        repeats=sampling.repeats(frequencies) if sampling and frequencies else (),
    )


def check(config: Config) -> None:
    """Refuse a config that is invalid for any data and any device.

    Raises:
      UserError: a name is unknown, or values cannot be combined; the first is named.
    """
    check_data(config.data)
    check_batch_size(config.train.batch_size, config.train.accumulate)
    classes = config.data.num_classes or len(config.data.class_names)
    if config.data.task == "binary":
        classes = 2
    tasks.check_options(config)
    check_crf(config.data.task, config.evaluation)
    build_model(config, classes or 2)
    build_loss(config, classes or None)
    build_optimizer(config, build_schedule(config))
    build_augmentation(config, normalization(config)[0])


def check_images(config: Config) -> None:
    """Refuse to train a head of volumes on a data set, which holds images.

    Raises:
      UserError: the head takes volumes.
    """
    head = parse("head", config.model.head).name
    if head in HEADS and HEADS[head].axes != 2:
        raise _volumes_refused(head)


def _volumes_refused(head: str) -> UserError:
    return UserError(
        f"head {head!r} takes volumes and data sets hold images: train it from Python,"
        " with jaxseg.create_model"
    )


def build_model(config: Config, num_classes: int) -> Segmenter:
    """Build the model of a config, without its variables.

    Args:
      config: of the run.
      num_classes: of its data set; of a binary one 2, for which the model has one
        logit.

    Raises:
      UserError: an unknown name or an option that does not fit.
    """
    model, outputs = config.model, num_logits(config.data.task, num_classes)
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
    head = parse("head", model.head)
    _require_options(head.name, given)
    if model.preset:
        preset = choose("preset", model.preset, {"smp": SMP_ARGUMENTS})
        preset = choose("head of this preset", head.name, preset)
        kept = {name: preset[name] for name in preset if name not in head.options}
        given = kept | given
    built = create_model(
        model.head,
        model.backbone,
        outputs,
        arithmetic=model.arithmetic,
        width=model.width,
        max_channels=model.max_channels,
        auxiliary=model.auxiliary,
        multi_grid=model.multi_grid,
        freeze=model.freeze,
        dtype=model.dtype,
        **given,
    )
    if BACKBONES.own(model.backbone or ""):
        usual = HEADS[head.name].output_stride if head.name in HEADS else 32
        stride = usual if model.output_stride is None else model.output_stride
        check_backbone(f"backbone {model.backbone!r}", built, stride)
    if HEADS.own(head.name):
        check_head(f"head {head.name!r}", built, outputs)
    return built


def _require_options(head: str, given: Mapping[str, Any]) -> None:
    """Refuse options of the config that this head does not have."""
    if head not in HEADS:
        return
    known = {*HEADS[head].options(), "output_stride", "uniform_dilation"}
    if unknown := sorted(set(given) - known):
        if HEADS[head].axes != 2:
            raise _volumes_refused(head)
        fields = fields_of(ModelConfig)
        plain = [name for name in sorted(known) if name in fields]
        own = [name for name in sorted(known) if name not in fields]
        brackets = f"; in brackets, as in {head}({own[0]}=...): " if own else ""
        raise UserError(
            f"head {head!r} has no option {', '.join(unknown)}, which the experiment or"
            " the command line gives: take it back by"
            f" {' '.join(f'--model.{name} None' for name in unknown)}; the head has"
            f" {', '.join(plain)}{brackets}{', '.join(own)}"
        )


def normalization(config: Config) -> tuple[Triple, Triple]:
    """Return mean and standard deviation by which RGB values 0..1 are normalised."""
    model = config.model
    entry = find_backbone(model.backbone or DEFAULT_BACKBONE, model.arithmetic)
    return model.mean or entry.mean, model.std or entry.std


def build_schedule(config: Config) -> optax.Schedule:
    """Build the learning-rate schedule of a config.

    Raises:
      UserError: an unknown name, or a warm-up that is not shorter than the run.
    """
    options = config.optimizer
    return SCHEDULES.find(options.schedule)(
        options.learning_rate,
        options.final_learning_rate,
        config.train.steps,
        warmup_steps(config),
        options.power,
    )


def warmup_steps(config: Config) -> int:
    """Return the length of the warm-up of a config; a share is rounded down.

    Raises:
      UserError: it is given twice, or is not shorter than the run.
    """
    steps, ratio = config.optimizer.warmup_steps, config.optimizer.warmup_ratio
    if steps and ratio:
        raise UserError(
            f"optimizer.warmup_steps {steps} and optimizer.warmup_ratio {ratio}: give"
            " one of them, and 0 for the other"
        )
    if ratio:
        return int(round(ratio * config.train.steps, 6))  # 0.29 of 100: not 28.99...
    if steps >= config.train.steps:
        raise UserError(
            f"optimizer.warmup_steps {steps}: the warm-up is not shorter than the run"
            f" of train.steps {config.train.steps}; give --optimizer.warmup_steps 0 for"
            " none, and with it --optimizer.warmup_ratio 0.1 for a tenth of the steps"
        )
    return steps


def build_optimizer(
    config: Config, schedule: optax.Schedule
) -> optax.GradientTransformation:
    """Build the optimizer of a config.

    Raises:
      UserError: an unknown name.
    """
    options = config.optimizer
    OPTIMIZERS.find(options.name)
    return create_optimizer(
        options.name,
        schedule,
        momentum=options.momentum,
        weight_decay=options.weight_decay,
        backbone_factor=options.backbone_factor,
        clip_norm=options.clip_norm,
        freeze_backbone=config.model.freeze == "backbone",
    )


def build_scores(
    config: Config, model: Segmenter, evaluation: EvaluationConfig | None = None
) -> Scores | WindowedScores:
    """Build the function from images to class scores, whole or by window.

    Args:
      config: of the run.
      model: its model.
      evaluation: other options than the run's.
    """
    options = evaluation or config.evaluation
    check_crf(config.data.task, options)
    mean, std = normalization(config)
    crf = DenseCRF(iterations=options.crf, stride=options.crf_stride)
    given: dict[str, Any] = dict(
        mean=mean,
        std=std,
        scales=options.scales,
        flip=options.flip,
        turns=options.turns,
        crf=crf if options.crf else None,
        multiple=size_multiple(model, options),
        task=config.data.task,
    )
    if not options.window:
        return create_scores(model, **given)
    return WindowedScores(
        model,
        **given,
        window=options.window,
        overlap=options.overlap,
        weights=options.window_weights,
        batch_size=options.batch_size,
    )


def build_evaluation_step(
    config: Config,
    model: Segmenter,
    num_classes: int,
    mesh: Mesh,
    evaluation: EvaluationConfig | None = None,
    masks: bool = False,
) -> EvaluationStep:
    """Build the step that evaluates a model on batches of images.

    Args:
      config: of the run.
      model: its model.
      num_classes: of its data set; of a binary one 2.
      mesh: the devices.
      evaluation: other options than the run's.
      masks: whether the masks are wanted, on the host.
    """
    scores = build_scores(config, model, evaluation)
    said = Probabilities.of(config.data.task, evaluation or config.evaluation)
    return create_evaluation_step(scores, num_classes, mesh, said, masks)


def size_multiple(model: Segmenter, evaluation: EvaluationConfig) -> int:
    """Return the multiple to which image sides are padded: as given, or the model's."""
    return evaluation.size_multiple or model.size_multiple


def describe_model(config: Config) -> dict[str, str | None]:
    """Return the names of a run's head, backbone and arithmetic.

    The backbone is None if the head has its own, and the arithmetic is "" if it is the
    backbone's usual one.
    """
    head = parse("head", config.model.head).name
    if head in HEADS and HEADS[head].backbone is not None:
        return {"head": head, "backbone": None, "arithmetic": ""}
    asked = config.model.backbone or DEFAULT_BACKBONE
    backbone, arithmetic = resolve_name(asked, config.model.arithmetic)
    usual = arithmetic == resolve_name(backbone)[1]
    return {
        "head": head,
        "backbone": backbone,
        "arithmetic": "" if usual else arithmetic,
    }
