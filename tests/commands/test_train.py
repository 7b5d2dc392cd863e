"""Whole runs on a folder of shapes: results, resume, refusals."""

import dataclasses
import itertools
import json
import os
import signal
from functools import partial

import jax
import numpy as np
import pytest
from PIL import Image
from slow_cases import slow

from jaxseg.commands.claim import claimed
from jaxseg.commands.train import train
from jaxseg.config import MeshConfig
from jaxseg.data.catalog import open_dataset
from jaxseg.errors import UserError
from jaxseg.evaluation.evaluate import Evaluation
from jaxseg.evaluation.metrics import Confusion
from jaxseg.nn.cpu import library
from jaxseg.parallel.mesh import create_mesh
from jaxseg.report.events import read_metrics
from jaxseg.run import Run
from jaxseg.trainer.callbacks import Callback
from jaxseg.trainer.pace import plan
from jaxseg.trainer.trainer import Interrupted, Trainer
from jaxseg.weights.load import save_weights


class Signal(Callback):
    """Sends this process a signal as soon as the metrics of a step are read.

    At this time the next step is being taken, or the evaluation of this step is next.
    """

    def __init__(self, step, number):
        self.step, self.number = step, number

    def on_step(self, trainer, step, metrics):
        if step == self.step:
            os.kill(os.getpid(), self.number)


class Refuse(Callback):
    """Fails if anything is trained."""

    def on_begin(self, trainer):
        raise AssertionError("it trained")


class Record(Callback):
    """Records all calls, with the result of `value` at that time."""

    def __init__(self, value=lambda: None):
        self.calls, self.metrics, self.value = [], [], value

    def on_begin(self, trainer):
        self.calls.append(("begin", trainer.step, self.value()))

    def on_step(self, trainer, step, metrics):
        self.metrics.append({"step": step, "split": "train", **metrics})
        self.calls.append(("step", step, self.value()))

    def on_evaluation(self, trainer, step, evaluation):
        self.calls.append(("evaluation", step, self.value()))

    def on_end(self, trainer):
        self.calls.append(("end", trainer.step, self.value()))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished tiny run is made once for the tests that only look at it."""
    return tmp_path_factory.mktemp("finished") / "run"


@pytest.fixture
def run(tiny_config, finished):
    if not (finished / "results.json").exists():
        train(tiny_config, finished)
    return finished


def test_a_run_folder_holds_what_it_should(run):
    names = {path.name for path in run.iterdir()}
    expected = {"config.json", "labels.json", "metrics.jsonl", "results.json"}
    assert expected <= names
    assert {"checkpoints", "samples", "report.html", "events"} <= names
    assert len(list((run / "samples").glob("*.png"))) == 5


def test_results_hold_metrics_and_what_they_depend_on(run):
    results = json.loads((run / "results.json").read_text())
    assert 0 <= results["miou"] <= 1
    assert list(results["per_class_iou"]) == ["class 0", "class 1", "class 2"]
    assert results["images"] == 5 and results["split"] == "val"
    # 5 images of 48 x 56 pixels, none ignored: the counts are exact.
    assert np.sum(results["confusion"]) == 5 * 48 * 56
    assert results["versions"]["jax"] and results["device"]
    assert len(results["parameters_sha256"]) == 64


def test_results_and_report_name_model_and_data(run, shapes_folder):
    results = json.loads((run / "results.json").read_text())
    assert results["name"] == "tiny"
    assert results["model"]["head"] == "fcn8s"
    assert results["model"]["backbone"] == "resnet18"
    assert results["data"] == {"name": "folder", "root": shapes_folder.name}
    title = f"<h1>FCN-8s on ResNet-18, {shapes_folder.name}</h1>"
    assert title in (run / "report.html").read_text()


def test_every_step_is_logged_once(run):
    text = (run / "metrics.jsonl").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    steps = [line["step"] for line in lines if line["split"] == "train"]
    assert steps == [1, 2, 3, 4, 5, 6]
    assert [line["step"] for line in lines if line["split"] == "val"] == [3, 6]


def test_a_finished_run_is_not_trained_again(run, tiny_config):
    before = json.loads((run / "results.json").read_text())
    after = train(tiny_config, run, callbacks=[Refuse()]).results
    assert after["confusion"] == before["confusion"]
    assert after["parameters_sha256"] == before["parameters_sha256"]


def test_a_callback_sees_begin_every_step_every_evaluation_and_end_in_order(
    tiny_config, tmp_path
):
    record = Record()
    train(tiny_config, tmp_path / "run", callbacks=[record])
    steps = [("step", 1), ("step", 2), ("step", 3), ("evaluation", 3), ("step", 4)]
    steps += [("step", 5), ("step", 6), ("evaluation", 6)]
    expected = [("begin", 0), *steps, ("end", 6)]
    assert [call[:2] for call in record.calls] == expected
    logged = [line for line in read_metrics(tmp_path / "run") if "loss" in line]
    assert record.metrics == logged


def test_a_callback_sees_the_end_even_after_an_error(tiny_config, tmp_path):
    class Fails(Callback):
        def on_step(self, trainer, step, metrics):
            raise RuntimeError("broken callback")

    record = Record()
    with pytest.raises(RuntimeError, match="broken callback"):
        train(tiny_config, tmp_path / "run", callbacks=[record, Fails()])
    assert [name for name, *_ in record.calls] == ["begin", "step", "end"]


@pytest.mark.parametrize("method", ["on_step", *slow("on_evaluation")])
def test_a_callback_stops_a_run_which_is_evaluated_and_resumed_as_if_it_had_not(
    run, tiny_config, tmp_path, method
):
    """Asked for while step 4 is taken, or after the evaluation of step 3."""

    class Stops(Callback):
        pass

    def stop(self, trainer, step, measured):
        if step == 3:
            trainer.stop()

    setattr(Stops, method, stop)
    at = 3
    result = train(tiny_config, tmp_path / "run", callbacks=[Stops()])
    assert result.results["trained_steps"] == at and result.results["step"] == at
    assert (tmp_path / "run" / "report.html").exists()
    record = Record()
    resumed = train(tiny_config, tmp_path / "run", callbacks=[record]).results
    assert record.calls[0][:2] == ("begin", at)
    whole = json.loads((run / "results.json").read_text())
    for name in ("parameters_sha256", "step", "miou", "confusion"):
        assert resumed[name] == whole[name]
    assert read_metrics(tmp_path / "run") == read_metrics(run)


def test_a_run_that_is_stopped_between_evaluations_is_evaluated_there(
    tiny_config, tmp_path
):
    class Stops(Callback):
        def on_step(self, trainer, step, metrics):
            if step == 1:
                trainer.stop()

    record = Record()
    result = train(tiny_config, tmp_path / "run", callbacks=[record, Stops()])
    assert result.results["step"] == result.results["trained_steps"] == 2
    assert record.calls[-2][:2] == ("evaluation", 2)


def confusion_of(score):
    """One correct pixel in so many of class 0; class 1 does not occur."""
    total = 100
    right = round(score * total)
    return Evaluation(Confusion(np.array([[right, total - right], [0, 0]])), 1, 1.0, 1)


@pytest.mark.parametrize("at", [3, *slow(None)])
def test_a_run_without_gains_ends_there_interrupted_or_not_and_goes_on_with_patience(
    tiny_config, with_train, one_device, tmp_path, monkeypatch, capsys, at
):
    """From step 2 on no score is better, so two in a row are known at step 4."""
    scores = [0.0, 0.4, 0.6, 0.6, 0.5, 0.5, 0.5]
    evaluations = [confusion_of(score) for score in scores]
    monkeypatch.setattr(
        Trainer, "evaluate", lambda self, *_, **__: evaluations[self.step]
    )
    monkeypatch.setattr("jaxseg.commands.train.finish", lambda *_: {})
    config = with_train(tiny_config, eval_every=1, patience=2)
    run = partial(train, workdir=tmp_path, mesh=one_device)
    if at:
        with pytest.raises(Interrupted, match=f"stopped at step {at}"):
            run(config, callbacks=[Signal(at, signal.SIGTERM)])
    run(config, callbacks=[record := Record()])
    assert record.calls[-1][:2] == ("end", 4)
    assert "the training ends at step 4: 2 evaluations in a row" in said(capsys)
    run(config, callbacks=[Refuse()])
    assert "finished at step 4, 2 evaluations in a row" in (line := said(capsys))
    assert "to continue, give a larger --train.patience" in line
    run(with_train(config, patience=3), callbacks=[record := Record()])
    assert record.calls[0][:2] == ("begin", 4) and record.calls[-1][:2] == ("end", 5)


def said(capsys):
    """What was logged since the last call, as one line."""
    return " ".join("".join(capsys.readouterr()).split())


@pytest.mark.parametrize("at", [*slow(2, 3), 5])
def test_an_interrupted_run_ends_with_the_same_parameters(
    run, tiny_config, tmp_path, at
):
    """SIGTERM in step `at`: saved, resumed, bit for bit as uninterrupted."""
    interrupt = Signal(at - 1, signal.SIGTERM)
    with pytest.raises(Interrupted, match=f"stopped at step {at}"):
        train(tiny_config, tmp_path / "run", callbacks=[interrupt])
    resumed = train(tiny_config, tmp_path / "run").results
    whole = json.loads((run / "results.json").read_text())
    assert resumed["parameters_sha256"] == whole["parameters_sha256"]
    assert resumed["confusion"] == whole["confusion"]
    logged = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in logged if "loss" in line] == [
        1,
        2,
        3,
        4,
        5,
        6,
    ]


@pytest.mark.parametrize("split", [False, *slow(True)])
def test_a_run_moves_from_eight_devices_to_one(run, tiny_config, tmp_path, split):
    """Stopped at step 3 on eight, resumed on one: the same batches follow."""
    mesh = MeshConfig(sharded_parameters=split)
    config = dataclasses.replace(tiny_config, mesh=mesh)
    interrupt = Signal(2, signal.SIGTERM)
    with pytest.raises(Interrupted, match="stopped at step 3"):
        train(config, tmp_path / "run", callbacks=[interrupt])
    train(tiny_config, tmp_path / "run", mesh=create_mesh(jax.devices()[:1]))
    moved, whole = (
        [line["loss"] for line in read_metrics(folder) if "loss" in line]
        for folder in (tmp_path / "run", run)
    )
    assert moved == pytest.approx(whole, rel=1e-3)


@pytest.mark.slow
def test_a_batch_that_the_devices_do_not_divide_trains(tiny_config, tmp_path, capsys):
    config = dataclasses.replace(
        tiny_config,
        train=dataclasses.replace(tiny_config.train, batch_size=5, steps=1),
    )
    assert train(config, tmp_path / "run").miou is not None
    assert "batch_size 5 over 8 devices: 8 would take no longer" in "".join(
        capsys.readouterr()
    )


@pytest.mark.slow
def test_a_cpu_without_kernels_is_reported(
    tiny_config, with_train, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(library, "_load", lambda: "no compiler")
    mesh = create_mesh(jax.devices()[:1])
    train(with_train(tiny_config, steps=1), tmp_path / "run", mesh=mesh)
    assert "as fast as compiled kernels: no compiler" in "".join(capsys.readouterr())


@pytest.mark.parametrize("at", [3, *slow(6)])
def test_an_interrupted_evaluation_is_repeated_on_resume(
    run, tiny_config, tmp_path, at
):
    """Ctrl-C in the evaluation of step 3 or 6: it ends at once, and is done again."""
    record, interrupt = Record(), Signal(at, signal.SIGINT)
    with pytest.raises(Interrupted, match=f"stopped at step {at}"):
        train(tiny_config, tmp_path / "run", callbacks=[record, interrupt])
    assert ("evaluation", at, None) not in record.calls
    resumed = train(tiny_config, tmp_path / "run").results
    whole = json.loads((run / "results.json").read_text())
    for name in ("parameters_sha256", "step", "miou", "confusion"):
        assert resumed[name] == whole[name]
    logged = [line["step"] for line in read_metrics(tmp_path / "run") if "miou" in line]
    assert logged == [3, 6]


@pytest.mark.slow
def test_a_run_continues_if_more_steps_are_asked_for(tiny_config, with_train, tmp_path):
    short = with_train(tiny_config, steps=2, eval_every=2)
    train(short, tmp_path / "run")
    longer = train(with_train(short, steps=4), tmp_path / "run").results
    assert longer["trained_steps"] == 4
    with pytest.raises(UserError, match="stands at step 4, beyond train.steps 2"):
        train(short, tmp_path / "run")


def test_a_run_by_minutes_is_that_of_the_steps_it_takes_and_is_measured_once(
    tiny_config, with_train, one_device, tmp_path, monkeypatch, capsys
):
    """Each reading of the clock is a second later: 15 s are 11 of measuring, 3 steps.

    A step takes 0.2 s; the evaluation and the checkpoint of step 3 a second each.
    """
    clock = partial(next, map(float, itertools.count()))
    monkeypatch.setattr("jaxseg.commands.train.plan", partial(plan, clock=clock))
    run = partial(train, mesh=one_device)
    config = with_train(tiny_config, minutes=0.25)
    timed = run(config, tmp_path / "timed").results
    assert "0.25 minutes: 3 steps (a step takes 0.2 s" in said(capsys)
    assert [path.name for path in tmp_path.iterdir()] == ["timed"]
    monkeypatch.setattr("jaxseg.commands.train.plan", None)
    run(config, tmp_path / "timed", callbacks=[Refuse()])
    assert "taken; to continue, give a larger --train.steps" in said(capsys)
    whole = run(with_train(tiny_config, steps=3), tmp_path / "steps").results
    assert timed["trained_steps"] == 3
    for name in ("parameters_sha256", "step", "miou", "confusion"):
        assert timed[name] == whole[name]
    assert read_metrics(tmp_path / "timed") == read_metrics(tmp_path / "steps")


def test_a_balanced_run_keeps_the_classes_of_its_images_and_its_balance(
    tiny_config, with_train, one_device, tmp_path, capsys
):
    def balanced(text):
        data = dataclasses.replace(tiny_config.data, balance=text)
        return dataclasses.replace(with_train(tiny_config, steps=1), data=data)

    train(balanced("classes"), tmp_path, mesh=one_device)
    assert "an epoch draws 12 images, the rarest 1.0 times each" in said(capsys)
    counted = json.loads((tmp_path / "class_frequencies.json").read_text())
    assert counted["images"] == [[0, 1, 2]] * 12
    with pytest.raises(UserError, match="data.balance classes, not classes.crops=0.2"):
        train(balanced("classes(crops=0.2)"), tmp_path, mesh=one_device)


def test_a_second_trainer_in_one_folder_is_refused(tiny_config, tmp_path):
    other = dataclasses.replace(tiny_config, name="other")
    dataset = open_dataset(other.data)
    run = Run(tmp_path, other, dataset.labels)
    with claimed(run, dataset), pytest.raises(UserError, match="another process is tr"):
        train(tiny_config, tmp_path)
    with claimed(run, dataset):
        assert [path.name for path in tmp_path.iterdir()] == [".lock"]
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_nothing_is_compiled_after_the_first_epoch(tiny_config, with_train, tmp_path):
    compiled = []

    def listen(event, seconds, **_):
        if event == "/jax/core/compile/backend_compile_duration":
            compiled.append(seconds)

    record, steps = Record(lambda: len(compiled)), 12
    config = with_train(tiny_config, steps=steps, eval_every=4, checkpoint_every=2)
    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        train(config, tmp_path, callbacks=[record])
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)
    counts = {(name, step): count for name, step, count in record.calls}
    assert counts["step", 1] > 0
    assert len({counts["step", step] for step in range(5, steps + 1)}) == 1
    assert len({counts["evaluation", step] for step in range(4, steps + 1, 4)}) == 1


def test_another_experiment_in_the_folder_is_refused_and_nothing_changes(
    run, tiny_config
):
    other = dataclasses.replace(
        tiny_config,
        optimizer=dataclasses.replace(tiny_config.optimizer, learning_rate=0.5),
    )
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    with pytest.raises(UserError, match="optimizer.learning_rate 0.003, not 0.5"):
        train(other, run)
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before


def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_checkpoint(
    tiny_config, tmp_path
):
    class Poison(Callback):
        def on_step(self, trainer, step, metrics):
            if step == 4:  # step 5 is taken: the loss of step 6 shows it
                broken = jax.tree.map(lambda leaf: leaf * np.nan, trainer.state.params)
                trainer.state = trainer.state.replace(params=broken)

    with pytest.raises(UserError, match="the loss is nan at step 6"):
        train(tiny_config, tmp_path / "run", callbacks=[Poison()])
    steps = {path.name for path in (tmp_path / "run" / "checkpoints").iterdir()}
    assert "3" in steps and "6" not in steps


@pytest.mark.parametrize(
    ("section", "values", "words"),
    [
        ("train", {"steps": 0}, "train.steps 0"),
        ("train", {"batch_size": 9, "accumulate": 2}, "train.batch_size 9"),
        ("train", {"loss": "dise"}, "unknown loss 'dise'.*Did you mean 'dice'"),
        ("train", {"class_weights": (1.0, 2.0)}, "2 values for 3 classes"),
        ("train", {"ema": 1.0}, "train.ema 1.0"),
        ("model", {"head": "unett"}, "'unet'"),
        ("model", {"backbone": "resnett18"}, "'resnet18'"),
        ("model", {"rates": (1, 2)}, "no option rates"),
        ("model", {"weights": "typo.pth"}, "typo.pth"),
        ("model", {"head": "unet3d", "backbone": None}, "takes volumes"),
        ("optimizer", {"schedule": "polly"}, "'poly'"),
        ("optimizer", {"warmup_steps": 6}, "warmup_steps 6"),
        ("optimizer", {"learning_rate": -1.0}, "learning_rate -1.0"),
        ("data", {"name": "folders"}, "'folder'"),
        ("data", {"train_split": "trainn"}, "'train'"),
        ("data", {"num_classes": 2}, "mask value 2"),
        ("data", {"root": "/nowhere"}, "/nowhere"),
        ("evaluation", {"batch_size": 0}, "evaluation.batch_size"),
        ("augment", {"crop": (16, 64)}, "augment.crop"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_written(
    tiny_config, tmp_path, section, values, words
):
    changed = dataclasses.replace(getattr(tiny_config, section), **values)
    config = dataclasses.replace(tiny_config, **{section: changed})
    with pytest.raises(UserError, match=words):
        train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_an_average_bfloat16_micro_batches_and_auxiliary_head_work_together(
    tiny_config, with_train, tmp_path
):
    config = with_train(
        tiny_config, steps=2, eval_every=2, ema=0.5, accumulate=2, batch_size=16
    )
    model = dataclasses.replace(
        config.model, dtype="bfloat16", auxiliary=True, remat=True
    )
    result = train(dataclasses.replace(config, model=model), tmp_path / "run")
    assert result.miou is not None


def test_a_run_learns_and_its_predictor_shows_it(
    tiny_config, with_train, shapes_folder, tmp_path
):
    from jaxseg.predictor import Predictor

    config = with_train(tiny_config, steps=150, eval_every=75, checkpoint_every=75)
    faster = dataclasses.replace(config.optimizer, learning_rate=1e-2)
    config = dataclasses.replace(config, optimizer=faster)
    result = train(config, tmp_path / "run")
    # All background would be 0.27; a net of 16 channels on 12 images passes one half.
    assert result.miou is not None and result.miou > 0.45
    predictor = Predictor.from_run(tmp_path / "run")
    name = shapes_folder / "val" / "images" / "0.png"
    image = np.asarray(Image.open(name))
    truth = np.asarray(Image.open(shapes_folder / "val" / "masks" / "0.png"))
    assert (predictor(image) == truth).mean() > 0.75


def with_model(config, **values):
    return dataclasses.replace(
        config, model=dataclasses.replace(config.model, **values)
    )


@pytest.mark.slow
def test_a_run_starts_from_another_run(run, tiny_config, with_train, tmp_path, capsys):
    config = with_train(
        with_model(tiny_config, weights=str(run), head="fcn16s"), steps=1
    )
    train(config, tmp_path / "next")
    said = "".join(capsys.readouterr())
    assert "tensors taken" in said and "initialised" not in said
    # FCN-16s is FCN-8s less one score: the rest came from the other run.


def test_a_run_starts_from_a_file(run, tiny_config, with_train, tmp_path, capsys):
    model, variables, _ = Run.open(run).best_variables()
    file = save_weights(model, variables, tmp_path / "w.safetensors")
    config = with_train(with_model(tiny_config, weights=str(file)), steps=1)
    config = dataclasses.replace(
        config,
        optimizer=dataclasses.replace(config.optimizer, learning_rate=1e-12),
    )
    train(config, tmp_path / "next")
    _, after, _ = Run.open(tmp_path / "next").best_variables()
    before = jax.tree.leaves(variables["params"])
    for one, other in zip(before, jax.tree.leaves(after["params"]), strict=True):
        # A step of Adam moves no weight by more than the learning rate.
        np.testing.assert_allclose(one, other, rtol=0, atol=2e-12)


@pytest.mark.slow
def test_a_classifier_becomes_a_segmenter(tiny_config, with_train, tmp_path, capsys):
    config = with_train(with_model(tiny_config, head="classifier"), steps=1)
    train(config, tmp_path / "classifier")
    weights = str(tmp_path / "classifier")
    config = with_train(with_model(tiny_config, weights=weights), steps=1)
    train(config, tmp_path / "segmenter")
    said = "".join(capsys.readouterr())
    assert "4 initialised: params/head/score16" in said


@pytest.mark.slow
def test_an_average_starts_from_weights_that_fit_in_part(
    run, tiny_config, with_train, tmp_path
):
    model, variables, _ = Run.open(run).best_variables()
    file = save_weights(model, variables, tmp_path / "w.safetensors")
    config = with_model(tiny_config, weights=str(file), head="hypercolumns")
    config = with_train(config, steps=2, eval_every=2, ema=0.5)
    assert train(config, tmp_path / "next").miou is not None


def test_weights_of_a_run_that_was_normalised_otherwise_are_refused(
    run, tiny_config, tmp_path
):
    config = with_model(tiny_config, weights=str(run), mean=(0.1, 0.2, 0.3))
    with pytest.raises(UserError, match="--model.mean 0.485 0.456 0.406 --model.std"):
        train(config, tmp_path / "next")


def test_weights_that_do_not_fit_are_refused(run, tiny_config, tmp_path):
    config = with_model(tiny_config, weights=str(run), backbone="resnet18", width=0.5)
    config = with_model(config, max_channels=None, head="fcn")
    with pytest.raises(UserError, match="nothing in it fits"):
        train(config, tmp_path / "next")
