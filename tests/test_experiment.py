"""Loading experiments: files, overrides, and what is refused before data."""

import sys
from pathlib import Path

import pytest
from fresh_process import run

from jaxseg.config import Config
from jaxseg.data.presets import complete
from jaxseg.errors import UserError
from jaxseg.experiment import import_experiment, load_config
from jaxseg.schema import from_json, to_json

ROOT = Path(__file__).parents[1]
EXPERIMENTS = sorted((ROOT / "experiments").glob("*.py"))


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_an_experiment_loads_and_survives_json(path):
    config = load_config(path)
    assert config.name == path.stem
    assert from_json(to_json(config)) == config
    assert len(path.read_text().splitlines()) <= 80


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_an_experiment_names_its_source(path):
    head = path.read_text().split('"""')[1]
    for word in ("Paper:", "Data:", "Hardware:", "Time:", "Mean IoU:", "Command:"):
        assert word in head, word
    assert f"python main.py --config experiments/{path.name}" in head


def test_a_config_json_is_an_experiment_too(tmp_path):
    path = tmp_path / "config.json"
    path.write_text(to_json(Config(name="first", seed=3)))
    expected = complete(Config(name="second", seed=3))
    assert load_config(path, ["--name", "second"]) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def get_config(: pass", "SyntaxError"),
        ("x = 1", "define get_config"),
        ("def get_config(): return 3", "must return a jaxseg.Config"),
        ("import nowhere", "No module named 'nowhere'"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("def get_config():\n from jaxseg import Config\n return Config(sed=1)", "sed"),
        (
            "from jaxseg import *\n"
            "def get_config(): return Config(train=TrainConfig(steps=0))",
            "train.steps 0: must be greater than or equal to 1",
        ),
    ],
)
def test_a_broken_experiment_is_named(tmp_path, text, said):
    path = tmp_path / "broken.py"
    path.write_text(text)
    with pytest.raises(UserError, match="broken.py") as caught:
        load_config(path)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_experiment_names_the_nearest(tmp_path):
    (tmp_path / "deeplab.py").write_text("")
    with pytest.raises(UserError, match="Did you mean .*deeplab.py"):
        load_config(tmp_path / "deeplap.py")


def test_a_file_that_is_no_python_is_refused(tmp_path):
    (tmp_path / "recipe.txt").write_text("")
    with pytest.raises(UserError, match="whose name ends in .py"):
        load_config(tmp_path / "recipe.txt")


def test_classes_of_an_experiment_know_their_module(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("class Mine: pass")
    module = import_experiment(path)
    assert sys.modules[module.Mine.__module__] is module


def test_an_experiment_may_be_corrected_by_its_overrides(tmp_path):
    path = tmp_path / "short.py"
    path.write_text(
        "from jaxseg import *\n"
        "def get_config(): return Config(train=TrainConfig(steps=5),"
        " optimizer=OptimizerConfig(warmup_steps=50))\n"
    )
    with pytest.raises(UserError, match="the warm-up"):
        load_config(path)
    words = ["--optimizer.warmup_steps", "0"]
    assert load_config(path, words).optimizer.warmup_steps == 0


@pytest.mark.parametrize(
    "words", [["--trian.steps", "7"], ["--train.steps", "-7"], ["--seed", "a"]]
)
def test_a_value_that_does_not_fit_is_refused_before_jax_is_imported(words):
    code = (
        "import sys, jaxseg\n"
        f"try: jaxseg.load_config({str(EXPERIMENTS[0])!r}, {words!r})\n"
        "except jaxseg.UserError: pass\n"
        "else: raise AssertionError('not refused')\n"
        "heavy = {'jax', 'flax', 'numpy', 'tensorflow_datasets', 'orbax', 'grain'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    run(code)  # an assertion that fails there raises here


@pytest.mark.parametrize(
    "words",
    [["--model.head", "unett"], ["--model.rates", "0"], ["--train.accumulate", "7"]],
)
def test_a_config_is_refused_before_data_is_opened(words):
    code = (
        "import sys; from jaxseg import cli\n"
        f"assert cli.main(['--config', {str(EXPERIMENTS[0])!r}, *{words!r}]) == 2\n"
        "assert 'tensorflow_datasets' not in sys.modules\n"
        "import jax._src.xla_bridge as bridge\n"
        "assert not bridge.backends_are_initialized()"
    )
    run(code)  # an assertion that fails there raises here


def test_an_experiment_imports_a_module_that_lies_beside_it(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "beside_the_experiment.py").write_text("STEPS = 7")
    experiment = tmp_path / "mine.py"
    experiment.write_text(
        "import jaxseg\n"
        "from beside_the_experiment import STEPS\n"
        "def get_config():\n"
        "    return jaxseg.Config(train=jaxseg.TrainConfig(steps=STEPS))\n"
    )
    assert load_config(experiment).train.steps == 7
