"""A pickle read as data: its operations are walked, nothing is imported or called.

A pickle is a program for a small stack machine; `pickle` itself lets that program call
any function.  Here only the operations that build containers, numbers and strings have
an effect of their own.  What a global name, a call or a persistent id stands for is
answered by the `Vocabulary`, which knows a fixed list and refuses the rest by name.

Only what pickle protocols 2 to 5 write is understood, which is all that `torch.save`
uses.  Dicts become `Table`, a list of pairs: the keys of a hostile file are not hashed,
for a tuple can be built that takes years to hash.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

from jaxseg.errors import UserError
from jaxseg.weights.arrays import quote

MAX_OPERATIONS = 500_000
"""Operations of one pickle; a ResNet-101 with the state of AdamW takes 50,000."""

MAX_BYTES = 2**26
"""Bytes of a file's pickles, in which the numbers of the tensors are not counted."""

DAMAGED = "damaged or truncated (fetch or save it again)"

_OPERATIONS = {entry.code.encode("latin-1"): entry for entry in pickletools.opcodes}

_LITERALS = frozenset(
    "BININT BININT1 BININT2 LONG1 LONG4 BINFLOAT BINSTRING SHORT_BINSTRING BINUNICODE "
    "SHORT_BINUNICODE BINUNICODE8 BINBYTES SHORT_BINBYTES BINBYTES8 BYTEARRAY8".split()
)
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}


@dataclass(eq=False, slots=True)
class Table:
    """A dict: its pairs in the order of the file, a later one of the same key wins."""

    pairs: list[tuple[Any, Any]] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Inert:
    """An object of the file that is known, harmless and no weight; it holds nothing."""

    name: str


@dataclass(frozen=True)
class Vocabulary:
    """What a pickle's words mean; each raises UserError on what it does not know.

    Attributes:
      resolve: (module, name) -> what stands for that global.
      call: (callee, arguments) -> what the call would have made.
      persistent: persistent id -> what stands for that object.
    """

    resolve: Callable[[str, str], Any]
    call: Callable[[Any, Any], Any]
    persistent: Callable[[Any], Any]


def load(stream: BytesIO, vocabulary: Vocabulary) -> Any:
    """Return what the pickle at the stream's position builds; the position moves past.

    Returns:
      None, bool, int, float, str, bytes, tuple, list, `Table`, `Inert`, or what the
      vocabulary answered; perhaps cyclic, perhaps deep: walk it with care.

    Raises:
      UserError: damaged, too long, or with something the vocabulary refuses.
    """
    return _Machine(stream, vocabulary).run()


class _Machine:
    """The stack, the memo and the marks of one pickle."""

    def __init__(self, stream: BytesIO, vocabulary: Vocabulary):
        self.stream = stream
        self.vocabulary = vocabulary
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []  # the stacks under each mark
        self.memo: dict[int, Any] = {}
        self.left = MAX_OPERATIONS

    def run(self) -> Any:
        while self.left > 0:
            self.left -= 1
            code = self.stream.read(1)
            operation = _OPERATIONS.get(code)
            if operation is None:
                raise UserError(f"a pickle with the operation {quote(code)}, {DAMAGED}")
            name = operation.name
            if name == "STOP":
                return self.pop()
            if name in _LITERALS:
                self.stack.append(self.argument(operation))
            elif name in _CONSTANTS:
                self.stack.append(_CONSTANTS[name])
            elif name in _HANDLERS:
                _HANDLERS[name](self, operation)
            else:
                raise UserError(
                    f"a pickle with the operation {name}, which torch.save never writes"
                )
        raise UserError(
            f"a pickle of more than {MAX_OPERATIONS:,} operations; save the "
            "weights alone: torch.save(model.state_dict(), PATH)"
        )

    def argument(self, operation: pickletools.OpcodeInfo) -> Any:
        assert operation.arg is not None
        try:
            return operation.arg.reader(self.stream)
        except ValueError as error:  # too short, a negative length, or not UTF-8
            raise UserError(f"a pickle cut short, {DAMAGED}") from error

    def word(self) -> str:
        line = self.stream.readline(1024)
        if not line.endswith(b"\n"):
            raise UserError(f"a pickle with a name that has no end, {DAMAGED}")
        return line[:-1].decode("utf-8", "replace")

    def pop(self) -> Any:
        if not self.stack:
            raise UserError(f"a pickle that takes more than it holds, {DAMAGED}")
        return self.stack.pop()

    def pop_mark(self) -> list[Any]:
        if not self.below:
            raise UserError(f"a pickle that misses a mark, {DAMAGED}")
        items, self.stack = self.stack, self.below.pop()
        return items

    def top(self) -> Any:
        self.stack.append(self.pop())
        return self.stack[-1]

    # Operations.  Each takes (machine, operation).

    def header(self, operation: pickletools.OpcodeInfo) -> None:
        self.argument(operation)  # the protocol, or a frame's length: not needed

    def mark(self, _: pickletools.OpcodeInfo) -> None:
        self.below.append(self.stack)
        self.stack = []

    def discard(self, operation: pickletools.OpcodeInfo) -> None:
        if operation.name == "POP_MARK" or not self.stack:
            self.pop_mark()
        else:
            self.pop()

    def duplicate(self, _: pickletools.OpcodeInfo) -> None:
        self.stack.append(self.top())

    def create(self, operation: pickletools.OpcodeInfo) -> None:
        made = {"EMPTY_LIST": list, "EMPTY_DICT": Table, "EMPTY_SET": _new_set}
        self.stack.append(made[operation.name]())

    def make_tuple(self, operation: pickletools.OpcodeInfo) -> None:
        if operation.name == "TUPLE":
            items = self.pop_mark()
        else:
            count = int(operation.name.removeprefix("TUPLE"))
            items = [self.pop() for _ in range(count)][::-1]
        self.stack.append(tuple(items))

    def make_set(self, _: pickletools.OpcodeInfo) -> None:
        self.pop_mark()
        self.stack.append(_new_set())

    def append(self, operation: pickletools.OpcodeInfo) -> None:
        items = self.pop_mark() if operation.name != "APPEND" else [self.pop()]
        target = self.top()
        if isinstance(target, list) and operation.name != "ADDITEMS":
            target.extend(items)
        elif not isinstance(target, Inert):
            raise UserError(f"a pickle that appends to {quote(target)}, {DAMAGED}")

    def set_items(self, operation: pickletools.OpcodeInfo) -> None:
        if operation.name == "SETITEMS":
            items = self.pop_mark()
        else:
            items = [self.pop(), self.pop()][::-1]
        target = self.top()
        if len(items) % 2:
            raise UserError(f"a pickle with a key without a value, {DAMAGED}")
        if isinstance(target, Table):
            target.pairs.extend(zip(items[::2], items[1::2], strict=True))
        elif not isinstance(target, Inert):
            raise UserError(f"a pickle that sets items of {quote(target)}, {DAMAGED}")

    def remember(self, operation: pickletools.OpcodeInfo) -> None:
        memoize = operation.name == "MEMOIZE"
        index = len(self.memo) if memoize else self.argument(operation)
        self.memo[index] = self.top()

    def recall(self, operation: pickletools.OpcodeInfo) -> None:
        index = self.argument(operation)
        if index not in self.memo:
            raise UserError(f"a pickle that recalls what it never kept, {DAMAGED}")
        self.stack.append(self.memo[index])

    def name(self, operation: pickletools.OpcodeInfo) -> None:
        if operation.name == "GLOBAL":
            module, name = self.word(), self.word()
        else:
            name, module = self.pop(), self.pop()
        if not (isinstance(module, str) and isinstance(name, str)):
            raise UserError(f"a pickle with a global that has no name, {DAMAGED}")
        self.stack.append(self.vocabulary.resolve(module, name))

    def call(self, operation: pickletools.OpcodeInfo) -> None:
        if operation.name == "NEWOBJ_EX":
            self.pop()  # keyword arguments: only what is inert is ever made with them
        arguments, callee = self.pop(), self.pop()
        made = self.vocabulary.call(callee, arguments)
        if isinstance(made, Table):  # a copy, which a short pickle could ask for often
            self.left -= len(made.pairs)
        self.stack.append(made)

    def set_state(self, _: pickletools.OpcodeInfo) -> None:
        self.pop()  # such as the `_metadata` of a state dict: not needed
        if not isinstance(self.top(), Table | Inert):
            raise UserError(f"a pickle that gives a state to {quote(self.top())}")

    def persist(self, _: pickletools.OpcodeInfo) -> None:
        self.stack.append(self.vocabulary.persistent(self.pop()))


def _new_set() -> Inert:
    return Inert("builtins.set")


_HANDLERS: dict[str, Callable[[_Machine, pickletools.OpcodeInfo], None]] = {
    **dict.fromkeys(("PROTO", "FRAME"), _Machine.header),
    "MARK": _Machine.mark,
    **dict.fromkeys(("POP", "POP_MARK"), _Machine.discard),
    "DUP": _Machine.duplicate,
    **dict.fromkeys(("EMPTY_LIST", "EMPTY_DICT", "EMPTY_SET"), _Machine.create),
    **dict.fromkeys(("TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"), _Machine.make_tuple),
    "FROZENSET": _Machine.make_set,
    **dict.fromkeys(("APPEND", "APPENDS", "ADDITEMS"), _Machine.append),
    **dict.fromkeys(("SETITEM", "SETITEMS"), _Machine.set_items),
    **dict.fromkeys(("BINPUT", "LONG_BINPUT", "MEMOIZE"), _Machine.remember),
    **dict.fromkeys(("BINGET", "LONG_BINGET"), _Machine.recall),
    **dict.fromkeys(("GLOBAL", "STACK_GLOBAL"), _Machine.name),
    **dict.fromkeys(("REDUCE", "NEWOBJ", "NEWOBJ_EX"), _Machine.call),
    "BUILD": _Machine.set_state,
    "BINPERSID": _Machine.persist,
}
