"""Times contenders in turn, each in its own process: the harness of the benchmarks.

A contender is a function that builds something, checks itself and returns a run to be
timed.  Each has a worker process, because the thread pools of PyTorch and XLA disturb
each other in one process.  All workers are prepared (built, compiled, warmed up) and
compared with the first, the reference; only contenders with the same results are timed.
Then they run one at a time, A B C A B C ..., so that other work of the machine affects
all alike.  Before each turn the others must be idle; the processor time that they still
take is measured and shown.  A turn is two runs, of which the second is timed, because a
worker's code and data leave the caches, and perhaps memory, while it rests.  If a run
is so long that this does not matter, a turn is one run.

All workers get the same cores, the same environment and huge pages.
A worker is started by `race` as `python -m benchmarks.side_by_side ENTRY SETTINGS`.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks.document import ROOT
from jaxseg.report.console import print_line, table


@dataclass(frozen=True)
class Prepared:
    """The result of a contender's function, in its worker.

    Attributes:
      run: does the work once and returns the seconds it took.
      check: results that must equal the reference's.
      facts: numbers of the contender: `flops` of a run, bytes, ...
      runs: number of runs in a turn, the last of which is timed.
    """

    run: Callable[[], float]
    check: Mapping[str, np.ndarray] = field(default_factory=dict)
    facts: Mapping[str, float] = field(default_factory=dict)
    runs: int = 2


def timed(work: Callable[[], Any]) -> Callable[[], float]:
    """Return a run that does `work`, which must wait for the device."""

    def run() -> float:
        begun = time.perf_counter()
        work()
        return time.perf_counter() - begun

    return run


@dataclass
class Contestant:
    """A contender, in the parent process.

    Attributes:
      name: name that is shown.
      worker: its process.
      folder: shared by all contenders of a race; the reference writes files into it.
      facts: the facts that it reported.
      differences: name of a check -> difference from the reference.
      seconds: seconds of its timed runs.
      busy: cores that the other workers kept busy during its runs.
      failure: why it was not timed, or "".
    """

    name: str
    worker: subprocess.Popen[str]
    folder: Path
    facts: dict[str, float] = field(default_factory=dict)
    differences: dict[str, float] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)
    failure: str = ""

    @property
    def log(self) -> Path:
        """File of the text that the worker printed."""
        return self.folder / f"{self.name}.log"

    @property
    def median(self) -> float:
        """Median of the seconds of its runs."""
        return statistics.median(self.seconds)

    def check(self) -> dict[str, np.ndarray]:
        """Read the results that it computed."""
        with np.load(self.folder / f"{self.name}.npz") as file:
            return dict(file)

    def ask(self, word: str = "") -> Any:
        """Send a word, if any, and wait for the answer."""
        assert self.worker.stdin and self.worker.stdout
        if word:
            print(word, file=self.worker.stdin, flush=True)
        line = self.worker.stdout.readline()
        if not line:
            self.worker.wait()
            text = self.log.read_text(errors="replace").strip()
            raise RuntimeError(text or f"exit code {self.worker.returncode}")
        return json.loads(line)


def race(
    entries: Mapping[str, str],
    settings: Mapping[str, Any],
    *,
    rounds: int,
    threads: int,
    limits: Mapping[str, float],
    together: bool = False,
) -> dict[str, Contestant]:
    """Prepare the contenders, compare them with the first, time them in turn.

    Args:
      entries: name -> "module:function"; the function takes `settings`, and `folder`,
        and returns a `Prepared`.
      settings: arguments of all of them, as JSON values.
      rounds: number of turns of each.
      threads: number of processor cores; 0 takes all.
      limits: largest difference from the reference, by name of the check.
      together: prepare all at the same time.

    Returns:
      The contestants by name; `failure` says why one failed.
    """
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores[: threads or None])  # the workers inherit it
    environment = {
        "OMP_NUM_THREADS": str(threads or len(cores)),
        "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
    }
    contestants: dict[str, Contestant] = {}
    try:
        with ExitStack() as held:
            folder = Path(held.enter_context(tempfile.TemporaryDirectory()))

            reference = next(iter(entries))

            def prepare(name: str) -> None:
                if reference in contestants and contestants[reference].failure:
                    return
                given = {**settings, "folder": str(folder), "contender": name}
                command = [sys.executable, "-m", "benchmarks.side_by_side"]
                with (folder / f"{name}.log").open("w") as log:
                    worker = subprocess.Popen(
                        [*command, entries[name], json.dumps(given)],
                        stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE,
                        stderr=log,
                        text=True,
                        cwd=ROOT,
                        env=os.environ | environment,
                    )
                held.callback(worker.wait)
                held.callback(worker.kill)
                contestants[name] = Contestant(name, worker, folder)
                try:
                    contestants[name].facts = contestants[name].ask()
                except RuntimeError as error:
                    contestants[name].failure = str(error)
                    if name == reference:  # nothing to compare with: end the others
                        for contestant in list(contestants.values()):
                            contestant.worker.kill()

            with ThreadPoolExecutor(len(entries) if together else 1) as pool:
                list(pool.map(prepare, entries))
            if contestants[reference].failure:
                raise SystemExit(contestants[reference].failure)
            contestants = {name: contestants[name] for name in entries}
            expected = contestants[reference].check()
            for contestant in contestants.values():
                _compare(contestant, expected, limits)
            _take_turns([c for c in contestants.values() if not c.failure], rounds)
    finally:
        os.sched_setaffinity(0, cores)
    return contestants


def _compare(
    contestant: Contestant,
    expected: Mapping[str, np.ndarray],
    limits: Mapping[str, float],
) -> None:
    """Note the differences of one contender; above a limit it fails."""
    if contestant.failure:
        return
    for name, found in contestant.check().items():
        value = difference(found, expected[name])
        contestant.differences[name] = value
        if not value <= limits[name]:
            contestant.failure = f"{name} differs by {value:.1e} > {limits[name]:.0e}"


def difference(found: np.ndarray, expected: np.ndarray) -> float:
    """Return the difference of two results.

    For classes it is the share that is unequal; for maps the largest difference over
    their standard deviation; for numbers and lists the largest relative difference.
    """
    if found.shape != expected.shape:
        return float("inf")
    if expected.dtype.kind in "iu":
        return float(np.mean(found != expected))
    scale = expected.std() if expected.ndim > 1 else np.abs(expected).max()
    return float(np.abs(found.astype(np.float64) - expected).max() / scale)


def _take_turns(contestants: Sequence[Contestant], rounds: int) -> None:
    for _ in range(rounds):
        for contestant in contestants:
            others = [c.worker.pid for c in contestants if c is not contestant]
            _rest([c.worker.pid for c in contestants])
            before, begun = _processor_time(others), time.perf_counter()
            try:
                contestant.seconds.append(contestant.ask("run"))
            except RuntimeError as error:
                contestant.failure = str(error)
                return
            spent = _processor_time(others) - before
            contestant.busy.append(spent / (time.perf_counter() - begun))


def _rest(workers: Sequence[int], share: float = 0.02, patience: float = 10.0) -> None:
    """Wait until workers use less than `share` cores, at most `patience` seconds."""
    end = time.perf_counter() + patience
    while time.perf_counter() < end:
        before = _processor_time(workers)
        time.sleep(0.2)
        if _processor_time(workers) - before < 0.2 * share:
            return


def _processor_time(workers: Sequence[int]) -> float:
    """Return seconds that the processes and their children have used."""
    total = 0.0
    for worker in workers:
        try:
            parent = psutil.Process(worker)
            for process in (parent, *parent.children(recursive=True)):
                times = process.cpu_times()
                total += times.user + times.system
        except psutil.NoSuchProcess:
            continue
    return total


def show(
    title: str,
    contestants: Mapping[str, Contestant],
    *,
    unit: str = "s",
    per_run: float = 1.0,
    ours: str = "jaxseg",
    peak: float = 0.0,
    out: Path | None = None,
) -> None:
    """Print the table of a race; if a ratio is below 1 jaxseg is faster.

    The ratio is that of the medians.  Other columns have the least and greatest ratio
    of the rounds, and the differences from the reference.

    Args:
      title: title of the table.
      contestants: from `race`.
      unit: unit of the time column, s or ms.
      per_run: steps in a run, by which its time is divided.
      ours: the contender that is compared with the others.
      peak: FLOP/s, for the column of the share of it; 0 leaves the column out.
      out: file to which a line of JSON is appended.
    """
    factor = {"s": 1.0, "ms": 1e3}[unit] / per_run
    mine = contestants[ours]
    flops = max((c.facts.get("flops", 0.0) for c in contestants.values()), default=0.0)
    rows: list[dict[str, str]] = []
    for name, contestant in contestants.items():
        seconds = contestant.seconds
        if contestant.failure or not seconds:
            continue
        ratio = extremes = "-"
        if mine.seconds and not mine.failure:
            pairs = [a / b for a, b in zip(mine.seconds, seconds, strict=False)]
            ratio = f"{mine.median / contestant.median:.2f}"
            extremes = f"{min(pairs):.2f}..{max(pairs):.2f}"
        row = {
            "contender": name,
            unit: f"{contestant.median * factor:.4g}",
            "min..max": f"{min(seconds) * factor:.4g}..{max(seconds) * factor:.4g}",
            "jaxseg / it": ratio,
            "in the rounds": extremes,
        }
        if flops:
            row["TFLOP/s"] = f"{flops / contestant.median / 1e12:.3g}"
        if peak:
            row["of peak"] = f"{flops / contestant.median / peak:.1%}"
        row["prepared in s"] = f"{contestant.facts['preparation']:.0f}"
        row["others busy"] = f"{statistics.median(contestant.busy):.1%}"
        for check, value in contestant.differences.items():
            row[check] = f"{value:.0e}"
        rows.append(row)
    print_line(f"\n{title}, {len(mine.seconds)} rounds")
    header = list(dict.fromkeys(column for row in rows for column in row))
    table([[row.get(column) for column in header] for row in rows], header)
    for name, contestant in contestants.items():
        if contestant.failure:
            print_line(f"{name}: not timed. {contestant.failure[-2000:]}")
    if out:
        write(
            out,
            {
                "title": title,
                "steps per run": per_run,
                "contenders": {
                    name: {
                        "seconds": contestant.seconds,
                        "facts": contestant.facts,
                        "differences": contestant.differences,
                        "failure": contestant.failure,
                    }
                    for name, contestant in contestants.items()
                },
            },
        )


def write(out: Path, record: Mapping[str, Any]) -> None:
    """Append a line of JSON."""
    with out.open("a") as file:
        file.write(json.dumps(record) + "\n")


def add_arguments(parser: argparse.ArgumentParser, names: Sequence[str]) -> None:
    """Add the options of every race.

    Args:
      parser: of the script.
      names: of the contenders, the reference first; jaxseg is always in.
    """
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--threads", type=int, help="cores; default 2, with --gpu all")
    parser.add_argument("--contenders", nargs="+", choices=names, default=names)
    add_out(parser)


def add_out(parser: argparse.ArgumentParser) -> None:
    """Add the file that `write` is given."""
    parser.add_argument("--out", type=Path, help="append the figures as JSON")


def chosen(entries: Mapping[str, str], names: Sequence[str]) -> dict[str, str]:
    """Return the entries to race: the named, the reference and jaxseg."""
    always = (next(iter(entries)), "jaxseg")
    return {k: v for k, v in entries.items() if k in names or k in always}


def _work(entry: str, settings: Mapping[str, Any]) -> None:
    """Run as a worker: prepare, then take a turn for every line of standard input."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # the output of libraries goes to the log

    def reply(value: Any) -> None:
        print(json.dumps(value), file=replies, flush=True)

    module, function = entry.split(":")
    begun = time.perf_counter()
    prepared = getattr(importlib.import_module(module), function)(**settings)
    file = Path(settings["folder"]) / f"{settings['contender']}.npz"
    np.savez(file, **prepared.check)  # type: ignore[arg-type]
    reply({**prepared.facts, "preparation": time.perf_counter() - begun})
    while sys.stdin.readline():
        reply([prepared.run() for _ in range(prepared.runs)][-1])


if __name__ == "__main__":
    # By its importable name: contenders return that module's `Prepared`.
    from benchmarks import side_by_side

    side_by_side._work(sys.argv[1], json.loads(sys.argv[2]))
