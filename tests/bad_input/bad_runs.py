"""Bad run folders: to predict with, to evaluate, to resume and to compare."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from bad_input import Case, Place, evaluate, predict, train

Spoil = Callable[[Path], object]


def to_predict(name: str, spoil: Spoil, said: str) -> Case:
    """A run to predict with."""

    def make(place: Place) -> list[str]:
        spoil(place.run())
        return predict("bad", place.image())

    return Case(f"{name}, to predict", make, said)


def to_evaluate(name: str, spoil: Spoil, said: str) -> Case:
    """A run to evaluate."""

    def make(place: Place) -> list[str]:
        spoil(place.run())
        return evaluate("bad")

    return Case(f"{name}, to evaluate", make, said)


def to_resume(name: str, spoil: Spoil, said: str) -> Case:
    """A run to resume."""

    def make(place: Place) -> list[str]:
        spoil(place.run())
        return ["--config", place.experiment(), "--workdir", "bad"]

    return Case(f"{name}, to resume", make, said)


def to_start_from(name: str, spoil: Spoil, said: str) -> Case:
    """A run to take the weights of."""

    def make(place: Place) -> list[str]:
        spoil(place.run())
        return train(place.experiment(), "--model.weights", "bad")

    return Case(f"{name}, to start from", make, said)


def to_compare(name: str, spoil: Spoil, said: str) -> Case:
    """A run to compare."""

    def make(place: Place) -> list[str]:
        spoil(place.run())
        return ["compare", "bad", str(place.sound_run), "--out", "out/page.html"]

    return Case(f"{name}, to compare", make, said)


def _write(name: str, content: str | bytes) -> Spoil:
    content = content.encode() if isinstance(content, str) else content
    return lambda run: (run / name).write_bytes(content)


def _cut(name: str) -> Spoil:
    def cut(run: Path) -> None:
        content = (run / name).read_bytes()
        (run / name).write_bytes(content[: len(content) // 2])

    return cut


def _remove(name: str) -> Spoil:
    def remove(run: Path) -> None:
        path = run / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    return remove


def _as_folder(name: str) -> Spoil:
    def replace(run: Path) -> None:
        _remove(name)(run)
        (run / name).mkdir()

    return replace


def _as_file(name: str) -> Spoil:
    def replace(run: Path) -> None:
        _remove(name)(run)
        (run / name).write_text("x")

    return replace


def _change(name: str, **values: object) -> Spoil:
    """Change values of a JSON file; `__` stands for the dot of a section."""

    def change(run: Path) -> None:
        content = json.loads((run / name).read_text())
        for key, value in values.items():
            *sections, last = key.split("__")
            inner = content
            for section in sections:
                inner = inner[section]
            inner[last] = value
        (run / name).write_text(json.dumps(content))

    return change


def _flip(pattern: str) -> Spoil:
    def flip(run: Path) -> None:
        path = max(run.glob(pattern), key=lambda path: path.stat().st_size)
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 255
        path.write_bytes(content)

    return flip


def _rename(old: str, new: str) -> Spoil:
    return lambda run: (run / old).rename(run / new)


def _labels(**values: object) -> Spoil:
    return _change("labels.json", **values)


def _config(**values: object) -> Spoil:
    return _change("config.json", **values)


def _names(count: int) -> Spoil:
    return _labels(names=[f"{i}" for i in range(count)], palette=[])


DEEP = "[" * 100_000
BYTES = bytes(range(256))
CONFIG, LABELS = r"bad/config\.json", r"bad/labels\.json"
DATA = r"bad/data\.json"
CHECKPOINT = "checkpoints/1"


def _files(name: str, said: str) -> Iterator[tuple[str, Spoil, str]]:
    """Ways in which a JSON file of a run may be wrong."""
    yield f"{name} empty", _write(name, ""), said
    yield f"{name} cut", _cut(name), said
    yield f"{name} of bytes", _write(name, BYTES), said
    yield f"{name} nested without end", _write(name, DEEP), said
    yield f"{name} a list", _write(name, "[]"), said
    yield f"{name} null", _write(name, "null"), said
    yield f"{name} a folder", _as_folder(name), name.replace(".", r"\.")


KINDS = [
    *_files("config.json", CONFIG),
    *_files("labels.json", LABELS),
    ("an unknown setting", _config(colour="red"), f"{CONFIG}: .*colour"),
    ("steps of text", _config(train__steps="7"), f"{CONFIG}: .*train.steps"),
    ("a threshold of no number", _config(optimizer__power=float("nan")), CONFIG),
    ("a negative window", _config(evaluation__window=-1), f"{CONFIG}: .*window"),
    ("no images a batch", _config(evaluation__batch_size=0), f"{CONFIG}: .*batch_size"),
    ("no scales", _config(evaluation__scales=[]), "scales"),
    ("an unknown head", _config(model__head="fnc"), "unknown head 'fnc'"),
    ("an unknown backbone", _config(model__backbone="resnet19"), "'resnet18'"),
    ("an unknown type", _config(model__dtype="float8"), "float8"),
    ("another head", _config(model__head="fcn32s"), "does not fit this model"),
    ("another backbone", _config(model__backbone="resnet34"), "does not fit this mod"),
    ("another width", _config(model__width=0.5), "does not fit this model"),
    ("averages it lacks", _config(train__ema=0.9), "does not fit this model: .*ema"),
    ("labels without names", _write("labels.json", '{"palette": []}'), LABELS),
    ("labels without colours", _write("labels.json", '{"names": ["a"]}'), LABELS),
    ("labels of numbers", _labels(names=[1, 2, 3]), LABELS),
    ("labels of a number", _labels(names=3), LABELS),
    ("no labels", _labels(names=[], palette=[]), LABELS),
    ("labels of no task", _labels(task="bianry"), f"{LABELS}: .*task 'bianry'"),
    ("labels of another task", _labels(task="multilabel"), "of the task 'multilabel'"),
    ("a label twice", _labels(names=["a", "a", "b"]), LABELS),
    ("256 labels", _names(256), LABELS),
    ("a label too many", _names(4), "does not fit this model"),
    ("too few colours", _labels(palette=[[0, 0, 0]]), LABELS),
    ("colours of two channels", _labels(palette=[[0, 0]] * 3), LABELS),
    ("colours out of range", _labels(palette=[[0, 0, 256], [1] * 3, [2] * 3]), LABELS),
    ("colours of text", _labels(palette=["red", "tan", "sky"]), LABELS),
    ("colours of fractions", _labels(palette=[[0.5] * 3, [1] * 3, [2] * 3]), LABELS),
    ("no checkpoints", _remove("checkpoints"), "no checkpoint yet"),
    ("checkpoints empty", _as_folder("checkpoints"), "no checkpoint yet"),
    ("checkpoints a file", _as_file("checkpoints"), "no checkpoint yet"),
    ("a checkpoint of nothing", _as_folder(CHECKPOINT), "every checkpoint is damaged"),
    ("a checkpoint is a file", _as_file(CHECKPOINT), "every checkpoint is damaged"),
    ("a checkpoint gone", _remove(CHECKPOINT), "no checkpoint yet|damaged"),
    ("a manifest gone", _remove(f"{CHECKPOINT}.json"), "no checkpoint yet"),
    ("a manifest empty", _write(f"{CHECKPOINT}.json", ""), "every checkpoint is dam"),
    ("a manifest of bytes", _write(f"{CHECKPOINT}.json", BYTES), "every checkpoint is"),
    ("a manifest a list", _write(f"{CHECKPOINT}.json", "[]"), "every checkpoint is"),
    ("a manifest nested", _write(f"{CHECKPOINT}.json", DEEP), "every checkpoint is"),
    ("a manifest changed", _change(f"{CHECKPOINT}.json", miou=1.0), "every checkpoint"),
    ("a manifest a folder", _as_folder(f"{CHECKPOINT}.json"), "every checkpoint is"),
    ("parameters changed", _flip(f"{CHECKPOINT}/state/**/d/*"), "every checkpoint is"),
    ("parameters gone", _remove(f"{CHECKPOINT}/state"), "every checkpoint is damaged"),
    ("a file added", _write(f"{CHECKPOINT}/extra", "x"), "every checkpoint is damaged"),
    ("a step renamed", _rename(CHECKPOINT, "checkpoints/2"), "no checkpoint yet"),
]
FIGURES = [
    *(
        (f"results.json {name}", _write("results.json", content), r"bad/results\.json")
        for name, content in (
            ("empty", ""),
            ("of bytes", BYTES),
            ("a list", "[]"),
            ("null", "null"),
            ("a number", "7"),
            ("nested without end", DEEP),
        )
    ),
    ("results.json cut", _cut("results.json"), r"bad/results\.json"),
    ("no metrics", _remove("metrics.jsonl"), r"metrics\.jsonl is missing"),
    ("metrics a folder", _as_folder("metrics.jsonl"), r"metrics\.jsonl is missing"),
]
EVALUATED = ("labels.json", "config.json", "another head", "no checkpoints")
RESUMED = ("config.json", "an unknown setting", "steps of text")
STARTED = ("labels.json empty", "no checkpoints", "a manifest changed", "another width")


def _chosen(names: tuple[str, ...]) -> list[tuple[str, Spoil, str]]:
    return [kind for kind in KINDS if kind[0].startswith(names)]


RUNS = [
    *(to_predict(*kind) for kind in KINDS),
    *(to_evaluate(*kind) for kind in _chosen(EVALUATED)),
    to_evaluate("other classes", _labels(names=["x", "y", "z"]), "trained on classes"),
    to_evaluate(
        "data moved", _config(data__root="gone"), "gone: no such folder in /.*--root FO"
    ),
    to_evaluate("no description of its data", _write("data.json", "{"), DATA),
    to_evaluate("no such split", _config(data__eval_split="vall"), "'val'"),
    *(to_resume(*kind) for kind in _chosen(RESUMED) if "a folder" not in kind[0]),
    to_resume(
        "another head", _config(model__head="fcn32s"), "holds a run with model.head"
    ),
    to_resume("another seed", _config(seed=7), "holds a run with seed 7, not 0"),
    to_resume(
        "other classes", _labels(names=["x", "y", "z"]), "3 classes .x, y, z., n"
    ),
    to_resume("a class less", _names(2), "2 classes .0, 1., not 3"),
    to_resume("labels cut", _cut("labels.json"), LABELS),
    *(to_resume(*kind) for kind in _files("data.json", DATA)),
    to_resume(
        "other training images",
        _change("data.json", splits__train__fingerprint="0123456789abcdef"),
        r"other data \(train has 8 images as before, but others\)",
    ),
    to_resume(
        "more images to evaluate with",
        _change("data.json", splits__val={"images": 3, "fingerprint": "0"}),
        r"other data \(val has 2 images, not 3\): choose another --workdir",
    ),
    to_resume("checkpoints without a config", _remove("config.json"), "no config.json"),
    *(to_start_from(*kind) for kind in _chosen(STARTED)),
    to_start_from("other means", _config(model__mean=[0.1, 0.2, 0.3]), "--model.mean"),
    *(to_compare(*kind) for kind in FIGURES),
]
