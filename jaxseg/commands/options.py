"""Options of inference that a command line gives in place of the run's."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from jaxseg.config import EvaluationConfig
from jaxseg.limits import check_ranges


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
