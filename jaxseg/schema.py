"""Checks, writes and reads a Config by the schema of `jaxseg.config`.

Every value of a Config, wherever it comes from (an experiment, the command line, a
`config.json`), is checked here by its field's type and range.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

from jaxseg.config import Config
from jaxseg.errors import UserError, nearest


@dataclass(frozen=True)
class Option:
    """A value of a Config.

    Attributes:
      name: dotted, such as "train.steps".
      type: the field's annotation, with its range.
      default: of the field.
      help: the sentence that explains it.
    """

    name: str
    type: Any
    default: Any
    help: str


def validated(config: Config, source: str = "") -> Config:
    """Return a config whose values have the types and ranges of their fields.

    Args:
      config: made in Python, where nothing checks its values.
      source: the file that it comes from, for the message.

    Raises:
      UserError: the first value that does not fit.
    """
    try:
        text = to_json(config)
    except (ValueError, TypeError, RecursionError) as error:
        where = f"{source}: " if source else ""
        raise UserError(f"{where}not a jaxseg config: {error}") from error
    return from_json(text, source)


def to_json(config: Config) -> str:
    """Write a config as JSON text; `from_json` reads it back equal."""
    return json.dumps(dataclasses.asdict(config), indent=2) + "\n"


def from_file(path: Path) -> Config:
    """Read a file that `to_json` wrote, now or in an earlier version.

    Raises:
      UserError: it cannot be read, or is no config.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not a jaxseg config: {error}") from error
    return from_json(text, str(path))


def from_json(text: str, source: str = "") -> Config:
    """Read the text that `to_json` returned.

    Raises:
      UserError: the text is no config, or a value does not fit its field; `source`
        names it in the message.
    """
    where = f"{source}: " if source else ""
    try:
        values = json.loads(text, object_pairs_hook=_no_name_twice)
        if not isinstance(values, dict):
            raise ValueError("expected an object")
        text = json.dumps(_current(values))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where}not a jaxseg config: {error}") from error
    try:
        config = _adapter().validate_json(text)
    except ValidationError as error:
        name, value, reason = first_fault(error, depth=2)
        if reason == _UNKNOWN:
            close = nearest(name, flatten(Config()))
            hint = f"; did you mean {close}?" if close else ""
            raise UserError(f"{where}{name}: no such option{hint}") from error
        raise UserError(f"{where}{name} {value}: {reason}") from error
    _require_folder_name(config.name, where)
    return config


def _no_name_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice!r} is given twice")
    return values


def _current(values: dict[str, Any]) -> dict[str, Any]:
    """Convert the content of an earlier version's file to the present schema."""
    optimizer = values.get("optimizer")
    if isinstance(optimizer, dict):
        steps = optimizer.get("warmup_steps")
        if isinstance(steps, float):  # it was a share of the steps below 1
            share = {"warmup_steps": 0, "warmup_ratio": steps}
            whole = {"warmup_steps": int(steps)} if steps.is_integer() else {}
            changed = share if 0 < steps < 1 else whole
            values = {**values, "optimizer": {**optimizer, **changed}}
    return values


def _require_folder_name(name: str, where: str) -> None:
    path = PurePath(name)
    if path.is_absolute() or ".." in path.parts or not name.isprintable():
        raise UserError(f"{where}name {name!r}: it names a folder in runs/")


_UNKNOWN = "unexpected keyword argument"


def first_fault(error: ValidationError, depth: int = 0) -> tuple[str, str, str]:
    """Describe the first value that does not fit its type.

    Args:
      error: of a value, or of a dataclass.
      depth: number of fields that lead to a value, at most.

    Returns:
      The dotted name of the fields that lead to it, the value, short enough for a line,
      and the reason, in words that follow a colon.
    """
    faults = error.errors(include_url=False)
    names = [part for part in faults[0]["loc"][:depth] if isinstance(part, str)]
    inner = faults[0]["loc"][len(names) :]
    if inner and isinstance(inner[0], str):  # one of several types that it may have
        faults = [fault for fault in faults if list(fault["loc"][:-1]) == names]
    else:
        faults = faults[:1]
    reasons = dict.fromkeys(
        fault["msg"]
        .replace("Input should", "must")
        .replace("Tuple should", "must")
        .removeprefix("Value error, ")
        .split(", unable to")[0]
        for fault in faults
    )
    reason = ", or ".join(reasons)
    value = repr(faults[0]["input"])
    value = value if len(value) <= 60 else f"{value[:50]}..."
    return ".".join(names), value, reason[:1].lower() + reason[1:]


@functools.cache
def _adapter() -> Any:  # a TypeAdapter, which beartype does not know
    return TypeAdapter(Config)


def json_schema() -> dict[str, Any]:
    """Return the JSON schema of a `config.json`."""
    return _adapter().json_schema()


@functools.cache
def options() -> dict[str, Option]:
    """Return every value of a Config, by its dotted name."""
    schema = json_schema()
    found = _options(Config, schema["properties"], schema["$defs"])
    return {option.name: option for option in found}


def _options(
    section: type, properties: Any, definitions: Any, prefix: str = ""
) -> Iterator[Option]:
    """Yield the values of a section, which its part of the JSON schema describes."""
    hints = get_type_hints(section, include_extras=True)
    for field in dataclasses.fields(section):
        kind, name = hints[field.name], prefix + field.name
        if dataclasses.is_dataclass(kind) and isinstance(kind, type):
            inner = definitions[kind.__name__]["properties"]
            yield from _options(kind, inner, definitions, f"{name}.")
        else:
            text = properties[field.name]["description"].replace("\n", " ")
            yield Option(name, kind, field.default, text)


def flatten(config: Any, prefix: str = "") -> dict[str, Any]:
    """Return every value of a config under its dotted name."""
    values: dict[str, Any] = {}
    for entry in dataclasses.fields(config):
        value = getattr(config, entry.name)
        if dataclasses.is_dataclass(value):
            values |= flatten(value, f"{prefix}{entry.name}.")
        else:
            values[prefix + entry.name] = value
    return values


def replaced(config: Config, values: dict[str, Any]) -> Config:
    """Return `config` with values, by their dotted names, in place of its own.

    Raises:
      UserError: a value that does not fit its field.
    """
    sections: dict[str, dict[str, Any]] = {}
    top = {}
    for name, value in values.items():
        section, _, field = name.rpartition(".")
        if section:
            sections.setdefault(section, {})[field] = value
        else:
            top[field] = value
    for section, changes in sections.items():
        top[section] = dataclasses.replace(getattr(config, section), **changes)
    return validated(dataclasses.replace(config, **top))
