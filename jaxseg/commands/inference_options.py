"""Options of inference by which a command line replaces those of a run."""

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
"""Options of the run that `predict` and `evaluate` can replace."""


def add_import_option(parser: argparse.ArgumentParser) -> None:
    """Add the option that names a file with the user's own registrations."""
    parser.add_argument(
        "--import",
        dest="imported",
        metavar="FILE",
        type=Path,
        help="Python file to run first, usually the run's experiment, which registers"
        " your own heads, backbones and data sets that the run names",
    )


def run_import(options: argparse.Namespace) -> None:
    """Run the file that `--import` names, if it is given.

    Raises:
      UserError: it is missing, or cannot be run.
    """
    if options.imported is not None:
        import_experiment(options.imported)


def changed_options(config: Config, given: Mapping[str, Any]) -> EvaluationConfig:
    """Return a run's options of inference, some of them replaced.

    Args:
      config: the config of the run.
      given: options of `NAMES`, by the last part of their names; None keeps the run's.

    Raises:
      UserError: a value has the wrong type or is out of range; or there is a threshold
        for a multiclass run, an option of boundaries that are not measured, or an
        option of windows without a window.
    """
    kept = {
        f"evaluation.{name}": tuple(value) if isinstance(value, list) else value
        for name, value in given.items()
        if value is not None
    }
    if "evaluation.threshold" in kept and config.data.task == "multiclass":
        raise UserError(
            f"threshold {kept['evaluation.threshold']}: this run is multiclass, where"
            " each pixel gets the most probable class; leave it out"
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
                f"{name} {given[name]}: there are no windows; give --window 512 as"
                " well, or leave it out"
            )
    return options


def less_memory(window: int) -> str:
    """Return the options that reduce memory: a window, or a smaller one.

    Args:
      window: side of the window that takes too much, pixels; 0 is the whole image.
    """
    if smaller := smaller_window(window):
        return f"give --window {smaller}, which takes images in parts"
    return "give --crf 0 and --scales 1, or shrink the images"
