"""The weights that a training starts from: those of a file, or of another run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jaxseg.build import normalization
from jaxseg.config import Config
from jaxseg.errors import UserError
from jaxseg.run import Run
from jaxseg.segmenter import Segmenter
from jaxseg.weights.folders import is_run
from jaxseg.weights.load import find_files, load_weights
from jaxseg.weights.surgery import transplant


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
