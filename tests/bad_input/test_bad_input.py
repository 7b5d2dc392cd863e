"""Bad inputs through the command line: each is one line, and nothing else changes."""

import os
import re
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from bad_annotations import ANNOTATIONS
from bad_arguments import ARGUMENTS
from bad_experiments import EXPERIMENTS
from bad_folders import FOLDERS
from bad_images import IMAGES
from bad_input import SIZE, Case, Place, predict, train
from bad_masks import MASKS
from bad_records import RECORDS
from bad_runs import RUNS
from bad_settings import OVERRIDES, SETTINGS
from bad_tasks import TASKS
from bad_weights import WEIGHTS
from PIL import Image

from jaxseg import cli

KINDS = {
    "experiment": EXPERIMENTS,
    "settings": SETTINGS,
    "override": OVERRIDES,
    "folder": FOLDERS,
    "image": IMAGES,
    "mask": MASKS,
    "records": RECORDS,
    "run": RUNS,
    "weights": WEIGHTS,
    "argument": ARGUMENTS,
    "task": TASKS,
    "annotation": ANNOTATIONS,
}
CASES = [
    pytest.param(case, id=f"{kind}: {case.name}")
    for kind, cases in KINDS.items()
    for case in cases
]
IN_A_PROCESS = (
    "override: a value that is no text",
    "image: a PNG of 4.6e18 pixels, to predict",
    "records: train damaged in the middle",
)
MAIN = Path(__file__).parents[2] / "main.py"
LONGEST = 60  # seconds that a case may take before it counts as a hang
LINE = 2100  # characters of an error line


class Hang(BaseException):
    """A case took too long."""


@pytest.fixture(scope="session")
def sound(tmp_path_factory):
    """Data, its prepared records and a trained run, for all cases to take along."""
    root = tmp_path_factory.mktemp("sound")
    rng = np.random.default_rng(0)
    for split, count in (("train", 8), ("val", 2)):
        for index in range(count):
            for kind, shape, end in (("images", (*SIZE, 3), 256), ("masks", SIZE, 3)):
                path = root / "data" / split / kind / f"{index}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                array = rng.integers(0, end, shape, np.uint8)
                Image.fromarray(array).save(path)
    place = Place(root, root / "data", root / "new_run", root / "cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        assert cli.main(train(place.experiment())) == 0
    return root


@pytest.fixture
def place(sound, tmp_path, monkeypatch):
    """An empty folder to work in; the home and the temporary folder are beside it."""
    for name in ("work", "home", "temporary"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.setenv("JAXSEG_CACHE", str(tmp_path / "work" / "cache"))
    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)
    monkeypatch.chdir(tmp_path / "work")
    return Place(tmp_path / "work", sound / "data", sound / "new_run", sound / "cache")


@pytest.fixture
def no_hang():
    """Stop a case that does not end."""

    def stop(*_):
        raise Hang

    previous = signal.signal(signal.SIGALRM, stop)
    signal.alarm(LONGEST)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, previous)


def contents(*folders: Path) -> dict[str, object]:
    """Everything that lies in folders: bytes of files, aims of links."""
    found: dict[str, object] = {}
    for folder in folders:
        for parent, names, files in os.walk(folder):
            for path in (Path(parent, name) for name in (*names, *files)):
                if path.is_symlink():
                    found[str(path)] = os.readlink(path)
                elif path.is_file():
                    found[str(path)] = path.read_bytes()
                else:
                    found[str(path)] = None
    return found


def check(case: Case, place: Place, sound: Path, run) -> None:
    """Run a case's command: `run` returns its exit code, output and errors."""
    words = case.make(place)
    before = contents(place.folder.parent, sound)
    code, output, printed = run(words)
    assert code == 2, printed
    errors = [line for line in printed.splitlines() if line.startswith("error:")]
    assert len(errors) == 1, printed
    (line,) = errors
    assert re.search(case.said, line), line
    assert line.isprintable() and len(line) < LINE, line
    assert "Traceback" not in printed + output
    written = [str(place.folder / name) for name in ("cache", "out")]
    if case.begun:
        written.append(str(place.folder / "new_run"))
    after = contents(place.folder.parent, sound)
    changed = {
        path
        for path in before.keys() | after.keys()
        if before.get(path, "") != after.get(path, "")
        and not path.startswith(tuple(written))
        and not (path not in before and path.startswith(str(place.cache)))
    }
    assert not changed


@pytest.mark.usefixtures("no_hang")
@pytest.mark.parametrize("case", CASES)
def test_a_bad_input_is_one_line_and_nothing_else_changes(
    case: Case, place, sound, capfd
):
    check(case, place, sound, lambda words: (cli.main(words), *capfd.readouterr()))


@pytest.mark.parametrize("name", IN_A_PROCESS)
def test_the_program_ends_as_its_commands_do(name, place, sound):
    (case,) = [case.values[0] for case in CASES if case.id == name]

    def run(words: list[str]) -> tuple[int, str, str]:
        done = subprocess.run(
            [sys.executable, MAIN, *words],
            capture_output=True,
            text=True,
            timeout=LONGEST,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    check(case, place, sound, run)


def test_the_sound_things_are_sound(place):
    assert cli.main(predict(place.sound_run, place.image())) == 0
    assert cli.main(train(place.experiment(place.data()))) == 0


def test_there_are_enough_of_them():
    assert len(CASES) >= 300
    twice = [name for name, n in Counter(case.id for case in CASES).items() if n > 1]
    assert not twice
