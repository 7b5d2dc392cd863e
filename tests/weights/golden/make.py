"""Make the golden files beside this script.

    pip install torch safetensors h5py
    python tests/weights/golden/make.py

The files were made by torch 2.13.0, safetensors 0.8.0, h5py 3.16.0 and numpy 2.4.6.
Tests read them and never run this.  Every tensor holds `start`, `start + 1`, ... in
its dtype, so that `tests/weights/test_readers.py` knows what must come out.
"""

import argparse
import collections
import datetime
import pathlib

import h5py
import numpy as np
import safetensors.torch
import torch

HERE = pathlib.Path(__file__).parent


def counted(shape, dtype="float32", start=0):
    """Return `start`, `start + 1`, ... in `shape`."""
    count = int(np.prod(shape, dtype=int))
    numbers = torch.arange(start, start + count).reshape(shape)
    return numbers.to(getattr(torch, dtype))


def tensors():
    """Every dtype, and every way in which a tensor can lie in its storage."""
    dtypes = (
        "bool uint8 int8 int16 int32 int64 uint16 uint32 uint64 "
        "float16 bfloat16 float32 float64"
    )
    made = {f"dtype.{name}": counted((5,), name) for name in dtypes.split()}
    made["scalar"] = torch.tensor(7, dtype=torch.int64)
    made["empty"] = counted((0, 3))
    made["transposed"] = counted((3, 2), start=10).t()
    made["channels_last"] = counted((2, 3, 2, 2), start=20).to(
        memory_format=torch.channels_last
    )
    made["slice"] = counted((4, 4), start=50)[1:3, 2:]
    made["column"] = counted((3, 3), start=70)[:, 1]
    made["tied"] = made["tie"] = torch.nn.Parameter(counted((4,), start=80))
    made["attribute"] = counted((2,), start=90)
    made["attribute"].note = "kept in __dict__"
    return made


def checkpoint():
    """What a training script saves: weights among much else."""
    model = torch.nn.Sequential(
        collections.OrderedDict(
            conv=torch.nn.Conv2d(2, 3, 1), norm=torch.nn.BatchNorm2d(3)
        )
    )
    average = torch.optim.swa_utils.AveragedModel(model)
    for index, value in enumerate(model.state_dict().values()):
        value.copy_(counted(value.shape, str(value.dtype)[6:], 10 * index))
    for value in average.module.state_dict().values():
        value.zero_()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0, momentum=0.9)
    sum(parameter.sum() for parameter in model.parameters()).backward()
    optimizer.step()
    return {
        "epoch": 3,
        "optimizer": optimizer.state_dict(),
        "model_ema": average.state_dict(),
        "state_dict": torch.nn.DataParallel(model).state_dict(),
        "args": argparse.Namespace(out=pathlib.PurePosixPath("runs/1"), sizes={1, 2}),
        "best": np.float64(0.5),
        "confusion": np.eye(2),
        "when": datetime.datetime(2020, 1, 2),
        "device": torch.device("cpu"),
        "dtype": torch.float32,
        "version": torch.__version__,
        "shape": torch.Size([1, 2]),
        "history": collections.defaultdict(list, {"loss": [1.0]}),
    }


def keras2(path):
    """model.save of Keras 2: weights and an optimizer's state, as groups of layers."""
    with h5py.File(path, "w") as file:
        weights = file.create_group("model_weights")
        weights.attrs["layer_names"] = np.array([b"conv"])
        weights["conv/conv/kernel:0"] = counted((1, 1, 2, 3)).numpy()
        weights["conv/conv/bias:0"] = counted((3,), start=6).numpy()
        file["optimizer_weights/m:0"] = counted((3,)).numpy()


def keras3(path):
    """model.save_weights of Keras 3: numbered variables."""
    with h5py.File(path, "w", libver="latest") as file:
        file["layers/conv2d/vars/0"] = counted((1, 1, 2, 3)).numpy()
        file["layers/conv2d/vars/1"] = counted((3,), start=6).numpy()
        file["layers/dropout/seed_generator/vars/0"] = np.arange(2, dtype=np.uint32)
        file["optimizer/vars/0"] = np.int64(9)


def main():
    """Write the files."""
    made = tensors()
    torch.save(made, HERE / "zip.pth")
    torch.save(made, HERE / "protocol5.pth", pickle_protocol=5)
    torch.save(made, HERE / "legacy.pth", _use_new_zipfile_serialization=False)
    torch.save(checkpoint(), HERE / "checkpoint.pth")
    plain = {name: value.detach().clone().contiguous() for name, value in made.items()}
    safetensors.torch.save_file(plain, HERE / "reference.safetensors", {"format": "pt"})
    keras2(HERE / "keras2.h5")
    keras3(HERE / "keras3.weights.h5")
    arrays = {f"layer/{d}": counted((2, 3), d).numpy() for d in ("float32", "int16")}
    arrays["columns"] = np.asfortranarray(arrays["layer/float32"])
    arrays["big_endian"] = arrays["layer/float32"].astype(">f4")
    np.savez_compressed(HERE / "arrays.npz", **arrays)


if __name__ == "__main__":
    main()
