"""Runs of several processes, through the command line, as a cluster starts them."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from fresh_process import COMPILE_FAST
from slow_cases import slow

from jaxseg.cli import STOPPED
from jaxseg.parallel import distributed

ROOT = Path(__file__).parents[2]


@pytest.fixture
def start(tmp_path, shapes_folder):
    """Start all processes of a run, each with one device."""
    experiment = tmp_path / "shapes.py"
    experiment.write_text(f"""
from jaxseg import *

def get_config():
    return Config(
        name="shapes",
        data=DataConfig(
            name="folder", root={str(shapes_folder)!r}, cache={str(tmp_path)!r},
            threads=1,
        ),
        augment=AugmentConfig(crop=(33, 33), scale=(0.8, 1.2), max_class_share=1.0),
        model=ModelConfig(head="fcn32s", backbone="resnet18", width=0.125),
        optimizer=OptimizerConfig(learning_rate=3e-3),
        train=TrainConfig(
            steps=4, batch_size=8, log_every=1, eval_every=4,
            checkpoint_every=10,
        ),
        evaluation=EvaluationConfig(batch_size=4),
    )
""")
    running = []

    def launch(count, workdir, *words):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        environment = {**os.environ, "XLA_FLAGS": COMPILE_FAST}
        command = [sys.executable, "main.py", "--config", experiment, *words]
        command += ["--workdir", workdir]
        if count > 1:
            command += ["--distributed", "--coordinator", f"127.0.0.1:{port}"]
            command += ["--processes", str(count), "--process"]
        group = [
            subprocess.Popen(
                command if count == 1 else [*command, str(number)],
                cwd=ROOT,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for number in range(count)
        ]
        running.extend(group)
        return group

    yield launch
    for process in running:
        process.kill()
        process.communicate()


def ended(group, seconds=240):
    """Wait for all; return exit codes, standard outputs and errors."""
    said = [process.communicate(timeout=seconds) for process in group]
    codes = [process.returncode for process in group]
    return codes, [out for out, _ in said], [error for _, error in said]


def until_step(workdir, step, group):
    """Wait until a step is logged, while all processes live."""
    log = workdir / "metrics.jsonl"
    while not log.is_file() or f'"step": {step},' not in log.read_text():
        assert all(process.poll() is None for process in group), ended(group)
        time.sleep(0.01)


def logged(workdir):
    lines = (workdir / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


@pytest.mark.parametrize("count", [2, *slow(4)])
def test_several_processes_give_what_one_gives(start, tmp_path, count):
    groups = [start(1, tmp_path / "one"), start(count, tmp_path / "several")]
    codes, _, errors = ended(groups[0])
    assert codes == [0], errors
    codes, outs, errors = ended(groups[1])
    assert codes == [0] * count, errors
    one, several = (logged(tmp_path / name) for name in ("one", "several"))
    assert len(one) == len(several) == 5
    for before, after in zip(one[:-1], several[:-1], strict=True):
        assert (before["step"], before["split"]) == (after["step"], after["split"])
        assert after["loss"] == pytest.approx(before["loss"], rel=1e-4)
        # Rounding is not the same, and grows from step to step.
        assert after["gradient_norm"] == pytest.approx(
            before["gradient_norm"], rel=1e-2
        )
    counts = [
        np.array(
            json.loads((tmp_path / name / "results.json").read_text())["confusion"]
        )
        for name in ("one", "several")
    ]
    assert (counts[0].sum(1) == counts[1].sum(1)).all(), "every image once"
    assert abs(counts[0] - counts[1]).sum() <= 0.01 * counts[0].sum()
    assert "mean IoU" in outs[0]
    assert not any("mean IoU" in out for out in outs[1:]), "only the first one prints"


@pytest.mark.slow
def test_several_processes_evaluate_by_window_as_one_does(start, tmp_path):
    words = "--train.steps 1 --train.eval_every 1 --evaluation.flip True".split()
    words += "--evaluation.window 33 --evaluation.size_multiple 1".split()
    words += "--evaluation.surfaces True".split()
    counts, found = [], []
    for count in (1, 2):
        workdir = tmp_path / str(count)
        codes, _, errors = ended(start(count, workdir, *words))
        assert codes == [0] * count, errors
        results = json.loads((workdir / "results.json").read_text())
        counts.append(np.array(results["confusion"]))
        found.append(results)
    assert (counts[0].sum(1) == counts[1].sum(1)).all(), "every image once"
    assert abs(counts[0] - counts[1]).sum() <= 0.01 * counts[0].sum()
    for name in ("boundary_iou", "average_surface_distance"):
        assert found[1][name] == pytest.approx(found[0][name], rel=0.05)
    for kind in ("mean", "median"):  # every image has its own row in both
        one, two = (each["per_image"]["mean_iou"][kind] for each in found)
        assert two == pytest.approx(one, rel=0.05)


@pytest.mark.slow
def test_all_processes_end_if_one_is_stopped_or_dies(start, tmp_path):
    # A net without batch norm: the processes meet once a step, not for every layer.
    words = "--model.backbone vgg11 --train.steps 100 --train.eval_every 100".split()
    whole, workdir = tmp_path / "whole", tmp_path / "run"
    codes, _, errors = ended(start(2, whole, *words))
    assert codes == [0, 0], errors

    group = start(2, workdir, *words)
    until_step(workdir, 8, group)
    group[1].send_signal(signal.SIGTERM)
    codes, _, errors = ended(group)
    assert codes == [STOPPED, STOPPED]
    assert "run the same command again to go on" in errors[0]
    stopped = logged(workdir)[-1]["step"]
    assert stopped < 100
    assert (workdir / f"checkpoints/{stopped}.json").exists()

    group = start(2, workdir, *words)
    until_step(workdir, stopped + 12, group)
    group[1].kill()
    codes, _, errors = ended(group, 120)
    # In an exchange of gradients that fails at once; in the middle of a save jax ends
    # the process after HEARTBEAT.
    said = {1: "error: another process of this run has ended", -6: "another task died"}
    assert codes[0] in said, errors[0]
    assert said[codes[0]] in errors[0]
    assert "Traceback" not in errors[0]

    codes, _, errors = ended(start(2, workdir, *words))
    assert codes == [0, 0], errors
    results = [
        json.loads((path / "results.json").read_text()) for path in (whole, workdir)
    ]
    for name in ("parameters_sha256", "confusion", "miou"):
        assert results[0][name] == results[1][name]
    assert logged(workdir) == logged(whole)


def test_an_error_of_the_first_process_ends_all(start, tmp_path):
    (tmp_path / "run/checkpoints").mkdir(parents=True)
    codes, _, errors = ended(start(2, tmp_path / "run"))
    assert codes == [2, 2]
    for error in errors:
        assert "error:" in error
        assert "has checkpoints but no config.json" in error


MESSAGES = """
import sys, time
from jaxseg.errors import UserError
from jaxseg.parallel import distributed

distributed.INTERVAL = 0.01
said = []
broadcast = distributed._broadcast_length

def counted(length):
    said.append(length)
    return broadcast(length)

def busy():
    while len(said) < 3:
        time.sleep(0.001)
    return {"letters": "x" * 3000, "busy": said[:3]}

def refuse():
    raise UserError("no such thing")

distributed.start(sys.argv[1], 2, int(sys.argv[2]))
distributed._broadcast_length = counted
value = distributed.broadcast_from_primary(busy)
assert value == {"letters": "x" * 3000, "busy": [0, 0, 0]}, value
assert distributed.broadcast_from_primary(lambda: None) is None
try:
    distributed.broadcast_from_primary(refuse)
except UserError as error:
    print(error)
"""


STOPPING = """
import sys
import jaxseg
from jaxseg.parallel import distributed

class Stops(jaxseg.Callback):
    def on_step(self, trainer, step, metrics):
        if step == 3 and not distributed.is_primary():
            trainer.stop()

distributed.start(sys.argv[1], 2, int(sys.argv[2]))
words = ["--train.steps", "40", "--train.eval_every", "40"]
config = jaxseg.load_config(sys.argv[3], words)
result = jaxseg.train(config, sys.argv[4], callbacks=[Stops()])
print(result.results["step"], result.results["trained_steps"])
"""


def run_pair(script, *words):
    """Run a Python program in two processes; return the last line that each printed."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    group = [
        subprocess.Popen(
            [sys.executable, "-c", script, address, str(number), *words],
            cwd=ROOT,
            env={**os.environ, "XLA_FLAGS": COMPILE_FAST},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(2)
    ]
    codes, outs, errors = ended(group)
    assert codes == [0, 0], errors
    return [out.splitlines()[-1] for out in outs]  # gloo prints a line too


def test_the_primary_process_says_that_it_is_busy_then_its_result_or_its_error():
    assert run_pair(MESSAGES) == ["no such thing"] * 2


def test_rows_of_all_processes_are_gathered_bit_by_bit(monkeypatch):
    rows = np.array([[1 / 3, np.nan], [2 / 7, -0.0], [np.inf, 1e-300]])
    own = [np.array([True, False, False]), np.array([False, True, True])]
    sent = []
    monkeypatch.setattr(distributed, "is_distributed", lambda: True)
    monkeypatch.setattr(
        distributed.multihost_utils, "process_allgather", lambda x: sent.append(x) or x
    )
    for mine in own:
        distributed.gather_rows(np.where(mine[:, None], rows, 9), mine)
    assert sent[0].dtype == np.uint32
    monkeypatch.setattr(
        distributed.multihost_utils, "process_allgather", lambda x: np.stack(sent)
    )
    found = distributed.gather_rows(rows, own[0])
    assert found.tobytes() == rows.tobytes()


@pytest.mark.slow
def test_a_callback_of_one_process_stops_all_at_the_same_step(start, tmp_path):
    words = [str(tmp_path / "shapes.py"), str(tmp_path / "run")]
    # Asked for while step 4 is taken; the other process hears of it in step 5.
    assert run_pair(STOPPING, *words) == ["5 5"] * 2
    assert (tmp_path / "run" / "checkpoints" / "5.json").exists()


def test_a_coordinator_is_needed_where_nothing_else_says_who_takes_part(tmp_path):
    command = [sys.executable, "main.py", "--config", "experiments/fcn.py"]
    done = subprocess.run(
        [*command, "--distributed", "--workdir", tmp_path / "run"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "--coordinator HOST:PORT" in done.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_the_data_is_described_once(start, tmp_path):
    words = "--data.num_classes 4 --train.steps 1 --train.eval_every 1".split()
    codes, _, errors = ended(start(2, tmp_path / "run", *words))
    assert codes == [0, 0], errors
    assert ["no pixel of class class 3" in error for error in errors] == [True, False]
