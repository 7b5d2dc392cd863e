"""Weight files read: the golden files that PyTorch, safetensors and HDF5 wrote."""

import shutil
import sys
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from torch_assembly import FOUR, storage, tensor, torch_legacy, torch_zip

from jaxseg.errors import UserError
from jaxseg.weights.archives import Archive
from jaxseg.weights.readers import count_nonfinite, read_tensors, read_weights

GOLDEN = Path(__file__).parent / "golden"

DTYPES = (
    "bool uint8 int8 int16 int32 int64 uint16 uint32 uint64 "
    "float16 bfloat16 float32 float64"
).split()


def counted(shape, start=0, dtype="float32"):
    """What golden/make.py puts into a tensor: `start`, `start + 1`, ..."""
    count = int(np.prod(shape, dtype=int))
    dtype = ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype
    return np.arange(start, start + count).reshape(shape).astype(dtype)


TENSORS = {
    **{f"dtype.{dtype}": counted((5,), 0, dtype) for dtype in DTYPES},
    "scalar": np.array(7, "int64"),
    "empty": np.zeros((0, 3), "float32"),
    "transposed": counted((3, 2), 10).T,
    "channels_last": counted((2, 3, 2, 2), 20),
    "slice": np.array([[56, 57], [60, 61]], "float32"),
    "column": np.array([71, 74, 77], "float32"),
    "tied": counted((4,), 80),
    "tie": counted((4,), 80),
    "attribute": counted((2,), 90),
}


def assert_same(read, expected):
    assert read.keys() == expected.keys()
    for name, array in expected.items():
        assert read[name].dtype == array.dtype, name
        assert read[name].shape == array.shape, name
        np.testing.assert_array_equal(read[name], array, err_msg=name)


@pytest.mark.parametrize(
    "file", ["zip.pth", "protocol5.pth", "legacy.pth", "reference.safetensors"]
)
def test_every_dtype_and_layout_is_read_as_it_was_written(file):
    assert_same(read_tensors(GOLDEN / file), TENSORS)


@pytest.mark.parametrize("file", ["zip.pth", "legacy.pth"])
def test_names_keep_the_order_of_the_file(file):
    assert list(read_tensors(GOLDEN / file)) == list(TENSORS)


@pytest.mark.parametrize(
    "file", ["zip.pth", "legacy.pth", "reference.safetensors", "arrays.npz"]
)
def test_arrays_are_read_only_native_and_in_c_order(file):
    for array in read_tensors(GOLDEN / file).values():
        assert array.flags.c_contiguous and not array.flags.writeable
        assert array.dtype.isnative


@pytest.mark.parametrize("file", ["zip.pth", "legacy.pth"])
def test_tied_tensors_share_memory(file):
    tensors = read_tensors(GOLDEN / file)
    assert np.shares_memory(tensors["tied"], tensors["tie"])


CHECKPOINT = {
    "conv.weight": counted((3, 2, 1, 1)),
    "conv.bias": counted((3,), 10),
    "norm.weight": counted((3,), 20),
    "norm.bias": counted((3,), 30),
    "norm.running_mean": counted((3,), 40),
    "norm.running_var": counted((3,), 50),
    "norm.num_batches_tracked": np.array(60, "int64"),
}


def test_the_weights_of_a_checkpoint_are_taken_and_the_choice_is_logged():
    found = read_weights(GOLDEN / "checkpoint.pth")
    assert_same(found.tensors, CHECKPOINT)
    assert found.format == "PyTorch"
    assert found.note == (
        "state_dict (7), without the prefix 'module.'; not read: model_ema (7)"
    )


def test_another_mapping_can_be_asked_for():
    tensors = read_tensors(GOLDEN / "checkpoint.pth", key="model_ema")
    assert_same(tensors, {name: 0 * array for name, array in CHECKPOINT.items()})


def test_a_mapping_that_is_not_there_lists_those_that_are():
    with pytest.raises(
        UserError, match=r"'ema'; there are: state_dict \(7\), model_ema"
    ):
        read_tensors(GOLDEN / "checkpoint.pth", key="ema")


def test_a_key_needs_a_file_with_mappings():
    with pytest.raises(UserError, match="safetensors has no mappings; leave out key"):
        read_tensors(GOLDEN / "reference.safetensors", key="model")


def test_npz_arrays_are_read_by_name():
    expected = {f"layer/{d}": counted((2, 3), 0, d) for d in ("float32", "int16")}
    expected["columns"] = expected["big_endian"] = counted((2, 3))
    assert_same(read_tensors(GOLDEN / "arrays.npz"), expected)


def test_keras_2_weights_are_read_by_path_without_the_optimizer():
    pytest.importorskip("h5py")
    found = read_weights(GOLDEN / "keras2.h5")
    expected = {
        "conv/conv/bias:0": counted((3,), 6),
        "conv/conv/kernel:0": counted((1, 1, 2, 3)),
    }
    assert_same(found.tensors, expected)
    assert found.note == "model_weights (2); not read: optimizer_weights"


def test_keras_3_weights_are_read_by_path_without_the_optimizer():
    pytest.importorskip("h5py")
    found = read_weights(GOLDEN / "keras3.weights.h5")
    expected = {
        "layers/conv2d/vars/0": counted((1, 1, 2, 3)),
        "layers/conv2d/vars/1": counted((3,), 6),
        "layers/dropout/seed_generator/vars/0": counted((2,), 0, "uint32"),
    }
    assert_same(found.tensors, expected)
    assert found.note == "all (3); not read: optimizer"


def test_without_h5py_a_keras_file_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(UserError, match="pip install h5py"):
        read_tensors(GOLDEN / "keras2.h5")


@pytest.mark.parametrize("file", ["zip.pth", "legacy.pth", "reference.safetensors"])
def test_the_format_is_told_by_content_not_by_name(tmp_path, file):
    copy = tmp_path / "weights.npz"
    shutil.copy(GOLDEN / file, copy)
    assert_same(read_tensors(str(copy)), TENSORS)


# Which mapping is taken, on files put together here.


def read_bytes(tmp_path, data, **options):
    path = tmp_path / "weights.pth"
    path.write_bytes(data)
    return read_weights(path, **options)


@pytest.mark.parametrize(
    "checkpoint, taken",
    [
        pytest.param({"a": tensor()}, "", id="the file itself"),
        pytest.param({"x": {"net": {"a": tensor()}}}, "x/net", id="nested"),
        pytest.param([{"a": tensor()}, {"b": 1}], "0", id="in a list"),
        pytest.param(
            {"small": {"a": tensor()}, "large": {"a": tensor(), "b": tensor()}},
            "large",
            id="most tensors",
        ),
        pytest.param(
            {"model_ema": {"a": tensor()}, "model": {"a": tensor()}},
            "model",
            id="no moving average",
        ),
        pytest.param(
            {
                "model": {"a": tensor()},
                "swa": {"n_averaged": tensor(size=(), stride=()), "a": tensor()},
            },
            "model",
            id="a counter does not count",
        ),
        pytest.param(
            {"schema": {"a": tensor()}, "model": {"a": tensor()}},
            "schema",
            id="first of equals",
        ),
    ],
)
def test_the_mapping_with_the_most_tensors_is_taken(tmp_path, checkpoint, taken):
    note = read_bytes(tmp_path, torch_zip(checkpoint)).note
    assert note.partition(" (")[0] == taken


@pytest.mark.parametrize(
    "names, read",
    [
        (["module.a", "module.b"], ["a", "b"]),
        (["module._orig_mod.a"], ["a"]),
        (["module.a", "b"], ["module.a", "b"]),
        (["module."], ["module."]),
        (["model.a"], ["model.a"]),
    ],
)
def test_a_prefix_goes_only_where_all_names_have_it(tmp_path, names, read):
    data = torch_zip(dict.fromkeys(names, tensor()))
    assert list(read_bytes(tmp_path, data).tensors) == read


def test_what_stands_beside_the_tensors_of_a_mapping_is_passed_over(tmp_path):
    data = torch_zip({"epoch": 3, "a": tensor(), "names": ["x"], 5: tensor()})
    assert list(read_bytes(tmp_path, data).tensors) == ["a"]


def test_a_later_value_of_a_name_wins(tmp_path):
    data = torch_zip(
        b"}("
        + b"X\x01\0\0\0a"
        + tensor()
        + b"X\x01\0\0\0a"
        + tensor(offset=3, size=(1,))
        + b"u"
    )
    np.testing.assert_array_equal(read_bytes(tmp_path, data).tensors["a"], [3.0])


def test_a_storage_that_no_chosen_tensor_needs_is_not_read(tmp_path, monkeypatch):
    read = []
    original = Archive.read
    monkeypatch.setattr(
        Archive, "read", lambda self, name: read.append(name) or original(self, name)
    )
    other = {"one": tensor(storage(key="1"))}
    data = torch_zip(
        {"model": {"a": tensor(), "b": tensor()}, "optimizer": other},
        {"0": FOUR, "1": FOUR},
    )
    read_bytes(tmp_path, data)
    assert read == ["a/data.pkl", "a/data/0"]


def test_expanded_tensors_are_read(tmp_path):
    data = torch_zip({"a": tensor(size=(3, 4), stride=(0, 1))})
    expected = np.tile(np.arange(4.0), (3, 1))
    np.testing.assert_array_equal(read_bytes(tmp_path, data).tensors["a"], expected)


def test_a_bool_is_true_for_any_byte_but_zero(tmp_path):
    data = torch_zip({"a": tensor(storage("BoolStorage"))}, {"0": b"\0\1\2\xff"})
    array = read_bytes(tmp_path, data).tensors["a"]
    assert array.view(np.uint8).tolist() == [0, 1, 1, 1]


def test_the_first_layout_reads_as_the_second(tmp_path):
    made = {"a": tensor(), "b": tensor(offset=1, size=(2,), stride=(2,))}
    old = read_bytes(tmp_path, torch_legacy(made)).tensors
    assert_same(old, read_bytes(tmp_path, torch_zip(made)).tensors)
    np.testing.assert_array_equal(old["b"], [1.0, 3.0])


# NaN and infinities.


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused_by_name(tmp_path, value):
    data = np.array([0, value, 2, value], "<f4").tobytes()
    made = torch_zip({"conv.weight": tensor()}, {"0": data})
    with pytest.raises(UserError, match="'conv.weight' has 2 values that are NaN"):
        read_bytes(tmp_path, made)
    tensors = read_bytes(tmp_path, made, allow_nonfinite=True).tensors
    assert tensors["conv.weight"].tobytes() == data


def test_nonfinite_values_are_counted_in_every_float_type():
    made = {"fine": np.ones(3, np.float32), "whole": np.array([1, 2])}
    for dtype in (np.float16, np.float32, np.float64, ml_dtypes.bfloat16):
        made[np.dtype(dtype).name] = np.array([1, np.nan, np.inf, -np.inf, 2], dtype)
    assert count_nonfinite(made) == dict.fromkeys(
        ("float16", "float32", "float64", "bfloat16"), 3
    )
