"""Pickles that are hostile or wrong: each kind is one line for the user.

A row is a kind, the pickle, and words of its message; `hostile.refused` checks the
rest.  That nothing was run is checked by a file that the pickle would write.
"""

import pickle
import re
import struct
import sys

import numpy as np
import pytest
from hostile import kind, refused
from torch_assembly import (
    FOUR,
    ORDERED,
    call,
    name,
    pickled,
    storage,
    tensor,
    torch_legacy,
    torch_zip,
    value,
)

from jaxseg.weights import pickles
from jaxseg.weights.readers import read_tensors

# Pickles that run code.  Each is a function of a Python statement, and real: another
# test below shows that `pickle.loads` runs the statement.


def _system(code):
    return f"{sys.executable} -c '{code}'"


CODE = [
    kind("eval", lambda c: pickled(call(name("builtins", "eval"), f"exec({c!r})")), ""),
    kind("exec", lambda c: pickled(call(name("builtins", "exec"), c)), ""),
    kind("exec, Python 2", lambda c: pickled(call(name("__builtin__", "exec"), c)), ""),
    kind("os.system", lambda c: pickled(call(name("os", "system"), _system(c))), ""),
    kind(
        "subprocess",
        lambda c: pickled(
            call(name("subprocess", "check_call"), [sys.executable, "-c", c])
        ),
        "",
    ),
    kind(
        "a name from the stack",
        lambda c: b"\x80\x04" + value("builtins") + value("exec") + b"\x93"
        + value((c,)) + b"R.",
        "builtins.exec",
    ),
    kind(
        "a name with dots",
        lambda c: b"\x80\x04" + value("os") + value("path.os.system") + b"\x93"
        + value((_system(c),)) + b"R.",
        "os.path.os.system",
    ),
    kind(
        "getattr and __import__",
        lambda c: pickled(
            call(
                call(
                    name("builtins", "getattr"),
                    call(name("builtins", "__import__"), "builtins"),
                    "exec",
                ),
                c,
            )
        ),
        "builtins.getattr",
    ),
    kind(
        "a class of the file's own making",
        lambda c: pickled(
            call(
                name("builtins", "type"),
                "T",
                (),
                {"__init_subclass__": call(name("builtins", "exec"), c)},
            )
        ),
        "builtins.type",
    ),
    kind("INST", lambda c: b"(" + value(c) + b"ibuiltins\nexec\n.", "INST"),
    kind("OBJ", lambda c: b"(" + name("builtins", "exec") + value(c) + b"o.", "exec"),
    kind(
        "map through NEWOBJ",
        lambda c: pickled(
            name("collections", "deque")
            + value((name("builtins", "map") + value((name("builtins", "exec"), [c]))
                     + b"\x81",))
            + b"R"
        ),
        "builtins.map",
    ),
    kind(
        "something harmless first",
        lambda c: pickled({"a": 1, "b": call(name("builtins", "exec"), c)}),
        "builtins.exec",
    ),
    kind(
        "the state of an object",
        lambda c: pickled(
            name("argparse", "Namespace")
            + b")\x81"
            + value({"x": call(name("builtins", "exec"), c)})
            + b"b"
        ),
        "builtins.exec",
    ),
]  # fmt: skip


def statement(sentinel):
    return f'open("{sentinel}", "w").close()'


@pytest.mark.parametrize("layout", ["zip", "legacy", "bare"])
@pytest.mark.parametrize("make, words", CODE)
def test_code_is_refused_by_name_and_not_run(tmp_path, layout, make, words):
    sentinel = tmp_path / "executed"
    data = make(statement(sentinel))
    if layout == "zip":
        data = torch_zip(data if data[:1] == b"\x80" else b"\x80\x02" + data)
    elif layout == "legacy":
        head = torch_legacy({}, storages=())
        data = head[: head.index(pickled({}))] + data
    elif data[:1] != b"\x80":
        data = b"\x80\x02" + data
    refused(tmp_path, data, words or r"holds '[\w.]+', which is no weight")
    assert not sentinel.exists()


@pytest.mark.parametrize("make, words", CODE)
def test_the_code_above_runs_if_it_is_unpickled(tmp_path, make, words):
    sentinel = tmp_path / "executed"
    try:
        pickle.loads(make(statement(sentinel)))
    except Exception:  # some fall over after they ran
        pass
    assert sentinel.exists()


NAMES = """
    os.system posix.system nt.system subprocess.Popen builtins.open io.open io.FileIO
    builtins.compile builtins.getattr builtins.setattr builtins.globals builtins.type
    builtins.object builtins.map builtins.print builtins.breakpoint builtins.memoryview
    importlib.import_module runpy.run_path pty.spawn shutil.rmtree webbrowser.open
    pickle.loads _pickle.Unpickler marshal.loads code.interact pdb.run timeit.timeit
    types.CodeType types.FunctionType functools.partial functools.reduce
    operator.attrgetter operator.methodcaller operator.itemgetter itertools.starmap
    copyreg._reconstructor copyreg.add_extension codecs.decode _codecs.decode
    ctypes.CDLL socket.socket urllib.request.urlopen logging.config.fileConfig
    torch.load torch.serialization.load torch.hub.load torch.jit.load torch.ops
    torch.storage._load_from_bytes torch._utils._rebuild_qtensor torch.QInt8Storage
    torch._utils._rebuild_sparse_tensor torch._utils._rebuild_wrapper_subclass
    torch._utils._rebuild_device_tensor_from_numpy torch.ComplexFloatStorage
    torch._utils._set_obj_state torch._tensor._rebuild_from_type torch.cuda.FloatStorage
    torch.nn.parameter.Parameter torch.nn.modules.linear.Linear
    torchvision.models.resnet.ResNet torch.utils.collect_env.run
    numpy.load numpy.fromfile numpy.memmap numpy.f2py.compile numpy.frombuffer
    numpy.testing._private.utils.runstring numpy.ctypeslib.load_library
    omegaconf.dictconfig.DictConfig mmengine.config.Config __main__.Config
""".split()


@pytest.mark.parametrize("full", NAMES)
def test_a_name_that_is_no_weight_is_refused_by_name(tmp_path, full):
    module, _, attribute = full.rpartition(".")
    from_stack = value(module) + value(attribute) + b"\x93"
    for word in (name(module, attribute), from_stack):
        data = torch_zip({"state_dict": {"a": tensor()}, "args": word})
        refused(tmp_path, data, rf"holds '{re.escape(full)}', .*nothing of it was run")


# Pickles that are wrong otherwise, in a zip archive that is right.


def laugh(times=2000):
    """A tuple that holds itself twice over, `times` times: small, and endless."""
    return value(("x",)) + b"2\x86" * times


LONG = b"\x8d" + struct.pack("<Q", 2**62)

PICKLES = [
    kind("nothing", b"\x80\x02", "damaged or truncated"),
    kind("no value", b"\x80\x02.", "takes more than it holds"),
    kind("no end", b"\x80\x02N", r"operation b'', damaged or truncated"),
    kind("an unknown operation", b"\x80\x02\xff.", r"operation b'\\xff'"),
    kind("an unknown protocol", b"\x80\xff\x96.", "cut short"),
    kind("a string longer than the file", b"\x80\x02X\xff\xff\xff\x00a.", "cut short"),
    kind("a string of 2**62 bytes", b"\x80\x04" + LONG + b".", "cut short"),
    kind("a negative length", b"\x80\x02\x8b\xff\xff\xff\xff.", "cut short"),
    kind("a string that is not UTF-8", b"\x80\x02X\x01\0\0\0\xff.", "cut short"),
    kind("a name without an end", b"\x80\x02cos" + 2000 * b"x", "has no end"),
    kind("a name that is no text", b"\x80\x04K\x01K\x02\x93.", "has no name"),
    kind("a tuple without a mark", b"\x80\x02t.", "misses a mark"),
    kind("a mark taken", b"\x80\x02N(0\x85.", "no mapping"),
    kind("recall of nothing", b"\x80\x02h\x07.", "never kept"),
    kind("an extension", b"\x80\x02\x82\x01.", "operation EXT1"),
    kind("a wide extension", b"\x80\x02\x84\1\0\0\0.", "operation EXT4"),
    kind("a buffer from outside", b"\x80\x05\x97.", "operation NEXT_BUFFER"),
    kind("text of protocol 0", b"\x80\x02S'os'\n.", "operation STRING"),
    kind("append to a number", b"\x80\x02K\1K\2a.", "appends to 1"),
    kind("an item of a list", b"\x80\x02]K\1K\2s.", "sets items of a list"),
    kind("a key without a value", b"\x80\x02}(K\1u.", "without a value"),
    kind("a state of a list", b"\x80\x02]}b.", "state to a list"),
    kind("a state of a tensor", pickled({"a": tensor() + b"}b"}), "state to a tensor"),
    kind("a call of a dict", pickled(call(value({}))), "calls a table"),
    kind("a call of a storage class", pickled(call(name("torch", "FloatStorage"))),
         "calls a storagetype in"),
    kind("a call with no tuple", pickled(name("torch", "Size") + b"NR"), "calls a"),
    kind("20 arguments", pickled(call(name("torch", "Size"), *range(20))), "calls a f"),
    kind("an identity of 20", pickled(storage(more=range(20))), "not a plain storage"),
    kind("a size of text", pickled(call(name("torch", "Size"), "x")), "torch.Size"),
    kind("an odd OrderedDict", pickled(call(name("collections", "OrderedDict"), [1])),
         "OrderedDict"),
    kind("a persistent id of text", b"\x80\x02Pfile\n.", "operation PERSID"),
    kind("a persistent number", pickled(b"K\1Q"), "not a plain storage"),
    kind("a persistent list", pickled(b"]Q"), "not a plain storage"),
    kind("a persistent nothing", pickled(b")Q"), "not a plain storage"),
    kind("a module", pickled(value(("module", "x", "f.py", "code")) + b"Q"),
         "not a plain storage"),
    kind("a storage of an odd class",
         pickled(value(("storage", name("torch", "Size"), "0", "cpu", 4)) + b"Q"),
         "not a plain storage"),
    kind("a storage without a name", pickled(storage(key=0)), "not a plain storage"),
    kind("a storage of minus four", pickled(storage(count=-4)), "not a plain storage"),
    kind("a storage of 2**62", pickled(storage(count=2**62)), "not a plain storage"),
    kind("a storage of True", pickled(storage(count=True)), "not a plain storage"),
    kind("a view of a storage", pickled(storage(more=(("1", 0, 2),))), "plain storage"),
    kind("a storage not in the file", pickled(storage(key="7")), "lacks .* '7'"),
    kind("a storage up the tree", pickled(storage(key="../data.pkl")), "lacks"),
    kind("a storage too long", pickled(storage(count=5)), "of 16 bytes and .* 20"),
    kind("a storage too short", pickled(storage(count=3)), "of 16 bytes and .* 12"),
    kind("no tensors", pickled({"a": 1}), "no mapping of names to tensors"),
    kind("a tensor alone", pickled(tensor()), "no mapping of names to tensors"),
    kind("tensors under numbers", pickled({1: tensor()}), "no mapping of names"),
    kind("a number alone", pickled(3), "no mapping of names"),
    kind("a name of two lines", pickled({"a\nb": tensor()}), r"called 'a\\nb'; rename"),
    kind("a name with no letters", pickled({"\ud800": tensor()}), r"called '\\ud800'"),
    kind("a name of a megabyte", pickled({"a" * 10**6: tensor()}), "called 'aaa"),
    kind("a name of modules", pickled({"module." * 10**5: tensor()}), "called 'module"),
    kind("lists in lists", pickled(3000 * b"]" + 2999 * b"a"), "nested deeper"),
    kind("dicts in dicts", pickled(40 * b"}U\1a" + b"}" + 40 * b"s"), "nested deeper"),
    kind("a list in itself", pickled(b"]q\0h\0a"), "no mapping of names"),
    kind("a dict in itself", pickled(b"}q\0U\1ah\0s"), "no mapping of names"),
    kind("a billion laughs", pickled(laugh()), "nested deeper than 32"),
    kind("a laughing key", pickled(b"}" + laugh() + b"Ns"), "no mapping of names"),
    kind("a laughing callee", pickled(laugh() + b")R"), "calls a tuple"),
    kind("a laughing identity", pickled(laugh() + b"Q"), "not a plain storage"),
    kind("a laughing size", pickled(tensor(size=(laugh(),))), "a tuple as one of its"),
    kind("a laughing name", pickled(value("os") + laugh() + b"\x93"), "has no name"),
]  # fmt: skip


@pytest.mark.parametrize("data, words", PICKLES)
def test_a_wrong_pickle_is_refused(tmp_path, data, words):
    refused(tmp_path, torch_zip(data), words)


@pytest.mark.parametrize(
    "operations",
    [
        pytest.param(b"N" * 2000, id="many"),
        pytest.param(
            b"](" + b"NN\x86" * 300 + b"eq\0" + (name("collections", "OrderedDict")
            + b"h\0\x85R") * 10, id="copies of a long list"),
    ],
)  # fmt: skip
def test_a_pickle_with_too_many_operations(tmp_path, monkeypatch, operations):
    monkeypatch.setattr(pickles, "MAX_OPERATIONS", 1000)
    refused(tmp_path, torch_zip(pickled(operations)), "more than 1,000 operations")


@pytest.mark.parametrize("mark", [b"q\0", b"r\xff\xff\xff\xff", b"\x94"])
def test_a_nested_value_beside_the_weights_is_ignored(tmp_path, mark):
    path = tmp_path / "weights.pth"
    path.write_bytes(torch_zip({"a": tensor(), "b": laugh(20) + mark, "c": 3}))
    assert list(read_tensors(path)) == ["a"]


def v3(dtype, size=(4,)):
    source = storage("UntypedStorage", count=16)
    function = name("torch._utils", "_rebuild_tensor_v3")
    return call(function, source, 0, size, (1,), False, ORDERED, dtype)


PARAMETER = name("torch._utils", "_rebuild_parameter")
FROM_TYPE = name("torch._tensor", "_rebuild_from_type_v2")
REBUILD = name("torch._utils", "_rebuild_tensor_v2")
TENSOR = name("torch", "Tensor")

TENSORS = [
    kind("a negative size", tensor(size=(-4,)), "-4 as one of its sizes"),
    kind("a negative stride", tensor(stride=(-1,)), "stride or offset -1"),
    kind("a negative offset", tensor(offset=-1), "stride or offset -1"),
    kind("a size of True", tensor(size=(True,)), "True as one of its sizes"),
    kind("a size of 4.0", tensor(size=(4.0,)), "4.0 as one of its sizes"),
    kind("a size of text", tensor(size=("4",)), "'4' as one of its sizes"),
    kind("an offset of text", tensor(offset="0"), "stride or offset '0'"),
    kind("a stride of None", tensor(stride=(None,)), "stride or offset None"),
    kind("a size of 2**62", tensor(size=(2**62,), stride=(0,)), "as one of its sizes"),
    kind("a size of 2**9999", tensor(size=(2**9999,)), "a number of 10000 bits"),
    kind("a stride of 2**9999", tensor(stride=(2**9999,)), "a number of 10000 bits"),
    kind("an offset of 2**9999", tensor(offset=2**9999), "a number of 10000 bits"),
    kind("2**60 elements", tensor(size=3 * (2**20,), stride=(0, 0, 0)), "2\\*\\*48 el"),
    kind("no elements, of 2**60", tensor(size=(0, *3 * (2**20,)), stride=4 * (0,)),
         "2\\*\\*48 elements"),
    kind("2**40 elements of one", tensor(size=2 * (2**20,), stride=(0, 0)),
         "declares 4,398,046,511,104 bytes of tensors"),
    kind("33 dimensions", tensor(size=33 * (1,), stride=33 * (1,)), "33 dimensions"),
    kind("fewer strides", tensor(size=(2, 2)), "2 sizes and 1 strides"),
    kind("more strides", tensor(stride=(1, 1)), "1 sizes and 2 strides"),
    kind("too long", tensor(size=(5,)), "reaches number 4 of a storage of 4"),
    kind("too far", tensor(offset=1), "reaches number 4 of a storage of 4"),
    kind("too wide", tensor(size=(2, 2), stride=(3, 1)), "reaches number 4 of"),
    kind("a scalar outside", tensor(offset=4, size=(), stride=()), "reaches number 4"),
    kind("a list as size", tensor(size=[4]), "no storage, offset, size and stride"),
    kind("no storage", tensor(value("0")), "no storage, offset, size and stride"),
    kind("a storage unresolved", tensor(value(("storage", 0))), "no storage, offset"),
    kind("a negated view", tensor(more=({"neg": True},)), "no storage, offset"),
    kind("too few arguments", call(REBUILD, storage(), 0), "no storage, offset"),
    kind("a dtype of text", v3("uint16"), "no storage, offset"),
    kind("an untyped one outside", v3(name("torch", "uint16"), (9,)), "8 of a storage"),
    kind("a parameter of text", call(PARAMETER, "a", True, {}), "what is no tensor"),
    kind("a parameter of nothing", call(PARAMETER), "what is no tensor"),
    kind("another class", call(FROM_TYPE, REBUILD, name("torch", "Size"), (), {}),
         "not torch.Tensor"),
    kind("another function",
         call(FROM_TYPE, name("collections", "OrderedDict"), TENSOR, (), {}),
         "not torch.Tensor"),
    kind("a class inside itself",
         call(FROM_TYPE, FROM_TYPE, TENSOR, (FROM_TYPE, TENSOR, (), {}), {}),
         "not torch.Tensor"),
    kind("NaN", tensor(storage(key="n")), "'a' has 4 values that are NaN or infinite"),
]  # fmt: skip


@pytest.mark.parametrize("data, words", TENSORS)
def test_a_wrong_tensor_is_refused(tmp_path, data, words):
    storages = {"0": FOUR, "n": np.full(4, np.nan, "<f4").tobytes()}
    refused(tmp_path, torch_zip({"a": data}, storages), words)


def test_a_tensor_tied_a_million_times_is_not_read_a_million_times(tmp_path):
    names = b"".join(value(f"t{i}") + b"h\0" for i in range(1000))
    data = pickled(b"}(U\1a" + tensor(storage(count=2**18), size=(2**18,)) + b"q\0"
                   + names + b"u")  # fmt: skip
    refused(
        tmp_path, torch_zip(data, {"0": bytes(2**20)}), "bytes of tensors in a file"
    )


# The layout before PyTorch 1.6.


A = {"a": tensor()}

LEGACY = [
    kind("another pickle", pickled({"a": 1}), "torch.save did not write"),
    kind("a nested pickle", pickled(laugh()), "torch.save did not write"),
    kind("another magic number", torch_legacy(A, magic=7), "torch.save did not write"),
    kind("another version", torch_legacy(A, version=1002), "an unknown version"),
    kind("big-endian", torch_legacy(A, little_endian=False), "big-endian"),
    kind("no list of storages", torch_legacy(A, keys=()), "lacks the storage '0'"),
    kind("a dict of storages", torch_legacy(A)[:-25] + pickled({}), "no list of"),
    kind("a storage undeclared", torch_legacy(A, keys=("0", "1")), "a storage '1'"),
    kind("a storage listed twice", torch_legacy(A, keys=("0", "0")), "lists a storage"),
    kind("a storage of no name", torch_legacy(A, keys=(0,)), "lists a storage 0"),
    kind("a laughing storage", torch_legacy(A, keys=(laugh(),)), "lists a storage a t"),
    kind("a negative length", torch_legacy(A, storages=[(-4, FOUR)]), "another length"),
    kind("a length of 2**62", torch_legacy(A, storages=[(2**62, FOUR)]), "another len"),
    kind("too short", torch_legacy(A, storages=[(3, FOUR)]), "another length"),
    kind("no numbers", torch_legacy(A, storages=[(4, b"")]), "cut short"),
    kind("no storages", torch_legacy(A, storages=[]), "cut short"),
    kind("4 TB declared", torch_legacy({"a": tensor(storage(count=2**40))}), "cut"),
    kind("one storage in two ways",
         torch_legacy({"a": tensor(), "b": tensor(storage(count=5))}), "in two ways"),
    kind("one storage of two types",
         torch_legacy({"a": tensor(), "b": tensor(storage("IntStorage"))}), "two ways"),
]  # fmt: skip


@pytest.mark.parametrize("data, words", LEGACY)
def test_a_wrong_file_of_the_first_layout(tmp_path, data, words):
    refused(tmp_path, data, words)
