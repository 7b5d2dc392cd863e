"""Finds the files of weights in a folder of a model hub or a trainer."""

from __future__ import annotations

import json
import os
from pathlib import Path

from jaxseg.errors import UserError

KINDS = (".safetensors", ".pth", ".pt", ".ckpt", ".bin", ".h5", ".npz")
"""Suffixes of files of weights, the preferred one first."""

_SHOWN = 5  # names in a message


def is_run(folder: Path) -> bool:
    """Whether a folder is a run of jaxseg; folders of hubs have a config.json too."""
    inside = os.path.isfile(folder / "labels.json") or os.path.isdir(
        folder / "checkpoints"
    )
    return inside and os.path.isfile(folder / "config.json")


def files_of_weights(folder: Path) -> tuple[list[Path], str]:
    """Return the files that hold a folder's weights together, and a line on the choice.

    Of files in different formats, the one of the first format in `KINDS` is taken.  The
    parts that an index of safetensors names are taken together.

    Raises:
      UserError: there are none, or several of one kind; the message names them.
    """
    try:
        names = sorted(entry.name for entry in folder.iterdir() if entry.is_file())
    except OSError as error:
        raise UserError(f"{folder}: cannot be read ({error.strerror})") from error
    indices = [name for name in names if name.endswith(".safetensors.index.json")]
    if len(indices) == 1:
        parts = _parts(folder / indices[0])
        return parts, f"the {len(parts)} parts that {indices[0]} names are taken"
    found = [name for name in names if name.endswith(KINDS)]
    if not found:
        inside = sorted(entry.name for entry in folder.iterdir())
        holds = ", ".join(inside[:_SHOWN]) or "nothing"
        more = f" and {len(inside) - _SHOWN} more" if len(inside) > _SHOWN else ""
        raise UserError(
            f"{folder}: a folder without weights ({' '.join(KINDS)}) that is no run"
            f" either; it holds {holds}{more}"
        )
    first = next(kind for kind in KINDS if any(name.endswith(kind) for name in found))
    best = [name for name in found if name.endswith(first)]
    if len(best) > 1:
        raise UserError(
            f"{folder}: a folder with {len(best)} files of weights; name one:"
            f" {', '.join(str(folder / name) for name in best[:_SHOWN])}"
        )
    others = [name for name in found if name not in best]
    left = f"; not read: {', '.join(others[:_SHOWN])}" if others else ""
    return [folder / best[0]], f"{best[0]} in it is taken{left}"


def _parts(index: Path) -> list[Path]:
    """Return the files that an index of safetensors names, all beside it."""
    try:
        mapped = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        names = sorted(set(mapped.values()))
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(f"{index}: not an index of weights ({error})") from error
    for name in names:
        if not isinstance(name, str) or Path(name).name != name:
            raise UserError(f"{index}: names {name!r}, which is no file beside it")
        if not os.path.isfile(index.parent / name):
            raise UserError(f"{index}: names {name}, which is missing; fetch it too")
    if not names:
        raise UserError(f"{index}: names no file")
    return [index.parent / name for name in names]
