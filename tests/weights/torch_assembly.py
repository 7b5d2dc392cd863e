"""PyTorch files put together byte by byte, to hold also what torch never wrote.

A pickle is a sequence of operations on a stack; each function returns the bytes that
push one value.
"""

import io
import pickle
import struct
import zipfile

import numpy as np

FOUR = np.arange(4, dtype="<f4").tobytes()
"""The storage that `tensor` means unless it is told otherwise."""


def name(module, attribute):
    return b"c" + module.encode() + b"\n" + attribute.encode() + b"\n"


def value(thing):
    """Push None, a bool, number, str, or container of such; bytes are left as is."""
    match thing:
        case bytes():
            return thing
        case str():
            text = thing.encode("utf-8", "surrogatepass")
            return b"X" + struct.pack("<I", len(text)) + text
        case tuple():
            return b"(" + b"".join(map(value, thing)) + b"t"
        case list():
            return b"](" + b"".join(map(value, thing)) + b"e"
        case dict():
            items = [value(part) for pair in thing.items() for part in pair]
            return b"}(" + b"".join(items) + b"u"
    # What pickle writes for a plain value, without the protocol and the end.
    return pickle.dumps(thing, 2)[2:-1]


def call(function, *arguments):
    return function + value(arguments) + b"R"


def pickled(thing):
    """A whole pickle: protocol, the value, the end."""
    return b"\x80\x02" + value(thing) + b"."


def storage(kind="FloatStorage", key="0", count=4, more=()):
    module = "torch.storage" if kind == "UntypedStorage" else "torch"
    identity = ("storage", name(module, kind), key, "cpu", count, *more)
    return value(identity) + b"Q"


ORDERED = call(name("collections", "OrderedDict"))


def tensor(source=None, offset=0, size=(4,), stride=(1,), more=()):
    return call(
        name("torch._utils", "_rebuild_tensor_v2"),
        storage() if source is None else source,
        offset,
        size,
        stride,
        False,
        ORDERED,
        *more,
    )


def zipped(entries, packed=zipfile.ZIP_STORED):
    """A zip archive; `entries` are pairs, so that a name can come twice."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", packed) as archive:
        for entry, data in entries:
            archive.writestr(zipfile.ZipInfo(entry), data, packed)
    return buffer.getvalue()


def torch_zip(thing, storages=None, more=()):
    """What torch.save writes since 1.6; `thing` is a value, or a whole pickle."""
    whole = isinstance(thing, bytes) and thing[:1] == b"\x80"
    entries = [("a/data.pkl", thing if whole else pickled(thing))]
    for key, data in ({"0": FOUR} if storages is None else storages).items():
        entries.append((f"a/data/{key}", data))
    return zipped([*entries, *more])


def torch_legacy(
    thing,
    keys=("0",),
    storages=((4, FOUR),),
    magic=0x1950A86A20F9469CFC6C,
    version=1001,
    little_endian=True,
):
    """What torch.save wrote before 1.6."""
    machine = {"protocol_version": version, "little_endian": little_endian}
    parts = [pickled(part) for part in (magic, version, machine, thing, list(keys))]
    parts += [struct.pack("<q", count) + data for count, data in storages]
    return b"".join(parts)
