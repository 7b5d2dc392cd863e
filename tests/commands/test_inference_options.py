"""Options of inference: given ones replace the run's; options that take less memory."""

import pytest

from jaxseg.commands.inference_options import changed_options, less_memory
from jaxseg.config import Config, EvaluationConfig
from jaxseg.errors import UserError


def test_given_options_replace_those_of_the_run():
    config = Config(evaluation=EvaluationConfig(window=64, crf=3))
    found = changed_options(config, {"window": None, "crf": 0, "scales": [0.5]})
    assert found == EvaluationConfig(window=64, crf=0, scales=(0.5,))
    with pytest.raises(UserError, match="evaluation.window 5"):
        changed_options(config, {"window": 5})


@pytest.mark.parametrize("name", ["boundary_ratio", "boundary_tolerance"])
def test_an_option_of_boundaries_that_are_not_measured_is_refused(name):
    said = f"{name} 0.5: boundaries are not measured; add --surfaces"
    with pytest.raises(UserError, match=said):
        changed_options(Config(), {name: 0.5})
    found = changed_options(Config(), {name: 0.5, "surfaces": True})
    assert getattr(found, name) == 0.5
    measured = Config(evaluation=EvaluationConfig(surfaces=True))
    assert getattr(changed_options(measured, {name: 0.5}), name) == 0.5


@pytest.mark.parametrize("given", [{"boundary_ratio": 0.0}, {"boundary_tolerance": -1}])
def test_options_of_boundaries_have_ranges(given):
    (name,) = given
    with pytest.raises(UserError, match=f"evaluation.{name} {given[name]}"):
        changed_options(Config(), given | {"surfaces": True})


@pytest.mark.parametrize(
    "given", [{"overlap": 0.5}, {"window_weights": "gaussian"}, {"overlap": 0.0}]
)
def test_options_of_windows_are_refused_without_a_window(given):
    with pytest.raises(UserError, match="no windows; give --window 512 as well"):
        changed_options(Config(), given)
    assert changed_options(Config(), {"window": 64, **given}).window == 64


@pytest.mark.parametrize(
    ("window", "remedy"),
    [
        (0, "--window 512"),
        (300, "--window 150"),
        (256, "--window 128"),
        (100, "--scales 1"),
        (64, "--scales 1"),
    ],
)
def test_a_window_that_takes_less_memory_is_smaller(window, remedy):
    assert remedy in less_memory(window)
