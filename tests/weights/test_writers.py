"""Weights written as safetensors: the reference's bytes, and every bit of a tensor."""

import json
import struct
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from jaxseg.errors import UserError
from jaxseg.weights.arrays import DTYPES
from jaxseg.weights.readers import read_tensors
from jaxseg.weights.writers import write_safetensors

REFERENCE = Path(__file__).parent / "golden" / "reference.safetensors"


def test_the_bytes_are_those_of_the_reference_implementation(tmp_path):
    path = tmp_path / "mine.safetensors"
    tensors = read_tensors(REFERENCE)
    backwards = dict(reversed(tensors.items()))
    write_safetensors(path, backwards, {"format": "pt"})
    assert path.read_bytes() == REFERENCE.read_bytes()


@given(
    st.dictionaries(
        st.text(
            st.characters(exclude_categories=["C", "Zl", "Zp", "Zs"]), max_size=20
        ).filter(lambda name: name != "__metadata__"),
        st.sampled_from(sorted(DTYPES)).flatmap(
            lambda dtype: hnp.arrays(
                np.dtype(f"u{DTYPES[dtype].itemsize}"),
                hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3),
            ).map(
                lambda bits: (
                    np.asarray(bits > 7)
                    if dtype == "bool"
                    else bits.view(DTYPES[dtype])
                )
            )
        ),
        min_size=1,
        max_size=5,
    )
)
def test_every_bit_comes_back(tmp_path_factory, tensors):
    path = tmp_path_factory.mktemp("bits") / "weights.safetensors"
    write_safetensors(path, tensors)
    read = read_tensors(path, allow_nonfinite=True)
    assert read.keys() == tensors.keys()
    for name, array in tensors.items():
        assert (read[name].dtype, read[name].shape) == (array.dtype, array.shape)
        assert read[name].tobytes() == array.tobytes()


@pytest.mark.parametrize(
    "array",
    [
        pytest.param(np.arange(6.0).reshape(2, 3).T, id="transposed"),
        pytest.param(np.arange(9)[::-2], id="negative stride"),
        pytest.param(np.arange(6, dtype=">i4"), id="big-endian"),
        pytest.param(np.broadcast_to(np.float32(2), (2, 3)), id="broadcast"),
        pytest.param(np.array(3, ml_dtypes.bfloat16), id="bfloat16 scalar"),
    ],
)
def test_byte_order_and_strides_do_not_matter(tmp_path, array):
    path = tmp_path / "weights.safetensors"
    write_safetensors(path, {"a": array})
    read = read_tensors(path)["a"]
    np.testing.assert_array_equal(read, array)
    assert read.shape == array.shape and read.dtype.isnative


def test_tensors_are_aligned_to_their_numbers(tmp_path):
    path = tmp_path / "weights.safetensors"
    made = {d: np.zeros(3, DTYPES[d]) for d in DTYPES}
    write_safetensors(path, made, {"some": "text"})
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    assert length % 8 == 0
    for name, entry in json.loads(data[8 : 8 + length]).items():
        if name != "__metadata__":
            assert entry["data_offsets"][0] % DTYPES[name].itemsize == 0


def test_a_file_that_stands_there_is_replaced_whole(tmp_path, monkeypatch):
    path = tmp_path / "weights.safetensors"
    write_safetensors(path, {"a": np.zeros(2)})
    before = path.read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_safetensors(path, {"a": np.ones(2)})
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
    monkeypatch.undo()
    write_safetensors(path, {"a": np.ones(2)})
    np.testing.assert_array_equal(read_tensors(path)["a"], [1, 1])
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "tensors, words",
    [
        ({"a": np.zeros(2, "complex64")}, "'a' is complex64; written are bool,"),
        ({"a": np.array(["x"])}, "'a' is <U1; written are"),
        ({"a": np.array([None])}, "'a' is object; written are"),
        ({"__metadata__": np.zeros(2)}, "'__metadata__' cannot be written"),
        ({"a\nb": np.zeros(2)}, r"'a\\nb' cannot be written"),
    ],
)
def test_tensors_that_cannot_be_written_are_refused_and_leave_nothing(
    tmp_path, tensors, words
):
    with pytest.raises(UserError, match=words):
        write_safetensors(tmp_path / "weights.safetensors", tensors)
    assert not list(tmp_path.iterdir())
