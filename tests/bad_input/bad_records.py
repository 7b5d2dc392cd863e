"""Bad prepared records: damaged in the cache, or made by somebody else."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from bad_input import SIZE, Case, Place, pixels, train
from broken_images import END, HUGE, chunk, data, encoded_array, header, jpeg_size, png

from jaxseg.data.builders import base
from jaxseg.data.labels import LabelSet

LARGE = "too large"


def records(
    name: str, spoil: Callable[[Path], object], said: str, begun: bool = False
) -> Case:
    """The sound records, spoilt in their folder."""

    def make(place: Place) -> list[str]:
        spoil(_copy(place))
        return train(place.experiment(place.sound_data))

    return Case(name, make, said, begun)


def stock(name: str, info: str | None, said: str) -> Case:
    """A folder that is said to hold a set that TFDS has prepared."""

    def make(place: Place) -> list[str]:
        if info is not None:
            place.write("prepared/oxford_iiit_pet/4.0.0/dataset_info.json", info)
        options = ("--data.name", "oxford_iiit_pet", "--data.root", "prepared")
        return train(place.experiment(), *options)

    return Case(f"oxford_iiit_pet: {name}", make, said)


def stored(name: str, said: str, **changed: bytes) -> Case:
    """Records that are whole, but hold something else in one place."""

    def make(place: Place) -> list[str]:
        directory = _copy(place)
        shutil.rmtree(directory)
        written = base.prepare(_Records(place.folder / "cache", changed))
        shutil.move(written, directory)
        return train(place.experiment(place.sound_data))

    return Case(name, make, said)


class _Records(base.RecordBuilder, skip_registration=True):
    """Writes records that are changed in one place."""

    def __init__(self, cache: Path, changed: dict[str, bytes]) -> None:
        self._changed = changed
        labels = LabelSet(("class 0", "class 1", "class 2"))
        super().__init__(cache, "bad", labels, ("train", "val"))

    def _generate_examples(self, split: str):
        for index in range(8):
            image = encoded_array("PNG", pixels(index))
            record = base.record(image, np.zeros(SIZE, np.uint8), f"{split}{index}")
            yield index, record | self._changed


def _copy(place: Place) -> Path:
    """Copy the sound records, which are found again by their signature."""
    shutil.copytree(place.cache / "folder", place.folder / "cache" / "folder")
    (directory,) = (place.folder / "cache" / "folder").glob("*/*.*.*")
    return directory


def _write(name: str, content: str | bytes) -> Callable[[Path], object]:
    content = content.encode() if isinstance(content, str) else content
    return lambda directory: (directory / name).write_bytes(content)


def _cut(name: str, share: float) -> Callable[[Path], object]:
    def cut(directory: Path) -> None:
        (path,) = directory.glob(name)
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * share)])

    return cut


def _flip(name: str, place: int) -> Callable[[Path], object]:
    """Change bytes at a place, or so many before the last that is not zero."""

    def flip(directory: Path) -> None:
        (path,) = directory.glob(name)
        content = np.fromfile(path, np.uint8)
        at = place if place > 0 else np.flatnonzero(content)[-1] + place
        content[at : at + 16] ^= 255
        content.tofile(path)

    return flip


def _remove(name: str) -> Callable[[Path], object]:
    return lambda directory: [path.unlink() for path in directory.glob(name)]


def _info(**changed: object) -> Callable[[Path], object]:
    def change(directory: Path) -> None:
        path = directory / "dataset_info.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changed))

    return change


def _metadata(**changed: object) -> Callable[[Path], object]:
    def change(directory: Path) -> None:
        path = directory / "metadata.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changed))

    return change


INFO, FEATURES, METADATA = "dataset_info.json", "features.json", "metadata.json"
TRAIN, VAL = "folder-train.array_record*", "folder-val.array_record*"
DAMAGED = "damaged; delete .*cache/folder"

RECORDS = [
    *(
        records(f"{name} {what}", spoil, DAMAGED)
        for name in (INFO, FEATURES, METADATA)
        for what, spoil in (
            ("empty", _write(name, "")),
            ("cut", _cut(name, 0.5)),
            ("of bytes", _write(name, bytes(range(256)))),
            ("a list", _write(name, "[]")),
            ("of another kind", _write(name, '{"a": {"b": [1]}}')),
            ("nested without end", _write(name, "[" * 100_000)),
        )
    ),
    records("features.json gone", _remove(FEATURES), DAMAGED),
    records("metadata.json gone", _remove(METADATA), DAMAGED),
    records("no splits", _info(splits=[]), "split"),
    records("a split without shards", _info(splits=[{"name": "train"}]), ""),
    records("an unknown format", _info(fileFormat="zip"), DAMAGED),
    records("another format", _info(fileFormat="tfrecord"), DAMAGED),
    records("no class names", _metadata(names=[]), DAMAGED),
    records("class names of numbers", _metadata(names=[1, 2, 3]), DAMAGED),
    records("class names that are none", _metadata(names=7), DAMAGED),
    records("one name twice", _metadata(names=["a", "a", "b"]), DAMAGED),
    records("too few colours", _metadata(palette=[[0, 0, 0]]), DAMAGED),
    records("colours of two channels", _metadata(palette=[[0, 0]] * 3), DAMAGED),
    records("colours of words", _metadata(palette=["red", "tan", "sky"]), DAMAGED),
    records("colours out of range", _metadata(palette=[[0, 0, 999]] * 3), DAMAGED),
    *(
        records(f"a shard of {split} {what}", spoil, DAMAGED)
        for split, name in (("train", TRAIN), ("val", VAL))
        for what, spoil in (
            ("gone", _remove(name)),
            ("empty", _cut(name, 0)),
            ("cut at a tenth", _cut(name, 0.1)),
            ("cut near its end", _cut(name, 0.97)),
            ("damaged in its first record", _flip(name, 5000)),
            ("damaged in its index", _flip(name, -30)),
        )
    ),
    records("train damaged in the middle", _flip(TRAIN, 50_000), DAMAGED, begun=True),
    stock("not there", None, "not found in prepared,"),
    stock("empty", "", "not in array_record format"),
    stock("a list", "[]", "not in array_record format"),
    stock("a number for formats", '{"alternativeFileFormats": 7}', "not in array_rec"),
    stock("nested without end", "[" * 100_000, "not in array_record format"),
    stock("of bytes", "\udcff\0", "not in array_record format"),
    stock("another format", '{"fileFormat": "tfrecord"}', "not in array_record format"),
    stock("only a format", '{"fileFormat": "array_record"}', "damaged|split"),
    stored("an image of nothing", DAMAGED, image=b""),
    stored("an image of words", DAMAGED, image=b"no image"),
    stored("an image cut", DAMAGED, image=encoded_array("PNG", pixels())[:900]),
    stored(
        "an image of 60000x60000", LARGE, image=png(header(HUGE, HUGE), data(), END)
    ),
    stored("a JPEG of 65535x65535", LARGE, image=jpeg_size(65_535, 65_535)),
    stored(
        "an image of another size", DAMAGED, image=encoded_array("PNG", pixels()[1:])
    ),
    stored("a mask of nothing", DAMAGED, label=b""),
    stored("a mask of words", DAMAGED, label=b"no mask"),
    stored(
        "a mask of 60000x60000", LARGE, label=png(header(HUGE, HUGE, 8, 0), data(), END)
    ),
    stored("a mask in colours", DAMAGED, label=encoded_array("PNG", pixels())),
    stored(
        "a mask of 16 bits",
        DAMAGED,
        label=encoded_array("PNG", np.zeros(SIZE, np.uint16)),
    ),
    stored(
        "a mask without its palette",
        DAMAGED,
        label=png(header(56, 48, 8, 3), chunk(b"IDAT", b""), END),
    ),
]
