"""Memory and time of `predict --window` on a TIFF that does not fit the memory.

    python -m benchmarks.large_image [--size 20000] [--window 512] [--limit 900]

A tiled TIFF of coloured spots, `--size` pixels a side, is segmented in its own process
by a tiny network that was trained for two steps, or by that of `--run`.  An image of at
most `images.LARGEST` pixels is read whole, a larger one in parts.  The largest resident
memory of the process, including all libraries, and its time are printed.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tifffile

import jaxseg
from benchmarks.document import ROOT
from jaxseg.report.console import print_line

TILE = 512
GIB = 2**30


def tiles(side: int) -> Iterator[np.ndarray]:
    """Yield tiles of spots of 8 pixels a side, each with some noise."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 16, (TILE, TILE, 3), dtype=np.uint8)
    for _ in range((-(-side // TILE)) ** 2):
        spots = rng.integers(0, 240, (TILE // 8, TILE // 8, 3), dtype=np.uint8)
        yield spots.repeat(8, 0).repeat(8, 1) + noise


def write_image(path: Path, side: int) -> None:
    """Write the TIFF, its tiles compressed by deflate."""
    tifffile.imwrite(
        path,
        tiles(side),
        shape=(side, side, 3),
        dtype=np.uint8,
        tile=(TILE, TILE),
        photometric="rgb",
        compression="zlib",
    )


def train_tiny(folder: Path) -> Path:
    """Train a narrow network for two steps; return the run folder."""
    words = "--model.width 0.125 --model.max_channels 16 --train.steps 2"
    words += " --train.eval_every 2 --train.checkpoint_every 2"
    config = jaxseg.load_config(ROOT / "experiments" / "fcn.py", words.split())
    jaxseg.train(config, workdir=folder)
    return folder


def main() -> None:
    """Make the image, predict it, and print memory and time."""
    parser = argparse.ArgumentParser(description="Memory of a large image.")
    parser.add_argument("--size", type=int, default=20000, help="pixels a side")
    parser.add_argument("--window", type=int, default=512)
    parser.add_argument("--limit", type=float, default=900.0, help="seconds")
    parser.add_argument("--run", type=Path, help="a run folder; else one is trained")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        run = options.run.resolve() if options.run else train_tiny(folder / "run")
        image = folder / "large.tif"
        write_image(image, options.size)
        words = ["predict", "--run", str(run), str(image), "--out", str(folder / "out")]
        words += ["--window", str(options.window)]
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "main.py", *words],
            cwd=ROOT,
            check=True,
            timeout=options.limit,
        )
        seconds = time.perf_counter() - start
        memory = 1024 * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / GIB
        print_line(
            f"{options.size}x{options.size}, window {options.window}:"
            f" {memory:.2f} GiB at most, {seconds:.0f} s"
        )


if __name__ == "__main__":
    main()
