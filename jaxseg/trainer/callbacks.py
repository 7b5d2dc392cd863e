"""Callbacks, which watch a training and may stop it.

The callbacks of every run are here too: the log of its metrics, and its progress on a
terminal.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from jaxseg.evaluation.evaluate import Evaluation
from jaxseg.parallel.distributed import is_primary
from jaxseg.report.console import Progress
from jaxseg.report.events import MetricLog

if TYPE_CHECKING:  # the trainer imports this module
    from jaxseg.trainer.trainer import Trainer


class Callback:
    """Watches a training, and may stop it; override the methods that you need.

    Every process of a training calls its callbacks in the same order.
    """

    def on_begin(self, trainer: Trainer) -> None:
        """Called before the first step; `trainer.step` is 0 or the step of a resume."""

    def on_step(
        self, trainer: Trainer, step: int, metrics: Mapping[str, float]
    ) -> None:
        """Called with the metrics of each step, in the order of the steps.

        The device may be computing the next step already, so `trainer.step` and
        `trainer.state` may be one step further.

        Args:
          trainer: the training.
          step: number of the step, from 1.
          metrics: loss, gradient_norm and learning_rate.
        """

    def on_evaluation(
        self, trainer: Trainer, step: int, evaluation: Evaluation
    ) -> None:
        """Called after each evaluation; the evaluated state is saved already.

        A training that is killed before the score is recorded evaluates again, so this
        may be called twice for a step.

        Args:
          trainer: the training, at this step.
          step: the number of steps taken.
          evaluation: `evaluation.confusion.mean_iou` and others.
        """

    def on_end(self, trainer: Trainer) -> None:
        """Called after the training, even if it ended with an error."""


class MetricWriter(Callback):
    """Writes the metrics of a run into its folder, in the primary process."""

    def __init__(self, workdir: Path):
        """Keep the folder; files are opened when the training begins.

        Args:
          workdir: the run folder.
        """
        self._workdir, self._log = workdir, None

    def on_begin(self, trainer: Trainer) -> None:
        """Open the log; lines of steps that a resumed run takes again are removed."""
        if is_primary():
            self._log = MetricLog(self._workdir, trainer.step)

    def on_step(
        self, trainer: Trainer, step: int, metrics: Mapping[str, float]
    ) -> None:
        """Write the metrics of every `train.log_every`th step, and of the last."""
        options = trainer.config.train
        if self._log and (step % options.log_every == 0 or step == options.steps):
            self._log.write(step, "train", metrics)

    def on_evaluation(
        self, trainer: Trainer, step: int, evaluation: Evaluation
    ) -> None:
        """Write the metrics of the evaluation."""
        if self._log:
            split = trainer.config.data.eval_split
            self._log.write(step, split, evaluation.metrics())

    def on_end(self, trainer: Trainer) -> None:
        """Close the log."""
        if self._log:
            self._log.close()


class ProgressBar(Callback):
    """Shows the progress of a training."""

    _progress: Progress

    def on_begin(self, trainer: Trainer) -> None:
        """Show the bar."""
        options = trainer.config.train
        self._progress = Progress(options.steps, trainer.step, options.batch_size)

    def on_step(
        self, trainer: Trainer, step: int, metrics: Mapping[str, float]
    ) -> None:
        """Move the bar."""
        self._progress.update(step, metrics)

    def on_evaluation(
        self, trainer: Trainer, step: int, evaluation: Evaluation
    ) -> None:
        """Print metrics of the evaluation above the bar."""
        accuracy = evaluation.confusion.pixel_accuracy
        self._progress.log(
            f"step {step}: {trainer.config.data.eval_split} {evaluation.score_name}"
            f" {evaluation.score:.4f}, pixel accuracy {accuracy:.4f}"
            f" ({evaluation.images} images in {evaluation.seconds:.1f} s)"
        )

    def on_end(self, trainer: Trainer) -> None:
        """Leave the last state of the bar on the screen."""
        self._progress.close()
