"""Measures, before a training, how many steps fit into a budget of wall time.

Steps, a part of an evaluation and a checkpoint are timed on a state that is thrown
away.  The training that follows has a fixed number of steps, so that its schedule, its
results and a resume do not depend on any clock.
"""

from __future__ import annotations

import math
import shutil
import tempfile
import time
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import jax

from jaxseg.errors import UserError
from jaxseg.parallel.distributed import broadcast_from_primary, is_primary
from jaxseg.parallel.mesh import shard_batch
from jaxseg.report.console import log
from jaxseg.trainer.trainer import Trainer
from jaxseg.training.checkpoint import Checkpoints

Clock = Callable[[], float]

SHARE = 0.02
"""Share of the budget that is spent on timing steps, if `TIMED` steps take less."""

FIRST, TIMED = 2, 5
"""Number of first steps that are not timed, and the least number that are timed."""

LONGEST = 10**9
"""Largest number of steps of a training."""


@dataclass(frozen=True)
class Pace:
    """The wall time that a training takes, seconds.

    Attributes:
      step: time of a step.
      evaluation: time of an evaluation.
      checkpoint: time of a checkpoint, until it is on disk.
    """

    step: float
    evaluation: float
    checkpoint: float

    def seconds(self, steps: int, eval_every: int, checkpoint_every: int) -> float:
        """Return the time of a number of steps, with evaluations and checkpoints."""
        evaluations = -(-steps // eval_every)
        both = math.lcm(eval_every, checkpoint_every)
        saves = evaluations + steps // checkpoint_every - steps // both
        if steps % eval_every and steps % checkpoint_every == 0:
            saves -= 1  # the last step, which is evaluated and saved once
        return (
            steps * self.step + evaluations * self.evaluation + saves * self.checkpoint
        )

    def steps_within(
        self, seconds: float, eval_every: int, checkpoint_every: int
    ) -> int:
        """Return the largest number of steps that take at most `seconds`, or 0."""
        return bisect_right(
            range(1, LONGEST + 1),
            seconds,
            key=lambda steps: self.seconds(steps, eval_every, checkpoint_every),
        )


def plan(trainer: Trainer, workdir: Path, clock: Clock = time.monotonic) -> int:
    """Measure the pace of a training; return how many steps `train.minutes` allows.

    Compiling and measuring count as part of the time.  The step is compiled again for
    the number of steps that is returned, which is assumed to take as long as the first
    time.  All processes call this, and the first one decides.  Call
    `Trainer.set_steps` afterwards, since the state of the trainer cannot be used.

    Args:
      trainer: not initialised yet.
      workdir: the run folder; a trial checkpoint is written beside it, and removed.
      clock: returns seconds.

    Raises:
      UserError: not even one step fits.
    """
    options, start = trainer.config.train, clock()
    trainer.initialize(weights=False)
    trainer.compile()
    jax.block_until_ready(trainer.state)
    compiling = clock() - start
    budget = 60 * options.minutes
    pace = Pace(
        _time_step(trainer, SHARE * budget, clock),
        _time_evaluation(trainer, clock),
        _time_checkpoint(trainer, workdir, clock),
    )
    spent = clock() - start
    every = options.eval_every, options.checkpoint_every

    def decide() -> int:
        steps = pace.steps_within(budget - spent - compiling, *every)
        if not steps:
            needed = spent + compiling + pace.seconds(1, *every)
            raise UserError(
                f"train.minutes {options.minutes:g} is too short for one step:"
                f" compiling, measuring, a step and an evaluation take {needed:.0f} s;"
                f" give --train.minutes {math.ceil(needed / 60)} or more"
            )
        return steps

    steps = broadcast_from_primary(decide)
    log(
        f"{options.minutes:g} minutes: {steps:,} steps (a step takes {pace.step:.2g} s,"
        f" an evaluation {pace.evaluation:.2g} s, a checkpoint {pace.checkpoint:.2g}"
        f" s; compiling and measuring took {spent:.0f} s)"
    )
    return steps


def _time_step(trainer: Trainer, seconds: float, clock: Clock) -> float:
    """Take steps as a training does for about `seconds`; return the time of one."""
    train_step, stream = trainer.compile(), trainer.create_stream()

    def take(count: int) -> float:
        assert trainer.state is not None
        begin, unread = clock(), None
        for _ in range(count):
            batch = shard_batch(next(stream), trainer.mesh)
            trainer.state, metrics = train_step(trainer.state, batch)
            if unread is not None:
                float(unread)
            unread = metrics["loss"]
        jax.block_until_ready(trainer.state)
        return clock() - begin

    take(FIRST)
    first = take(TIMED)
    rest = max(0.0, seconds - first) / max(first, 1e-6) * TIMED
    more = broadcast_from_primary(lambda: int(rest))
    found = (first + (take(more) if more else 0.0)) / (TIMED + more)
    stream.close()
    return found


def _time_evaluation(trainer: Trainer, clock: Clock) -> float:
    """Evaluate some images twice, the first time to compile; return the time of all."""
    total = len(trainer.data.evaluation)
    count = min(total, 2 * trainer.config.evaluation.batch_size)
    trainer.evaluate(images=count)
    begin = clock()
    trainer.evaluate(images=count)
    return (clock() - begin) * total / count


def _time_checkpoint(trainer: Trainer, workdir: Path, clock: Clock) -> float:
    """Save the state on the disk of the run folder, remove it, and return the time."""
    state = trainer.state
    assert state is not None
    near = next(path for path in workdir.absolute().parents if path.is_dir())
    made = broadcast_from_primary(lambda: tempfile.mkdtemp("", ".jaxseg-", near))
    try:
        with Checkpoints(made) as checkpoints:
            checkpoints.begin()
            begin = clock()
            checkpoints.save(state, {})
            checkpoints.wait()
            return clock() - begin
    finally:
        if is_primary():
            shutil.rmtree(made, ignore_errors=True)
