"""Files that are broken or hostile: each kind is one line for the user.

A row is a kind, the file, and words of its message; `hostile.refused` checks the rest.
Pickles have their own tables.
"""

import io
import json
import os
import struct
import zipfile

import numpy as np
import pytest
from hostile import kind, refused
from torch_assembly import FOUR, pickled, tensor, torch_zip, zipped

from jaxseg.errors import UserError
from jaxseg.weights import archives, pickles
from jaxseg.weights.readers import read_tensors

# Zip archives.


GOOD = torch_zip({"a": tensor()})
DATA = ("a/data.pkl", pickled({"a": tensor()}))
NUMBERS = ("a/data/0", FOUR)


def patched(data, *changes):
    """Put other numbers into every directory entry: (place, format, number)."""
    data = bytearray(data)
    at = -1
    while (at := data.find(b"PK\1\2", at + 1)) >= 0:
        for place, form, number in changes:
            struct.pack_into(form, data, at + place, number)
    return bytes(data)


ZIPS = [
    kind("nothing in it", zipped([]), "not one that torch.save or numpy.savez wrote"),
    kind("no pickle", zipped([NUMBERS]), "not one that torch.save"),
    kind("two pickles", zipped([DATA, ("b/data.pkl", b"")]), "not one that torch.save"),
    kind("no folder", zipped([("data.pkl", b"")]), "not one that torch.save"),
    kind("a folder deep", zipped([("a/b/data.pkl", b"")]), "not one that torch.save"),
    kind("another zip", zipped([("word/text.xml", b"")]), "not one that torch.save"),
    kind("Keras 3", zipped([("model.weights.h5", b"")]), "model.save_weights"),
    kind("no storage", zipped([DATA]), "lacks the storage '0'"),
    kind("TorchScript", zipped([DATA, ("a/constants.pkl", b"")]), "TorchScript"),
    kind("big-endian", torch_zip({}, more=[("a/byteorder", b"big")]), "big-endian"),
    kind("a name up the tree", torch_zip({}, more=[("a/../../b", b"")]), "outside"),
    kind("a name from the root", torch_zip({}, more=[("/etc/passwd", b"")]), "outside"),
    kind("a name of Windows", torch_zip({}, more=[("a\\..\\b", b"")]), "outside"),
    kind("no name", GOOD.replace(b"a/data.pkl", b"\0/data.pkl"), "outside .*''"),
    kind("encrypted", patched(GOOD, (8, "<H", 1)), "the encrypted entry 'a/data.pkl'"),
    kind("bzip2", zipped([DATA], zipfile.ZIP_BZIP2), "otherwise than by deflate"),
    kind("lzma", zipped([DATA], zipfile.ZIP_LZMA), "otherwise than by deflate"),
    kind("an unknown packing", patched(GOOD, (10, "<H", 77)), "otherwise than"),
    kind("a bomb", zipped([DATA, ("a/data/0", bytes(2**26))], zipfile.ZIP_DEFLATED),
         "unpacks to 67,1"),
    kind("a bomb that lies",
         patched(zipped([("a/data.pkl", bytes(2**26))], zipfile.ZIP_DEFLATED),
                 (24, "<I", 100)), "damaged entry 'a/data.pkl'"),
    kind("4 GB declared", patched(GOOD, (24, "<I", 2**32 - 2)), "unpacks to 8,5"),
    kind("more declared than held", patched(GOOD, (24, "<I", 999)), "cut|damaged"),
    kind("an entry outside the file", patched(GOOD, (42, "<I", 10**6)), "damaged"),
    kind("an entry on another", patched(GOOD, (42, "<I", 3)), "damaged"),
    kind("a wrong checksum", GOOD.replace(FOUR, FOUR[::-1]), "entry 'a/data/0'"),
    kind("a directory outside", GOOD[:-6] + b"\xff\xff\xff\x7f\0\0", "damaged"),
    kind("a directory of 2 GB", GOOD[:-10] + b"\xff\xff\xff\x7f" + GOOD[-6:],
         "damaged or cut|directory"),
    kind("only the end", GOOD[GOOD.index(b"PK\5\6"):], "damaged|not one that"),
]  # fmt: skip


@pytest.mark.parametrize("data, words", ZIPS)
def test_a_wrong_zip_is_refused(tmp_path, data, words):
    refused(tmp_path, data, words)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_zip_with_a_name_twice(tmp_path):
    refused(tmp_path, zipped([DATA, NUMBERS, NUMBERS]), "two entries 'a/data/0'")


def test_a_zip_with_a_long_pickle(tmp_path, monkeypatch):
    monkeypatch.setattr(pickles, "MAX_BYTES", 100)
    refused(tmp_path, GOOD, "a pickle of more than 100 bytes")


def test_a_zip_with_a_long_directory(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MAX_DIRECTORY", 1000)
    entries = [(f"a/{index}", b"") for index in range(30)]
    refused(tmp_path, zipped([DATA, *entries]), "directory above 1,000 bytes")


# safetensors.


def safe(header, numbers=b"", length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + numbers


def entry(begin=0, end=16, shape=(4,), dtype="F32", **more):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end], **more}


NOT_JSON = "header that is not JSON"

SAFETENSORS = [
    kind("a header past the end", safe({"a": entry()}, FOUR, 9999), "of 9,999 bytes"),
    kind("a header of 2**62", safe({"a": entry()}, FOUR, 2**62), "100,000,000 at most"),
    kind("a header cut short", safe({"a": entry()}, FOUR, 12), NOT_JSON),
    kind("an empty header", struct.pack("<Q", 0) + b"{", NOT_JSON),
    kind("not JSON", safe(b"{\0nonsense"), NOT_JSON),
    kind("not UTF-8", safe(b'{"\xff": 1}'), NOT_JSON),
    kind("JSON in JSON", safe(b'{"a":' + 10**5 * b"[" + 10**5 * b"]" + b"}"), NOT_JSON),
    kind("a number without end", safe(b'{"a":' + 10**5 * b"9" + b"}"), NOT_JSON),
    kind("two values", safe(b"{}{}"), NOT_JSON),
    kind("a million values", safe(b'{"a":[' + 10**6 * b"0," + b"0]}"), "1,000,000 va"),
    kind("no tensors", safe({}), "no tensors"),
    kind("only text", safe({"__metadata__": {"a": "b"}}), "no tensors"),
    kind("metadata of numbers", safe({"__metadata__": {"a": 1}}), "not all text"),
    kind("metadata of a list", safe({"__metadata__": []}), "not all text"),
    kind("a name twice", safe(b'{"a":1,"a":2}'), "with 'a' twice"),
    kind("a key twice", safe(b'{"a":{"dtype":"F32","dtype":"I8"}}'), "'dtype' twice"),
    kind("a tensor of text", safe({"a": "x"}), "'a' lacks dtype, shape or offsets"),
    kind("a tensor of nothing", safe({"a": {}}), "'a' lacks dtype, shape or offsets"),
    kind("a key too many", safe({"a": entry(x=1)}, FOUR), "'a' lacks dtype"),
    kind("three offsets", safe({"a": entry() | {"data_offsets": [0, 4, 16]}}), "lacks"),
    kind("offsets of True", safe({"a": entry(False, True)}), "'a' lacks dtype"),
    kind("offsets of 0.5", safe({"a": entry(0.5, 16.5)}, FOUR), "'a' lacks dtype"),
    kind("an unknown dtype", safe({"a": entry(dtype="F3")}, FOUR), "'a' is 'F3'; read"),
    kind("a dtype not read", safe({"a": entry(dtype="F8_E4M3")}, FOUR), "read are U64"),
    kind("a negative size", safe({"a": entry(shape=(-2, -2))}, FOUR), "-2 as one of"),
    kind("a size of 4.0", safe({"a": entry(shape=(4.0,))}, FOUR), "4.0 as one of"),
    kind("a size of 2**80", safe({"a": entry(shape=(2**80,))}, FOUR), "81 bits"),
    kind("2**60 elements", safe({"a": entry(shape=3 * (2**20,))}), "2\\*\\*48 el"),
    kind("sizes that wrap", safe({"a": entry(0, 0, (2**32, 2**32))}), "2\\*\\*48"),
    kind("100 dimensions", safe({"a": entry(shape=100 * (1,))}), "100 dimensions"),
    kind("a wrong length", safe({"a": entry(0, 12)}, FOUR), "takes 16 bytes and lies"),
    kind("backwards", safe({"a": entry(16, 0)}, FOUR), "lies at 16 to 0"),
    kind("a negative offset", safe({"a": entry(-16, 0)}, FOUR), "lies at -16 to 0"),
    kind("2**90 offsets", safe({"a": entry(2**90, 2**90 + 16)}, FOUR), "91 bits"),
    kind("one on another", safe({"a": entry(), "b": entry(8, 24)}, FOUR + FOUR),
         "'b' overlaps another"),
    kind("one in one place", safe({"a": entry(), "b": entry()}, FOUR), "'b' overlaps"),
    kind("a gap", safe({"a": entry(), "b": entry(20, 36)}, FOUR + FOUR), "a gap"),
    kind("a gap at the front", safe({"a": entry(4, 20)}, FOUR + FOUR), "leaves a gap"),
    kind("bytes left over", safe({"a": entry()}, FOUR + b"x"), "its header says"),
    kind("bytes missing", safe({"a": entry()}, FOUR[:-1]), "its header says"),
    kind("4 GB declared", safe({"a": entry(0, 2**32, (2**30,))}), "its header says"),
    kind("a name of two lines", safe({"a\nb": entry()}, FOUR), r"called 'a\\nb'"),
    kind("half a letter", safe(b'{"\\ud800":' + json.dumps(entry()).encode() + b"}",
                               FOUR), r"called '\\ud800'"),
    kind("NaN", safe({"a": entry()}, np.full(4, np.nan, "<f4").tobytes()), "'a' has 4"),
]  # fmt: skip


@pytest.mark.parametrize("data, words", SAFETENSORS)
def test_a_wrong_safetensors_file_is_refused(tmp_path, data, words):
    refused(tmp_path, data, words)


# npz.


def npy(header, numbers=FOUR, version=b"\1\0"):
    text = header.encode() + b"\n"
    return b"\x93NUMPY" + version + struct.pack("<H", len(text)) + text + numbers


def saved(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def header(descr="'<f4'", order="False", shape="(4,)"):
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}"


PLAIN = "no plain array of numbers"
NO_HEADER = r"no header of a \.npy file"

NPZ = [
    kind("objects", saved(np.array([{}], dtype=object)), PLAIN + r".*\|O"),
    kind("records", saved(np.zeros(2, "i4,f4")), PLAIN),
    kind("text", saved(np.array(["abc"])), PLAIN),
    kind("dates", saved(np.array(["2020-01-01"], "M8[D]")), PLAIN),
    kind("complex numbers", saved(np.zeros(2, complex)), PLAIN + ".*c16"),
    kind("bare bytes", saved(np.zeros(2, "V2")), PLAIN + ".*V2"),
    kind("code for a dtype", npy(header("__import__('os').system('x')")), NO_HEADER),
    kind("code for a shape", npy(header(shape="(__import__('os'),)")), NO_HEADER),
    kind("a negative size", npy(header(shape="(-4,)")), "-4 as one of its sizes"),
    kind("a gap in the shape", npy(header(shape="(2 2,)")), NO_HEADER),
    kind("a size without end", npy(header(shape=f"({'9' * 5000},)")), NO_HEADER),
    kind("no shape", npy("{'descr': '<f4', 'fortran_order': False}"), NO_HEADER),
    kind("no header", npy("{}"), NO_HEADER),
    kind("2**70 elements", npy(header(shape=f"({2**70},)")), "71 bits as one"),
    kind("4 GB declared", npy(header(shape="(1073741824,)")), "not as long as its"),
    kind("too short", npy(header(), FOUR[:-1]), "not as long as its shape"),
    kind("too long", npy(header(), FOUR + b"x"), "not as long as its shape"),
    kind("a header outside", npy(header())[:20], NO_HEADER),
    kind("a header of 60 kB", npy(header() + 60_000 * " "), NO_HEADER),
    kind("nothing", b"", NO_HEADER),
    kind("another file", b"hello", NO_HEADER),
]  # fmt: skip


@pytest.mark.parametrize("data, words", NPZ)
def test_a_wrong_npz_is_refused(tmp_path, data, words):
    refused(tmp_path, zipped([("a.npy", data)]), words)


def test_an_npz_bomb_is_refused(tmp_path):
    data = zipped([("a.npy", saved(np.zeros(2**23)))], zipfile.ZIP_DEFLATED)
    refused(tmp_path, data, "unpacks to 67,1")


def test_an_npz_with_something_else_in_it(tmp_path):
    data = zipped([("a.npy", npy(header())), ("b.pkl", b"")])
    refused(tmp_path, data, "with 'b.pkl', which is no array")


# Keras.


def to_outside(h5py, file):
    file["a"] = h5py.ExternalLink("/etc/passwd", "/")


def through_outside(h5py, file):
    file["model_weights"] = h5py.ExternalLink("other.h5", "/")


def to_nowhere(h5py, file):
    file["a"] = h5py.SoftLink("/b")


def stored_outside(h5py, file):
    file.create_dataset("a", (4,), "f4", external=[("/etc/passwd", 0, 16)])


def virtual(h5py, file):
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "a", (4,))
    file.create_virtual_dataset("a", layout)


def round_and_round(h5py, file):
    file.create_group("b")["a"] = file["/"]


def in_many_ways(h5py, file):
    group = file
    for _ in range(25):
        below = group.create_group("x")
        group["y"] = below
        group = below


def unwritten(h5py, file):
    file.create_dataset("a", (2**20, 2**20), "f4", chunks=(1024, 1024))


def packed(h5py, file):
    file.create_dataset("a", data=np.zeros(2**23), compression="gzip")


def packed_in_a_large_chunk(h5py, file):
    file.create_dataset("a", (4,), "f4", maxshape=(None,), chunks=(2**28,))


def of_text(h5py, file):
    file["a"] = "text"


def of_records(h5py, file):
    file["a"] = np.zeros(2, "i4,f4")


def of_nothing(h5py, file):
    file["a"] = h5py.Empty("f4")


def nothing(h5py, file):
    file.create_group("layers")


KERAS = [
    kind("a link to another file", to_outside, "with the link 'a'"),
    kind("all in another file", through_outside, "with the link 'model_weights'"),
    kind("a link to nowhere", to_nowhere, "with the link 'a'"),
    kind("numbers in another file", stored_outside, "'a' lies in another file"),
    kind("an array of other files", virtual, "'a' lies in another file"),
    kind("a group in itself", round_and_round, "nested deeper than 32"),
    kind("2**25 ways to a group", in_many_ways, "more than 1,000 objects"),
    kind("4 TB declared", unwritten, "declares 4,398,046,511,104 bytes"),
    kind("a bomb", packed, "declares 67,108,864 bytes"),
    kind("a bomb in a chunk", packed_in_a_large_chunk, "declares 1,073,741,824 bytes"),
    kind("text", of_text, "'a' is 'object'"),
    kind("records", of_records, "'a' is .*; read are bool"),
    kind("an array of nothing", of_nothing, "'a' is 'float32'"),
    kind("nothing", nothing, "no tensors"),
]


@pytest.mark.parametrize("write, words", KERAS)
def test_a_wrong_keras_file_is_refused(tmp_path, monkeypatch, write, words):
    h5py = pytest.importorskip("h5py")
    monkeypatch.setattr("jaxseg.weights.keras.MAX_OBJECTS", 1000)
    with h5py.File(tmp_path / "made.h5", "w") as file:
        write(h5py, file)
    refused(tmp_path, (tmp_path / "made.h5").read_bytes(), words)


@pytest.mark.parametrize("rest", [b"", b"\0" * 100, b"\xff" * 5000])
def test_a_keras_file_of_nonsense(tmp_path, rest):
    pytest.importorskip("h5py")
    refused(tmp_path, b"\x89HDF\r\n\x1a\n" + rest, "a damaged HDF5 file")


# What is often met in place of weights.


NOT_WEIGHTS = [
    kind("empty", b"", "an empty file; fetch it again"),
    kind(
        "a web page", b"\n<!DOCTYPE html><html>", "a web page, .* the download failed"
    ),
    kind("an old web page", b"<HTML><head>", "a web page"),
    kind("an error of a store", b"<?xml version='1.0'?><Error>", "a web page"),
    kind(
        "git-lfs", b"version https://git-lfs.github.com/spec/v1\noid ", "git lfs pull"
    ),
    kind("JSON", b'{"error": "not found"}', r"text, not weights \(begins b'{\"error"),
    kind("text", "Grüße\n".encode() * 99, "text, not weights"),
    kind("text with a brace", b"12345678{\n}", "text, not weights"),
    kind("gzip", b"\x1f\x8b\x08" + bytes(600), "gunzip"),
    kind("tar", b"a" + bytes(256) + b"ustar\0" + bytes(300), "a tar archive"),
    kind("npy", saved(np.zeros(3)), "one array without a name"),
    kind("a picture", b"\x89PNG\r\n\x1a\n" + bytes(99), r"unknown format .*x89PNG"),
    kind("zeros", bytes(1000), "unknown format"),
    kind("one byte", b"\x80", "truncated"),
    kind("noise", np.random.default_rng(0).bytes(999), "unknown format"),
]


@pytest.mark.parametrize("data, words", NOT_WEIGHTS)
def test_another_file_than_weights_is_refused(tmp_path, data, words):
    refused(tmp_path, data, words)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"none\.pth: cannot be read \(No such file"):
        read_tensors(tmp_path / "none.pth")


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(UserError, match="a folder; name the file"):
        read_tensors(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match="not a plain file"):
        read_tensors(tmp_path / "pipe")
