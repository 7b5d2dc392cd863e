"""A whole training run: data, steps, evaluations, checkpoints, results, report."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from jaxseg import devices, memory
from jaxseg.checks import check, check_images
from jaxseg.commands.options import smaller_window
from jaxseg.config import Config, flatten
from jaxseg.data.catalog import Dataset, open_dataset
from jaxseg.data.pipeline import KeptSamples, TrainingStream
from jaxseg.data.transforms import Chain, training_transforms
from jaxseg.errors import UserError
from jaxseg.evaluation.evaluate import (
    Evaluation,
    EvaluationStep,
    create_evaluation_step,
    evaluate,
)
from jaxseg.models import Segmenter, abstract_variables, count_parameters
from jaxseg.nn import cpu_kernels
from jaxseg.predictor import Predictor
from jaxseg.report.console import Progress, note, warn
from jaxseg.report.events import MetricLog
from jaxseg.run import (
    Run,
    learning_rate,
    loss,
    normalization,
    optimizer,
    require_weights,
    scores,
    segmenter,
    size_multiple,
    starting_variables,
)
from jaxseg.training.border_weights import BorderWeights
from jaxseg.training.capacity import SMALLER, compile_step, require_batch
from jaxseg.training.checkpoint import Checkpoints
from jaxseg.training.claim import claimed, describe, require_writable
from jaxseg.training.distributed import from_first, is_first, several
from jaxseg.training.mesh import (
    batch_devices,
    check_batch_size,
    create_mesh,
    gather,
    place,
    replicated,
    shard_batch,
)
from jaxseg.training.results import (
    describe_devices,
    describe_run,
    versions,
    write_results,
)
from jaxseg.training.signals import stop_signals
from jaxseg.training.state import (
    TrainState,
    create_state,
    fingerprint,
    require_finite,
    with_variables,
)
from jaxseg.training.step import TrainStep, create_train_step


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
    check(flatten(config))
    check_images(config.model.head)
    remedy = "or --data.memory 0 if the host's memory is short"
    with memory.remedied("training", f"{SMALLER}, {remedy}", devices.left):
        return _train(config, workdir)


def _train(config: Config, workdir: str | Path | None) -> Result:
    workdir = Path("runs") / (config.name or "run") if workdir is None else workdir
    new = not from_first(lambda: os.path.exists(Path(workdir) / "checkpoints"))
    if new:  # what can be said before data is prepared and the step compiled
        from_first(lambda: require_writable(Path(workdir)))
        require_weights(config)
    training = _Training(config)
    state = None
    if new:
        state = training.initial_state(True)  # its errors come before the folder
        training.compile(state)
    dataset = training.dataset
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
            state = training.initial_state(latest is None)
        place = None
        if latest is not None:
            state, place = checkpoints.restore(state, latest)
        from_first(lambda: describe(run, dataset))  # all is checked: write
        checkpoints.begin()
        if latest is not None:
            note(f"{run.workdir}: going on at step {latest} of {steps}")
        if latest != steps or checkpoints.miou(steps) is None:
            state = training.run(run, checkpoints, state, latest or 0, place)
        results = training.finish(run, checkpoints, state)
    return Result(run.workdir, results)


class _Training:
    """The objects of one run, made from its Config."""

    def __init__(self, config: Config):
        self.config = config
        self.mesh: Mesh = create_mesh(spatial=config.mesh.spatial)
        batch_size = config.train.batch_size
        check_batch_size(batch_size, config.train.accumulate, self.mesh)
        require_batch(config)
        count = batch_devices(self.mesh)
        if batch_size % count:
            full = -(-batch_size // count) * count
            note(
                f"train.batch_size {batch_size} over {count} devices: {full}"
                " would take no longer"
            )
        augment = config.augment
        self.mean, self.std = normalization(config)
        self.transform = training_transforms(
            augment.crop,
            scale=augment.scale,
            max_class_share=augment.max_class_share,
            flip=augment.flip,
            rotation=augment.rotation,
            elastic=augment.elastic,
            photometric=augment.photometric,
            mean=self.mean,
        )
        if config.train.border_weight:
            border = BorderWeights(w0=config.train.border_weight)
            self.transform = Chain((self.transform, border))
        self.schedule = learning_rate(config)
        self.optimizer = optimizer(config, self.schedule)
        note(f"data set {config.data.name}: preparing or opening")
        self.dataset: Dataset
        from_first(self._open_data)
        if not is_first():  # they find it made
            self._open_data()
        for text in self.dataset.notes:
            note(text)
        for remark in self.dataset.check_classes(config.data):
            warn(remark)
        splits = config.data
        self.train_samples = self.dataset.samples(splits.train_split)
        self.eval_samples = self.dataset.samples(splits.eval_split, "data.eval_split")
        self.eval_sizes = self.eval_samples.sizes()
        self.num_classes = self.dataset.labels.num_classes
        self.model: Segmenter = segmenter(config, self.num_classes)
        self.loss = loss(config, self.num_classes)
        self.parameters = count_parameters(self.model)
        self._evaluation: tuple[int, Evaluation] | None = None
        self._step: TrainStep | None = None
        where = describe_devices(self.mesh, config.model.dtype)
        note(
            f"{len(self.train_samples)} training and {len(self.eval_samples)}"
            f" {config.data.eval_split} images, {self.num_classes} classes;"
            f" {config.model.head} on {config.model.backbone},"
            f" {self.parameters / 1e6:.2f} M parameters; {where}"
        )
        if cpu_kernels.wanted() and (reason := cpu_kernels.reason()):
            note(f"convolutions are XLA's, half as fast as could be: {reason}")

    def _open_data(self) -> None:
        remedy = "give fewer --data.threads, or split or shrink the largest images"
        with memory.remedied("preparing the data", remedy):
            self.dataset = open_dataset(self.config.data)

    def compile(self, state: TrainState) -> TrainStep:
        """Compile the step, once; what does not fit into memory is refused."""
        if self._step is None:
            step = self.train_step()
            self._step = compile_step(step, state, self.config, self.mesh)
        assert self._step is not None
        return self._step

    def initial_state(self, fresh: bool) -> TrainState:
        """Draw the state, or where a restore follows only something of its form."""
        state = create_state(
            self.model,
            self.optimizer,
            self.config.seed,
            self.config.augment.crop,
            ema=self.config.train.ema > 0,
        )
        if fresh and self.config.model.weights:
            start = {"params": state.params, "batch_stats": state.batch_stats}
            start = starting_variables(self.config, self.model, start, note)
            state = with_variables(state, start)
        return place(state, self.mesh, self.config.mesh.sharded_parameters)

    def train_step(self) -> Any:
        config = self.config
        return create_train_step(
            self.model,
            self.optimizer,
            self.schedule,
            self.loss,
            self.mesh,
            mean=self.mean,
            std=self.std,
            auxiliary_weight=config.train.auxiliary_weight,
            ema=config.train.ema,
            accumulate=config.train.accumulate,
            remat=config.model.remat,
            seed=config.seed,
            split=config.mesh.sharded_parameters,
            deterministic=config.train.deterministic,
        )

    def evaluation_step(self) -> EvaluationStep:
        function = scores(self.config, self.model)
        return create_evaluation_step(function, self.num_classes, self.mesh)

    def run(
        self,
        run: Run,
        checkpoints: Checkpoints,
        state: TrainState,
        start: int,
        place: dict[str, Any] | None,
    ) -> TrainState:
        """Take the steps after `start`; `place` is where the data stream stood.

        The state is not looked at: while it is drawn the step is traced.

        A state is saved before it is evaluated, so a kill during an evaluation costs
        that evaluation alone: the resumed run begins with it.
        """
        options = self.config.train
        stream = TrainingStream(
            KeptSamples(self.train_samples, self.config.data.memory),
            self.transform,
            batch_size=options.batch_size,
            seed=self.config.seed,
            threads=self.config.data.threads,
            process_index=jax.process_index(),
            process_count=jax.process_count(),
        )
        if place is not None:
            stream.restore(place)
        train_step, eval_step = self.compile(state), self.evaluation_step()
        pending: tuple[int, dict[str, jax.Array]] | None = None
        agreed = False  # of several processes, to stop
        with (
            MetricLog(run.workdir, start) if is_first() else nullcontext() as log,
            Progress(options.steps, start, options.batch_size) as progress,
            stop_signals() as stopped,
        ):

            def read() -> None:
                """Fetch the metrics of a step that is done, or soon will be."""
                nonlocal pending, agreed
                if pending is None:
                    return
                step, metrics = pending
                values = {name: float(value) for name, value in metrics.items()}
                pending = None
                agreed = bool(values.pop("stop", False)) or agreed
                require_finite(values["loss"], step)
                progress.update(step, values)
                if log and (step % options.log_every == 0 or step == options.steps):
                    log.write(step, "train", values)

            def asked() -> bool:
                return agreed if several() else stopped.is_set()

            def stop_if_asked() -> None:
                """Leave; the state was saved."""
                if asked():
                    checkpoints.wait()
                    done = int(state.step)
                    raise Interrupted(f"stopped at step {done}, saved in {run.workdir}")

            def rate(step: int) -> None:
                miou = self._evaluate(
                    eval_step, state, step, log, progress, stop_if_asked
                )
                checkpoints.rate(step, miou)

            def evaluates(step: int) -> bool:
                return step == options.steps or step % options.eval_every == 0

            if start and evaluates(start) and checkpoints.miou(start) is None:
                rate(start)
            for step in range(start + 1, options.steps + 1):
                batch = next(stream)
                if several():
                    batch["stop"] = np.full(len(batch["valid"]), stopped.is_set())
                state, metrics = train_step(state, shard_batch(batch, self.mesh))
                read()  # the step before: the device is busy with this one meanwhile
                pending = (step, metrics)
                stops = asked()
                if evaluates(step) or stops or step % options.checkpoint_every == 0:
                    read()
                    checkpoints.save(state, stream.state())
                if stops:
                    stop_if_asked()
                if evaluates(step):
                    rate(step)
            checkpoints.wait()
        return state

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
        confusion = evaluation.confusion
        split = self.config.data.eval_split
        values = {
            "miou": confusion.mean_iou,
            "pixel_accuracy": confusion.pixel_accuracy,
            "frequency_weighted_iou": confusion.frequency_weighted_iou,
            "mean_dice": confusion.mean_dice,
        }
        if log:
            log.write(step, split, values)
        progress.note(
            f"step {step}: {split} mean IoU {confusion.mean_iou:.4f},"
            f" pixel accuracy {confusion.pixel_accuracy:.4f}"
            f" ({evaluation.images} images in {evaluation.seconds:.1f} s)"
        )
        return confusion.mean_iou

    def _measure(
        self,
        eval_step: EvaluationStep,
        variables: Any,
        between: Callable[[], None] = lambda: None,
    ) -> Evaluation:
        options = self.config.evaluation
        remedy = "give --evaluation.batch_size 1"
        if window := smaller_window(options.window):
            remedy += f" or --evaluation.window {window}"
        remedy += ", and run the same command again to go on"
        with memory.remedied("evaluating", remedy, devices.left):
            return evaluate(
                eval_step,
                variables,
                self.eval_samples,
                self.eval_sizes,
                self.num_classes,
                self.mesh,
                batch_size=options.batch_size,
                multiple=size_multiple(self.model, options),
                threads=self.config.data.threads,
                between=between,
            )

    def finish(
        self, run: Run, checkpoints: Checkpoints, state: TrainState
    ) -> dict[str, Any]:
        """Measure the best checkpoint; write results, pictures and the report."""
        best, latest = checkpoints.best_step(), int(state.step)
        variables = state.variables
        if best is not None and best != latest:
            target = abstract_variables(self.model, replicated(self.mesh))
            average = self.config.train.ema > 0
            variables = checkpoints.restore_variables(target, best, average)
        if self._evaluation is not None and self._evaluation[0] == best:
            evaluation = self._evaluation[1]
        else:
            evaluation = self._measure(self.evaluation_step(), variables)
        labels = self.dataset.labels
        results = {
            **describe_run(self.config),
            "step": best,
            "split": self.config.data.eval_split,
            **evaluation.figures(labels.names),
            "trained_steps": latest,
            "parameters": self.parameters,
            "parameters_sha256": fingerprint(gather(state.params, self.mesh)),
            "device": describe_devices(self.mesh, self.config.model.dtype),
            "versions": versions(),
        }
        variables = gather(variables, self.mesh)

        def write() -> str:
            predictor = Predictor.of_run(run, self.model, variables)
            return str(write_results(run, results, predictor, self.eval_samples))

        page = from_first(write)
        miou = "-" if results["miou"] is None else f"{results['miou']:.4f}"
        note(f"best: step {best}, mean IoU {miou}; report in {page}")
        return results
