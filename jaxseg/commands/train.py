"""Train, evaluate and report; run again to resume."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxseg import memory
from jaxseg.build import check, check_images, size_multiple
from jaxseg.commands.claim import claimed, describe, require_writable
from jaxseg.commands.figures import print_figures
from jaxseg.commands.inference_options import smaller_window
from jaxseg.commands.results import (
    describe_devices,
    describe_run,
    versions,
    write_results,
)
from jaxseg.commands.setup import Setup
from jaxseg.commands.signals import stop_signals
from jaxseg.config import Config, TrainConfig
from jaxseg.data.pipeline import KeptSamples, TrainingStream
from jaxseg.errors import UserError, nearest
from jaxseg.evaluation.evaluate import (
    Evaluation,
    EvaluationStep,
    evaluate,
)
from jaxseg.experiment import load_config
from jaxseg.initial_weights import require_weights
from jaxseg.parallel import devices, distributed
from jaxseg.parallel.distributed import from_first, is_first, several
from jaxseg.parallel.mesh import (
    gather,
    replicated,
    shard_batch,
)
from jaxseg.predictor import Predictor
from jaxseg.report.console import Progress, fail, mute, note, warn
from jaxseg.report.events import MetricLog
from jaxseg.run import Run
from jaxseg.schema import validated
from jaxseg.segmenter import abstract_variables
from jaxseg.training.capacity import SMALLER
from jaxseg.training.checkpoint import Checkpoints
from jaxseg.training.state import (
    TrainState,
    fingerprint,
    require_finite,
)

OVERRIDES = True
"""Words that are no options of this command change the config."""

STOPPED = 130
"""Exit code of a run that was asked to stop."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("--config", metavar="FILE", help="an experiment file")
    parser.add_argument("--workdir", help="the run folder; default runs/<name>")
    parser.add_argument(
        "--distributed",
        action="store_true",
        help="given to every process of a run on several hosts",
    )
    parser.add_argument("--coordinator", metavar="HOST:PORT")
    parser.add_argument("--processes", type=int, metavar="COUNT")
    parser.add_argument("--process", type=int, metavar="NUMBER")


def run(options: argparse.Namespace) -> int:
    """Train, alone or as one of several processes."""
    if not options.config:
        words = options.overrides
        close = nearest(words[0] if words else "", ["--config", "--help", "--version"])
        hint = f" Did you mean {close}?" if close and close != words[0] else ""
        raise UserError(f"--config FILE is missing: name an experiment.{hint}")
    config = load_config(options.config, options.overrides)
    check_images(config)
    given = (options.coordinator, options.processes, options.process)
    if options.distributed or given != (None, None, None):
        return _train_together(config, options)
    return _train_here(config, options.workdir)


def _train_here(config: Config, workdir: str | None) -> int:
    devices.require_devices()
    try:
        result = train(config, workdir)
    except Interrupted as stopped:
        note(f"{stopped}; run the same command again to go on")
        return STOPPED
    except KeyboardInterrupt:
        fail("interrupted; run the same command again to go on")
        return STOPPED
    print_figures(result.results)
    return 0


def _train_together(config: Config, options: argparse.Namespace) -> int:
    """Train as one of several processes; a failure here must not leave them waiting."""
    distributed.start(options.coordinator, options.processes, options.process)
    if not distributed.is_first():
        mute()
    try:
        return _train_here(config, options.workdir)
    except UserError as error:
        fail(str(error))
        code = 2
    except RuntimeError as error:  # of a collective operation, or of the coordinator
        lines = str(error).splitlines() or [type(error).__name__]
        fail(
            f"another process of this run has ended or is out of reach ({lines[0]});"
            " start all of them with the same commands again to go on"
        )
        code = 1
    distributed.leave(code)


class Interrupted(Exception):
    """The run was asked to stop; its state is saved."""


@dataclass(frozen=True)
class Result:
    """What a finished run gave.

    Attributes:
      workdir: the run folder.
      results: the content of its `results.json`.
    """

    workdir: Path
    results: dict[str, Any]

    @property
    def miou(self) -> float | None:
        """Mean IoU of the best checkpoint on the evaluation split, 0..1."""
        return self.results["miou"]


def train(config: Config, workdir: str | Path | None = None) -> Result:
    """Train, evaluate and report; run again to resume.

    Args:
      config: what to do.
      workdir: the run folder; None is `runs/<config.name>`.

    Returns:
      Figures of the best checkpoint; the folder holds them too.

    Raises:
      UserError: something that the user can mend, before anything is overwritten.
      Interrupted: on Ctrl-C or SIGTERM, after saving.
    """
    config = validated(config)
    check(config)
    check_images(config)
    remedy = "or --data.memory 0 if the host's memory is short"
    with memory.remedied("training", f"{SMALLER}, {remedy}", devices.left):
        return _train(config, workdir)


def _train(config: Config, workdir: str | Path | None) -> Result:
    workdir = Path("runs") / (config.name or "run") if workdir is None else workdir
    new = not from_first(lambda: os.path.exists(Path(workdir) / "checkpoints"))
    if new:  # what can be said before data is prepared and the step compiled
        from_first(lambda: require_writable(Path(workdir)))
        require_weights(config)
    setup = Setup(config)
    state = None
    if new:
        state = setup.initial_state(True)  # its errors come before the folder
        setup.compile(state)
    dataset = setup.dataset
    run = Run(Path(workdir), config, dataset.labels, dataset.form)
    with ExitStack() as held:
        from_first(lambda: held.enter_context(claimed(run, dataset)))
        checkpoints = held.enter_context(Checkpoints(run.checkpoints, warn))
        latest, steps = checkpoints.latest_step(), config.train.steps
        if latest is not None and latest > steps:
            raise UserError(
                f"{run.workdir} stands at step {latest}, beyond train.steps {steps}:"
                f" give --train.steps {latest} or more, or choose another --workdir"
            )
        if state is None:
            state = setup.initial_state(latest is None)
        place = None
        if latest is not None:
            state, place = checkpoints.restore(state, latest)
        from_first(lambda: describe(run, dataset))  # all is checked: write
        checkpoints.begin()
        if latest is not None:
            note(f"{run.workdir}: going on at step {latest} of {steps}")
        training = _Training(setup, run.workdir, checkpoints)
        if latest != steps or checkpoints.miou(steps) is None:
            state = training.run(state, latest or 0, place)
        results = training.finish(run, state)
    return Result(run.workdir, results)


class _Metrics:
    """The metrics of the step before, fetched while the device takes the next.

    Attributes:
      pending: a step and its metrics, which may not be computed yet.
      stop: whether a process was asked to stop, as all of them know.
    """

    def __init__(self, options: TrainConfig, log: MetricLog | None, progress: Progress):
        self.pending: tuple[int, dict[str, jax.Array]] | None = None
        self.stop = False
        self._options, self._log, self._progress = options, log, progress

    def read(self) -> None:
        """Fetch, check, show and log what is pending."""
        if self.pending is None:
            return
        (step, metrics), self.pending = self.pending, None
        values = {name: float(value) for name, value in metrics.items()}
        self.stop = bool(values.pop("stop", False)) or self.stop
        require_finite(values["loss"], step)
        self._progress.update(step, values)
        last = step == self._options.steps
        if self._log and (step % self._options.log_every == 0 or last):
            self._log.write(step, "train", values)


class _Training:
    """The steps of a run, its evaluations and its results."""

    def __init__(self, setup: Setup, workdir: Path, checkpoints: Checkpoints):
        self.setup, self.config = setup, setup.config
        self.workdir, self.checkpoints = workdir, checkpoints
        self._evaluation: tuple[int, Evaluation] | None = None

    def run(
        self, state: TrainState, start: int, place: dict[str, Any] | None
    ) -> TrainState:
        """Take the steps after `start`; `place` is where the data stream stood.

        The state is not looked at: while it is drawn the step is traced.

        A state is saved before it is evaluated, so a kill during an evaluation costs
        that evaluation alone: the resumed run begins with it.
        """
        options = self.config.train
        stream = self._stream(place)
        setup, checkpoints = self.setup, self.checkpoints
        train_step, eval_step = setup.compile(state), setup.evaluation_step()
        with (
            MetricLog(self.workdir, start) if is_first() else nullcontext() as log,
            Progress(options.steps, start, options.batch_size) as progress,
            stop_signals() as stopped,
        ):
            metrics = _Metrics(options, log, progress)

            def asked() -> bool:
                return metrics.stop if several() else stopped.is_set()

            def stop_if_asked() -> None:
                """Leave; the state was saved."""
                if asked():
                    checkpoints.wait()
                    done = int(state.step)
                    raise Interrupted(
                        f"stopped at step {done}, saved in {self.workdir}"
                    )

            def rate(step: int) -> None:
                miou = self._evaluate(
                    eval_step, state, step, log, progress, stop_if_asked
                )
                checkpoints.rate(step, miou)

            evaluates = self._evaluates
            if start and evaluates(start) and checkpoints.miou(start) is None:
                rate(start)
            for step in range(start + 1, options.steps + 1):
                batch = next(stream)
                if several():
                    batch["stop"] = np.full(len(batch["valid"]), stopped.is_set())
                state, values = train_step(state, shard_batch(batch, setup.mesh))
                metrics.read()  # the step before: the device is busy with this one
                metrics.pending = (step, values)
                stops = asked()
                if evaluates(step) or stops or step % options.checkpoint_every == 0:
                    metrics.read()
                    checkpoints.save(state, stream.state())
                if stops:
                    stop_if_asked()
                if evaluates(step):
                    rate(step)
            checkpoints.wait()
        return state

    def _evaluates(self, step: int) -> bool:
        """Whether a step is followed by an evaluation."""
        options = self.config.train
        return step == options.steps or step % options.eval_every == 0

    def _stream(self, place: dict[str, Any] | None) -> TrainingStream:
        """Return the batches of this process, from `place` on."""
        config = self.config
        stream = TrainingStream(
            KeptSamples(self.setup.train_samples, config.data.memory),
            self.setup.parts.transform,
            batch_size=config.train.batch_size,
            seed=config.seed,
            threads=config.data.threads,
            process_index=jax.process_index(),
            process_count=jax.process_count(),
        )
        if place is not None:
            stream.restore(place)
        return stream

    def _evaluate(
        self,
        eval_step: EvaluationStep,
        state: TrainState,
        step: int,
        log: MetricLog | None,
        progress: Progress,
        between: Callable[[], None],
    ) -> float:
        """Measure and log; before each batch `between` may end it."""
        evaluation = self._measure(eval_step, state.variables, between)
        self._evaluation = (step, evaluation)
        split = self.config.data.eval_split
        values = evaluation.metrics()
        if log:
            log.write(step, split, values)
        progress.note(
            f"step {step}: {split} mean IoU {values['miou']:.4f},"
            f" pixel accuracy {values['pixel_accuracy']:.4f}"
            f" ({evaluation.images} images in {evaluation.seconds:.1f} s)"
        )
        return values["miou"]

    def _measure(
        self,
        eval_step: EvaluationStep,
        variables: Any,
        between: Callable[[], None] = lambda: None,
    ) -> Evaluation:
        setup, options = self.setup, self.config.evaluation
        remedy = "give --evaluation.batch_size 1"
        if window := smaller_window(options.window):
            remedy += f" or --evaluation.window {window}"
        remedy += ", and run the same command again to go on"
        with memory.remedied("evaluating", remedy, devices.left):
            return evaluate(
                eval_step,
                variables,
                setup.eval_samples,
                setup.eval_sizes,
                setup.num_classes,
                setup.mesh,
                batch_size=options.batch_size,
                multiple=size_multiple(setup.model, options),
                threads=self.config.data.threads,
                between=between,
            )

    def finish(self, run: Run, state: TrainState) -> dict[str, Any]:
        """Measure the best checkpoint; write results, pictures and the report."""
        setup, checkpoints = self.setup, self.checkpoints
        best, latest = checkpoints.best_step(), int(state.step)
        variables = state.variables
        if best is not None and best != latest:
            target = abstract_variables(setup.model, replicated(setup.mesh))
            average = self.config.train.ema > 0
            variables = checkpoints.restore_variables(target, best, average)
        if self._evaluation is not None and self._evaluation[0] == best:
            evaluation = self._evaluation[1]
        else:
            evaluation = self._measure(setup.evaluation_step(), variables)
        labels = setup.dataset.labels
        results = {
            **describe_run(self.config),
            "step": best,
            "split": self.config.data.eval_split,
            **evaluation.figures(labels.names),
            "trained_steps": latest,
            "parameters": setup.parameters,
            "parameters_sha256": fingerprint(gather(state.params, setup.mesh)),
            "device": describe_devices(setup.mesh, self.config.model.dtype),
            "versions": versions(),
        }
        variables = gather(variables, setup.mesh)

        def write() -> str:
            predictor = Predictor.of_run(run, setup.model, variables)
            return str(write_results(run, results, predictor, setup.eval_samples))

        page = from_first(write)
        miou = "-" if results["miou"] is None else f"{results['miou']:.4f}"
        note(f"best: step {best}, mean IoU {miou}; report in {page}")
        return results
