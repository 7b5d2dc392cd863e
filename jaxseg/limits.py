"""The range of every number that a Config holds, wherever it comes from.

A value outside it can only be a slip, or would take all memory.  What depends on other
values or on the data is checked where it is used.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from jaxseg.errors import UserError

_ABOVE_0 = 1e-12
_COUNT = 10**9

RANGES: dict[str, tuple[float, float]] = {
    "seed": (0, 2**31 - 1),
    "data.num_classes": (0, 255),
    "data.palette": (0, 255),
    "data.mask_values": (0, 65535),
    "data.ignore_values": (0, 65535),
    "data.threads": (0, 1024),
    "data.memory": (0, 2**24),
    "augment.crop": (1, 16384),
    "augment.scale": (_ABOVE_0, 100),
    "augment.max_class_share": (_ABOVE_0, 1),
    "augment.flip": (0, 1),
    "augment.rotation": (0, 180),
    "augment.elastic": (0, 10_000),
    "model.width": (_ABOVE_0, 100),
    "model.max_channels": (1, 65536),
    "model.output_stride": (1, 32),
    "model.channels": (1, 65536),
    "model.multi_grid": (1, 1024),
    "model.rates": (1, 1024),
    "model.dropout": (0, 1),
    "model.mean": (-1000, 1000),
    "model.std": (_ABOVE_0, 1000),
    "optimizer.learning_rate": (_ABOVE_0, 1e6),
    "optimizer.momentum": (0, 1),
    "optimizer.weight_decay": (0, 1e6),
    "optimizer.power": (0, 1000),
    "optimizer.warmup_steps": (0, _COUNT),
    "optimizer.final_learning_rate": (0, 1e6),
    "optimizer.backbone_factor": (0, 1e6),
    "optimizer.clip_norm": (_ABOVE_0, 1e30),
    "train.steps": (1, _COUNT),
    "train.batch_size": (1, 2**20),
    "train.accumulate": (1, 2**20),
    "train.label_smoothing": (0, 1),
    "train.class_weights": (0, 1e30),
    "train.border_weight": (0, 1e6),
    "train.auxiliary_weight": (0, 1e6),
    "train.ema": (0, 1),
    "train.log_every": (1, _COUNT),
    "train.eval_every": (1, _COUNT),
    "train.checkpoint_every": (1, _COUNT),
    "mesh.spatial": (1, 2**20),
    "evaluation.batch_size": (1, 2**20),
    "evaluation.scales": (0.05, 10),
    "evaluation.crf": (0, 1000),
    "evaluation.crf_stride": (1, 1024),
    "evaluation.window": (33, 16384),  # smaller ones no model takes
    "evaluation.size_multiple": (0, 4096),
}
"""Smallest and largest value; of a list, of each in it."""

_OR_0 = ("evaluation.window",)
_NEVER_EMPTY = ("evaluation.scales",)


def check_ranges(values: Mapping[str, Any], source: str = "") -> None:
    """Refuse numbers outside their range, and a name that is no name of a folder.

    Args:
      values: of a config, by dotted names; None is left alone.
      source: the file that they come from, for the message.

    Raises:
      UserError: the first value that is outside.
    """
    where = f"{source}: " if source else ""
    for name, value in values.items():
        if name in _NEVER_EMPTY and not value:
            raise UserError(f"{where}{name} is empty: give at least one value")
        low, high = RANGES.get(name, (-math.inf, math.inf))
        for number in _numbers(value):
            if low <= number <= high or (name in _OR_0 and number == 0):
                continue
            smallest = "more than 0" if low == _ABOVE_0 else f"at least {low:.10g}"
            largest = f"at most {high:.10g}" + (", or 0" if name in _OR_0 else "")
            raise UserError(f"{where}{name} {_short(value)}: {smallest}, {largest}")
    name = values.get("name", "")
    path = PurePath(name)
    if path.is_absolute() or ".." in path.parts or not name.isprintable():
        raise UserError(f"{where}name {name!r}: it names a folder in runs/")


def _numbers(value: Any) -> list[float]:
    """Return the numbers in a value, however deep; a switch is none."""
    if isinstance(value, tuple | list):
        return [number for inner in value for number in _numbers(inner)]
    return [value] if isinstance(value, int | float) and value is not True else []


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:50]}..."
