"""The golden files, cut and changed at random: arrays or one line, nothing else."""

import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_assembly import zipped

from jaxseg.errors import UserError
from jaxseg.weights.arrays import DTYPES
from jaxseg.weights.readers import read_tensors

GOLDEN = Path(__file__).parent / "golden"

FILES = sorted(p.name for p in GOLDEN.iterdir() if p.suffix not in (".py", ""))


def read_or_refuse(path, data):
    """The promise of the reader: names and arrays, or one line."""
    path.write_bytes(data)
    try:
        tensors = read_tensors(path, allow_nonfinite=True)
    except UserError as error:
        assert str(error).isprintable()
        return False
    assert tensors
    for key, array in tensors.items():
        assert isinstance(key, str) and key.isprintable()
        assert array.dtype in DTYPES.values() and not array.flags.writeable
    return True


def golden(file):
    if file.endswith(".h5"):
        pytest.importorskip("h5py")
    return (GOLDEN / file).read_bytes()


@pytest.mark.parametrize("file", FILES)
def test_a_file_cut_short_anywhere_is_refused(tmp_path, file):
    data = golden(file)
    step = max(1, len(data) // 60)
    for length in [*range(0, len(data), step), len(data) - 1]:
        read = read_or_refuse(tmp_path / "cut", data[:length])
        assert not read or file.endswith(".h5")  # HDF5 may end in unused space


@pytest.mark.parametrize("file", FILES)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_changed_bytes_give_arrays_or_one_line(tmp_path_factory, file, data):
    changed = bytearray(golden(file))
    places = st.integers(0, len(changed) - 1)
    flips = st.tuples(places, st.integers(0, 255))
    for place, byte in data.draw(st.lists(flips, min_size=1, max_size=8)):
        changed[place] = byte
    read_or_refuse(tmp_path_factory.getbasetemp() / "changed", bytes(changed))


@pytest.mark.parametrize("file", ["zip.pth", "protocol5.pth", "checkpoint.pth"])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_changed_bytes_under_a_right_checksum(tmp_path_factory, file, data):
    with zipfile.ZipFile(GOLDEN / file) as archive:
        entries = {name: bytearray(archive.read(name)) for name in archive.namelist()}
    changed = next(entries[name] for name in entries if name.endswith("data.pkl"))
    places = st.integers(0, len(changed) - 1)
    flips = st.tuples(places, st.integers(0, 255))
    for place, byte in data.draw(st.lists(flips, min_size=1, max_size=4)):
        changed[place] = byte
    whole = zipped((name, bytes(content)) for name, content in entries.items())
    read_or_refuse(tmp_path_factory.getbasetemp() / "changed", whole)
