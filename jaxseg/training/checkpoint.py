"""Checkpoints by Orbax: asynchronous, the latest and the best kept.

A checkpoint holds the training state and where the data stream stands, so a resumed run
continues as if it had not been interrupted.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orbax.checkpoint as ocp
from orbax.checkpoint.checkpoint_managers import (
    AnyPreservationPolicy,
    BestN,
    LatestN,
)

from jaxseg.errors import UserError
from jaxseg.training.state import TrainState, describe_difference

METRIC = "miou"
"""The figure by which a checkpoint is the best."""


class Checkpoints:
    """The checkpoints of one run; a context manager that waits for pending saves."""

    def __init__(self, directory: str | Path):
        """Open `directory`, creating it if it is missing.

        Raises:
          UserError: the directory cannot be written.
        """
        # Orbax takes absolute paths only.
        self.directory = Path(directory).resolve()
        policy = AnyPreservationPolicy([LatestN(1), BestN(get_metric_fn=_rank, n=1)])
        options = ocp.CheckpointManagerOptions(
            create=True, best_fn=_rank, preservation_policy=policy
        )
        with _disk_errors(self.directory):
            self._manager = ocp.CheckpointManager(
                self.directory,
                options=options,
                item_handlers={
                    "state": ocp.PyTreeCheckpointHandler(),
                    "stream": ocp.JsonCheckpointHandler(),
                },
            )

    def __enter__(self) -> Checkpoints:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Wait for pending saves and close."""
        self._manager.close()

    def latest_step(self) -> int | None:
        """Return the newest step saved, or None."""
        return self._manager.latest_step()

    def best_step(self) -> int | None:
        """Return the step with the highest mean IoU, the newest of equals, or None."""
        return self._manager.best_step()

    def save(
        self, state: TrainState, stream: dict[str, Any], miou: float | None = None
    ) -> None:
        """Begin to save; `wait` says whether it succeeded.

        Args:
          state: named by its step.
          stream: where the data stream stands, JSON-able.
          miou: of this state, if it was evaluated.

        Raises:
          UserError: an earlier save failed, for want of disk space for example.
        """
        step = int(state.step)
        with _disk_errors(self.directory):
            saved = self._manager.save(
                step,
                args=ocp.args.Composite(
                    state=ocp.args.PyTreeSave(state), stream=ocp.args.JsonSave(stream)
                ),
                metrics={METRIC: math.nan if miou is None else miou},
                force=True,
            )
        if not saved:
            raise RuntimeError(f"Orbax skipped the checkpoint of step {step}")

    def wait(self) -> None:
        """Wait until what was saved is on disk.

        Raises:
          UserError: it could not be written; earlier checkpoints are intact.
        """
        with _disk_errors(self.directory):
            self._manager.wait_until_finished()

    def restore(
        self, target: TrainState, step: int
    ) -> tuple[TrainState, dict[str, Any]]:
        """Read a checkpoint.

        Args:
          target: a state of the same structure, arrays or `ShapeDtypeStruct`s with
            shardings: the result has its shapes, types and placement.
          step: which one.

        Returns:
          The state and where the data stream stood.

        Raises:
          UserError: the checkpoint has other parameters; the first is named.
        """
        expected = {"params": target.params, "batch_stats": target.batch_stats}
        self._require_fit(expected, step)
        read = self._manager.restore(
            step,
            args=ocp.args.Composite(
                state=_restore(target), stream=ocp.args.JsonRestore()
            ),
        )
        return read["state"], read["stream"]

    def restore_variables(
        self, target: dict[str, Any], step: int, average: bool
    ) -> dict[str, Any]:
        """Read only what `model.apply` takes, not the optimiser's state.

        Args:
          target: {"params", "batch_stats"} of `ShapeDtypeStruct`s with shardings.
          step: which checkpoint.
          average: read the moving average.

        Raises:
          UserError: the checkpoint has other parameters; the first is named.
        """
        target = {"batch_stats": {}, **target}
        self._require_fit(target, step)
        item = {"ema": target} if average else target
        args = ocp.args.Composite(state=_restore(item, partial=True))
        read = self._manager.restore(step, args=args)["state"]
        return read["ema"] if average else read

    def _require_fit(self, expected: dict[str, Any], step: int) -> None:
        """Compare names and shapes first: Orbax casts silently or prints pages."""
        stored = self._manager.item_metadata(step)["state"]
        if stored is None:
            raise UserError(f"{self.directory / str(step)}: not a jaxseg checkpoint")
        found = {name: stored.tree[name] or {} for name in expected}
        if difference := describe_difference(expected, found):
            raise UserError(
                f"{self.directory / str(step)} does not fit this model: {difference}"
            )


def _restore(target: Any, partial: bool = False) -> ocp.args.PyTreeRestore:
    """Ask for the leaves of `target`, of its types and where it puts them."""
    return ocp.args.PyTreeRestore(
        item=target,
        restore_args=ocp.checkpoint_utils.construct_restore_args(target),
        partial_restore=partial,
    )


def _rank(metrics: dict[str, float]) -> float:
    """Order checkpoints, those without a figure last; Orbax would rank a NaN best."""
    value = metrics[METRIC]
    return value if math.isfinite(value) else -math.inf


@contextmanager
def _disk_errors(directory: Path) -> Iterator[None]:
    """Turn a full or read-only disk into a line for the user."""
    try:
        yield
    except (OSError, ValueError) as error:
        text = str(error)
        known = ("No space left", "Read-only", "Permission denied", "Not a directory")
        if isinstance(error, OSError) or any(word in text for word in known):
            line = text.splitlines()[0][:200]
            raise UserError(
                f"{directory}: cannot write the checkpoint ({line}); earlier ones are"
                " intact: free space or choose another --workdir, then run again"
            ) from error
        raise
