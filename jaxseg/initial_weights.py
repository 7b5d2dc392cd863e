"""The weights from which a training starts: those of a file, or of another run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jaxseg.backbones.names import FORMER_NAMES, resolve_name
from jaxseg.build import describe_model, normalization
from jaxseg.config import Config, ModelConfig
from jaxseg.errors import UserError
from jaxseg.models import DEFAULT_BACKBONE
from jaxseg.run import Run
from jaxseg.segmenter import Segmenter
from jaxseg.weights.folders import is_run
from jaxseg.weights.load import find_files, load_weights
from jaxseg.weights.surgery import transplant


def require_weights(config: Config) -> None:
    """Refuse weights that do not exist, before data is prepared for them.

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
    """Replace freshly initialised variables by the weights that a config names.

    Args:
      config: whose `model.weights` is a weights file, a run folder or `package:NAME`.
      model: that of the config.
      variables: initialised from the seed; those without a matching weight are kept.
      log: prints which weights were taken.

    Raises:
      UserError: the weights cannot be read, none of them fits the model, or their run
        computes differently.
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
    _require_same_arithmetic(run.config, config)
    if (theirs := normalization(run.config)) != normalization(config):
        mean, std = (" ".join(str(value) for value in values) for values in theirs)
        raise UserError(
            f"model.weights {weights}: its images were normalised differently; give"
            f" --model.mean {mean} --model.std {std}"
        )
    _, source, step = run.best_variables()
    merged, taken, kept = transplant(source, variables)
    if not taken:
        raise UserError(f"model.weights {weights}: nothing in it fits this model")
    drawn = f", {len(kept)} initialised: {', '.join(kept[:3])}" if kept else ""
    log(f"{weights}, step {step}: {len(taken)} tensors taken{drawn}")
    return merged


def _require_same_arithmetic(theirs: Config, ours: Config) -> None:
    """Refuse the weights of a run whose backbone is ours in another arithmetic.

    Raises:
      UserError: the message names the options that make the two equal.
    """
    backbone = describe_model(theirs)["backbone"]
    if backbone is None or backbone != describe_model(ours)["backbone"]:
        return  # a head's own backbone has one arithmetic; others do not match
    name, arithmetic = _resolved(theirs.model)
    if arithmetic == _resolved(ours.model)[1]:
        return
    former = ours.model.backbone in FORMER_NAMES  # such a name implies an arithmetic
    remedy = f"--model.backbone {name} " if former else ""
    raise UserError(
        f"model.weights {ours.model.weights}: its backbone {name} computes differently;"
        f" give {remedy}--model.arithmetic {arithmetic}"
    )


def _resolved(model: ModelConfig) -> tuple[str, str]:
    return resolve_name(model.backbone or DEFAULT_BACKBONE, model.arithmetic)
