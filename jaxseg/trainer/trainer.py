"""The training loop: steps, checkpoints and evaluations, watched by callbacks.

A state is saved before it is evaluated, so a kill during an evaluation costs that
evaluation alone: the resumed training begins with it.  The metrics of a step are
fetched while the device computes the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import jax
from jax.sharding import Mesh

from jaxseg.build import Parts, build
from jaxseg.build_augmentation import needs_frequencies
from jaxseg.config import Config
from jaxseg.data.pipeline import CachedSamples, TrainingStream
from jaxseg.evaluation.evaluate import Evaluation
from jaxseg.initial_weights import starting_variables
from jaxseg.parallel.mesh import (
    batch_devices,
    check_batch_size,
    create_mesh,
    device_put,
    replicated,
    shard_batch,
)
from jaxseg.report.console import log
from jaxseg.segmenter import Segmenter, abstract_variables
from jaxseg.trainer.callbacks import Callback
from jaxseg.trainer.data import TrainingData, open_training_data
from jaxseg.trainer.evaluator import Evaluator
from jaxseg.trainer.stopping import Stop, StopRequest, interrupted_by_signals
from jaxseg.training.capacity import batch_leaves, compile_step, require_batch
from jaxseg.training.checkpoint import Checkpoints
from jaxseg.training.state import (
    TrainState,
    create_state,
    require_finite,
    with_variables,
)
from jaxseg.training.step import TrainStep, create_train_step


class Interrupted(Exception):
    """The training was interrupted; its state is saved."""


class Trainer:
    """Trains the model of a Config, once.

    Attributes:
      config: the options of the training.
      mesh: the devices.
      data: the data set and its two splits.
      parts: model, loss, optimizer, ...
      state: parameters and everything else that training changes, on the devices; None
        before `initialize`.
      step: number of steps taken to reach `state`.
      evaluation: the last evaluation and its step, or None.
    """

    def __init__(
        self,
        config: Config,
        *,
        callbacks: Iterable[Callback] = (),
        mesh: Mesh | None = None,
    ):
        """Open the data and build the model.

        Args:
          config: the options of the training.
          callbacks: called in this order.
          mesh: the devices; None is all devices.

        Raises:
          UserError: something that the user can fix; nothing but prepared data was
            written.
        """
        self.config, self.callbacks = config, tuple(callbacks)
        self.mesh = create_mesh(spatial=config.mesh.spatial) if mesh is None else mesh
        weighted = config.train.border_weight > 0
        shape = config.train.batch_size, config.augment.crop, weighted
        _check_batch(config, self.mesh)
        require_batch(batch_leaves(*shape))
        count = needs_frequencies(config)
        self.data: TrainingData = open_training_data(config.data, count)
        self._leaves = batch_leaves(*shape, self.data.dataset.labels.planes)
        require_batch(self._leaves)
        self.parts: Parts = build(config, self.data.num_classes, self.data.frequencies)
        self.state: TrainState | None = None
        self.step = 0
        self.evaluation: tuple[int, Evaluation] | None = None
        self._request = StopRequest(self.mesh)
        self._train_step: TrainStep | None = None
        self._evaluator = Evaluator(config, self.model, self.data, self.mesh)
        self._position: dict[str, Any] | None = None
        self._unread: tuple[int, dict[str, jax.Array]] | None = None
        self._without_gain = 0

    @property
    def model(self) -> Segmenter:
        """The model, without its variables."""
        return self.parts.model

    def stop(self) -> None:
        """Ask all processes to save, evaluate and report; for use in a callback.

        One process stops after the current step.  Several processes stop after the next
        step, which is the same in all of them.
        """
        self._request.ask(Stop.FINISH)

    def set_steps(self, steps: int) -> None:
        """Replace `config.train.steps`, before the first step.

        Raises:
          UserError: the warm-up is not shorter than this.
        """
        options = replace(self.config.train, steps=steps)
        self.config = replace(self.config, train=options)
        self.parts = build(self.config, self.data.num_classes, self.data.frequencies)
        self.state = self._train_step = None

    def initialize(self, weights: bool = True) -> None:
        """Initialise the state of step 0 from `config.seed` and the weights.

        Do not block on the state here, so that tracing the step overlaps with it.

        Args:
          weights: read `config.model.weights`; not needed before `restore`.

        Raises:
          UserError: the weights cannot be read, or none of them fits.
        """
        config = self.config
        state = create_state(
            self.model,
            self.parts.optimizer,
            config.seed,
            config.augment.crop,
            ema=config.train.ema > 0,
        )
        if weights and config.model.weights:
            start = {"params": state.params, "batch_stats": state.batch_stats}
            start = starting_variables(config, self.model, start, log)
            state = with_variables(state, start)
        self.state = device_put(state, self.mesh, config.mesh.sharded_parameters)

    def restore(self, checkpoints: Checkpoints, step: int) -> None:
        """Continue from a checkpoint, after `initialize`.

        Raises:
          UserError: the checkpoint has other parameters; the first of them is named.
        """
        self.state, self._position = checkpoints.restore(self._initialized(), step)
        self.step = step
        self._without_gain = checkpoints.without_gain(step)

    def end(self) -> str:
        """Return why no further step will be taken, or "" if there is one."""
        options = self.config.train
        if self.step >= options.steps:
            return f"all of its {options.steps} steps are taken"
        if 0 < options.patience <= self._without_gain:
            return (
                f"{self._without_gain} evaluations in a row gained nothing, and"
                f" train.patience is {options.patience}"
            )
        return ""

    def is_finished(self, checkpoints: Checkpoints) -> bool:
        """Whether no step is left to take, and the last one has been evaluated."""
        return bool(self.end()) and not self._misses_evaluation(checkpoints)

    def compile(self) -> TrainStep:
        """Compile the training step, once, and return it.

        Raises:
          UserError: the step needs more memory than there is.
        """
        if self._train_step is None:
            self._train_step = compile_step(
                self.create_step(), self._initialized(), self._leaves, self.mesh
            )
        assert self._train_step is not None
        return self._train_step

    def create_step(self) -> Any:
        """Return the training step, not compiled."""
        config, parts = self.config, self.parts
        return create_train_step(
            parts.model,
            parts.optimizer,
            parts.schedule,
            parts.loss,
            self.mesh,
            mean=parts.mean,
            std=parts.std,
            auxiliary_weight=config.train.auxiliary_weight,
            ema=config.train.ema,
            accumulate=config.train.accumulate,
            remat=config.model.remat,
            seed=config.seed,
            split=config.mesh.sharded_parameters,
            deterministic=config.train.deterministic,
        )

    def create_stream(self) -> TrainingStream:
        """Return the batches of this process, starting at the step of `state`."""
        config, repeats = self.config, self.parts.repeats
        samples = CachedSamples(self.data.training, config.data.memory)
        stream = TrainingStream(
            samples,
            self.parts.augmentation.of(samples, repeats),
            batch_size=config.train.batch_size,
            seed=config.seed,
            repeats=repeats,
            threads=config.data.threads,
            process_index=jax.process_index(),
            process_count=jax.process_count(),
        )
        if self._position is not None:
            stream.restore(self._position)
        return stream

    def fit(self, checkpoints: Checkpoints) -> None:
        """Take the remaining steps, saving and evaluating as configured.

        Args:
          checkpoints: where states are saved; the same as for `restore`.

        Raises:
          UserError: the loss is not finite, the disk is full, memory is short, ...
          Interrupted: on Ctrl-C or SIGTERM, after saving.
        """
        if self.is_finished(checkpoints):
            return
        train_step, stream = self.compile(), self.create_stream()
        with ExitStack() as stack:
            for callback in self.callbacks:
                callback.on_begin(self)
                stack.callback(callback.on_end, self)
            stack.enter_context(interrupted_by_signals(self._request))
            if self._misses_evaluation(checkpoints):
                self._evaluate_and_record(checkpoints)
            request = Stop.NO
            while not request and not self.end():
                request = self._take_step(train_step, stream, checkpoints)
                self._leave_if_interrupted(request, checkpoints)
                if request or self._evaluates(self.step):
                    self._evaluate_and_record(checkpoints)
                    request = self._request.agree()
                    self._leave_if_interrupted(request, checkpoints)
            checkpoints.wait()
        if self.step < self.config.train.steps and self.end():
            log(f"the training ends at step {self.step}: {self.end()}")

    def evaluate(
        self,
        variables: Any = None,
        on_batch: Callable[[], None] = lambda: None,
        images: int | None = None,
    ) -> Evaluation:
        """Measure the evaluation split.

        Args:
          variables: of the model; None takes those of `state`.
          on_batch: called before each batch; an exception that it raises ends the
            evaluation.
          images: number of images to measure, at equal distances in the split; None
            measures all.

        Raises:
          UserError: memory is short; the message names options that take less.
        """
        if variables is None:
            variables = self._initialized().variables
        return self._evaluator(variables, on_batch, images)

    def best(self, checkpoints: Checkpoints) -> tuple[int | None, Any, Evaluation]:
        """Return the step of the best checkpoint, its variables and its evaluation."""
        step, variables = checkpoints.best_step(), self._initialized().variables
        if step is not None and step != self.step:
            target = abstract_variables(self.model, replicated(self.mesh))
            average = self.config.train.ema > 0
            variables = checkpoints.restore_variables(target, step, average)
        known = None
        if self.evaluation is not None and self.evaluation[0] == step:
            known = self.evaluation[1]
        evaluation = self._evaluator.complete(variables, known)
        if known is None and step is not None and evaluation.best_thresholds:
            self._record(checkpoints, step, evaluation)  # the options may have changed
        return step, variables, evaluation

    def _take_step(
        self, train_step: TrainStep, stream: TrainingStream, checkpoints: Checkpoints
    ) -> Stop:
        """Take a step, save the state if it is due, and return the request to stop."""
        batch = shard_batch(next(stream), self.mesh)
        self.state, metrics = train_step(self._initialized(), batch)
        self.step += 1
        self._read_metrics()  # of the previous step, while the device computes this one
        self._unread = self.step, metrics
        request = self._request.poll()
        regular = self.step % self.config.train.checkpoint_every == 0
        if request or regular or self._evaluates(self.step):
            self._read_metrics()
            checkpoints.save(self.state, stream.state())
        return request

    def _read_metrics(self) -> None:
        """Fetch the metrics that are not read yet, and pass them to the callbacks."""
        if self._unread is None:
            return
        (step, metrics), self._unread = self._unread, None
        values = {name: float(value) for name, value in metrics.items()}
        require_finite(values["loss"], step)
        for callback in self.callbacks:
            callback.on_step(self, step, values)

    def _evaluates(self, step: int) -> bool:
        """Whether an evaluation follows a step."""
        options = self.config.train
        return step == options.steps or step % options.eval_every == 0

    def _misses_evaluation(self, checkpoints: Checkpoints) -> bool:
        """Whether the restored state was saved but not evaluated."""
        started = self.step > 0 and self._evaluates(self.step)
        return started and checkpoints.miou(self.step) is None

    def _evaluate_and_record(self, checkpoints: Checkpoints) -> None:
        """Evaluate the saved state, and record the score of its step."""
        evaluation = self.evaluate(
            on_batch=lambda: self._leave_if_interrupted(
                self._request.poll(), checkpoints
            )
        )
        self.evaluation = self.step, evaluation
        for callback in self.callbacks:
            callback.on_evaluation(self, self.step, evaluation)
        self._record(checkpoints, self.step, evaluation)
        self._without_gain = checkpoints.without_gain(self.step)

    def _record(
        self, checkpoints: Checkpoints, step: int, evaluation: Evaluation
    ) -> None:
        """Record the score, by which the best checkpoint is chosen, and thresholds."""
        checkpoints.record_score(step, evaluation.score, evaluation.best_thresholds)

    def _leave_if_interrupted(self, request: Stop, checkpoints: Checkpoints) -> None:
        """Raise `Interrupted` if that was requested, once the state is on disk."""
        if request is Stop.INTERRUPT:
            checkpoints.wait()
            raise Interrupted(
                f"stopped at step {self.step}, saved in {checkpoints.directory.parent}"
            )

    def _initialized(self) -> TrainState:
        assert self.state is not None, "call initialize first"
        return self.state


def _check_batch(config: Config, mesh: Mesh) -> None:
    """Refuse a batch that the mesh cannot divide; log a larger size of equal cost.

    Raises:
      UserError: the message names the nearest batch sizes that fit.
    """
    batch_size, count = config.train.batch_size, batch_devices(mesh)
    check_batch_size(batch_size, config.train.accumulate, mesh)
    if batch_size % count:
        full = -(-batch_size // count) * count
        log(
            f"train.batch_size {batch_size} over {count} devices: {full}"
            " would take no longer"
        )
