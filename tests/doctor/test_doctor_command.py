"""The command `doctor`: what it writes, prints and returns."""

import json

import numpy as np
import pytest
from fresh_process import run
from sick_folder import Planted, clean, duplicate, save, turned, unexpected

from jaxseg import cli


def doctor(*words):
    return cli.main(["doctor", *map(str, words)])


def test_a_clean_set_gives_0_and_both_reports(tmp_path, capsys):
    root, out = clean(tmp_path / "data"), tmp_path / "out"
    assert doctor("--root", root, "--out", out) == 0
    assert sorted(path.name for path in out.iterdir()) == ["doctor.html", "doctor.json"]
    content = json.loads((out / "doctor.json").read_text())
    assert content["counts"] == {"error": 0, "warning": 0, "note": 0}
    assert content["images"] == {"train": 12, "val": 6}
    assert [each["name"] for each in content["classes"]] == [
        "class 0",
        "class 1",
        "class 2",
    ]
    printed = capsys.readouterr().out
    assert "--augment.crop 64 64" in printed
    assert "0 errors, 0 warnings, 0 notes" in printed


def test_an_error_gives_1_and_a_warning_0(tmp_path, capsys):
    root, out = clean(tmp_path / "data"), tmp_path / "out"
    duplicate(Planted(root / ""))
    assert doctor("--root", root, "--out", out) == 0
    assert "warning: duplicate" in capsys.readouterr().out
    turned(Planted(root))
    assert doctor("--root", root, "--out", out) == 1
    assert "train/masks/train2.png: 48x56 pixels" in capsys.readouterr().out


def test_an_experiment_names_the_data_and_its_options(tmp_path, capsys):
    root = clean(tmp_path / "data")
    path = tmp_path / "mine.py"
    path.write_text(
        "from jaxseg import Config, DataConfig\n"
        "def get_config():\n"
        f"    return Config(data=DataConfig(name='folder', root={str(root)!r}))\n"
    )
    words = ("--config", path, "--out", tmp_path / "out")
    assert doctor(*words) == 0
    assert doctor(*words, "--data.num_classes", 2) == 1
    assert "18)" in capsys.readouterr().out


def test_two_folders_are_named_in_place_of_a_root(tmp_path):
    root = clean(tmp_path / "data") / "train"
    words = ("--images", root / "images", "--masks", root / "masks")
    assert doctor(*words, "--out", tmp_path / "out") == 0


def test_nothing_is_written_into_the_data_set(tmp_path, capsys, monkeypatch):
    root = clean(tmp_path / "data")
    monkeypatch.chdir(root)
    before = sorted(root.rglob("*"))
    assert doctor("--root", root) == 2
    assert "lies in the data set" in capsys.readouterr().err
    assert doctor("--root", ".", "--out", tmp_path / "out") == 0
    assert sorted(root.rglob("*")) == before


@pytest.mark.parametrize(
    "words",
    [(), ("--images", "a"), ("--root", "a", "--config", "b")],
    ids=["none", "half", "two"],
)
def test_one_data_set_must_be_named(words, capsys):
    assert doctor(*words) == 2
    assert "name one data set" in capsys.readouterr().err


def test_a_data_set_of_records_is_refused_in_a_line(tmp_path, capsys):
    words = ("--root", tmp_path, "--data.name", "digit_scenes")
    assert doctor(*words) == 2
    assert "cannot be seen" in capsys.readouterr().err


def test_the_page_escapes_names_and_shows_pictures(tmp_path):
    root, out = clean(tmp_path / "data"), tmp_path / "out"
    path = unexpected(Planted(root))
    named = path.with_name("<b>&.png")
    path.rename(named)
    image = root / "train" / "images" / path.name
    image.rename(image.with_name(named.name))
    assert doctor("--root", root, "--out", out) == 1
    page = (out / "doctor.html").read_text()
    assert "&lt;b&gt;&amp;.png" in page
    assert "<b>" not in page
    assert page.count("<img") == 3  # image, mask, and what is at fault
    assert "doctor.json" not in page


def test_a_page_lists_a_few_of_many_alike(tmp_path):
    root, out = clean(tmp_path / "data"), tmp_path / "out"
    for index in range(30):
        save(root / "train" / "images" / f"more{index}.png", _noise(index))
    assert doctor("--root", root, "--out", out) == 1
    page = (out / "doctor.html").read_text()
    assert "and 10 more, in doctor.json" in page
    content = json.loads((out / "doctor.json").read_text())
    assert content["counts"]["error"] == 30


def _noise(seed):
    return np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)


def test_it_needs_neither_jax_nor_tfds(tmp_path):
    root = clean(tmp_path / "data")
    code = (
        "import sys; from jaxseg import cli\n"
        f"code = cli.main(['doctor', '--root', {str(root)!r}, '--out',"
        f" {str(tmp_path / 'out')!r}])\n"
        "heavy = {'jax', 'flax', 'grain', 'tensorflow_datasets', 'tensorflow'}\n"
        "print(code, sorted(heavy & set(sys.modules)))"
    )
    assert run(code).splitlines()[-1] == "0 []"
