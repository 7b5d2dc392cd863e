"""Weights of another run, which fit a model only if both compute alike."""

from dataclasses import replace

import pytest

from jaxseg.build import build
from jaxseg.config import Config, DataConfig, ModelConfig
from jaxseg.data.catalog import open_dataset
from jaxseg.data.identity import Identity
from jaxseg.errors import UserError
from jaxseg.initial_weights import starting_variables
from jaxseg.run import Run
from jaxseg.training.checkpoint import Checkpoints
from jaxseg.training.state import create_state

SMALL = ModelConfig(
    head="fcn8s", backbone="mobilenet_v3_small", arithmetic="timm", width=0.25
)


@pytest.fixture
def config(shapes_folder, tmp_path):
    data = DataConfig(name="folder", root=str(shapes_folder), cache=str(tmp_path / "c"))
    return Config(data=data, model=SMALL)


def initialized(config):
    parts = build(config, 3)
    return parts, create_state(parts.model, parts.optimizer, 0, (33, 33))


@pytest.fixture
def run(config, tmp_path):
    """A run whose weights are those of its initialisation."""
    dataset = open_dataset(config.data)
    run = Run(tmp_path / "run", config, dataset.labels)
    run.workdir.mkdir()
    run.write(Identity.of(dataset, ()))
    with Checkpoints(run.checkpoints) as checkpoints:
        checkpoints.save(initialized(config)[1], {})
        checkpoints.record_score(0, 0.5)
    return run


def start(config, run, **model):
    """Start a model from a run; return what was logged."""
    model = replace(config.model, weights=str(run.workdir), **model)
    config, logged = replace(config, model=model), []
    parts, state = initialized(config)
    variables = {"params": state.params, "batch_stats": state.batch_stats}
    starting_variables(config, parts.model, variables, logged.append)
    return logged


@pytest.mark.slow
def test_weights_of_another_arithmetic_are_refused_with_the_one_that_fits(config, run):
    message = (
        r"its backbone mobilenet_v3_small computes differently; give"
        r" --model\.arithmetic timm$"
    )
    with pytest.raises(UserError, match=message):
        start(config, run, arithmetic="torchvision")
    (logged,) = start(config, run, arithmetic="timm")
    assert logged.endswith("tensors taken")


@pytest.mark.slow
def test_a_name_that_implies_an_arithmetic_is_to_be_given_without_it(config, run):
    message = r"--model\.backbone mobilenet_v3_small --model\.arithmetic timm$"
    with pytest.raises(UserError, match=message):
        start(config, run, backbone="tf_mobilenetv3_small_100", arithmetic="")


def test_a_former_name_of_the_same_arithmetic_is_the_same_backbone(config, run):
    (logged,) = start(config, run, backbone="mobilenetv3_small_100", arithmetic="")
    assert logged.endswith("tensors taken")
