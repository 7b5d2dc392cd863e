"""What a user's files may hold, drawn at random: read, or refused in one line."""

import dataclasses
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jaxseg.command_line import changed
from jaxseg.config import Config
from jaxseg.data import layout
from jaxseg.errors import UserError
from jaxseg.report.comparison import write_comparison
from jaxseg.report.events import read_metrics
from jaxseg.report.image_files import file_names
from jaxseg.run import Run
from jaxseg.schema import flatten, from_json, to_json

NUMBERS = st.one_of(st.integers(), st.floats(), st.sampled_from([10**400, 2**63, -1]))
PLAIN = st.one_of(st.none(), st.booleans(), NUMBERS, st.text(max_size=8))
VALUES = st.recursive(
    PLAIN,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)
NAMES = sorted(flatten(Config()))

quick = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def written(value):
    """The JSON of a value; its numbers may have too many digits for Python to read."""
    return json.dumps(value).replace("1" + "0" * 400, "1" + "0" * 5000)


def read_or_refuse(read, *arguments):
    """Return what was read, or None if that was refused."""
    try:
        return read(*arguments)
    except UserError:
        return None


@quick
@given(st.one_of(VALUES.map(written), st.text()))
def test_any_text_is_a_config_or_refused(text):
    config = read_or_refuse(from_json, text)
    assert config is None or isinstance(config, Config)


@quick
@given(st.sampled_from(NAMES), VALUES)
def test_any_value_of_a_config_is_read_or_refused(name, value):
    content = json.loads(to_json(Config()))
    *sections, last = name.split(".")
    inner = content
    for section in sections:
        inner = inner[section]
    inner[last] = value
    config = read_or_refuse(from_json, written(content))
    assert config is None or [*flatten(config)] == [*flatten(Config())]


@quick
@given(
    st.lists(
        st.one_of(st.sampled_from(NAMES).map("--{}".format), st.text()), max_size=4
    )
)
def test_any_words_are_overrides_or_refused(words):
    if not {"--help", "-h"} & set(words):
        config = read_or_refuse(changed, Config(), words)
        assert config is None or dataclasses.is_dataclass(config)


@quick
@given(st.one_of(VALUES.map(written), st.text()), st.sampled_from(["names", "palette"]))
def test_any_text_is_labels_or_refused(tmp_path, text, key):
    (tmp_path / "config.json").write_text(to_json(Config()))
    sound = {"names": ["a", "b"], "palette": [[0, 0, 0], [1, 1, 1]]}
    changed = json.dumps(sound | {key: None}).replace("null", text)
    for content in (text, changed):
        (tmp_path / "labels.json").write_bytes(content.encode(errors="replace"))
        run = read_or_refuse(Run.open, tmp_path)
        if run is not None:
            assert run.labels.colour_table().shape == (256, 3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three images and masks, of which only the names count."""
    root = tmp_path_factory.mktemp("folder")
    for kind in ("images", "masks"):
        (root / kind).mkdir()
        for index in range(3):
            (root / kind / f"{index}.png").touch()
    return root


@quick
@given(
    st.one_of(
        st.binary(),
        st.lists(st.sampled_from(["0", "1.png", "../2", "/0", "images/1", ""])).map(
            lambda lines: "\n".join(lines).encode()
        ),
    )
)
def test_any_list_names_files_of_the_folder_or_is_refused(folder, content):
    (folder / "train.txt").write_bytes(content)
    found = read_or_refuse(layout.find, folder)
    for pair in found.splits["train"] if found else ():
        assert {path.parent.parent for path in pair[1:3]} == {folder}


RECORDS = st.fixed_dictionaries(
    {
        "step": st.one_of(st.integers(0, 9), VALUES),
        "split": st.one_of(st.sampled_from(["train", "val"]), VALUES),
    },
    optional={"loss": VALUES, "miou": VALUES, "pixel_accuracy": VALUES},
)
LINES = st.lists(st.one_of(RECORDS, VALUES).map(written) | st.text(), max_size=8)


@quick
@given(LINES, st.one_of(VALUES.map(written), st.text()))
def test_any_figures_are_compared_or_refused(tmp_path, lines, results):
    content = "\n".join(lines).encode(errors="replace")
    (tmp_path / "metrics.jsonl").write_bytes(content)
    for record in read_metrics(tmp_path):
        assert type(record["step"]) is int and isinstance(record["split"], str)
    (tmp_path / "results.json").write_bytes(results.encode(errors="replace"))
    page = read_or_refuse(write_comparison, [tmp_path], tmp_path / "page.html")
    assert page is None or page.read_text().endswith("</html>\n")


@quick
@given(st.lists(st.text(max_size=300)))
def test_names_of_samples_become_names_of_files_in_one_folder(names):
    files = file_names([*names, "../../x", "/etc/passwd", "..\\x", "a\0", "é" * 300])
    assert len(set(files)) == len(names) + 5
    for file in files:
        path = Path("folder", f"{file}.png")
        assert path.resolve().parent == Path("folder").resolve()
        assert file.isprintable() and len(path.name.encode()) < 255
