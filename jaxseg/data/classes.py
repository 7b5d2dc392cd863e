"""Which classes a folder of masks has: as the options say, or as its masks show."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from jaxseg.config import DataConfig
from jaxseg.data.labels import LabelSet
from jaxseg.data.masks import read_mask
from jaxseg.errors import UserError


def label_set(config: DataConfig, masks: list[Path]) -> LabelSet:
    """Return the classes that the options give, inferred from the masks if they do not.

    Raises:
      UserError: options that disagree, or masks that leave the classes unclear.
    """
    counts = {
        "num_classes": config.num_classes,
        "class_names": len(config.class_names),
        "palette": len(config.palette),
        "mask_values": len(config.mask_values),
    }
    given = {f"data.{name}": count for name, count in counts.items() if count}
    if len(set(given.values())) > 1:
        said = ", ".join(f"{name} {count}" for name, count in given.items())
        raise UserError(f"numbers of classes that differ: {said}")
    count = max(given.values(), default=0)
    if not config.mask_values:
        if count in (0, 2):
            count = _count_classes(masks, count, config)
        if 0 <= config.ignore_value < count:
            values = [v for v in range(count) if v != config.ignore_value]
            raise UserError(
                f"data.ignore_value {config.ignore_value} is a class's value too; pass"
                f" --data.mask_values {' '.join(map(str, values))} to leave it out"
            )
    ignored = (
        () if config.ignore_value in config.mask_values else (config.ignore_value,)
    )
    return LabelSet(
        names=config.class_names or tuple(f"class {index}" for index in range(count)),
        palette=config.palette,
        raw_values=config.mask_values,
        raw_ignore=tuple(value for value in ignored if 0 <= value < 65536),
    )


def _count_classes(masks: list[Path], count: int, config: DataConfig) -> int:
    """Infer the number of classes if `count` is 0; refuse masks that look otherwise."""
    present: set[int] = set()
    for path in masks:
        raw = read_mask(path, bool(config.palette))
        if raw.ndim == 2:  # colours need no guess, their palette counts the classes
            if raw.min() < 0 or raw.max() > 65535:
                raise UserError(f"{path}: mask values must lie in 0..65535")
            present.update(np.flatnonzero(np.bincount(raw.ravel())).tolist())
    if present == {0, 255}:
        raise UserError(
            f"{masks[0].parent}: the masks hold only 0 and 255 and look binary; pass"
            " --data.mask_values 0 255 to make 255 a class instead of ignored"
        )
    if count:
        return count
    values = sorted(present - {config.ignore_value})
    if len(values) < 2 or 2 * len(values) < values[-1] + 1:
        some = " ".join(map(str, values[:8])) + (" ..." if len(values) > 8 else "")
        raise UserError(
            f"{masks[0].parent}: the classes cannot be inferred from the mask values"
            f" {some or '(all ignored)'}; pass --data.num_classes, or the value of each"
            " class by --data.mask_values"
        )
    return values[-1] + 1
