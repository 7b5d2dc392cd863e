"""Options of inference that a command line gives in place of the run's."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence

from jaxseg.config import EvaluationConfig, from_file
from jaxseg.limits import check_ranges
from jaxseg.paths import require_run


def add_inference_options(parser: argparse.ArgumentParser) -> None:
    """Add what `predict` and `evaluate` have in common."""
    parser.add_argument("--scales", nargs="+", type=float, help="default: the run's")
    parser.add_argument("--flip", action="store_true", default=None)
    parser.add_argument("--window", type=int, help="side of a sliding window, pixels")
    parser.add_argument("--crf", type=int, help="iterations of a dense CRF; 0 is none")


def check_inference(options: argparse.Namespace) -> None:
    """Refuse what can be seen without jax: no run folder, a value out of its range.

    Args:
      options: with `run` and what `add_inference_options` adds.

    Raises:
      UserError: the first of those.
    """
    require_run(options.run)
    names = ("scales", "flip", "window", "crf")
    given = {f"evaluation.{name}": getattr(options, name) for name in names}
    check_ranges({name: value for name, value in given.items() if value is not None})


def less_memory(options: argparse.Namespace) -> str:
    """Say what takes less memory: a window, or one that is half as large.

    Args:
      options: with the run and what `check_inference` has let pass.

    Raises:
      UserError: the run's config cannot be read.
    """
    window = options.window
    if window is None:
        window = from_file(require_run(options.run) / "config.json").evaluation.window
    if smaller := smaller_window(window):
        return f"give --window {smaller}, which takes images in parts"
    return "give --crf 0 and --scales 1, or shrink the images"


def smaller_window(window: int) -> int:
    """Return the side of a window that takes less memory; 0 if there is none.

    Args:
      window: the one that takes too much; 0 is the whole image.
    """
    half = (window or 1024) // 2
    return half if half >= 64 else 0


def changed_options(
    options: EvaluationConfig,
    scales: Sequence[float] | None = None,
    flip: bool | None = None,
    window: int | None = None,
    crf: int | None = None,
) -> EvaluationConfig:
    """Return the run's options with those that are given in their place.

    Raises:
      UserError: a value out of its range.
    """
    given = {
        "scales": tuple(scales) if scales else None,
        "flip": flip,
        "window": window,
        "crf": crf,
    }
    kept = {name: value for name, value in given.items() if value is not None}
    check_ranges({f"evaluation.{name}": value for name, value in kept.items()})
    return dataclasses.replace(options, **kept)
