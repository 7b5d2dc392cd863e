"""Bad tasks: masks and options that are for another task."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from bad_input import Case, Place, evaluate, predict, train

BINARY = ("--data.task", "binary")
MULTILABEL = ("--data.task", "multilabel")


def masks(
    name: str,
    said: str,
    *options: str,
    spoil: Callable[[Path], object] = lambda root: None,
) -> Case:
    """A training on the sound data, or on a changed copy."""

    def make(place: Place) -> list[str]:
        root = place.data()
        spoil(root)
        return train(place.experiment(root), *options)

    return Case(name, make, said)


def of_files(*gone: str) -> Callable[[Path], None]:
    """Give each mask to two classes, and take some away."""

    def spoil(root: Path) -> None:
        for path in sorted(root.glob("*/masks/*.png")):
            for name in ("car", "road"):
                folder = path.parent / name
                folder.mkdir(exist_ok=True)
                shutil.copy(path, folder / path.name)
            path.unlink()
        for name in gone:
            (root / name).unlink()

    return spoil


def of_run(name: str, said: str, *words: str) -> list[Case]:
    """The sound run, which is multiclass, evaluated and used with options."""
    return [
        Case(
            f"{name}: evaluate",
            lambda place: [*evaluate(place.sound_run), *words],
            said,
        ),
        Case(
            f"{name}: predict",
            lambda place: [*predict(place.sound_run, place.image()), *words],
            said,
        ),
    ]


TASKS = [
    masks("no such task", "--data.task bianry: must be", "--data.task", "bianry"),
    masks("three values of a binary task", "mask value 2 .*0:0 1-65535:1", *BINARY),
    masks(
        "three names of a binary task",
        "data.class_names gives 3 classes",
        *BINARY,
        *("--data.class_names", "a", "b", "c"),
    ),
    masks("masks of no class", "10 masks have no class in their path", *MULTILABEL),
    masks(
        "a missing file of a class",
        "1 of 20 mask files are missing: road of 3.png; .*--data.absent_masks True",
        *MULTILABEL,
        spoil=of_files("train/masks/road/3.png"),
    ),
    masks(
        "files of classes with three values",
        "mask value 2 .*0:0 1-65535:1",
        *MULTILABEL,
        spoil=of_files(),
    ),
    masks(
        "files of a class that is not named",
        "10 mask files of none of the classes bus, car",
        *MULTILABEL,
        *("--data.class_names", "bus", "car"),
        spoil=of_files(),
    ),
    masks(
        "bits of more classes than are named",
        "2 to 16 are possible",
        *MULTILABEL,
        *("--data.mask_bits", "True", "--data.num_classes", "1"),
    ),
    masks(
        "bits without the task",
        "give --data.task multilabel as well",
        *("--data.mask_bits", "True"),
    ),
    masks(
        "{class} without the task",
        "pass --data.task multilabel",
        *("--data.images", "{split}/images/*.png"),
        *("--data.masks", "{split}/{class}/*.png"),
    ),
    masks(
        "a CRF over classes that overlap",
        "give --evaluation.crf 0",
        *MULTILABEL,
        *("--evaluation.crf", "1"),
    ),
    masks(
        "border weights of classes that overlap",
        "give --train.border_weight 0",
        *MULTILABEL,
        *("--train.border_weight", "1"),
    ),
    masks(
        "another data set's task",
        "its labels are multiclass, of 11 classes, .*give --data.task multiclass",
        *("--data.name", "digit_scenes", *BINARY),
    ),
    masks(
        "the task as an option",
        "its task is that of the data",
        *("--train.loss", "cross_entropy(task='binary')"),
    ),
    masks(
        "a threshold of 0", "--evaluation.threshold 0", "--evaluation.threshold", "0"
    ),
    masks("a threshold of text", "threshold bset", "--evaluation.threshold", "bset"),
    masks("no part", "calibration_bins 0", "--evaluation.calibration_bins", "0"),
    *of_run("a threshold for classes", "is multiclass", "--threshold", "0.4"),
    *of_run("a threshold above 1", "--threshold 2", "--threshold", "2"),
]
