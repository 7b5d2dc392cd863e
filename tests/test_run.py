"""What a run makes of its config."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from jaxseg.config import Config, OptimizerConfig, TrainConfig
from jaxseg.errors import UserError
from jaxseg.experiment import load_config
from jaxseg.run import learning_rate, warmup_steps
from jaxseg.training.optimizer import poly

EXPERIMENTS = Path(__file__).parents[1] / "experiments"


def config(warmup, steps):
    return Config(
        optimizer=OptimizerConfig(warmup_steps=warmup), train=TrainConfig(steps=steps)
    )


@pytest.mark.parametrize(
    ("asked", "steps", "found"),
    [
        (0, 1, 0),
        (5, 6, 5),
        (1, 2, 1),
        (0.1, 300, 30),
        (0.29, 100, 29),
        (0.025, 4, 0),
        (0.999, 1, 0),
        (0.999, 10**9, 999 * 10**6),
    ],
)
def test_a_warm_up_is_steps_or_below_one_their_share(asked, steps, found):
    assert warmup_steps(config(asked, steps)) == found


@pytest.mark.parametrize(
    ("asked", "steps", "said"),
    [
        (1, 1, "warmup_steps 1: the warm-up is not shorter than the run of train.step"),
        (50, 4, "warmup_steps 50: .* train.steps 4; give --optimizer.warmup_steps 0.1"),
        (4.0, 4, "warmup_steps 4: "),
        (1.5, 100, "warmup_steps 1.5: a whole number of steps, or a share"),
    ],
)
def test_a_warm_up_longer_than_the_run_is_refused(asked, steps, said):
    with pytest.raises(UserError, match=said):
        learning_rate(config(asked, steps))
    learning_rate(config(0.1, steps))
    learning_rate(config(0, steps))


@pytest.mark.parametrize("path", sorted(EXPERIMENTS.glob("*.py")), ids=lambda p: p.stem)
@pytest.mark.parametrize("steps", [1, 4, 100])
def test_every_experiment_has_a_schedule_in_a_short_run_too(path, steps):
    short = load_config(path, ["--train.steps", str(steps)])
    assert learning_rate(short)(0) > 0


@pytest.mark.parametrize(
    ("name", "warmup"),
    [
        ("folder", 50),
        ("camvid_unet", 100),
        ("camvid_deeplab", 100),
        ("camvid_lite", 20),
        ("degradation", 100),
        ("any_model", 100),
        ("deeplab", 0),
    ],
)
def test_the_experiments_warm_up_as_long_as_they_were_measured_with(name, warmup):
    given = load_config(EXPERIMENTS / f"{name}.py")
    options, steps = given.optimizer, given.train.steps
    peak, final = options.learning_rate, options.final_learning_rate
    expected = poly(peak, final, steps, warmup, options.power)
    for step in (0, 1, warmup, warmup + 1, steps // 2, steps):
        np.testing.assert_array_equal(learning_rate(given)(step), expected(step))


def test_an_experiment_may_count_steps(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(
        "from jaxseg import *\n"
        "def get_config():\n"
        "    return Config(optimizer=OptimizerConfig(warmup_steps=50))\n"
    )
    assert warmup_steps(load_config(path)) == 50
    assert warmup_steps(load_config(path, ["--optimizer.warmup_steps", "7"])) == 7
    changed = load_config(path, ["--optimizer.warmup_steps", "0.5"])
    assert warmup_steps(replace(changed, train=TrainConfig(steps=10))) == 5
