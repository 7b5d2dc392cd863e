"""Memory and time of `predict --window` beside prediction as a whole.

    python -m benchmarks.windows --run RUN [--sides 768 1536 --windows 0 64 256 512]
    python -m benchmarks.windows --run RUN --write docs/performance.md

Each row is a separate process that segments one picture and writes mask and overlay.
The table has its largest resident memory, including all libraries, and its time,
including start and compilation (compiled programs are not cached).  Window 0 is the
whole picture.  The table also says if a process fails or takes longer than `--limit`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from benchmarks.document import ROOT, markdown, put
from jaxseg.report.console import log, print_line

GIB = 2**30


def picture(folder: Path, side: int) -> Path:
    """Write a square picture of coloured spots; return its file."""
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (side // 8, side // 8, 3), dtype=np.uint8)
    path = folder / f"{side}.png"
    cv2.imwrite(str(path), cv2.resize(small, (side, side)))
    return path


def predict(
    run: Path, image: Path, out: Path, window: int, limit: float
) -> tuple[str, str]:
    """Segment a picture; return memory in GiB and time in seconds, as text."""
    words = [sys.executable, "main.py", "predict", "--run", str(run), str(image)]
    words += ["--out", str(out), "--window", str(window)]
    environment = {**os.environ, "JAX_ENABLE_COMPILATION_CACHE": "false"}
    start = time.perf_counter()
    with subprocess.Popen(
        words,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        timer = threading.Timer(limit, process.kill)
        timer.start()
        _, status, usage = os.wait4(process.pid, 0)
        timer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - start
    memory = f"{1024 * usage.ru_maxrss / GIB:.2f}"
    if seconds >= limit:
        return f"{memory} so far", f"more than {limit:.0f}"
    if process.returncode:
        return f"{memory}, then failed", f"{seconds:.0f}"
    return memory, f"{seconds:.0f}"


def rows(
    run: Path, sides: Sequence[int], windows: Sequence[int], limit: float
) -> list[tuple[str, ...]]:
    """Measure every picture with every window."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for side in sides:
            image = picture(Path(folder), side)
            for window in windows:
                out = Path(folder) / "out"
                memory, seconds = predict(run, image, out, window, limit)
                row = (f"{side}x{side}", str(window or "whole"), memory, seconds)
                log(" ".join(row))
                found.append(row)
    return found


def main() -> None:
    """Measure, and print the table or write it into a document."""
    parser = argparse.ArgumentParser(description="Memory of a sliding window.")
    parser.add_argument("--run", type=Path, required=True, help="a run folder")
    parser.add_argument("--sides", nargs="+", type=int, default=[768, 1536, 6000])
    parser.add_argument("--windows", nargs="+", type=int, default=[0, 64, 256, 512])
    parser.add_argument("--limit", type=float, default=1200.0, help="seconds a row")
    parser.add_argument("--write", type=Path, metavar="DOCUMENT")
    options = parser.parse_args()
    run = options.run.resolve()
    found = rows(run, options.sides, options.windows, options.limit)
    table = markdown(("picture", "window", "GiB at most", "seconds"), found)
    print_line("\n".join(table))
    if options.write:
        put(options.write, "windows", ["", *table, ""])


if __name__ == "__main__":
    main()
