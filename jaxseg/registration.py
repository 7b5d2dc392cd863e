"""Checks of the classes and functions that a user registers.

A mistake in an experiment is reported in one line when it is loaded, and not as a wrong
option or a traceback of a library after the training has begun.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from typing import Any

from jaxseg.errors import UserError
from jaxseg.registry import Registry, adapter, fields_of


def require_function(registry: Registry[Any], name: str, function: Any) -> None:
    """Refuse an object that is not a function.

    Raises:
      UserError: it cannot be called, or is a class.
    """
    if isinstance(function, type) or not callable(function):
        raise UserError(f"{registry.kind} {name!r}: {_said(function)} is no function")


def require_dataclass(
    registry: Registry[Any], name: str, target: Any, base: type = object
) -> None:
    """Refuse an object that is not a frozen dataclass with readable options.

    Args:
      registry: that it is to be added to.
      name: under which.
      target: what was given.
      base: the class of `jaxseg` that it must be derived from.

    Raises:
      UserError: it is anything else.
    """
    owner = f"{registry.kind} {name!r}"
    require_class(owner, target, base, f"jaxseg.{base.__name__}")
    parameters: Any = vars(target).get("__dataclass_params__")
    if parameters is None or not parameters.frozen:
        raise UserError(
            f"{owner}: write @dataclasses.dataclass(frozen=True) above class"
            f" {target.__name__}, below @jaxseg.register_{registry.kind}"
        )
    require_options(owner, target)


def require_class(owner: str, target: Any, base: type, base_name: str) -> None:
    """Refuse an object that is not a class derived from another one.

    Raises:
      UserError: it is anything else.
    """
    derived = "" if base is object else f" derived from {base_name}"
    if not isinstance(target, type) or not issubclass(target, base):
        raise UserError(f"{owner}: {_said(target)} is no class{derived}")


def require_options(owner: str, target: type) -> None:
    """Refuse a class whose options cannot be read from its fields.

    Raises:
      UserError: a type that cannot be read, or a value that has no type.
    """
    try:
        fields = fields_of(target)
        for annotation in fields.values():
            adapter(annotation)
    except Exception as error:  # whatever an annotation refers to
        raise UserError(
            f"{owner}: the types of its options cannot be read:"
            f" {type(error).__name__}: {error}"
        ) from error
    _refuse_untyped(owner, target)


def _refuse_untyped(owner: str, target: type) -> None:
    """Refuse an attribute that looks like an option but has no type."""
    typed = {name for base in target.__mro__ for name in inspect.get_annotations(base)}
    for name, value in vars(target).items():
        if isinstance(value, dataclasses.Field):
            value = value.default
        plain = isinstance(value, (bool, int, float, str, tuple, list))
        if name[0] == "_" or name.isupper() or name in typed or not plain:
            continue
        raise UserError(
            f"{owner}: {name} has no type and so is no option: write `{name}:"
            f" {type(value).__name__} = {value!r}`, or {name.upper()} for a constant"
        )


def require_fields(owner: str, target: type, needed: Mapping[str, str]) -> None:
    """Refuse a class that lacks the fields that jaxseg fills in.

    Args:
      owner: names it, for the message.
      target: the class.
      needed: names, and how each is written.

    Raises:
      UserError: the first that is missing.
    """
    known = fields_of(target)
    for name, written in needed.items():
        if name not in known:
            raise UserError(f"{owner}: its field {name} is missing: write `{written}`")


def _said(given: Any) -> str:
    if isinstance(given, type):
        return f"class {given.__name__}"
    name = getattr(given, "__name__", "")
    return f"{type(given).__name__} {name}".strip()
