"""Our reader and writer beside the format's reference library."""

import ml_dtypes
import numpy as np
import pytest

from jaxseg.weights.readers import read_tensors
from jaxseg.weights.writers import write_safetensors

library = pytest.importorskip("safetensors.numpy")

DTYPES = (
    "bool float16 float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64"
)
TENSORS = {name: np.arange(6).reshape(2, 3).astype(name) for name in DTYPES.split()}
TENSORS["bfloat16"] = np.arange(6).reshape(2, 3).astype(ml_dtypes.bfloat16)
TENSORS["scalar"] = np.array(3, np.float32)
TENSORS["empty"] = np.zeros((0, 4), np.float32)


def assert_same(found, expected):
    assert set(found) == set(expected)
    for name, array in expected.items():
        assert found[name].dtype == array.dtype and found[name].shape == array.shape
        assert found[name].tobytes() == array.tobytes()


def test_what_the_library_writes_is_read_bit_for_bit(tmp_path):
    library.save_file(TENSORS, tmp_path / "theirs.safetensors")
    assert_same(read_tensors(tmp_path / "theirs.safetensors"), TENSORS)


def test_what_is_written_is_read_by_the_library_bit_for_bit(tmp_path):
    write_safetensors(tmp_path / "ours.safetensors", TENSORS)
    assert_same(library.load_file(tmp_path / "ours.safetensors"), TENSORS)
