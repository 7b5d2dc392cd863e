"""How many steps fit into a budget of time: by hand, by counting, by a fake clock."""

from dataclasses import replace

import pytest

from jaxseg.commands.claim import _changed_settings, recorded_steps
from jaxseg.config import Config, TrainConfig
from jaxseg.errors import UserError
from jaxseg.schema import to_json
from jaxseg.trainer import pace
from jaxseg.trainer.pace import Pace, plan
from jaxseg.trainer.trainer import Trainer

PACE = Pace(step=2.0, evaluation=10.0, checkpoint=1.0)


def test_time_is_that_of_steps_evaluations_and_checkpoints():
    # Evaluated at 4, 8 and 10, saved there and at 3, 6 and 9.
    assert PACE.seconds(10, eval_every=4, checkpoint_every=3) == 20 + 30 + 6


@pytest.mark.parametrize(("evaluates", "saves"), [(4, 3), (4, 6), (5, 5), (7, 1)])
def test_each_checkpoint_is_counted_once(evaluates, saves):
    for steps in range(1, 40):
        taken = range(1, steps + 1)
        evaluated = {n for n in taken if n % evaluates == 0 or n == steps}
        saved = evaluated | {n for n in taken if n % saves == 0}
        expected = 2 * steps + 10 * len(evaluated) + len(saved)
        assert PACE.seconds(steps, evaluates, saves) == expected


@pytest.mark.parametrize(
    ("seconds", "steps"), [(12.9, 0), (13, 1), (14.9, 1), (15, 2), (1000, 494)]
)
def test_the_most_steps_that_fit_are_taken(seconds, steps):
    assert PACE.steps_within(seconds, 1000, 1000) == steps


class Fake(Trainer):
    """A trainer whose compilation takes 30 seconds of its clock."""

    def __init__(self, minutes):
        train = TrainConfig(minutes=minutes, eval_every=100, checkpoint_every=50)
        self.config, self.now, self.state = Config(train=train), 0.0, None

    def initialize(self, weights=True):
        assert not weights, "they are read once, by the training"

    def compile(self):
        self.now += 30

    def clock(self):
        return self.now


@pytest.fixture
def measured(monkeypatch):
    """Measuring takes no time and finds `PACE`."""
    monkeypatch.setattr(pace, "_time_step", lambda *_: PACE.step)
    monkeypatch.setattr(pace, "_time_evaluation", lambda *_: PACE.evaluation)
    monkeypatch.setattr(pace, "_time_checkpoint", lambda *_: PACE.checkpoint)


def test_compiling_twice_is_part_of_the_minutes(measured, tmp_path, capsys):
    trainer = Fake(minutes=10)
    found = plan(trainer, tmp_path, trainer.clock)
    assert found == PACE.steps_within(600 - 30 - 30, 100, 50) == 252
    said = "10 minutes: 252 steps (a step takes 2 s, an evaluation 10 s, a checkpoint"
    assert said in " ".join("".join(capsys.readouterr()).split())


def test_minutes_too_few_for_a_step_are_refused_with_as_many_as_it_takes(
    measured, tmp_path
):
    trainer = Fake(minutes=1.0)
    with pytest.raises(UserError, match="take 73 s; give --train.minutes 2 or more"):
        plan(trainer, tmp_path, trainer.clock)
    trainer = Fake(minutes=2.0)
    assert plan(trainer, tmp_path, trainer.clock) >= 1


def config(**values):
    return Config(train=TrainConfig(**values))


def test_the_steps_that_minutes_gave_are_those_of_the_run_folder(tmp_path):
    asked = config(minutes=5.0)
    assert recorded_steps(tmp_path, asked) is None
    begun = replace(asked, train=replace(asked.train, steps=321))
    (tmp_path / "config.json").write_text(to_json(begun))
    assert recorded_steps(tmp_path, asked) == 321
    assert recorded_steps(tmp_path, config(minutes=6.0)) is None
    assert recorded_steps(tmp_path, config(steps=9)) is None


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ({"minutes": 5.0}, {"minutes": 6.0}, "train.minutes 5.0, not 6.0"),
        ({}, {"minutes": 6.0}, "train.minutes 0.0, not 6.0"),
        ({"minutes": 5.0, "steps": 99}, {"steps": 200}, None),
    ],
)
def test_a_run_goes_on_by_steps_and_not_by_other_minutes(old, new, said):
    assert _changed_settings(config(**old), config(**new)) == said
