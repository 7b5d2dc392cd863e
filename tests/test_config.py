"""Loading experiments, overrides, and back from JSON."""

from pathlib import Path

import pytest

from jaxseg.command_line import changed
from jaxseg.config import AugmentConfig, Config, DataConfig, ModelConfig
from jaxseg.errors import UserError
from jaxseg.experiment import load_config
from jaxseg.schema import flatten, from_json, to_json

EXPERIMENTS = sorted((Path(__file__).parents[1] / "experiments").glob("*.py"))


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_an_experiment_loads_and_survives_json(path):
    config = load_config(path)
    assert config.name == path.stem
    assert from_json(to_json(config)) == config
    assert len(path.read_text().splitlines()) <= 80


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_an_experiment_says_where_it_comes_from(path):
    head = path.read_text().split('"""')[1]
    for word in ("Paper:", "Data:", "Hardware:", "Time:", "Mean IoU:", "Command:"):
        assert word in head, word
    assert f"python main.py --config experiments/{path.name}" in head


@pytest.mark.parametrize(
    ("words", "name", "value"),
    [
        (["--train.steps", "7"], "train.steps", 7),
        (["--train.steps=7"], "train.steps", 7),
        (["--augment.crop", "64", "96"], "augment.crop", (64, 96)),
        (["--model.rates", "1", "2"], "model.rates", (1, 2)),
        (["--model.output_stride", "8"], "model.output_stride", 8),
        (["--model.auxiliary", "True"], "model.auxiliary", True),
        (["--optimizer.clip_norm", "2.5"], "optimizer.clip_norm", 2.5),
        (["--data.mask_values", "0", "255"], "data.mask_values", (0, 255)),
        (["--data.ignore_values", "0", "5"], "data.ignore_values", (0, 5)),
        (["--data.ignore_value", "0"], "data.ignore_values", (0,)),
        (["--data.ignore_value", "-1"], "data.ignore_values", ()),
        (["--data.mask_map", "0-9:0", "10:1"], "data.mask_map", ("0-9:0", "10:1")),
        (["--evaluation.scales", "0.5", "1"], "evaluation.scales", (0.5, 1.0)),
    ],
)
def test_an_override_has_the_fields_type(words, name, value):
    found = flatten(changed(Config(), words))
    assert found[name] == value
    before = flatten(Config())
    assert [key for key in found if found[key] != before[key]] == [name]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--train.stepz", "7"], "--train.stepz: did you mean --train.steps?"),
        (["--trian.steps=7"], "--trian.steps: did you mean --train.steps?"),
        (["--train.steps", "many"], "--train.steps many"),
        (["--train.steps"], "--train.steps"),
        (["--augment.crop", "64"], "--augment.crop 64"),
        (["steps", "7"], "steps 7"),
        (["--model.auxiliary", "perhaps"], "--model.auxiliary perhaps"),
    ],
)
def test_a_wrong_override_is_one_line_that_names_it(words, said):
    with pytest.raises(UserError) as caught:
        changed(Config(), words)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def get_config(: pass", "SyntaxError"),
        ("x = 1", "define get_config"),
        ("def get_config(): return 3", "must return a jaxseg.Config"),
        ("import nowhere", "No module named 'nowhere'"),
        ("def get_config():\n from jaxseg import Config\n return Config(sed=1)", "sed"),
    ],
)
def test_a_broken_experiment_is_named(tmp_path, text, said):
    path = tmp_path / "broken.py"
    path.write_text(text)
    with pytest.raises(UserError, match="broken.py") as caught:
        load_config(path)
    assert said in str(caught.value)


def test_a_missing_experiment_names_the_nearest(tmp_path):
    (tmp_path / "deeplab.py").write_text("")
    with pytest.raises(UserError, match="Did you mean .*deeplab.py"):
        load_config(tmp_path / "deeplap.py")


@pytest.mark.parametrize(
    "config",
    [
        Config(),
        Config(name="a", data=DataConfig(palette=((1, 2, 3), (4, 5, 6)))),
        Config(data=DataConfig(class_names=("sky", "Straße"), mask_values=(0, 255))),
        Config(augment=AugmentConfig(crop=(9, 8), rotation=1e-3)),
        Config(model=ModelConfig(rates=(), width=0.1, separable=False)),
        Config(model=ModelConfig(rates=(1, 2), output_stride=8)),
    ],
)
def test_json_gives_the_same_config_back(config):
    assert from_json(to_json(config)) == config


@pytest.mark.parametrize(("value", "values"), [(0, (0,)), (-1, ()), (255, (255,))])
def test_an_ignore_value_of_an_earlier_version_is_read(value, values):
    config = from_json(f'{{"data": {{"ignore_value": {value}}}}}')
    assert config.data == DataConfig(ignore_values=values)
    assert DataConfig(ignore_value=value) == config.data


@pytest.mark.parametrize("text", ["", "[]", '{"seed": 1, "sed": 2}', '{"train": 3}'])
def test_what_is_no_config_is_refused(text):
    with pytest.raises(UserError, match="not a jaxseg config"):
        from_json(text)
