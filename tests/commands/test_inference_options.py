"""Options of inference: what takes less memory is less than what was asked for."""

import argparse
import dataclasses

import pytest

from jaxseg.commands.inference_options import add_inference_options, less_memory
from jaxseg.config import Config, EvaluationConfig
from jaxseg.schema import to_json


@pytest.mark.parametrize(
    ("of_run", "words", "remedy"),
    [
        (0, [], "--window 512"),
        (0, ["--window", "300"], "--window 150"),
        (256, [], "--window 128"),
        (256, ["--window", "0"], "--window 512"),
        (64, [], "--scales 1"),
        (256, ["--window", "100"], "--scales 1"),
    ],
)
def test_a_window_that_takes_less_memory_is_smaller(tmp_path, of_run, words, remedy):
    config = dataclasses.replace(Config(), evaluation=EvaluationConfig(window=of_run))
    (tmp_path / "config.json").write_text(to_json(config))
    (tmp_path / "labels.json").write_text("{}")
    parser = argparse.ArgumentParser()
    parser.add_argument("--run")
    add_inference_options(parser)
    options = parser.parse_args(["--run", str(tmp_path), *words])
    assert remedy in less_memory(options)
