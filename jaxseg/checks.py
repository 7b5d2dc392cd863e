"""Everything that can be said against a config before data is opened or jax imported.

Ranges are `jaxseg.limits`' business; here are names, and values that do not go
together.  What depends on the data or on the devices is checked where those are known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jaxseg import choices
from jaxseg.errors import UserError, choose
from jaxseg.limits import check_ranges

NAMES: dict[str, tuple[str, Any]] = {
    "data.name": ("data set", choices.DATASETS),
    "model.freeze": ("freeze", choices.FREEZES),
    "model.dtype": ("dtype", choices.DTYPES),
    "optimizer.name": ("optimizer", choices.OPTIMIZERS),
    "optimizer.schedule": ("schedule", choices.SCHEDULES),
    "train.loss": ("loss", choices.LOSSES),
}
"""Values that are names, what they name, and the known ones."""

OF_HEADS = ("channels", "rates", "separable", "dropout", "upsampling")
"""Values of `model` that are options of its head."""


def check(values: Mapping[str, Any]) -> None:
    """Refuse a config that no data and no device could make right.

    Args:
      values: all of a config, by dotted names.

    Raises:
      UserError: a number out of its range, an unknown name, or values that do not go
        together; the first that is found.
    """
    check_ranges(values)
    for name, (kind, known) in NAMES.items():
        _known(kind, values[name], known)
    model = {
        name.removeprefix("model."): value
        for name, value in values.items()
        if name.startswith("model.")
    }
    _check_model(model)
    _check_training(values)


def _known(kind: str, name: str, known: Any) -> None:
    choose(kind, name, dict.fromkeys(known))


def _check_model(model: Mapping[str, Any]) -> None:
    head, backbone, stride = model["head"], model["backbone"], model["output_stride"]
    _known("head", head, (*choices.HEADS, choices.CLASSIFIER))
    if backbone is not None:
        _known("backbone", backbone, choices.BACKBONES)
    if model["preset"]:
        _known("preset", model["preset"], choices.PRESETS)
        _known("head of this preset", head, choices.PRESETS[model["preset"]])
    if stride is not None:
        check_output_stride(stride)
    given = {name: model[name] for name in OF_HEADS if model[name] is not None}
    dilated = bool(model["uniform_dilation"] or model["multi_grid"])
    if head == choices.CLASSIFIER:
        check_classifier(given, dilated or stride not in (None, 32))
    else:
        placed = backbone or dilated or stride is not None or model["auxiliary"]
        check_head(head, given, bool(placed))
    if backbone is None:
        return
    check_multi_grid(backbone, model["multi_grid"])
    if head == choices.CLASSIFIER and model["auxiliary"]:
        check_auxiliary(backbone)


def check_output_stride(stride: int) -> None:
    """Refuse an output stride that no backbone has."""
    if stride not in choices.OUTPUT_STRIDES:
        raise UserError(f"output stride {stride}: a backbone has 8, 16 or 32")


def check_multi_grid(backbone: str, factors: Sequence[int]) -> None:
    """Refuse a multi-grid that a backbone does not have, or that is none.

    Args:
      backbone: a name in `choices.BACKBONES`.
      factors: on the rates of its last blocks; none for no multi-grid.
    """
    if factors and min(factors) < 1:
        raise UserError(f"multi_grid {tuple(factors)}: each factor is at least 1")
    if factors and backbone not in choices.WITH_MULTI_GRID:
        raise UserError(f"backbone {backbone!r} has no multi-grid; the ResNets have")


def check_auxiliary(backbone: str) -> None:
    """Refuse auxiliary classifiers of a backbone that has none."""
    if backbone not in choices.WITH_AUXILIARY:
        raise UserError(f"backbone {backbone!r} has no auxiliary classifiers")


def check_images(head: str) -> None:
    """Refuse to train a head of volumes on a data set, which holds images.

    Args:
      head: a name in `choices.HEADS`, or "classifier".
    """
    if head in choices.HEADS and choices.HEADS[head].volumes:
        raise UserError(
            f"head {head!r} takes volumes and data sets hold images:"
            " train it from Python, with jaxseg.create_model"
        )


def check_classifier(given: Mapping[str, Any], dilated: bool) -> None:
    """Refuse options of a head that a classifier does not have.

    Args:
      given: the options.
      dilated: whether the backbone is asked to dilate.
    """
    if given or dilated:
        raise UserError("head 'classifier' has no options and output stride 32")


def check_head(head: str, given: Mapping[str, Any], placed: bool) -> None:
    """Refuse options that a head does not have, or values that they cannot have.

    Args:
      head: a name in `choices.HEADS`.
      given: the options, by the names of `create_model`'s arguments.
      placed: whether something is said of the backbone or an auxiliary head.

    Raises:
      UserError: the first that does not fit.
    """
    choice = choices.HEADS[head]
    if choice.own_backbone and placed:
        raise UserError(
            f"head {head!r} has a backbone of its own: leave backbone,"
            " output_stride, uniform_dilation, multi_grid and auxiliary unset"
        )
    if unknown := set(given) - set(choice.options):
        raise UserError(
            f"head {head!r} has no option {', '.join(sorted(unknown))};"
            f" it has {', '.join(choice.options) or 'none'}"
        )
    if "upsampling" in given:
        volumes = choices.UPSAMPLINGS_OF_VOLUMES
        known = volumes if choice.volumes else choices.UPSAMPLINGS
        _known("upsampling", given["upsampling"], known)
    if "rates" in given:
        rates = tuple(given["rates"])
        if not rates or min(rates) < 1:
            raise UserError(f"rates {rates}: positive numbers, at least one")
        if head == "deeplabv1" and len(rates) != 1:
            raise UserError(f"rates {rates}: head 'deeplabv1' has one branch")


def _check_training(values: Mapping[str, Any]) -> None:
    warmup_steps(values["optimizer.warmup_steps"], values["train.steps"])
    if min(values["augment.crop"]) < choices.SMALLEST:
        raise UserError(
            f"augment.crop {values['augment.crop']}: at least {choices.SMALLEST}"
            " pixels a side"
        )
    low, high = values["augment.scale"]
    if low > high:
        raise UserError(f"augment.scale {low:g} {high:g}: the smaller factor is first")
    for name in ("train.ema", "train.label_smoothing"):
        if values[name] == 1:
            raise UserError(f"{name} 1.0: less than 1, at least 0")
    batch_size, accumulate = values["train.batch_size"], values["train.accumulate"]
    if batch_size % accumulate:
        lower = batch_size // accumulate * accumulate
        fits = f"{lower} or {lower + accumulate}" if lower else f"{accumulate}"
        raise UserError(
            f"train.batch_size {batch_size} is not divisible by {accumulate}"
            f" micro-batch(es); use {fits}"
        )
    classes = values["data.num_classes"] or len(values["data.class_names"])
    check_class_weights(values["train.class_weights"], classes)


def warmup_steps(asked: float, steps: int) -> int:
    """Return the length of a warm-up; a share is rounded down.

    Args:
      asked: a whole number of steps, or a share of `steps` below 1.
      steps: of the run.

    Raises:
      UserError: it is no whole number of steps, or not shorter than the run.
    """
    if asked < 1:
        return int(round(asked * steps, 6))  # 0.29 of 100 is 29, not 28.999...
    if asked != int(asked):
        raise UserError(
            f"optimizer.warmup_steps {asked}: a whole number of steps, or a share of"
            " train.steps below 1"
        )
    if asked >= steps:
        raise UserError(
            f"optimizer.warmup_steps {asked:g}: the warm-up is not shorter than the run"
            f" of train.steps {steps}; give --optimizer.warmup_steps 0.1 for a tenth of"
            " the steps, or 0 for none"
        )
    return int(asked)


def check_class_weights(weights: tuple[float, ...], classes: int) -> None:
    """Refuse class weights that do not fit the classes.

    Args:
      weights: one factor a class, or none.
      classes: how many there are; 0 where that is not known yet.

    Raises:
      UserError: another number than the classes, or none of them positive.
    """
    if weights and classes and len(weights) != classes:
        raise UserError(
            f"train.class_weights has {len(weights)} values for {classes} classes"
        )
    if any(weight < 0 for weight in weights) or (weights and not any(weights)):
        raise UserError("train.class_weights must not be negative, nor all zero")
