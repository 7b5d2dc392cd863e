"""Registries of the names in a configuration, and the options given with a name.

A registry holds the heads, losses, transforms, ... by name.  A configuration names one
of them in text, with options of its own in brackets: `pspnet(bins=(1, 2, 4))`.  The
options are the fields of the class behind the name, checked by their types and ranges.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import AfterValidator, ConfigDict, TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError

from jaxseg.errors import UnknownName, UserError, choose
from jaxseg.schema import first_fault

Entry = TypeVar("Entry")
Made = TypeVar("Made")


class Registry(dict[str, Entry]):
    """Entries of one kind by name.

    Attributes:
      kind: what they are, for messages: "head", "loss", ...
    """

    def __init__(self, kind: str, entries: Mapping[str, Entry]):
        """Create the registry with the entries of the package."""
        super().__init__(entries)
        self.kind = kind
        self._of_package = frozenset(entries)
        self._modules: dict[str, str] = {}

    def find(self, name: str, others: Collection[str] = ()) -> Entry:
        """Return the entry of a name.

        Args:
          name: of the entry.
          others: further names that may be given, for the message.

        Raises:
          UnknownName: there is none; the message names the nearest and lists all.
        """
        known: dict[str, Any] = {**dict.fromkeys(others), **self}
        try:
            return choose(self.kind, name, known)
        except UserError as error:
            raise UnknownName(str(error)) from error

    def own(self, name: str) -> bool:
        """Whether an entry was registered from outside the package."""
        return name in self and name not in self._of_package

    def require_name(self, name: Any) -> None:
        """Refuse a name that a new entry cannot have.

        Raises:
          UserError: it is no text, no identifier, or the name of one of jaxseg's own.
        """
        if not isinstance(name, str):
            decorator = f"@jaxseg.register_{self.kind.replace(' ', '')}"
            raise UserError(f'{decorator} takes a name: write {decorator}("my_own")')
        if not name.isidentifier():
            raise UserError(
                f"{self.kind} {name!r}: a name has letters, digits and underscores, and"
                " does not begin with a digit"
            )
        if name in self._of_package:
            raise UserError(
                f"{self.kind} {name!r} is one of jaxseg's own: register yours under"
                " another name"
            )

    def register(self, name: str, entry: Entry, *, of: Any) -> None:
        """Add an entry; one that the same module added before is replaced.

        So an experiment may be loaded twice, and a cell of a notebook run again.

        Args:
          name: of the entry.
          entry: what `find` returns.
          of: the class or function behind it, which knows its module.

        Raises:
          UserError: as `require_name`, or another module has registered the name.
        """
        self.require_name(name)
        module = str(getattr(of, "__module__", ""))
        before = self._modules.setdefault(name, module)
        if before != module:
            raise UserError(
                f"{self.kind} {name!r} is registered already, by {_file_of(before)}:"
                " give one of the two another name, or import it from one file in both"
            )
        self[name] = entry


def _file_of(module: str) -> str:
    """Return the file of a module, or else its name."""
    return getattr(sys.modules.get(module), "__file__", None) or module


@dataclass(frozen=True)
class Named:
    """A name with the options that were given with it.

    Attributes:
      name: to be looked up in a registry.
      options: by name.
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)


def parse(kind: str, text: str) -> Named:
    """Read `NAME` or `NAME(OPTION=VALUE, ...)`; values are Python literals.

    Args:
      kind: what it names, for the message.
      text: from a configuration.

    Raises:
      UserError: it is neither.
    """
    if "(" not in text:  # the registry refuses unknown names
        return Named(text)
    try:
        call = ast.parse(text.strip(), mode="eval").body
        assert isinstance(call, ast.Call) and isinstance(call.func, ast.Name)
        assert not call.args and all(word.arg for word in call.keywords)
        options = {str(w.arg): ast.literal_eval(w.value) for w in call.keywords}
    except (AssertionError, ValueError, SyntaxError, RecursionError, MemoryError) as e:
        raise UserError(
            f"{kind} {text!r}: give a name, or a name with options in brackets, such as"
            " name(option=2, other=(1, 2))"
        ) from e
    return Named(call.func.id, options)


def fields_of(target: type) -> dict[str, Any]:
    """Return the types of the fields of a dataclass or Linen module, by name."""
    types: dict[str, Any] = {}
    for base in reversed(target.__mro__):
        if "__dataclass_fields__" in vars(base):
            types |= inspect.get_annotations(base, eval_str=True)
    fields = dataclasses.fields(target)
    return {field.name: types[field.name] for field in fields if field.init}


def required_of(target: type) -> list[str]:
    """Return the names of the fields that have no default."""
    none = dataclasses.MISSING
    return [
        field.name
        for field in dataclasses.fields(target)
        if field.init and field.default is none and field.default_factory is none
    ]


def check_options(
    owner: str,
    known: Mapping[str, Any],
    given: Mapping[str, Any],
    required: Collection[str] = (),
) -> dict[str, Any]:
    """Return options, checked by the types and ranges of the fields that take them.

    Args:
      owner: whose options they are, for the message: "head 'unet'".
      known: the types of its options, by name.
      given: the values, by name; lists become tuples.
      required: the options that have no default.

    Raises:
      UserError: an option that the owner does not have, one that is missing, or a value
        that does not fit.
    """
    if missing := [name for name in required if name in known and name not in given]:
        raise UserError(
            f"{owner} has no default for its option {missing[0]}: give it in brackets"
            f" after the name, as in name({missing[0]}=...)"
        )
    if unknown := sorted(set(given) - set(known)):
        raise UserError(
            f"{owner} has no option {', '.join(unknown)};"
            f" it has {', '.join(sorted(known)) or 'none'}"
        )
    checked = {}
    for name, value in given.items():
        value = tuple(value) if isinstance(value, list) else value
        try:
            checked[name] = adapter(known[name]).validate_python(value, strict=True)
        except ValidationError as error:
            _, wrong, reason = first_fault(error)
            raise UserError(f"option {name} of {owner}, {wrong}: {reason}") from error
    return checked


def check_class_options(
    owner: str, target: type, given: Mapping[str, Any]
) -> dict[str, Any]:
    """Return options of a class all of whose fields are options, as `check_options`."""
    return check_options(owner, fields_of(target), given, required_of(target))


def create(owner: str, target: type[Made], options: Mapping[str, Any]) -> Made:
    """Create an object of a registered class, with checked options.

    Raises:
      UserError: the class itself refuses them.
    """
    try:
        return target(**options)
    except (ValueError, TypeError) as error:
        raise UserError(f"{owner}: {error}") from error


def adapter(annotation: Any) -> Any:
    """Return the checker of a type's values, or None if no text can give one."""
    try:
        return TypeAdapter(annotation, config=ConfigDict(allow_inf_nan=False))
    except PydanticUserError:
        return TypeAdapter(Any)


def one_of(kind: str, names: Collection[str]) -> AfterValidator:
    """Return what a text's `Annotated` type needs to be a name of a table."""

    def known(name: str) -> str:
        choose(kind, name, dict.fromkeys(names))
        return name

    return AfterValidator(known)


Decorator = Callable[[Entry], Entry]
"""What a `register_...` function returns: it takes a class or function, unchanged."""
