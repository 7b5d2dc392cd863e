"""Words of the command line become values of a Config, or one line."""

import pytest

from jaxseg.command_line import (
    Parser,
    add_options,
    add_short_options,
    changed,
    short_values,
    type_of,
)
from jaxseg.config import Config, ModelConfig
from jaxseg.errors import UserError
from jaxseg.schema import flatten, options, replaced


@pytest.mark.parametrize(
    ("words", "name", "value"),
    [
        (["--train.steps", "7"], "train.steps", 7),
        (["--train.steps=7"], "train.steps", 7),
        (["--train.batch-size", "7"], "train.batch_size", 7),
        (["--augment.crop", "64", "96"], "augment.crop", (64, 96)),
        (["--model.rates", "1", "2"], "model.rates", (1, 2)),
        (["--model.output_stride", "8"], "model.output_stride", 8),
        (["--model.auxiliary", "True"], "model.auxiliary", True),
        (["--optimizer.clip_norm", "2.5"], "optimizer.clip_norm", 2.5),
        (["--data.class_names", "a", "b"], "data.class_names", ("a", "b")),
        (["--data.palette", *"010203"], "data.palette", ((0, 1, 0), (2, 0, 3))),
        (["--data.mask_values", "0", "255"], "data.mask_values", (0, 255)),
        (["--data.ignore_values", "0", "5"], "data.ignore_values", (0, 5)),
        (["--data.ignore_values"], "data.ignore_values", ()),
        (["--data.ignore_value", "0"], "data.ignore_values", (0,)),
        (["--data.ignore_value", "-1"], "data.ignore_values", ()),
        (["--data.mask_map", "0-9:0", "10:1"], "data.mask_map", ("0-9:0", "10:1")),
        (["--evaluation.scales", "0.5", "1"], "evaluation.scales", (0.5, 1.0)),
        (["--optimizer.warmup_steps", "7"], "optimizer.warmup_steps", 7),
        (["--optimizer.warmup_steps", "0.1"], "optimizer.warmup_ratio", 0.1),
        (["--seed", "1", "--seed", "2"], "seed", 2),
    ],
)
def test_an_override_has_the_fields_type(words, name, value):
    found, before = flatten(changed(Config(), words)), flatten(Config())
    assert found[name] == value
    assert [key for key in found if found[key] != before[key]] == [name]


@pytest.mark.parametrize("name", sorted(options()))
def test_every_default_can_be_given(name):
    default = options()[name].default
    words = default if isinstance(default, tuple) else (default,)
    config = changed(Config(), [f"--{name}", *map(str, words)])
    assert flatten(config)[name] == default


def test_none_resets_a_value():
    config = Config(model=ModelConfig(output_stride=8, rates=(1, 2)))
    words = ["--model.output_stride", "None", "--model.rates", "None"]
    assert changed(config, words) == Config()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--train.stepz", "7"], "--train.stepz: did you mean --train.steps?"),
        (["--model.bins", "1"], "--model.head 'NAME(bins=...)'"),
        (["--trian.steps=7"], "--trian.steps: did you mean --train.steps?"),
        (["--model.mean", "1", "2"], "--model.mean 1 2: expected 3 values, or None"),
        (["--train.steps", "many"], "--train.steps many: must be a valid integer"),
        (["--train.steps"], "--train.steps: expected 1 argument"),
        (["--train.steps", "0"], "--train.steps 0: must be greater than or equal to 1"),
        (["--augment.crop", "64"], "--augment.crop: expected 2 arguments"),
        (["--evaluation.window", "5"], "window 5: must be 0, or must be greater than"),
        (["steps", "7"], "unexpected 'steps': an override is --NAME VALUE"),
        (
            ["--model.auxiliary", "perhaps"],
            "--model.auxiliary perhaps: must be a ",
        ),
        (["--train.step", "3"], "did you mean --train.steps?"),
    ],
)
def test_a_wrong_override_is_one_line_that_names_it(words, said):
    with pytest.raises(UserError) as caught:
        changed(Config(), words)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_help_of_overrides_has_the_values_of_the_experiment():
    parser = Parser(prog="main.py")
    add_options(parser, replaced(Config(), {"train.steps": 1234567}))
    text = " ".join(parser.format_help().split())
    for option in options().values():
        assert f"--{option.name}" in text
    assert "Training steps of the whole run. Default: 1234567" in text


def test_a_switch_of_a_command_has_no_value():
    parser = Parser(prog="main.py")
    add_short_options(parser, ["evaluation.flip", "evaluation.scales"])
    assert short_values(parser.parse_args([])) == {}
    given = parser.parse_args(["--flip", "--scales", "0.5", "1"])
    assert short_values(given) == {"flip": True, "scales": (0.5, 1.0)}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("seed", "integer"),
        ("model.auxiliary", "True or False"),
        ("augment.crop", "2 integers"),
        ("data.class_names", "any number of texts"),
        ("data.palette", "3 integers, several times"),
        ("model.mean", "3 numbers"),
        ("evaluation.window", "integer"),
    ],
)
def test_a_type_is_named(name, words):
    assert type_of(options()[name]) == words
