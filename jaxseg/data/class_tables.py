"""Reads the tables of classes that annotation tools write beside the masks.

`labelmap.txt` (name:r,g,b:parts:actions) gives names and colours, `_classes.csv`
(value, name) gives names and grey values.  They are used only if no option gives the
classes.
"""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path

from jaxseg.config import DataConfig
from jaxseg.data.folders import inside
from jaxseg.data.labels import check_palette
from jaxseg.data.splits import Splits, read_list
from jaxseg.errors import UserError

_OPTIONS = ("num_classes", "class_names", "palette", "mask_values", "mask_map")


def says_classes(config: DataConfig) -> bool:
    """Whether an option gives the classes of a folder."""
    return any(getattr(config, name) for name in _OPTIONS)


def with_class_table(
    config: DataConfig, root: Path, splits: Splits
) -> tuple[DataConfig, tuple[str, ...]]:
    """Fill in the classes from a table, if there is one and no option gives them.

    Multilabel data does not use tables, which give the values of masks of one file.

    Args:
      config: the options.
      root: where `labelmap.txt` or `_classes.csv` is looked for.
      splits: the files; `_classes.csv` may also lie beside them.

    Returns:
      The options, and notes on which table was taken.

    Raises:
      UserError: a table cannot be read, or two tables differ.
    """
    if says_classes(config) or config.task == "multilabel":
        return config, ()
    table = root / "labelmap.txt"
    if table.is_file():
        inside(table, root)
        changes = _read_label_map(table)
    else:
        places = {p.mask.parent for pairs in splits.values() for p in pairs} | {root}
        tables = sorted(place / "_classes.csv" for place in places)
        tables = [path for path in tables if path.is_file()]
        if not tables:
            return config, ()
        (table, *others) = tables
        changes = _read_classes(table, root)
        for other in others:
            if _read_classes(other, root) != changes:
                raise UserError(
                    f"{other}: other classes than in {table}; make them equal"
                )
    said = f"classes are those of {table}: {', '.join(changes['class_names'])}"
    return dataclasses.replace(config, **changes), (said,)


def _read_label_map(path: Path) -> dict[str, tuple]:
    names, palette = [], []
    for line in read_list(path):
        try:
            name, colour, *_ = line.split(":")
            red, green, blue = map(int, colour.split(","))
        except ValueError as error:
            raise UserError(
                f"{path}: {line!r} is not name:r,g,b:parts:actions; fix it, or give"
                " the classes by --data.class_names and --data.palette"
            ) from error
        names.append(name)
        palette.append((red, green, blue))
    try:
        check_palette(palette)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    if not names:
        raise UserError(f"{path}: it holds no class; remove it")
    return {"class_names": tuple(names), "palette": tuple(palette)}


def _read_classes(path: Path, root: Path) -> dict[str, tuple]:
    inside(path, root)
    lines = read_list(path)[1:]
    try:
        rows = [(int(value), name.strip()) for value, name in csv.reader(lines)]
    except (ValueError, csv.Error) as error:
        raise UserError(
            f"{path}: its lines are not value,name; fix it, or give the classes by"
            " --data.class_names and --data.mask_values"
        ) from error
    if not rows:
        raise UserError(f"{path}: it holds no class; remove it")
    values = tuple(value for value, _ in rows)
    found = {"class_names": tuple(name for _, name in rows)}
    return (
        found if values == tuple(range(len(rows))) else found | {"mask_values": values}
    )
