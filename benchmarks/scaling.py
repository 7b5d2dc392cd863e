"""How the cost of a training step grows: time, memory, and exchange between devices.

    python -m benchmarks.scaling
    python -m benchmarks.scaling --models unet_resnet34 --devices 1 2 --write DOCUMENT

Batch, size and classes are changed one at a time, then the number of devices, with a
batch for all of them; every row is a separate process.  `seconds` is the median step on
all cores of this machine.  Several devices are simulated, share the cores and do not
use the compiled kernels, so their time says little.  `GiB` is the memory that the
compiled program requests on one device: temporaries, arguments and outputs, less the
memory that outputs share with arguments.  `exchanged` is the size of the sums of the
program's all-reduces, in MiB, which a ring sends and receives 2 (n - 1) / n times;
`parameters` is the size of the parameters, for comparison.  `small` counts the
all-reduces of less than 64 KiB, whose time is mostly latency.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.document import ROOT, markdown, put
from benchmarks.model_cases import MODELS, Case
from benchmarks.side_by_side import add_out, write
from jaxseg.report.console import print_line, table

FEW = 21
SMALL = 2**16
NAMES = ("batch", "size", "classes", "devices")
Shape = tuple[int, int, int, int]
_REDUCED = re.compile(r"= \(?(.*?)\)? all-reduce(?:-start)?\(")
_ARRAY = re.compile(r"f32\[([\d,]*)\]")


def sweep(options: argparse.Namespace) -> Iterator[Shape]:
    """Yield batch, size, classes and devices, one of them changed at a time."""
    batch, size = options.batch, options.size
    yield from dict.fromkeys(
        [
            (batch, size, FEW, 1),
            *((value, size, FEW, 1) for value in options.batches),
            *((batch, value, FEW, 1) for value in options.sizes),
            *((batch, size, value, 1) for value in options.classes),
            # every one gets images
            *((max(options.devices), size, FEW, value) for value in options.devices),
        ]
    )


def reduced_bytes(program: str) -> list[int]:
    """Return the bytes that each of a compiled program's all-reduces sums."""
    return [
        sum(
            4 * math.prod(map(int, filter(None, sizes.split(","))))
            for sizes in _ARRAY.findall(found[1])
        )
        for found in _REDUCED.finditer(program)
    ]


def cost(model: str, shape: Sequence[int], steps: int) -> dict[str, float]:
    """Compile a step from shapes and run it on ones, in a separate process."""
    batch, size, classes, devices = shape
    os.environ["JAX_PLATFORMS"] = "cpu"
    if devices > 1:  # on one, the kernels for one CPU device are used
        count = f"--xla_force_host_platform_device_count={devices}"
        os.environ["XLA_FLAGS"] = count
    import jax

    from benchmarks.jaxseg_side import compiled_training, ones
    from benchmarks.memory import compiled_bytes
    from jaxseg.parallel.mesh import create_mesh

    case = Case(model, size, batch, classes, steps=1, gpu=False)
    compiled, *shapes = compiled_training(case, create_mesh(jax.devices()[:devices]))
    state, data = ones(shapes)
    seconds = []
    for _ in range(steps + 1):
        begun = time.perf_counter()
        state, _ = compiled(state, data)
        jax.block_until_ready(state)
        seconds.append(time.perf_counter() - begun)
    exchanged = reduced_bytes(compiled.as_text())
    parameters = sum(leaf.size for leaf in jax.tree.leaves(state.params))
    return {
        "seconds": statistics.median(seconds[1:]),
        "bytes": compiled_bytes(compiled),
        "exchanged": float(sum(exchanged)),
        "small": sum(size < SMALL for size in exchanged),
        "parameters": 4.0 * parameters,
    }


def rows(model: str, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Yield the cost of every shape."""
    for shape in sweep(options):
        words = [model, *map(str, shape), str(options.steps)]
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.scaling", "--one", *words],
            cwd=ROOT,
            env=os.environ | {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        row = dict(zip(NAMES, shape, strict=True))
        row |= json.loads(done.stdout.splitlines()[-1])
        print_line(f"{model}: {row}")
        yield row


def main() -> None:
    """Print the tables, and write them if asked to."""
    if sys.argv[1:2] == ["--one"]:
        model, *numbers = sys.argv[2:]
        *shape, steps = map(int, numbers)
        print(json.dumps(cost(model, shape, steps)))
        return
    parser = argparse.ArgumentParser(description="Cost as the work grows.")
    parser.add_argument(
        "--models", nargs="+", choices=MODELS, default=["deeplabv3plus_resnet50"]
    )
    parser.add_argument("--batch", type=int, default=2, help="where others change")
    parser.add_argument("--size", type=int, default=256, help="where others change")
    lists = {
        "batches": (1, 2, 4, 8, 16, 32),
        "sizes": (128, 256, 512, 1024),
        "classes": (2, FEW, 60, 150),
        "devices": (1, 2, 4, 8),
    }
    for name, values in lists.items():
        parser.add_argument(
            f"--{name}", type=int, nargs="*", default=values, metavar="N"
        )
    parser.add_argument("--steps", type=int, default=3, help="timed, of each")
    parser.add_argument("--write", type=Path, help="document with a place for it")
    add_out(parser)
    options = parser.parse_args()
    for model in options.models:
        lines = []
        for row in rows(model, options):
            if options.out:
                write(options.out, {"model": model, **row})
            lines.append(
                (
                    *(str(row[name]) for name in NAMES),
                    f"{row['seconds']:.3g}",
                    f"{row['bytes'] / 2**30:.2f}",
                    f"{row['exchanged'] / 2**20:.1f}",
                    f"{row['small']:.0f}",
                    f"{row['parameters'] / 2**20:.1f}",
                )
            )
        units = ("seconds", "GiB a device", "exchanged, MiB", "small", "parameters")
        header = (*NAMES, *units)
        print_line(f"\nA training step of {model}, float32")
        table(lines, header)
        if options.write:
            marked = ["", *markdown(header, lines), ""]
            put(options.write, f"scaling {model}", marked)


if __name__ == "__main__":
    main()
