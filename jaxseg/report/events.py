"""The metrics of a run over its steps: `metrics.jsonl` and TensorBoard events.

They are written line by line while training, and read back for the report.  A resumed
run continues both as if it had never been interrupted.  `jaxseg.trainer` decides what
is measured, and when.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tensorboardX import SummaryWriter

from jaxseg.errors import UserError
from jaxseg.paths import replace_text

FILE_NAME = "metrics.jsonl"
"""A file of one JSON object per line: `step`, `split` and the values."""

EVENTS_FOLDER = "events"
"""TensorBoard's files: `tensorboard --logdir WORKDIR/events`."""


class MetricLog:
    """Appends metrics to a run folder; a context manager.

    Only one process of a run may open a log.
    """

    def __init__(self, workdir: str | Path, start_step: int = 0) -> None:
        """Open the log of a run; remove the lines that a resume will write again.

        Args:
          workdir: the run folder; made if it is missing.
          start_step: the step that the run continues from. Lines of later steps are
            removed, and so is an incomplete line of a killed process; 0 removes all.

        Raises:
          UserError: the folder cannot be made.
        """
        workdir = Path(workdir)
        try:
            workdir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(
                f"{workdir}: cannot be used as a folder ({error.strerror})"
            ) from error
        path = workdir / FILE_NAME
        _rewind(path, start_step)
        self._file = path.open("a", encoding="utf-8")
        self._events = SummaryWriter(
            str(workdir / EVENTS_FOLDER),
            # TensorBoard hides events from this step on; those at start_step stay.
            purge_step=start_step + 1 if start_step else 0,
            flush_secs=20,
            # The name would end in whole seconds, so a quick resume would overwrite it.
            filename_suffix=f".{time.time_ns()}",
        )

    def __enter__(self) -> MetricLog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def write(self, step: int, split: str, values: Mapping[str, float | None]) -> None:
        """Append one line and the same scalars as TensorBoard events, `split/name`.

        Args:
          step: training steps done.
          split: what the values were measured on, such as `train` or `val`.
          values: scalars; None and values that are not finite are written as null, and
            not as events.
        """
        finite: dict[str, float | None] = {}
        for name, value in values.items():
            number = math.nan if value is None else float(value)
            finite[name] = number if math.isfinite(number) else None
        record = {"step": int(step), "split": split, **finite}
        self._file.write(json.dumps(record, allow_nan=False) + "\n")
        self._file.flush()
        for name, number in finite.items():
            if number is not None:
                self._events.add_scalar(f"{split}/{name}", number, int(step))

    def close(self) -> None:
        """Flush and close both files."""
        self._file.close()
        self._events.close()


def read_metrics(workdir: str | Path) -> list[dict[str, Any]]:
    """Return the records of a run in the order in which they were written.

    An unfinished line of a running or killed process is left out.  If there are two
    lines of the same step and split, since a resumed run measured again, the later one
    counts.

    Returns:
      A dict for each line, `{"step": int, "split": str, name: float or None, ...}`;
      none if the run has no metrics yet.
    """
    records = [record for _, record in _lines(Path(workdir) / FILE_NAME)]
    return list({(each["step"], each["split"]): each for each in records}.values())


def _lines(path: Path) -> list[tuple[str, dict[str, Any]]]:
    """Return each complete line with its record."""
    if not path.is_file():
        return []
    lines = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(record, dict) and _is_complete(record):
            lines.append((line, record))
    return lines


def _is_complete(record: dict[str, Any]) -> bool:
    step, split = record.get("step"), record.get("split")
    return type(step) is int and 0 <= step < 2**53 and isinstance(split, str)


def _rewind(path: Path, step: int) -> None:
    """Keep the lines up to `step`; the file is replaced atomically."""
    if not path.is_file():
        return
    kept = [
        line for line, record in _lines(path) if step > 0 and record["step"] <= step
    ]
    replace_text(path, "".join(line + "\n" for line in kept))
