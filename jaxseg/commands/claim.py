"""Claims a run folder, which must be new or hold the same run, to be resumed.

One process at a time trains in a folder.  `Run.write` and `Checkpoints.begin` write
into it only after every check that can refuse the run.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from jaxseg.backbones.names import resolve_name
from jaxseg.build import warmup_steps
from jaxseg.config import Config
from jaxseg.data.dataset import Dataset
from jaxseg.data.frequencies import ClassFrequencies
from jaxseg.data.identity import Identity
from jaxseg.data.presets import complete
from jaxseg.errors import UserError
from jaxseg.locks import locked
from jaxseg.paths import unwritable_folder
from jaxseg.report.console import log
from jaxseg.run import CONFIG, LABELS, Run, read_labels
from jaxseg.schema import flatten, from_file

CHANGEABLE = (
    "name",
    "data.root",
    "data.images",
    "data.masks",
    "data.annotations",
    "data.allow_leakage",
    "data.num_classes",
    "data.cache",
    "data.threads",
    "data.memory",
    "mesh.",
    "train.steps",
    "train.log_every",
    "train.eval_every",
    "train.checkpoint_every",
    "train.patience",
    "evaluation.",
)
"""Options that a resumed run may change: its parameters so far do not depend on them.

Options that choose files or classes are among them, since the data itself is compared.
"""

WARMUP = ("optimizer.warmup_steps", "optimizer.warmup_ratio")


def require_writable(workdir: Path) -> None:
    """Refuse a run folder that cannot be created, before data is prepared for it.

    Raises:
      UserError: the folder, or the one in which it is to be made, is not writable.
    """
    if reason := unwritable_folder(workdir):
        raise _unwritable(workdir, reason)


@contextmanager
def claimed(
    run: Run, dataset: Dataset, frequencies: ClassFrequencies | None = None
) -> Iterator[None]:
    """Lock the folder of a run, which is made if it is missing, and check its content.

    Args:
      run: the run to begin or to resume.
      dataset: the data set to train on.
      frequencies: how often its classes occur, if the run depends on that.

    Raises:
      UserError: the folder cannot be written, is claimed, or holds a run of other
        settings or other data; the difference is named and nothing is changed.
    """
    begun = os.path.isfile(run.workdir / CONFIG)
    if not begun and os.path.exists(run.checkpoints):
        raise UserError(f"{run.workdir} has checkpoints but no {CONFIG}")
    with ExitStack() as held:
        try:
            run.workdir.mkdir(parents=True, exist_ok=True)
            lock = locked(run.workdir / ".lock", wait=False, remove=True)
            free = held.enter_context(lock)
        except OSError as error:
            raise _unwritable(run.workdir, error.strerror) from error
        if not free:
            raise UserError(
                f"{run.workdir}: another process is training here; wait for it, or"
                " choose another --workdir"
            )
        if os.path.isfile(run.workdir / CONFIG):
            _require_same(run, dataset, frequencies)
        yield


def describe(
    run: Run, dataset: Dataset, frequencies: ClassFrequencies | None = None
) -> None:
    """Write the description of the run into its claimed folder.

    The arguments are those of `claimed`.

    Raises:
      UserError: the folder cannot be written.
    """
    try:
        run.write(Identity.of(dataset, _splits(run)), frequencies)
    except OSError as error:
        raise _unwritable(run.workdir, error.strerror) from error


def recorded_steps(workdir: Path, config: Config) -> int | None:
    """Return the number of steps of a folder's run with the same `train.minutes`.

    It is None if there is no run, or one with other minutes.

    Raises:
      UserError: the config in the folder cannot be read.
    """
    if not config.train.minutes or not os.path.isfile(workdir / CONFIG):
        return None
    begun = from_file(workdir / CONFIG).train
    return begun.steps if begun.minutes == config.train.minutes else None


def _require_same(
    run: Run, dataset: Dataset, frequencies: ClassFrequencies | None
) -> None:
    """Refuse settings or data that do not continue the run in the folder."""
    begun = complete(from_file(run.workdir / CONFIG))
    difference = _changed_settings(begun, run.config)
    before = run.data()
    if not difference and os.path.exists(run.workdir / LABELS):
        difference = _changed_classes(run)
    if not difference and before:
        difference = before.difference(dataset, _splits(run))
        difference = difference and f"other data ({difference})"
    counted = run.frequencies()
    if not difference and counted and frequencies:
        difference = counted.difference(frequencies, run.labels.names)
        difference = difference and f"other data ({difference})"
    if difference:
        raise UserError(
            f"{run.workdir} holds a run with {difference}: choose another --workdir,"
            f" where --model.weights {run.workdir} starts from its weights, or delete"
            " the folder to start again"
        )
    if before is None:
        log(
            f"{run.workdir} does not record which data it was begun with; from now on"
            f" that is the data of {run.config.data.root or run.config.data.name}"
        )


def _changed_settings(old: Config, new: Config) -> str | None:
    """Describe the values of `new` that do not continue a run of `old`, or None."""
    before, after = flatten(old), flatten(new)
    for values in (before, after):  # the same network may have two names
        if name := values["model.backbone"]:
            spelled = resolve_name(name, values["model.arithmetic"])
            values["model.backbone"], values["model.arithmetic"] = spelled
    if not new.train.minutes:  # the run continues with a number of steps
        after["train.minutes"] = before["train.minutes"]
    if warmup_steps(old) == warmup_steps(new):  # may be given in steps or as a share
        after |= {name: before[name] for name in WARMUP}
    changed = [
        f"{name} {before[name]}, not {after[name]}"
        for name in before
        if before[name] != after[name] and not name.startswith(CHANGEABLE)
    ]
    return "; ".join(changed[:3]) or None


def _changed_classes(run: Run) -> str | None:
    old, new = read_labels(run.workdir / LABELS)[0].names, run.labels.names
    if old == new:
        return None
    return f"{len(old)} classes ({_list(old)}), not {len(new)} ({_list(new)})"


def _list(names: tuple[str, ...], most: int = 12) -> str:
    return ", ".join([*names[:most], *["..."] * (len(names) > most)])


def _splits(run: Run) -> tuple[str, str]:
    return run.config.data.train_split, run.config.data.eval_split


def _unwritable(workdir: Path, reason: str | None) -> UserError:
    return UserError(
        f"{workdir}: cannot write the run folder ({reason}); choose another with"
        " --workdir"
    )
