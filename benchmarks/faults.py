"""Causes faults on purpose, and counts how often runs survive them.

    python -m benchmarks.faults [kills damage disk processes] [--times 30] [--write]

It runs a small experiment on digits through the command line, again and again, with the
faults that happen to long runs: SIGKILL at random moments, damaged checkpoints, a full
disk, and the death of one of several processes.  A fault is survived if the same
command, given again, ends with the parameters and metrics of a run without it.
`--write` puts the table into docs/reliability.md.  It needs only jaxseg's requirements,
and for the full disk the right to mount a tmpfs.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.document import RELIABILITY, ROOT, markdown, put

EXPERIMENT = """
from jaxseg import *

def get_config():
    return Config(
        name="faults",
        data=DataConfig(name="digits", threads=2),
        augment=AugmentConfig(crop=(48, 48), scale=(0.8, 1.2), max_class_share=1.0),
        model=ModelConfig(head="fcn8s", backbone="resnet18", width=0.125),
        optimizer=OptimizerConfig(name="adamw", learning_rate=3e-3),
        train=TrainConfig(
            steps=240, batch_size=16, log_every=1, eval_every=40, checkpoint_every=10
        ),
        evaluation=EvaluationConfig(batch_size=64),
    )
"""

# Without batch norm, processes communicate once per step, so that steps are quick.
TOGETHER = "--model.backbone vgg11 --train.steps 150 --train.eval_every 50".split()

BOUND = 120.0
"""Seconds within which processes must end after one of them has died."""


class Bench:
    """A folder for runs, and the command that makes them."""

    def __init__(self, folder: Path, seed: int):
        self.folder, self.random = folder, random.Random(seed)
        self.experiment = folder / "faults.py"
        self.experiment.write_text(EXPERIMENT)
        self.cache = folder / "cache"

    def start(self, workdir: Path, *words: str) -> subprocess.Popen:
        """Start a training run in the background, its words in `<workdir>.log`."""
        environment = {**os.environ, "JAXSEG_CACHE": str(self.cache)}
        command = [sys.executable, "main.py", "--config", str(self.experiment)]
        with open(f"{workdir}.log", "a") as log:
            return subprocess.Popen(
                [*command, "--workdir", str(workdir), *words],
                cwd=ROOT,
                env=environment,
                stdout=log,
                stderr=log,
            )

    def finish(self, workdir: Path, *words: str) -> dict[str, Any]:
        """Run to the end; return the results that must not depend on faults."""
        code = self.start(workdir, *words).wait()
        if code:
            raise SystemExit(f"{workdir}: exit code {code}, see {workdir}.log")
        return outcome(workdir)


def outcome(workdir: Path) -> dict[str, Any]:
    """Return the results of a finished run, and the steps that it logged."""
    results = json.loads((workdir / "results.json").read_text())
    names = ("step", "miou", "confusion", "trained_steps", "parameters_sha256")
    lines = (workdir / "metrics.jsonl").read_text().splitlines()
    steps = {(line["step"], line["split"]) for line in map(json.loads, lines)}
    return {**{name: results[name] for name in names}, "logged": sorted(steps)}


def until(moment: Callable[[], bool], process: subprocess.Popen) -> bool:
    """Wait until `moment` is true; return False if the process ended first."""
    while process.poll() is None:
        if moment():
            return True
        time.sleep(0.001)
    return False


Row = tuple[str, int, int]
"""A fault, how often it was tried, how often it was survived."""


def kills(bench: Bench, times: int) -> list[Row]:
    """SIGKILL a run at chosen and at random moments, and start it again each time."""
    whole = bench.finish(bench.folder / "whole")
    for path in bench.cache.glob("digits*"):
        shutil.rmtree(path)  # data is prepared again; compiled programs are kept
    moments = {
        "while data is prepared": preparing,
        "in a step": stepping,
        "in a save": saving,
        "between a save and its manifest": sealing,
        "in an evaluation": evaluating,
        "at any time": whenever,
    }
    tried = dict.fromkeys(moments, 0)
    survived = dict.fromkeys(moments, 0)
    pending: list[str] = []
    workdir = bench.folder / "killed0"

    def settle() -> None:
        """Let the run end; it survived if its outcome is that of an unkilled run."""
        nonlocal workdir
        if bench.finish(workdir) == whole:
            for name in pending:
                survived[name] += 1
        else:
            print(f"{workdir}: another outcome after kills {pending}", flush=True)
        pending.clear()
        workdir = workdir.with_name(f"killed{sum(tried.values())}")

    names = list(moments)
    while sum(tried.values()) < times:
        name = names[sum(tried.values()) % len(names)]
        if name == "while data is prepared":
            for path in bench.cache.glob("digits*"):
                shutil.rmtree(path)
        process = bench.start(workdir)
        if until(moments[name](bench, workdir), process):
            process.send_signal(signal.SIGKILL)
            process.wait()
            tried[name] += 1
            pending.append(name)
        else:  # the run ended first
            settle()
    settle()
    return [(f"SIGKILL {name}", tried[name], survived[name]) for name in names]


def preparing(bench: Bench, workdir: Path) -> Callable[[], bool]:
    share = bench.random.random()
    began: list[float] = []

    def moment() -> bool:
        if not began and any(bench.cache.glob("digits*/**/*incomplete*")):
            began.append(time.monotonic())
        return bool(began) and time.monotonic() - began[0] > share

    return moment


def stepping(bench: Bench, workdir: Path) -> Callable[[], bool]:
    log = workdir / "metrics.jsonl"
    lines = bench.random.randint(1, 60)
    start = time.time()

    def moment() -> bool:
        if not log.is_file() or log.stat().st_mtime < start:
            return False
        begun.append(log.read_bytes().count(b"\n"))
        return begun[-1] >= begun[0] + lines

    begun: list[int] = []
    return moment


def saving(bench: Bench, workdir: Path) -> Callable[[], bool]:
    share = bench.random.random() * 0.05

    def moment() -> bool:
        found = any((workdir / "checkpoints").glob("*.orbax-checkpoint-tmp*"))
        if found:
            time.sleep(share)
        return found

    return moment


def sealing(bench: Bench, workdir: Path) -> Callable[[], bool]:
    def moment() -> bool:
        steps = (workdir / "checkpoints").glob("[0-9]*")
        whole = [path for path in steps if path.name.isdecimal()]
        return any(not path.with_name(f"{path.name}.json").exists() for path in whole)

    return moment


def evaluating(bench: Bench, workdir: Path) -> Callable[[], bool]:
    def moment() -> bool:
        for path in (workdir / "checkpoints").glob("*0.json"):
            try:
                manifest = json.loads(path.read_text())
            except (OSError, ValueError):
                continue
            if manifest["step"] % 40 == 0 and manifest["miou"] is None:
                return True
        return False

    return moment


def whenever(bench: Bench, workdir: Path) -> Callable[[], bool]:
    end = time.monotonic() + bench.random.uniform(0, 12)
    return lambda: time.monotonic() > end


def damage(bench: Bench, times: int) -> list[Row]:
    """Flip, truncate or delete a file of the newest checkpoint, then resume."""
    whole = bench.finish(bench.folder / "whole")
    stopped = bench.folder / "stopped"
    process = bench.start(stopped)
    log = stopped / "metrics.jsonl"
    until(lambda: log.is_file() and log.read_bytes().count(b"\n") > 150, process)
    process.terminate()
    process.wait()
    newest = max(int(path.stem) for path in (stopped / "checkpoints").glob("*.json"))
    files = [path for path in (stopped / "checkpoints" / str(newest)).rglob("*")]
    files = [path for path in files if path.is_file()]
    files.append(stopped / "checkpoints" / f"{newest}.json")
    rows = []
    changes = {"flip": flip, "truncate": truncate, "delete": Path.unlink}
    for kind, change in changes.items():
        survived = 0
        for number in range(max(1, times // 10)):
            folder = bench.folder / f"{kind}{number}"
            shutil.copytree(stopped, folder)
            change(folder / bench.random.choice(files).relative_to(stopped))
            same = bench.finish(folder) == whole
            said = "set aside" in Path(f"{folder}.log").read_text()
            survived += same and said
        rows.append((f"{kind} a file of the newest checkpoint", number + 1, survived))
    return rows


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def disk(bench: Bench, times: int) -> list[Row]:
    """Fill the disk at several points of a run, free space, and run again."""
    whole = bench.finish(bench.folder / "whole")
    size = sum(path.stat().st_size for path in (bench.folder / "whole").rglob("*"))
    survived, count = 0, max(2, times // 6)
    for number in range(count):
        place = bench.folder / f"disk{number}"
        with small_disk(place, int(size * (number + 1) / (count + 1))) as enlarge:
            workdir = place / "run"
            log = Path(f"{workdir}.log")
            log.symlink_to(f"{place}.log")
            code = bench.start(workdir).wait()
            # TensorStore may print more around it ("Event loop is closed").
            said = "\nerror: " in log.read_text()
            enlarge()
            survived += code == 2 and said and bench.finish(workdir) == whole
    return [("a full disk", count, survived)]


@contextmanager
def small_disk(place: Path, size: int) -> Iterator[Callable[[], None]]:
    """Mount a small tmpfs, and yield a function that makes it large."""

    def mount(options: str) -> None:
        words = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
        subprocess.run(words, check=True)

    place.mkdir()
    mount(f"size={size}")
    try:
        yield lambda: mount("remount,size=1g")
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def processes(bench: Bench, times: int) -> list[Row]:
    """Kill one of two and of four processes; the others must end, and all resume."""
    rows = []
    for count in (2, 4):
        whole = bench.folder / f"whole{count}"
        codes = [process.wait() for process in together(bench, whole, count)]
        if any(codes):
            raise SystemExit(f"{whole}: exit codes {codes}, see {whole}.log")
        survived = 0
        for victim in range(count):
            workdir = bench.folder / f"{count}without{victim}"
            group = together(bench, workdir, count)
            until(stepping(bench, workdir), group[victim])
            group[victim].send_signal(signal.SIGKILL)
            died = time.monotonic()
            for process in group:
                process.wait()
            seconds = time.monotonic() - died
            print(f"{count} processes, {victim} killed: {seconds:.0f} s", flush=True)
            again = [process.wait() for process in together(bench, workdir, count)]
            same = not any(again) and outcome(workdir) == outcome(whole)
            survived += same and seconds < BOUND
        rows.append((f"one of {count} processes dies", count, survived))
    return rows


def together(bench: Bench, workdir: Path, count: int) -> list[subprocess.Popen]:
    """Start all processes of a run, each with one device."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [*TOGETHER, "--distributed", "--coordinator", f"127.0.0.1:{port}"]
    words += ["--processes", str(count), "--process"]
    return [bench.start(workdir, *words, str(number)) for number in range(count)]


FAULTS = {"kills": kills, "damage": damage, "disk": disk, "processes": processes}


def main() -> None:
    """Cause the faults that the command line names, and print the table."""
    parser = argparse.ArgumentParser(description="Faults, and what survives them.")
    parser.add_argument("faults", nargs="*", help=f"of {', '.join(FAULTS)}")
    parser.add_argument("--times", type=int, default=30, help="kills; others fewer")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", action="store_true", help=f"into {RELIABILITY.name}")
    options = parser.parse_args()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), options.seed)
        for name in options.faults or FAULTS:
            rows += FAULTS[name](bench, options.times)
    table = markdown(
        ("fault", "tried", "survived", "lost"),
        ((name, f"{n}", f"{good}", f"{n - good}") for name, n, good in rows),
    )
    print("\n".join(table))
    if options.write:
        put(RELIABILITY, "table", table)
    if any(count != good for _, count, good in rows):
        raise SystemExit("some were lost")


if __name__ == "__main__":
    main()
