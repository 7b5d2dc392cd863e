"""Trainings with each loss, and with weights by the frequencies of the classes."""

import json

import numpy as np
import pytest
from slow_cases import slow_but

from jaxseg.commands.train import train
from jaxseg.data import dataset
from jaxseg.errors import UserError
from jaxseg.losses import LOSSES

SUM = "cross_entropy + 0.5*dice(smooth=1.0)"
QUICK = ("lovasz", SUM)
OF_SIGMOIDS = "binary_cross_entropy"
TEXTS = [name for name in (*LOSSES, SUM) if name != OF_SIGMOIDS]


@pytest.fixture
def two_steps(tiny_config, with_train):
    return with_train(tiny_config, steps=2, eval_every=2, batch_size=4)


@pytest.mark.parametrize("text", slow_but(QUICK, TEXTS))
def test_each_loss_trains(two_steps, with_train, tmp_path, text):
    result = train(with_train(two_steps, loss=text), tmp_path / "run")
    lines = (tmp_path / "run/metrics.jsonl").read_text().splitlines()
    losses = [json.loads(line)["loss"] for line in lines if '"loss"' in line]
    assert len(losses) == 2 and np.isfinite(losses).all()
    assert result.results["trained_steps"] == 2


@pytest.mark.slow
def test_frequencies_are_counted_once_and_kept_with_the_run(
    two_steps, with_train, tmp_path, monkeypatch
):
    config, run = with_train(two_steps, class_balance="median"), tmp_path / "run"
    train(config, run)
    kept = json.loads((run / "class_frequencies.json").read_text())
    assert sum(kept["pixels"]) == 12 * 48 * 56
    assert kept["around"] == [12 * 48 * 56] * 3
    counted = []
    monkeypatch.setattr(dataset, "count_classes", lambda *given: counted.append(given))
    train(config, run)  # nothing is left to do
    assert counted == []
    kept["pixels"][1] -= 1
    (run / "class_frequencies.json").write_text(json.dumps(kept))
    with pytest.raises(UserError, match=r"other data \(.* pixels of class .*, not "):
        train(config, run)
