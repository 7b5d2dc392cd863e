"""The options of the command line, made from the schema of `jaxseg.config`."""

from __future__ import annotations

import argparse
import dataclasses
import types
import typing
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, NoReturn, Union

from pydantic import TypeAdapter, ValidationError

from jaxseg.config import Config
from jaxseg.errors import UserError, nearest
from jaxseg.schema import Option, first_fault, flatten, options, replaced

STOPPED = 130
"""Exit code of a command that was asked to stop."""

_IGNORE_VALUE = "data.ignore_value"
_WARMUP, _RATIO = "optimizer.warmup_steps", "optimizer.warmup_ratio"


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def __init__(self, **arguments: Any):
        """Take no abbreviated options: what they stand for may change."""
        super().__init__(allow_abbrev=False, **arguments)

    def error(self, message: str) -> NoReturn:
        """Raise what argparse would print and exit with."""
        message = message.removeprefix("argument ")
        raise UserError(f"{message} (see {self.prog} --help)")


def changed(config: Config, words: Sequence[str]) -> Config:
    """Return `config` with command-line words (`--train.steps 200`) applied.

    Raises:
      UserError: an unknown name (the nearest is named), a value of another type or out
        of its range.
    """
    if not words:
        return config
    parser = Parser(prog="main.py --config FILE", add_help=False)
    add_options(parser)
    given, unknown = parser.parse_known_args([_underscored(word) for word in words])
    if unknown:
        raise UserError(_unknown(unknown[0]))
    return replaced(config, values(given))


def _underscored(word: str) -> str:
    """Turn the dashes in an option's name into the underscores of its field."""
    name, equals, value = word.partition("=")
    if not name.startswith("--"):
        return word
    return "--" + name[2:].replace("-", "_") + equals + value


def _unknown(word: str) -> str:
    name = word.split("=")[0]
    if not name.startswith("--"):
        return f"unexpected {word!r}: an override is --NAME VALUE"
    close = nearest(name.removeprefix("--"), options())
    hint = f"did you mean --{close}?" if close else "see --help for all names"
    section, _, last = name.removeprefix("--").partition(".")
    if section == "model" and last.isidentifier():
        hint += f" An option of one head is given as --model.head 'NAME({last}=...)'"
    return f"unknown override {name}: {hint}"


def add_options(parser: argparse.ArgumentParser, config: Config | None = None) -> None:
    """Add every value of a Config by its dotted name, a group a section.

    Args:
      parser: of a command that takes an experiment.
      config: whose values are the defaults in the help; None is the default Config.
    """
    defaults = flatten(config or Config())
    groups: dict[str, Any] = {}
    for option in options().values():
        section = option.name.rpartition(".")[0] or "run"
        if section not in groups:
            groups[section] = parser.add_argument_group(section)
        option = dataclasses.replace(option, default=defaults[option.name])
        groups[section].add_argument(f"--{option.name}", **_argument(option))
    parser.add_argument(f"--{_IGNORE_VALUE}", nargs=1, help=argparse.SUPPRESS)


def add_short_options(parser: argparse.ArgumentParser, names: Iterable[str]) -> None:
    """Add values of a Config by the last part of their names; a switch has no value.

    Args:
      parser: of a command that takes a run.
      names: dotted.
    """
    for name in names:
        option, flag = options()[name], f"--{name.rpartition('.')[2]}"
        text = _escaped(f"{option.help} Default: the run's.")
        given: dict[str, Any] = _argument(option) | {"help": text}
        if option.type is bool:
            given = {"action": "store_const", "const": ["True"], "help": text}
        parser.add_argument(flag, dest=name, **given)


def _argument(option: Option) -> dict[str, Any]:
    count, _ = _shape(option.type)
    if isinstance(count, int) and count and _can_be_none(option.type):
        count = "+"  # so many words, or None; `_value` checks which
    return {
        "nargs": count or 1,
        "metavar": _metavar(option.type),
        "help": _escaped(f"{option.help} Default: {default_of(option)}"),
    }


def _escaped(text: str) -> str:
    return text.replace("%", "%%")


def default_of(option: Option) -> str:
    """Write a default as it is given on the command line."""
    return _text(option.default) or ("none" if option.default == () else "empty")


def _text(value: Any) -> str:
    if isinstance(value, float):
        value = float(f"{value:.6g}")  # a third is read as 0.333333
    return " ".join(map(_text, value)) if isinstance(value, tuple) else str(value)


def type_of(option: Option) -> str:
    """Name a type and the number of values."""
    count, group = _shape(option.type)
    word = {"INT": "integer", "NUMBER": "number", "TEXT": "text"}.get(
        _metavar(option.type), "True or False"
    )
    if group:
        return f"{group} {word}s, several times"
    if count == "*":
        return f"any number of {word}s"
    return f"{count} {word}s" if count else word


def _plain(annotation: Any) -> Any:
    """Return a type without its range, and without None."""
    if typing.get_origin(annotation) is Annotated:
        return _plain(typing.get_args(annotation)[0])
    if typing.get_origin(annotation) in (Union, types.UnionType):
        kinds = [each for each in typing.get_args(annotation) if each is not type(None)]
        return _plain(kinds[-1])
    return annotation


def _can_be_none(annotation: Any) -> bool:
    return type(None) in typing.get_args(annotation)


def _shape(annotation: Any) -> tuple[int | str, int]:
    """Return how many words a value has (0: one), and how many of them are a group."""
    kind = _plain(annotation)
    if typing.get_origin(kind) is not tuple:
        return 0, 0
    inner = typing.get_args(kind)
    if inner[-1] is not Ellipsis:
        return len(inner), 0
    each = _plain(inner[0])
    return "*", len(typing.get_args(each)) if typing.get_origin(each) is tuple else 0


def _metavar(annotation: Any) -> str:
    kind = _plain(annotation)
    while typing.get_origin(kind) is tuple:
        kind = _plain(typing.get_args(kind)[0])
    return {int: "INT", float: "NUMBER", bool: "True|False"}.get(kind, "TEXT")


def short_values(given: argparse.Namespace) -> dict[str, Any]:
    """Return what `add_short_options` was given, by the last part of the names.

    Raises:
      UserError: a value of another type or out of its range.
    """
    words = {name: said for name, said in vars(given).items() if name in options()}
    return {
        name.rpartition(".")[2]: _value(options()[name], said, name.rpartition(".")[2])
        for name, said in words.items()
        if said is not None
    }


def values(given: argparse.Namespace) -> dict[str, Any]:
    """Return the values of a Config that were given, by their dotted names.

    Raises:
      UserError: a value of another type or out of its range.
    """
    words = {name: said for name, said in vars(given).items() if said is not None}
    found: dict[str, Any] = {}
    for name, said in words.items():
        if name == _IGNORE_VALUE:  # an earlier name
            found["data.ignore_values"] = () if said == ["-1"] else (_number(said),)
        elif name == _WARMUP and _is_share(said[0]):  # an earlier meaning
            found |= {_WARMUP: 0, _RATIO: float(said[0])}
        elif name in options():
            found[name] = _value(options()[name], said, name)
    if _WARMUP in words and _RATIO not in found:  # it stands in place of the share
        found[_RATIO] = 0.0
    return found


def _is_share(word: str) -> bool:
    try:
        return 0 < float(word) < 1
    except ValueError:
        return False


def _number(words: list[str]) -> int:
    return _value(options()["data.ignore_values"], words, _IGNORE_VALUE)[0]


def _value(option: Option, words: list[str], flag: str) -> Any:
    count, group = _shape(option.type)
    value: Any = words if count else words[0]
    if group:
        value = [words[i : i + group] for i in range(0, len(words), group)]
    adapter: TypeAdapter[Any] = TypeAdapter(option.type)
    if value == "None" or value == ["None"]:
        value = None
    said = " ".join([f"--{flag}", *words]).rstrip()
    if value is not None and count not in (0, "*", len(words)):
        raise UserError(f"{said}: expected {count} values, or None")
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        _, _, reason = first_fault(error)
        raise UserError(f"{said}: {reason}") from error
