"""The experiments that come with jaxseg: listed, and copied without harm."""

from pathlib import Path

import pytest

from jaxseg import cli
from jaxseg.errors import UserError
from jaxseg.experiment import load_config
from jaxseg.paths import experiments_folder

NAMES = sorted(path.stem for path in experiments_folder().glob("*.py"))


def test_every_experiment_is_listed_with_its_title(capsys):
    assert cli.main(["experiments"]) == 0
    printed = capsys.readouterr().out
    assert len(NAMES) > 5
    assert all(f"{name} " in printed for name in NAMES)
    assert "the quick start" in printed


def test_copied_experiments_load(tmp_path, capsys):
    folder = tmp_path / "new" / "mine"
    assert cli.main(["experiments", "--copy", str(folder)]) == 0
    assert sorted(path.stem for path in folder.glob("*.py")) == NAMES
    assert load_config(folder / "deeplab.py").name == "deeplab"


def test_a_copy_replaces_nothing(tmp_path, capsys):
    (tmp_path / "unet.py").write_text("mine")
    assert cli.main(["experiments", "--copy", str(tmp_path)]) == 2
    assert "unet.py: exists already" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["unet.py"]
    assert (tmp_path / "unet.py").read_text() == "mine"


@pytest.mark.parametrize("name", NAMES)
def test_an_experiment_is_found_by_its_name(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load_config(name).name == name


def test_a_file_here_goes_before_an_experiment_of_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("deeplab.py").write_text(
        "from jaxseg import Config\ndef get_config(): return Config(seed=7)\n"
    )
    assert load_config("deeplab.py").seed == 7


def test_an_unknown_experiment_names_the_nearest(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="deeplap: no such experiment.*deeplab"):
        load_config("deeplap")
