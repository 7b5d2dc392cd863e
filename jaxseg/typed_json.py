"""JSON text into dataclasses, with the types of their fields."""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from typing import Any

_WORDS = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
}


def read(kind: type, text: str) -> Any:
    """Read an object of a dataclass; names that the text leaves out have their default.

    Args:
      kind: a dataclass of text, numbers, switches, tuples of them and dataclasses.
      text: JSON; lists become tuples.

    Raises:
      ValueError: it is no JSON, or a name is unknown or given twice.
      TypeError: a value is of another type than its field.
      RecursionError: it is nested too deep.
    """
    return _build(kind, json.loads(text, object_pairs_hook=_object))


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice!r} is given twice")
    return values


def _build(kind: Any, value: Any, name: str = "") -> Any:
    """Turn parsed JSON into `kind`: dataclasses by field, lists into tuples."""
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        hints = typing.get_type_hints(kind)
        if not isinstance(value, dict):
            raise _unfit(name, "an object", value)
        if unknown := sorted(set(value) - set(hints)):
            raise ValueError(f"unknown names {unknown} in {name or 'it'}")
        prefix = f"{name}." if name else ""
        return kind(
            **{key: _build(hints[key], value[key], prefix + key) for key in value}
        )
    if typing.get_origin(kind) is types.UnionType:
        if value is None:
            return None
        kind = typing.get_args(kind)[0]
    if typing.get_origin(kind) is not tuple:
        if type(value) is not kind and not (kind is float and type(value) is int):
            raise _unfit(name, _WORDS[kind], value)
        return value
    inner = typing.get_args(kind)
    if not isinstance(value, list):
        raise _unfit(name, "a list", value)
    if inner[-1] is Ellipsis:
        inner = inner[:1] * len(value)
    if len(value) != len(inner):
        raise _unfit(name, f"{len(inner)} values", value)
    pairs = zip(inner, value, strict=True)
    return tuple(_build(each, part, name) for each, part in pairs)


def _unfit(name: str, wanted: str, value: Any) -> TypeError:
    return TypeError(f"{name or 'all of it'}: expected {wanted}, found {value!r}")
