"""Loading an experiment: a Python file, the command line's changes, and every check.

An experiment defines `get_config() -> Config`, and may register its own head, backbone,
loss, transform, data set or metric.
"""

from __future__ import annotations

import dataclasses
import glob
import hashlib
import importlib.util
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from jaxseg.command_line import changed
from jaxseg.config import Config
from jaxseg.data.presets import complete
from jaxseg.errors import UnknownName, UserError, nearest
from jaxseg.paths import experiments_folder
from jaxseg.schema import from_file, validated


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> Config:
    """Read an experiment and apply overrides; a preset is replaced by its values.

    Args:
      path: a Python file that defines `get_config() -> Config`, a `config.json`, or the
        name of an experiment that comes with jaxseg.
      overrides: command-line words, `["--train.steps", "500"]`.

    Raises:
      UserError: the file is missing or broken, an override does not fit, a value has
        the wrong type or is out of range, a name is unknown, or values cannot be
        combined.
    """
    config = complete(read_config(path, overrides))
    path = _found(Path(path))
    from jaxseg.build import (
        check,  # imports jax, so values of a wrong type are refused before
    )

    try:
        check(config)
    except UnknownName as error:
        if path.suffix != ".json":
            raise
        raise UserError(
            f"{path}: {error}. If it is your own, give the experiment that registers it"
            " in place of this file"
        ) from error
    return config


def read_config(path: str | Path, overrides: Sequence[str] = ()) -> Config:
    """Read an experiment and apply overrides; only types and ranges are checked.

    Presets are not replaced.  For commands that read data only: it imports no jax.

    Raises:
      UserError: the file is missing or broken, or an override does not fit.
    """
    path = _found(Path(path))
    _require_file(path)
    config = from_file(path) if path.suffix == ".json" else _run_experiment(path)
    if not config.name:
        config = dataclasses.replace(config, name=path.stem)
    return changed(config, overrides)


def _found(path: Path) -> Path:
    """Return the file of a built-in experiment that is given by its name only."""
    named = experiments_folder() / f"{path}.py"
    alone = path.name == str(path) and not path.suffix and not os.path.exists(path)
    return named if alone and os.path.isfile(named) else path


def _require_file(path: Path) -> None:
    if os.path.isfile(path):
        return
    close = nearest(path.name, glob.glob("*.py", root_dir=path.parent))
    hint = f" Did you mean {path.parent / close}?" if close else ""
    if path.name == str(path) and not path.suffix:
        ours = [each.stem for each in experiments_folder().glob("*.py")]
        close = nearest(path.name, ours)
        hint = f" Did you mean {close}?" if close else ""
    raise UserError(f"{path}: no such experiment file.{hint}")


def _run_experiment(path: Path) -> Config:
    get_config = getattr(import_experiment(path), "get_config", None)
    if not callable(get_config):
        raise UserError(f"{path}: define get_config() -> jaxseg.Config in it")
    try:
        config = get_config()
    except UserError:
        raise
    except (Exception, SystemExit) as error:  # any error of the user's code
        raise UserError(f"{path}: {type(error).__name__}: {error}") from error
    if not isinstance(config, Config):
        raise UserError(f"{path}: get_config() must return a jaxseg.Config")
    return validated(config, str(path))


def import_experiment(path: Path) -> ModuleType:
    """Run an experiment's file, which may register its own classes and functions.

    It becomes a module, so that its classes have a module, and it may import the
    modules beside it, as a script may.  Loading the file again runs it again, and
    replaces what it registers.

    Raises:
      UserError: the file is missing, or cannot be run.
    """
    _require_file(path)
    place = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:8]
    name = f"jaxseg_experiment_{path.stem}_{place}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UserError(f"{path}: an experiment is a file whose name ends in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.append(folder)  # last: it hides no installed package
    try:
        spec.loader.exec_module(module)
    except UserError:
        raise
    except (Exception, SystemExit) as error:  # whatever the user's code does
        raise UserError(f"{path}: {type(error).__name__}: {error}") from error
    return module
