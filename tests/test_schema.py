"""Values are checked by their fields, and come back from JSON as they were."""

import dataclasses
import json

import pytest

from jaxseg.config import (
    AugmentConfig,
    Config,
    DataConfig,
    EvaluationConfig,
    ModelConfig,
    OptimizerConfig,
    TrainConfig,
)
from jaxseg.errors import UserError
from jaxseg.schema import flatten, from_json, json_schema, options, replaced, to_json


@pytest.mark.parametrize(
    "config",
    [
        Config(),
        Config(name="a", data=DataConfig(palette=((1, 2, 3), (4, 5, 6)))),
        Config(data=DataConfig(class_names=("sky", "Straße"), mask_values=(0, 255))),
        Config(augment=AugmentConfig(crop=(9, 8), rotation=1e-3)),
        Config(augment=AugmentConfig(transforms=("photometric(hue=3.0)",))),
        Config(model=ModelConfig(rates=(), width=0.1, separable=False)),
        Config(model=ModelConfig(rates=(1, 2), output_stride=8)),
    ],
)
def test_json_gives_the_same_config_back(config):
    assert from_json(to_json(config)) == config


@pytest.mark.parametrize("text", ["", "[]", "null", '{"seed": 1, "seed": 2}'])
def test_other_values_than_a_config_are_refused(text):
    with pytest.raises(UserError, match="c.json: not a jaxseg config"):
        from_json(text, "c.json")


@pytest.mark.parametrize(
    ("section", "values", "said"),
    [
        (None, {"sed": 1}, "sed: no such option; did you mean seed?"),
        (None, {"train": 3}, "train 3: must be an object"),
        (None, {"seed": -1}, "seed -1: must be greater than or equal to 0"),
        (None, {"name": "../x"}, "name '../x': it names a folder in runs/"),
        ("train", {"stepz": 1}, "train.stepz: no such option; did you mean train.step"),
        ("train", {"steps": "7"}, "train.steps '7': must be a valid integer"),
        ("train", {"steps": 0}, "train.steps 0: must be greater than or equal to 1"),
        ("train", {"steps": True}, "train.steps True: must be a valid integer"),
        ("train", {"ema": 1.0}, "train.ema 1.0: must be less than 1"),
        ("augment", {"crop": [64]}, "augment.crop"),
        ("augment", {"scale": [1.0, float("nan")]}, "augment.scale nan: "),
        ("data", {"palette": [[0, 0, 256]]}, "data.palette 256: must be less than or"),
        ("evaluation", {"scales": []}, "evaluation.scales []: must have at least 1 it"),
        (
            "evaluation",
            {"window": 5},
            "evaluation.window 5: must be 0, or must be greater than or equal to 33",
        ),
    ],
)
def test_a_value_that_does_not_fit_is_one_line(section, values, said):
    text = json.dumps(values if section is None else {section: values})
    with pytest.raises(UserError) as caught:
        from_json(text, "c.json")
    assert str(caught.value).startswith(f"c.json: {said}")
    assert "\n" not in str(caught.value)


def test_a_missing_value_has_its_default():
    assert from_json('{"seed": 3}') == Config(seed=3)


@pytest.mark.parametrize(("value", "values"), [(0, (0,)), (-1, ()), (255, (255,))])
def test_an_ignore_value_of_an_earlier_version_is_read(value, values):
    config = from_json(f'{{"data": {{"ignore_value": {value}}}}}')
    assert config.data == DataConfig(ignore_values=values)
    assert DataConfig(ignore_value=value) == config.data


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (0.25, OptimizerConfig(warmup_ratio=0.25)),
        (0.0, OptimizerConfig()),
        (50.0, OptimizerConfig(warmup_steps=50)),
        (50, OptimizerConfig(warmup_steps=50)),
    ],
)
def test_a_warm_up_of_an_earlier_version_is_read(written, read):
    text = json.dumps({"optimizer": {"warmup_steps": written}})
    assert from_json(text).optimizer == read


def test_half_a_step_is_no_warm_up():
    with pytest.raises(UserError, match="optimizer.warmup_steps 1.5: must be"):
        from_json('{"optimizer": {"warmup_steps": 1.5}}')


def test_values_are_replaced_by_their_names():
    config = replaced(Config(), {"seed": 3, "train.steps": 7, "train.batch_size": 2})
    assert config == Config(seed=3, train=TrainConfig(steps=7, batch_size=2))
    with pytest.raises(UserError, match="train.steps 0"):
        replaced(Config(), {"train.steps": 0})


def test_every_value_has_a_sentence():
    assert set(options()) == set(flatten(Config()))
    for option in options().values():
        assert option.help.endswith((".", "?")), option.name
        assert option.default == flatten(Config())[option.name]


def test_the_json_schema_is_of_all_sections():
    sections = {field.name for field in dataclasses.fields(Config)}
    assert set(json_schema()["properties"]) == sections
    window = json_schema()["$defs"][EvaluationConfig.__name__]["properties"]["window"]
    assert window["anyOf"][1]["minimum"] == 33
