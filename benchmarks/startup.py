"""Seconds from the command to the first training step, first and second start.

    python -m benchmarks.startup
    python -m benchmarks.startup --rounds 3 -- --augment.crop 352 352

Trains DeepLabV3+ on ResNet-50 on digit scenes (experiments/camvid_deeplab.py with
another data set) and kills it once the first step's line is in metrics.jsonl.  The
first start has an empty compile cache and a new run folder, the second the cache of the
first and another new run folder.  The data set is prepared before.  Arguments after
`--` are added to the command.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.document import ROOT
from benchmarks.side_by_side import add_out, write
from jaxseg.report.console import print_line, table

COMMAND = [
    *("main.py", "--config", "experiments/camvid_deeplab.py"),
    *("--data.name", "digit_scenes", "--data.root", "", "--augment.crop", "256", "256"),
    *("--train.batch_size", "4", "--train.log_every", "1"),
    *("--optimizer.warmup_steps", "0"),
]
POLL = 0.02
"""Seconds between looks at the run folder."""


def seconds_to_first_step(
    cache: Path, workdir: Path, extra: Sequence[str], patience: float
) -> float:
    """Start a run and return the seconds until its first step is logged."""
    metrics, log = workdir / "metrics.jsonl", workdir.with_suffix(".log")
    command = [sys.executable, *COMMAND, *extra, "--workdir", str(workdir)]
    environment = os.environ | {"JAX_COMPILATION_CACHE_DIR": str(cache)}
    with log.open("w") as file:
        begun = time.perf_counter()
        run = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=file, stderr=file
        )
        try:
            while not (metrics.is_file() and '"train"' in metrics.read_text()):
                spent = time.perf_counter() - begun
                if run.poll() is not None or spent > patience:
                    raise SystemExit(
                        f"no first step in {spent:.0f} s\n{log.read_text()[-2000:]}"
                    )
                time.sleep(POLL)
            return time.perf_counter() - begun
        finally:
            run.kill()
            run.wait()


def main() -> None:
    """Start twice in each round, and print both times."""
    parser = argparse.ArgumentParser(description="Seconds to the first step.")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--patience", type=float, default=900.0, help="seconds")
    add_out(parser)
    parser.add_argument("extra", nargs="*", help="overrides, after --")
    options = parser.parse_args()
    from jaxseg.config import DataConfig
    from jaxseg.data.catalog import open_dataset

    open_dataset(DataConfig(name="digit_scenes"))
    seconds: dict[str, list[float]] = {"first": [], "second": []}
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory() as folder:
            for name, figures in seconds.items():
                figures.append(
                    seconds_to_first_step(
                        Path(folder) / "compiled",
                        Path(folder) / name,
                        options.extra,
                        options.patience,
                    )
                )
    print_line("Seconds from the command to the first training step")
    table(
        [
            (name, statistics.median(figures), min(figures), max(figures))
            for name, figures in seconds.items()
        ],
        ("start", "median", "least", "most"),
    )
    if options.out:
        write(options.out, {"title": "startup", "extra": options.extra, **seconds})


if __name__ == "__main__":
    main()
