"""The names that a PyTorch file may use, and what stands for each.

Four kinds are known.  What rebuilds tensors becomes a `Tensor`, a description that is
checked against its storage and read only if it is wanted.  Containers become `Table`
and tuple.  Objects that training scripts keep beside the weights and that only hold
data (argparse.Namespace, paths, dates, NumPy scalars and arrays, sets) become `Inert`:
they are passed over, their contents with them.  Every other name is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxseg.errors import UserError
from jaxseg.weights.arrays import DTYPES, count_elements, quote
from jaxseg.weights.pickles import Inert, Table, Vocabulary

_MAX_ARGUMENTS = 16  # matching copies them; a short pickle can call often


@dataclass(frozen=True, eq=False)
class Storage:
    """A run of numbers in the file.

    Attributes:
      key: its name in the file.
      dtype: their type; uint8 for an untyped storage.
      nbytes: its length.
    """

    key: str
    dtype: np.dtype
    nbytes: int


@dataclass(frozen=True, eq=False)
class Tensor:
    """A tensor of the file, within its storage, not read yet.

    Attributes:
      storage: where its numbers are.
      dtype: their type.
      offset: of the first number, in numbers.
      shape: sizes.
      strides: in numbers, none negative.
    """

    storage: Storage
    dtype: np.dtype
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """Bytes of the tensor read."""
        return count_elements(self.shape) * self.dtype.itemsize


@dataclass(frozen=True, eq=False)
class StorageType:
    """A class of storages, such as torch.FloatStorage."""

    dtype: np.dtype


@dataclass(frozen=True, eq=False)
class Function:
    """A global that may be called, and what makes the stand-in of its result."""

    name: str
    build: Callable[[tuple[Any, ...]], Any]


def storage(identity: Any) -> Storage:
    """Describe the storage of a persistent id, ("storage", class, key, device, length).

    Raises:
      UserError: any other persistent id.
    """
    if not isinstance(identity, tuple) or len(identity) > _MAX_ARGUMENTS:
        identity = None
    match identity:
        case (str("storage"), StorageType() as kind, str(key), _, count, *rest):
            old_view = rest and rest[0] is not None  # before 0.4: a part of another
            if type(count) is int and 0 <= count < 2**48 and not old_view:
                return Storage(key, kind.dtype, count * kind.dtype.itemsize)
    raise UserError("refers to something outside that is not a plain storage")


def _tensor(arguments: tuple[Any, ...]) -> Tensor:
    """_rebuild_tensor and _rebuild_tensor_v2: storage, offset, size, stride."""
    match arguments:
        case (Storage() as source, offset, tuple(size), tuple(stride), *rest):
            # The fourth of `rest` marks views that are conjugated or negated.
            if len(rest) < 3 or _is_empty(rest[2]):
                return _checked(source, source.dtype, offset, size, stride)
    raise UserError(
        "rebuilds a tensor from what is no storage, offset, size and stride"
    )


def _tensor_of_dtype(arguments: tuple[Any, ...]) -> Tensor:
    """_rebuild_tensor_v3: as _tensor, of an untyped storage, with a dtype."""
    match arguments:
        case (
            Storage() as source,
            offset,
            tuple(size),
            tuple(stride),
            _,
            _,
            np.dtype() as dtype,
            *rest,
        ):
            if not rest or _is_empty(rest[0]):
                return _checked(source, dtype, offset, size, stride)
    raise UserError(
        "rebuilds a tensor from what is no storage, offset, size and stride"
    )


def _is_empty(metadata: Any) -> bool:
    return metadata is None or (isinstance(metadata, Table) and not metadata.pairs)


def _checked(
    source: Storage, dtype: np.dtype, offset: Any, size: tuple, stride: tuple
) -> Tensor:
    """Describe a tensor that lies within its storage."""
    elements = count_elements(size)
    if len(stride) != len(size):
        raise UserError(f"a tensor with {len(size)} sizes and {len(stride)} strides")
    for step in (offset, *stride):
        if type(step) is not int or not 0 <= step < 2**48:
            raise UserError(f"a tensor with the stride or offset {quote(step)}")
    held = source.nbytes // dtype.itemsize
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if elements and last >= held:
        raise UserError(f"a tensor that reaches number {last} of a storage of {held}")
    return Tensor(source, dtype, offset, size, stride)


def _parameter(arguments: tuple[Any, ...]) -> Tensor:
    """_rebuild_parameter and _rebuild_parameter_with_state: the tensor comes first."""
    match arguments:
        case (Tensor() as tensor, *_):
            return tensor
    raise UserError("rebuilds a parameter from what is no tensor")


def _from_type(arguments: tuple[Any, ...]) -> Any:
    """_rebuild_from_type_v2: a function, a class of tensors, arguments, a state."""
    match arguments:
        case (Function() as function, Inert("torch.Tensor"), tuple(inner), _):
            if function.build in (_tensor, _tensor_of_dtype):
                return function.build(inner)
    raise UserError("rebuilds a tensor of a class that is not torch.Tensor")


def _table(arguments: tuple[Any, ...]) -> Table:
    """collections.OrderedDict: nothing, or a list of (key, value)."""
    match arguments:
        case ():
            return Table()
        case (list(items),) if all(
            isinstance(item, tuple | list) and len(item) == 2 for item in items
        ):
            return Table([(key, value) for key, value in items])
    raise UserError("an OrderedDict that is made of something else than pairs")


def _size(arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    match arguments:
        case (tuple(sizes),):
            return sizes
    raise UserError("a torch.Size that is made of something else than a tuple")


_STORAGES = {
    "BoolStorage": "bool",
    "ByteStorage": "uint8",
    "CharStorage": "int8",
    "ShortStorage": "int16",
    "IntStorage": "int32",
    "LongStorage": "int64",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "FloatStorage": "float32",
    "DoubleStorage": "float64",
}

_FUNCTIONS = {
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _tensor_of_dtype,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_parameter_with_state": _parameter,
    "torch._tensor._rebuild_from_type_v2": _from_type,
    "torch.Size": _size,
    "collections.OrderedDict": _table,
}

_INERT = (
    "torch.Tensor torch.device torch.torch_version.TorchVersion "
    "argparse.Namespace types.SimpleNamespace "
    "pathlib.Path pathlib.PosixPath pathlib.WindowsPath pathlib.PurePath "
    "pathlib.PurePosixPath pathlib.PureWindowsPath "
    "pathlib._local.PosixPath pathlib._local.WindowsPath "
    "datetime.date datetime.datetime datetime.time datetime.timedelta "
    "datetime.timezone "
    "collections.Counter collections.defaultdict collections.deque "
    "numpy.dtype numpy.ndarray _codecs.encode "
    "numpy.core.multiarray.scalar numpy.core.multiarray._reconstruct "
    "numpy._core.multiarray.scalar numpy._core.multiarray._reconstruct "
).split()

# Classes of values; Python 2 and pickle protocols below 3 call `builtins` __builtin__.
_BUILTINS = "bool bytearray bytes complex dict float frozenset int list set str tuple"

_GLOBALS: dict[str, Any] = {
    **{f"torch.{name}": StorageType(DTYPES[d]) for name, d in _STORAGES.items()},
    "torch.storage.UntypedStorage": StorageType(DTYPES["uint8"]),
    **{f"torch.{name}": dtype for name, dtype in DTYPES.items()},
    **{name: Function(name, build) for name, build in _FUNCTIONS.items()},
    **{name: Inert(name) for name in _INERT},
    **{
        f"{module}.{name}": Inert(f"builtins.{name}")
        for module in ("builtins", "__builtin__")
        for name in _BUILTINS.split()
    },
}


def resolve(module: str, name: str) -> Any:
    """Return what stands for a global.

    Raises:
      UserError: it is not in the list; the message names it.
    """
    full = f"{module}.{name}"
    if full not in _GLOBALS:
        raise UserError(
            f"holds {quote(full)}, which is no weight (nothing of it was run); if you "
            "trust the file, open it with PyTorch and save the weights alone: "
            "torch.save(model.state_dict(), PATH)"
        )
    return _GLOBALS[full]


def call(callee: Any, arguments: Any) -> Any:
    """Return what stands for the result of a call.

    Raises:
      UserError: the callee may not be called, or not with these arguments.
    """
    if isinstance(callee, Inert):
        return callee
    if isinstance(callee, Function) and isinstance(arguments, tuple):
        if len(arguments) <= _MAX_ARGUMENTS:
            return callee.build(arguments)
    raise UserError(f"calls {quote(callee)} in a way that is not known")


VOCABULARY = Vocabulary(resolve=resolve, call=call, persistent=storage)
"""What the words of a PyTorch file mean."""
