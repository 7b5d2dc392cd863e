"""Checkpoints by Orbax: asynchronous, verified by checksums, the latest and the best.

A checkpoint holds the training state and the position of the data stream, so a resumed
run continues as if it had not been interrupted.  The folder holds `<step>/`, written
by Orbax, and `<step>.json`, its manifest (`training.manifest`).  Older steps are
deleted only when a newer one is complete.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import orbax.checkpoint as ocp

from jaxseg.errors import UserError
from jaxseg.parallel.distributed import (
    broadcast_from_primary,
    is_distributed,
    is_primary,
)
from jaxseg.training.manifest import Manifest
from jaxseg.training.state import TrainState, describe_difference

LATEST = 2
"""Number of the newest steps kept: if one is damaged, the one before it is used."""

DAMAGED, OLD, UNFINISHED = ".damaged", ".old", ".orbax-checkpoint-tmp"
"""Marks in names of folders: set aside; to be deleted; not completed by Orbax."""


class Checkpoints:
    """The checkpoints of one run; a context manager that waits for pending saves."""

    def __init__(
        self,
        directory: str | Path,
        warn: Callable[[str], None] = lambda text: None,
        read_only: bool = False,
    ):
        """Open `directory`; nothing in it changes before `begin`.

        Args:
          directory: the folder.
          warn: called with a line for each damaged step.
          read_only: never change the folder; another process may be writing to it.

        Raises:
          UserError: all its steps are damaged.
        """
        # Orbax takes absolute paths only.
        self.directory = Path(directory).resolve()
        self._warn, self._begun = warn, read_only
        self._damaged: list[int] = []
        self._sealing: Future[None] | None = None
        self._thread = ThreadPoolExecutor(1, "seal")
        self._writes = is_primary() and not read_only
        found = broadcast_from_primary(lambda: [asdict(each) for each in self._open()])
        self._manifests = {each["step"]: Manifest.of_values(each) for each in found}
        self._orbax = ocp.AsyncCheckpointer(
            ocp.CompositeCheckpointHandler(
                state=ocp.PyTreeCheckpointHandler(), stream=ocp.JsonCheckpointHandler()
            )
        )

    def __enter__(self) -> Checkpoints:
        """Return itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Wait for pending saves and close; an error raised inside is not replaced.

        After a failed exchange between processes this does not wait: a save needs the
        other processes too, and one of them has ended.
        """
        if is_distributed() and kind is not None and issubclass(kind, RuntimeError):
            return
        try:
            self.wait()
        except Exception:
            if kind is None:
                raise
        finally:
            self._thread.shutdown()
            with suppress(Exception):  # `wait` has raised it
                self._orbax.close()

    def begin(self) -> None:
        """Create the folder, remove incomplete steps, set damaged steps aside.

        Raises:
          UserError: the folder cannot be written.
        """
        if not self._begun:
            broadcast_from_primary(self._tidy)
            self._begun = True

    def latest_step(self) -> int | None:
        """Return the newest intact step, or None."""
        return max(self._manifests, default=None)

    def best_step(self) -> int | None:
        """Return the intact step with the highest metric, the newest of equals."""
        return broadcast_from_primary(self._best_step)

    def miou(self, step: int) -> float | None:
        """Return the metric that was recorded for an intact step, or None."""
        return self._manifests[step].miou

    def thresholds(self, step: int) -> tuple[float, ...]:
        """Return the best thresholds that were recorded for an intact step."""
        return self._manifests[step].thresholds

    def without_gain(self, step: int) -> int:
        """Return the evaluations in a row, up to an intact step, without a gain.

        The score of an evaluation is a gain if it is above all scores before it.  What
        was evaluated again, with other options, is not counted twice.
        """
        return broadcast_from_primary(lambda: self._manifests[step].without_gain)

    def save(self, state: TrainState, stream: dict[str, Any]) -> None:
        """Start to save asynchronously; `wait` raises if saving failed.

        Args:
          state: named by its step.
          stream: the position of the data stream, as JSON values.

        Raises:
          UserError: an earlier save failed, for example because the disk is full.
        """
        self.begin()
        self.wait()
        step = int(state.step)
        args = ocp.args.Composite(
            state=ocp.args.PyTreeSave(state), stream=ocp.args.JsonSave(stream)
        )
        with _disk_errors(self.directory):
            self._orbax.save(self._path(step), args=args)
        self._sealing = self._thread.submit(self._seal, step)

    def record_score(
        self, step: int, miou: float, thresholds: tuple[float, ...] = ()
    ) -> None:
        """Record the metric that ranks a step that was saved, and its best thresholds.

        Raises:
          UserError: the save failed.
        """
        self.wait()
        if not self._writes:
            return
        old = self._manifests[step]
        rated = replace(old, miou=miou, thresholds=thresholds)
        if old.miou is None:
            earlier = [each.rank[0] for each in self._manifests.values() if each != old]
            gains = rated.rank[0] > max(earlier, default=-math.inf)
            rated = replace(rated, without_gain=0 if gains else old.without_gain + 1)
        with _disk_errors(self.directory):
            rated.write(self._manifest(step))
            self._manifests[step] = rated
            self._prune()

    def wait(self) -> None:
        """Wait until all saved states are on disk.

        Raises:
          UserError: it could not be written; earlier checkpoints are intact.
        """
        sealing, self._sealing = self._sealing, None
        with _disk_errors(self.directory):
            if sealing is not None:
                sealing.result()

    def restore(
        self, target: TrainState, step: int
    ) -> tuple[TrainState, dict[str, Any]]:
        """Read a checkpoint.

        Args:
          target: a state of the same structure, arrays or `ShapeDtypeStruct`s with
            shardings: the result has its shapes, types and placement.
          step: which one.

        Returns:
          The state and the position of the data stream.

        Raises:
          UserError: the checkpoint has other parameters; the first is named.
        """
        expected = {"params": target.params, "batch_stats": target.batch_stats}
        self._require_fit(expected, step)
        args = ocp.args.Composite(state=_restore(target), stream=ocp.args.JsonRestore())
        read = self._orbax.restore(self._path(step), args=args)
        return read["state"], read["stream"]

    def restore_variables(
        self, target: dict[str, Any], step: int, average: bool
    ) -> dict[str, Any]:
        """Read only what `model.apply` takes, not the state of the optimizer.

        Args:
          target: {"params", "batch_stats"} of `ShapeDtypeStruct`s with shardings.
          step: which checkpoint.
          average: read the moving average.

        Raises:
          UserError: the checkpoint has other parameters; the first is named.
        """
        target = {"batch_stats": {}, **target}
        item = {"ema": target} if average else target
        self._require_fit(item, step)
        args = ocp.args.Composite(state=_restore(item, partial=True))
        read = self._orbax.restore(self._path(step), args=args)["state"]
        return read["ema"] if average else read

    def _require_fit(self, expected: dict[str, Any], step: int) -> None:
        """Compare names and shapes first: Orbax casts silently or prints pages."""
        metadata: Any = self._orbax.metadata(self._path(step))
        stored = metadata.item_metadata["state"].tree
        found = {name: stored.get(name) or {} for name in expected}
        if difference := describe_difference(expected, found):
            raise UserError(f"{self._path(step)} does not fit this model: {difference}")

    def _path(self, step: int) -> Path:
        return self.directory / str(step)

    def _manifest(self, step: int) -> Path:
        return self.directory / f"{step}.json"

    def _best_step(self) -> int | None:
        best = max(self._manifests.values(), key=lambda each: each.rank, default=None)
        return best.step if best else None

    def _open(self) -> list[Manifest]:
        """Return the intact steps; remember the damaged ones and warn of them."""
        intact, damaged = [], {}
        paths = self.directory.iterdir() if self.directory.is_dir() else ()
        for path in [path for path in paths if path.name.isdecimal()]:
            step = int(path.name)
            manifest = Manifest.read(self._manifest(step))
            problem = "its manifest is missing or damaged"
            if manifest is not None:
                problem = manifest.difference(path)
            if manifest is not None and not problem:
                intact.append(manifest)
            elif path.exists():  # otherwise the run has just deleted it
                damaged[step] = problem
        for step, problem in damaged.items():
            self._warn(f"{self._path(step)}: {problem}; not used")
        # A process that is killed between the two leaves a step without a manifest.
        if not intact and any(self._manifest(step).exists() for step in damaged):
            raise UserError(
                f"{self.directory}: every checkpoint is damaged; restore the folder"
                " from a copy, or delete the run folder to start again"
            )
        self._damaged = list(damaged)
        return intact

    def _tidy(self) -> None:
        with _disk_errors(self.directory):
            self.directory.mkdir(parents=True, exist_ok=True)
            for path in self.directory.iterdir():
                if UNFINISHED in path.name or path.name.endswith(OLD):
                    shutil.rmtree(path)
            for step in self._damaged:
                aside = self.directory / f"{step}{DAMAGED}"
                shutil.rmtree(aside, ignore_errors=True)
                self._path(step).rename(aside)
                self._manifest(step).unlink(missing_ok=True)
                self._warn(f"{self._path(step)}: set aside as {aside.name}")

    def _seal(self, step: int) -> None:
        """Wait for Orbax, write the manifest, and delete superseded steps."""
        self._orbax.wait_until_finished()
        if not self._writes:
            return
        if not self._path(step).is_dir():
            raise RuntimeError(f"Orbax skipped the checkpoint of step {step}")
        manifest = Manifest.of(self._path(step), step)
        before = self._manifests.get(max(self._manifests, default=0))
        if before is not None:
            manifest = replace(manifest, without_gain=before.without_gain)
        manifest.write(self._manifest(step))
        self._manifests[step] = manifest
        self._prune()

    def _prune(self) -> None:
        """Delete all steps but the best and the latest; a kill does no harm."""
        kept = {*sorted(self._manifests)[-LATEST:], self._best_step()}
        for step in set(self._manifests) - kept:
            old = self.directory / f"{step}{OLD}"
            self._path(step).rename(old)
            self._manifest(step).unlink()
            shutil.rmtree(old)
            del self._manifests[step]


def _restore(target: Any, partial: bool = False) -> ocp.args.PyTreeRestore:
    """Request the leaves of `target`, with its dtypes and shardings."""
    return ocp.args.PyTreeRestore(
        item=target,
        restore_args=ocp.checkpoint_utils.construct_restore_args(target),
        partial_restore=partial,
    )


@contextmanager
def _disk_errors(directory: Path) -> Iterator[None]:
    """Turn the error of a full or read-only disk into a `UserError`."""
    try:
        yield
    except (OSError, ValueError) as error:
        text = str(error)
        known = (
            "No space left",
            "Disk quota",
            "File too large",
            "Read-only",
            "Permission denied",
            "Not a directory",
        )
        if isinstance(error, OSError) or any(word in text for word in known):
            line = next((word for word in known if word in text), text[:200])
            raise UserError(
                f"{directory}: cannot write the checkpoint ({line}); earlier ones are"
                " intact: free space or choose another --workdir, then run again"
            ) from error
        raise
