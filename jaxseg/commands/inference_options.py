"""Options of inference that a command line gives in place of the run's."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxseg.config import Config, EvaluationConfig
from jaxseg.errors import UserError
from jaxseg.evaluation.window_plan import smaller_window
from jaxseg.experiment import import_experiment
from jaxseg.schema import replaced

NAMES = (
    "evaluation.scales",
    "evaluation.flip",
    "evaluation.turns",
    "evaluation.window",
    "evaluation.overlap",
    "evaluation.window_weights",
    "evaluation.crf",
    "evaluation.threshold",
)
"""Options that `predict` and `evaluate` take in place of the run's."""


def add_import_option(parser: argparse.ArgumentParser) -> None:
    """Add the option that names a file with the user's own registrations."""
    parser.add_argument(
        "--import",
        dest="imported",
        metavar="FILE",
        type=Path,
        help="Python file to run first, which registers the heads, backbones and data"
        " sets of your own that the run names: mostly its experiment",
    )


def run_import(options: argparse.Namespace) -> None:
    """Run the file that `--import` names, if it is given.

    Raises:
      UserError: it is missing, or cannot be run.
    """
    if options.imported is not None:
        import_experiment(options.imported)


def changed_options(config: Config, given: Mapping[str, Any]) -> EvaluationConfig:
    """Return a run's options of inference with those that are given in their place.

    Args:
      config: of the run.
      given: what `NAMES` lists, by the last part of its name; None is the run's.

    Raises:
      UserError: a value of another type or out of its range, a threshold for a
        multiclass run, options of boundaries that are not measured, or how windows
        overlap where there are none.
    """
    kept = {
        f"evaluation.{name}": tuple(value) if isinstance(value, list) else value
        for name, value in given.items()
        if value is not None
    }
    if "evaluation.threshold" in kept and config.data.task == "multiclass":
        raise UserError(
            f"threshold {kept['evaluation.threshold']}: this run is multiclass, where a"
            " pixel has the most probable class; leave it out"
        )
    options = replaced(config, kept).evaluation
    for name in ("boundary_ratio", "boundary_tolerance"):
        if given.get(name) is not None and not options.surfaces:
            raise UserError(
                f"{name} {given[name]}: boundaries are not measured; add --surfaces"
            )
    for name in ("overlap", "window_weights"):
        if given.get(name) is not None and not options.window:
            raise UserError(
                f"{name} {given[name]}: there are no windows; give --window 512 with"
                " it, or leave it out"
            )
    return options


def less_memory(window: int) -> str:
    """Return the options that reduce memory: a window, or a smaller one.

    Args:
      window: side of the one that takes too much, pixels; 0 is the whole image.
    """
    if smaller := smaller_window(window):
        return f"give --window {smaller}, which takes images in parts"
    return "give --crf 0 and --scales 1, or shrink the images"
