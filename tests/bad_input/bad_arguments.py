"""Bad arguments of the command line, and bad paths to read from or write to."""

from __future__ import annotations

import os
from collections.abc import Callable

from bad_input import Case, Place, evaluate, predict

Make = Callable[[Place], list[str]]


def words(*command: str, said: str, name: str = "") -> Case:
    """A command line that needs no files; RUN is a sound run, EXPERIMENT a file."""

    def make(place: Place) -> list[str]:
        known = {"RUN": str(place.sound_run), "EXPERIMENT": place.experiment()}
        return [
            word.replace(first, known[first])
            if (first := word.split("/")[0]) in known
            else word
            for word in command
        ]

    short = " ".join(command)
    return Case(name or short, make, said)


def options(*given: str, said: str) -> list[Case]:
    """Bad options of both `predict` and `evaluate`."""
    short = " ".join(given)
    return [
        Case(
            f"predict {short}",
            lambda place: [*predict(place.sound_run, place.image()), *given],
            said,
        ),
        Case(
            f"evaluate {short}", lambda place: evaluate(place.sound_run, *given), said
        ),
    ]


def predicting(*given: str, said: str) -> Case:
    """Options that `predict` does not take, or not of this run."""
    return Case(
        f"predict {' '.join(given)}",
        lambda place: [*predict(place.sound_run, place.image()), *given],
        said,
    )


def inspect(*given: str, said: str) -> Case:
    """Options that `inspect` does not take."""
    return words("inspect", "--config", "EXPERIMENT", *given, said=said)


def images(name: str, lay_out: Callable[[Place], str], said: str) -> Case:
    """Images to predict that are none."""
    return Case(
        f"images: {name}", lambda place: predict(place.sound_run, lay_out(place)), said
    )


def out(name: str, lay_out: Callable[[Place], str], said: str = "") -> list[Case]:
    """Places that results cannot be written to."""

    def command(*start: str) -> Make:
        def make(place: Place) -> list[str]:
            image = str(place.image()) if start[0] == "predict" else None
            run = str(place.sound_run)
            middle = {"predict": ["--run", run, image], "evaluate": ["--run", run]}
            return [*start, *middle.get(start[0], [run]), "--out", lay_out(place)]

        return make

    return [
        Case(f"{start} --out {name}", command(start), said)
        for start in ("predict", "evaluate", "compare")
    ]


def _folder(place: Place, *files: str) -> str:
    (place.folder / "folder").mkdir()
    for file in files:
        place.write(f"folder/{file}", "x")
    return "folder"


def _pipe(place: Place) -> str:
    os.mkfifo(place.folder / "pipe.png")
    return "pipe.png"


def _link(place: Place) -> str:
    (place.folder / "link.png").symlink_to("link.png")
    return "link.png"


def _in_a_file(place: Place) -> str:
    return str(place.write("file", "x") / "inside")


def _masks_are_a_file(place: Place) -> list[str]:
    place.write("results/masks", "x")
    run = str(place.sound_run)
    return ["predict", "--run", run, str(place.image()), "--out", "results"]


def _out_is_a_file(place: Place) -> list[str]:
    place.write("results", "x")
    run = str(place.sound_run)
    return ["predict", "--run", run, str(place.image()), "--out", "results"]


def _masks_by_hand(place: Place) -> list[str]:
    """Results that would replace a mask which no prediction wrote."""
    place.image("results/masks/image.png")
    run = str(place.sound_run)
    return ["predict", "--run", run, str(place.image()), "--out", "results"]


def _escaping_name(place: Place) -> list[str]:
    """A run whose name would put its folder elsewhere."""
    return ["--config", place.experiment(), "--name", "../elsewhere"]


ARGUMENTS = [
    words("trian", said="Did you mean 'train'"),
    words("", said="unknown command ''", name="an empty word"),
    words("\x1b[2J", said="unknown command .*x1b", name="a command of the terminal"),
    words("x" * 100_000, said="unknown command 'xxx", name="a word of 100000 letters"),
    words("--confg", "x.py", said="Did you mean --config"),
    words("--config", said="--config"),
    words("--train.steps", "7", said="--config FILE is missing"),
    words("train", said="--config FILE is missing"),
    words("models", "resnet50", said="unrecognized arguments: resnet50"),
    words("datasets", "--all", said="unrecognized arguments: --all"),
    words("evaluate", said="--run"),
    words("evaluate", "--run", said="--run"),
    words("evaluate", "--run", "", said="not a run folder"),
    words("evaluate", "--run", "gone", said="gone: not a run folder"),
    words("evaluate", "--run", "/dev/null", said="/dev/null: not a run folder"),
    words("evaluate", "--run", "EXPERIMENT", said="sound.py: not a run folder"),
    words("evaluate", "--run", "x" * 5000, said="xxx", name="--run of 5000 letters"),
    words("evaluate", "--run", "RUN", "--split", "vall", said="'val'"),
    words("evaluate", "--run", "RUN", "--split", "../val", said="unknown split"),
    words("evaluate", "--run", "RUN", "--root", "gone", said="gone: no such folder"),
    words("evaluate", "--run", "RUN", "extra", said="unrecognized arguments: extra"),
    words("predict", said="--run"),
    predicting("--probabilities", "jpg", said="'npz', 'png', 'tiff'"),
    predicting("--components", "-3", said="-3"),
    predicting("--components", "many", said="'many': a number of pixels, 0 or more"),
    predicting("--fill-holes", "0.5", said="'0.5': a number of pixels, 0 or more"),
    predicting("--fill-holes", said="multiclass, .* give components N, which drops"),
    words("predict", "--run", "RUN", "--out", "out", said="images"),
    words("predict", "--run", "RUN", "x.png", said="--out"),
    words("predict", "--run", "gone", "x.png", "--out", "o", said="gone: not a run"),
    words("predict", "--run", "RUN", "x.png", "--out", "o", "--best", said="--best"),
    words(
        *("predict", "--run", "RUN", "x.png", "--out", "o", "--values", "mask"),
        said="--values.*'mask'.*'masks'",
    ),
    *options("--scales", "0", said="scales"),
    *options("--scales", "-1", said="scales"),
    *options("--scales", "nan", said="scales"),
    *options("--scales", "inf", said="scales"),
    *options("--scales", "1e9", said="scales"),
    *options("--scales", "1", "two", said="--scales.*two"),
    *options("--scales", said="--scales"),
    *options("--window", "5", said="window 5"),
    *options("--window", "-1", said="window -1"),
    *options("--window", "1e3", said="--window.*1e3"),
    *options("--window", "1000000", said="window 1000000"),
    *options("--crf", "-1", said="crf -1"),
    *options("--crf", "many", said="--crf.*many"),
    *options("--crf", "1000000000", said="crf 1000000000"),
    *options("--flip", "yes", said="yes"),
    images("not there", lambda place: "gone.png", "gone.png: no such file or folder"),
    images("an empty name", lambda place: "", "no image"),
    images("an empty folder", _folder, "folder: no image"),
    images("a folder of words", lambda place: _folder(place, "a.txt"), "no image"),
    images(
        "only hidden ones", lambda place: _folder(place, ".a.png"), "1 hidden image"
    ),
    images(
        "only another kind",
        lambda place: _folder(place, "a.heic"),
        r"no image.*1 \.heic",
    ),
    images(
        "words called so", lambda place: _folder(place, "a.png"), "cannot be read as"
    ),
    images("a text file", lambda place: place.experiment(), "cannot be read as an"),
    images("a pipe", _pipe, r"pipe\.png: not a plain file"),
    images("a link to itself", _link, r"link\.png"),
    images("a device", lambda place: "/dev/zero", "/dev/zero: not a plain file"),
    images("a name of 5000 letters", lambda place: "x" * 5000, "xxx"),
    images("below a file", _in_a_file, "file/inside"),
    images("a pattern", lambda place: "*.png", r"\*\.png: no such file or folder"),
    images("an address", lambda place: "https://a.org/x.png", "no such file or folder"),
    *out("below a file", _in_a_file, "file"),
    *out("below a device", lambda place: "/dev/null/x", "/dev/null"),
    *out("5000 letters", lambda place: "x" * 5000, "xxx"),
    Case("predict --out a file", _out_is_a_file, "results/masks"),
    Case(
        "predict over a mask by hand",
        _masks_by_hand,
        "results/masks/image.png: exists and was not written by predict; choose",
    ),
    Case("predict --out whose masks are a file", _masks_are_a_file, "results/masks"),
    words("evaluate", "--run", "RUN", "--out", "/", said="/: cannot write"),
    words("evaluate", "--run", "RUN", "--out", "no/x.json", said="no/x.json: cannot"),
    words(
        *("evaluate", "--run", "RUN", "--out", "no/x.json", "--root", "gone"),
        said=r"no/x.json: cannot write \(No such file",
        name="evaluate --out that cannot be, said before data is looked for",
    ),
    words("compare", said="runs"),
    words("compare", "gone", "--out", "out/x", said="gone: not a run folder"),
    words("compare", "", "--out", "out/x", said="not a run folder"),
    words("compare", "EXPERIMENT", "--out", "out/x", said="sound.py: not a run folder"),
    words("compare", "RUN", "RUN", "--out", "out/x", said="the same run twice"),
    words("compare", *["RUN"] * 9, "--out", "out/x", said="9 runs: .* 1 to 8"),
    words("compare", "RUN", "--out", "/", said="/: a folder; give the path of"),
    words("inspect", said="--config"),
    words("inspect", "--config", "gone.py", said="gone.py: no such experiment file"),
    inspect("--size", "64", said="--size takes 2 positive numbers"),
    inspect("--size", "64", "64", "64", said="--size takes 2 positive numbers"),
    inspect("--size", "0", "64", said="--size takes 2 positive numbers"),
    inspect("--size", "-64", "64", said="--size"),
    inspect("--size", "wide", "64", said="--size.*wide"),
    inspect("--size", "16", "16", said="16"),
    inspect("--classes", "0", said="classes 0"),
    inspect("--classes", "-1", said="classes -1"),
    inspect("--classes", "many", said="--classes.*many"),
    inspect("--model.head", "unett", said="'unet'"),
    inspect("--modle.head", "unet", said="did you mean --model.head"),
    words("--config", "EXPERIMENT", "--workdir", "EXPERIMENT", said="sound.py"),
    words("--config", "EXPERIMENT", "--workdir", "/dev/null/x", said="/dev/null"),
    words(
        "--config",
        "EXPERIMENT",
        "--workdir",
        "x" * 5000,
        said="xxx",
        name="--workdir of 5000 letters",
    ),
    words("--config", "EXPERIMENT", "--workdir", said="--workdir"),
    words(
        *("--config", "EXPERIMENT", "--workdir", "EXPERIMENT/run"),
        *("--data.root", "gone"),
        said=r"sound\.py/run: cannot write the run folder \(Not a directory\)",
        name="--workdir that cannot be, said before data is looked for",
    ),
    *(
        words(
            *("--config", "EXPERIMENT", "--coordinator", address),
            *("--processes", "2", "--process", "0"),
            said=f"--coordinator '{address}': HOST:PORT with a port from 1 to 65535",
        )
        for address in ("localhost", "localhost:99999", ":1234", "localhost:http")
    ),
    Case("a name that leads elsewhere", _escaping_name, "name '../elsewhere'"),
]
