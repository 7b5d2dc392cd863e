"""Train, evaluate and report; run again to resume."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jax.sharding import Mesh

from jaxseg import memory
from jaxseg.allocation import keep_freed_memory
from jaxseg.build import check, check_images, describe_model
from jaxseg.command_line import STOPPED
from jaxseg.commands.claim import (
    claimed,
    describe,
    recorded_steps,
    require_writable,
)
from jaxseg.commands.metrics_table import print_metrics
from jaxseg.commands.results import describe_devices, finish
from jaxseg.config import Config
from jaxseg.data.balance import epoch_length
from jaxseg.data.mixing import CopyPaste
from jaxseg.data.presets import complete
from jaxseg.data.tasks import described
from jaxseg.errors import UserError, listed, nearest
from jaxseg.experiment import load_config
from jaxseg.initial_weights import require_weights
from jaxseg.nn.lowering import compiling_for, missing_kernels
from jaxseg.parallel import devices, distributed
from jaxseg.parallel.distributed import broadcast_from_primary
from jaxseg.report.console import log, print_error, silence, warn
from jaxseg.report.titles import model_title
from jaxseg.run import Run
from jaxseg.schema import validated
from jaxseg.segmenter import count_parameters
from jaxseg.trainer.callbacks import Callback, MetricWriter, ProgressBar
from jaxseg.trainer.pace import plan
from jaxseg.trainer.trainer import Interrupted, Trainer
from jaxseg.training.capacity import SMALLER
from jaxseg.training.checkpoint import Checkpoints

OVERRIDES = True
"""Arguments that are no options of this command change the config."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "--config",
        metavar="FILE",
        help="file of an experiment, or the name of one that comes with jaxseg",
    )
    parser.add_argument("--workdir", help="the run folder; default runs/<name>")
    parser.add_argument(
        "--distributed",
        action="store_true",
        help="give this to every process of a run on several hosts",
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
    if devices.are_cpus():
        keep_freed_memory()
    try:
        result = train(config, workdir)
    except Interrupted as stopped:
        log(f"{stopped}; run the same command again to go on")
        return STOPPED
    except KeyboardInterrupt:
        print_error("interrupted; run the same command again to go on")
        return STOPPED
    print_metrics(result.results)
    return 0


def _train_together(config: Config, options: argparse.Namespace) -> int:
    """Train as one of several processes; a failure here must not leave them waiting."""
    distributed.start(options.coordinator, options.processes, options.process)
    if not distributed.is_primary():
        silence()
    try:
        return _train_here(config, options.workdir)
    except UserError as error:
        print_error(str(error))
        code = 2
    except RuntimeError as error:  # of a collective operation, or of the coordinator
        lines = str(error).splitlines() or [type(error).__name__]
        print_error(
            f"another process of this run has ended or is out of reach ({lines[0]});"
            " start all processes again with the same commands to go on"
        )
        code = 1
    distributed.abort(code)


@dataclass(frozen=True)
class Result:
    """The result of a finished run.

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


def train(
    config: Config,
    workdir: str | Path | None = None,
    callbacks: Iterable[Callback] = (),
    mesh: Mesh | None = None,
) -> Result:
    """Train, evaluate and report; run again to resume.

    Args:
      config: the options of the run.
      workdir: the run folder; None takes `runs/<config.name>`.
      callbacks: watch the training, and may stop it; in several processes they are
        called in each of them.
      mesh: the devices; None is all devices.

    Returns:
      The metrics of the best checkpoint; the run folder holds them too.

    Raises:
      UserError: something that the user can fix; nothing was overwritten.
      Interrupted: on Ctrl-C or SIGTERM, after saving.
    """
    config = complete(validated(config))
    check(config)
    check_images(config)
    workdir = Path("runs") / (config.name or "run") if workdir is None else workdir
    remedy = "or --data.memory 0 if the host's memory is short"
    with memory.remedied("training", f"{SMALLER}, {remedy}", devices.left):
        return _train(config, Path(workdir), callbacks, mesh)


def _train(
    config: Config, workdir: Path, callbacks: Iterable[Callback], mesh: Mesh | None
) -> Result:
    new = not broadcast_from_primary(lambda: os.path.exists(workdir / "checkpoints"))
    if new:  # refuse early, before data is prepared and the step compiled
        broadcast_from_primary(lambda: require_writable(workdir))
        require_weights(config)
    callbacks = [MetricWriter(workdir), ProgressBar(), *callbacks]
    trainer = Trainer(config, callbacks=callbacks, mesh=mesh)
    _describe(trainer)
    steps = broadcast_from_primary(lambda: recorded_steps(workdir, config))
    if config.train.minutes and new and steps is None:
        steps = plan(trainer, workdir)
    if steps is not None:
        trainer.set_steps(steps)
    if new:  # errors of weights and memory come before the folder is created
        trainer.initialize()
        trainer.compile()
    dataset, counted = trainer.data.dataset, trainer.data.frequencies
    run = Run(workdir, trainer.config, dataset.labels, dataset.form)
    with ExitStack() as held:
        broadcast_from_primary(
            lambda: held.enter_context(claimed(run, dataset, counted))
        )
        checkpoints = held.enter_context(Checkpoints(run.checkpoints, warn))
        _resume(trainer, checkpoints, workdir)
        broadcast_from_primary(lambda: describe(run, dataset, counted))  # checks passed
        checkpoints.begin()
        _tell_progress(trainer, checkpoints, workdir)
        trainer.fit(checkpoints)
        return Result(workdir, finish(trainer, run, checkpoints))


def _describe(trainer: Trainer) -> None:
    """Log the data, the model and the devices of a training."""
    config, data = trainer.config, trainer.data
    log(
        f"{len(data.training)} training and {len(data.evaluation)}"
        f" {config.data.eval_split} images, {described(data.dataset.labels)};"
        f" {model_title({'model': describe_model(config)})},"
        f" {count_parameters(trainer.model) / 1e6:.2f} M parameters;"
        f" {describe_devices(trainer.mesh, config.model.dtype)}"
    )
    if repeats := trainer.parts.repeats:
        log(
            f"balanced sampling: an epoch draws {epoch_length(repeats):,} images, the"
            f" rarest {max(repeats):.1f} times each"
        )
    for mix in trainer.parts.augmentation.mixes:
        if isinstance(mix, CopyPaste):
            names = [data.dataset.labels.names[each] for each in mix.classes]
            log(f"copy_paste: pixels of {listed(names, 12)} are pasted")
    with compiling_for(trainer.mesh):
        if reason := missing_kernels():
            log(f"convolutions are XLA's, half as fast as compiled kernels: {reason}")


def _tell_progress(trainer: Trainer, checkpoints: Checkpoints, workdir: Path) -> None:
    """Log the step of a resumed training, and how a finished one can be continued."""
    steps = trainer.config.train.steps
    if trainer.is_finished(checkpoints):
        option = "patience" if trainer.step < steps else "steps"
        by_time = trainer.config.train.minutes and option == "steps"
        log(
            f"{workdir}: finished at step {trainer.step}, {trainer.end()}; to continue,"
            f" give a larger --train.{option}"
            f"{' and --train.minutes 0' if by_time else ''}"
        )
    elif trainer.step:
        log(f"{workdir}: continuing at step {trainer.step} of {steps}")


def _resume(trainer: Trainer, checkpoints: Checkpoints, workdir: Path) -> None:
    """Restore the newest checkpoint, or initialise step 0 if there is none.

    Raises:
      UserError: the run has taken more steps than it is to take, or the checkpoint has
        other parameters.
    """
    latest, steps = checkpoints.latest_step(), trainer.config.train.steps
    if latest is not None and latest > steps:
        raise UserError(
            f"{workdir} stands at step {latest}, beyond train.steps {steps}:"
            f" give --train.steps {latest} or more, or choose another --workdir"
        )
    if trainer.state is None:
        trainer.initialize(weights=latest is None)
    if latest is not None:
        trainer.restore(checkpoints, latest)
