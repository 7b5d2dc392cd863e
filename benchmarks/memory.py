"""Memory of a training step: beside PyTorch's, for many classes, and by what it grows.

    python -m benchmarks.memory peers             150 classes over 21, beside torch
    python -m benchmarks.memory peers --gpu
    python -m benchmarks.memory table             batch, size, classes, devices
    python -m benchmarks.memory table --models unet_resnet34 --devices 1 2

`compiled` is what the program asks for, from XLA's memory analysis: temporaries +
arguments + outputs - what outputs share with arguments, on one device.  `measured` is,
on a CPU, the highest resident memory of three steps over that before the state was
made, in a process of its own where everything was compiled before; on a GPU the peak
that each library's allocator reports.  In the table nothing is run: every program is
compiled from shapes alone, on as many simulated devices as it asks for, one of batch,
size, classes and devices changed at a time.

Peers need torch, and torchvision or segmentation_models_pytorch; see `side_by_side`.
"""

from __future__ import annotations

import argparse
import ctypes
import dataclasses
import gc
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import model_cases, side_by_side
from benchmarks.model_cases import MODELS, Case
from benchmarks.side_by_side import Prepared
from jaxseg.report.console import say, table

ENTRIES = {
    "torch eager": "benchmarks.memory:torch_memory",
    "torch channels_last": "benchmarks.memory:torch_memory",
    "torch compile": "benchmarks.memory:torch_memory",
    "jaxseg": "benchmarks.memory:jaxseg_memory",
}
FEW, MANY = 21, 150
STEPS = 3
GIB = 2**30


class ResidentPeak:
    """The growth of this process' resident memory from now on (Linux)."""

    def __init__(self) -> None:
        gc.collect()
        ctypes.CDLL("libc.so.6").malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")  # the peak is now
        self._before = _status("VmRSS")

    def grown(self) -> float:
        """Return the highest growth so far, bytes."""
        return _status("VmHWM") - self._before


def _status(name: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return 1024.0 * int(line.split()[1])
    raise OSError(f"/proc/self/status has no {name}")


def torch_memory(**settings: Any) -> Prepared:
    """Run PyTorch's step; on a CPU a smaller one before, which loads its code."""
    import torch

    from benchmarks import torch_side

    case = Case(**settings)
    peak = None
    if not case.gpu:
        torch_side.training(dataclasses.replace(case, batch=2, size=64))[1]()
        peak = ResidentPeak()
    _, step = torch_side.training(case)
    for _ in range(STEPS):
        step()
    measured = peak.grown() if peak else float(torch.cuda.max_memory_allocated())
    return Prepared(lambda: 0.0, facts={"measured": measured})


def jaxseg_memory(**settings: Any) -> Prepared:
    """Compile ours from shapes, then run it."""
    import jax
    import jax.numpy as jnp

    from benchmarks.jaxseg_side import compiled_training
    from jaxseg.training.mesh import create_mesh

    case = Case(**settings)
    compiled, *shapes = compiled_training(case, create_mesh(jax.devices()[:1]))
    facts = {"compiled": compiled_bytes(compiled)}
    peak = None if case.gpu else ResidentPeak()
    state, batch = jax.tree.map(
        lambda leaf: jax.device_put(jnp.ones(leaf.shape, leaf.dtype), leaf.sharding),
        tuple(shapes),
    )
    for _ in range(STEPS):
        state, _ = compiled(state, batch)
    jax.block_until_ready(state)
    if peak:
        facts["measured"] = peak.grown()
    else:
        facts["measured"] = float(jax.devices()[0].memory_stats()["peak_bytes_in_use"])
    return Prepared(lambda: 0.0, facts=facts)


def compiled_bytes(compiled: Any) -> float:
    """Return what a compiled program needs of one device's memory."""
    memory = compiled.memory_analysis()
    return float(
        memory.temp_size_in_bytes
        + memory.argument_size_in_bytes
        + memory.output_size_in_bytes
        - memory.alias_size_in_bytes
    )


def peers(options: argparse.Namespace) -> None:
    """Compare with PyTorch; each contender has its own process."""
    entries = side_by_side.chosen(ENTRIES, options.contenders)
    if not options.gpu:  # compiling takes more of the process than the step does
        entries.pop("torch compile", None)
    for case in model_cases.cases(options):
        found: dict[str, dict[int, dict[str, float]]] = {name: {} for name in entries}
        for classes in (FEW, MANY):
            work = dataclasses.replace(case, classes=classes)
            contestants = model_cases.race(entries, work, options, rounds=0, limits={})
            for name, contestant in contestants.items():
                if contestant.failure:
                    raise SystemExit(f"{name}: {contestant.failure[-2000:]}")
                found[name][classes] = contestant.facts
        ours = found["jaxseg"]
        say("\n" + model_cases.title("Memory of a training step, GiB", case))
        table(
            [
                (
                    name,
                    *(_gib(facts[n].get("compiled")) for n in (FEW, MANY)),
                    *(_gib(facts[n]["measured"]) for n in (FEW, MANY)),
                    f"{facts[MANY]['measured'] / facts[FEW]['measured']:.2f}",
                    *(
                        f"{ours[n]['measured'] / facts[n]['measured']:.2f}"
                        for n in (FEW, MANY)
                    ),
                )
                for name, facts in found.items()
            ],
            (
                "contender",
                *(f"compiled, {n}" for n in (FEW, MANY)),
                *(f"measured, {n}" for n in (FEW, MANY)),
                f"{MANY} / {FEW}",
                *(f"jaxseg / it, {n}" for n in (FEW, MANY)),
            ),
        )
        if options.out:
            side_by_side.write(
                options.out, {"title": model_cases.title("Memory", case), **found}
            )


def _gib(value: float | None) -> str | None:
    return None if value is None else f"{value / GIB:.3f}"


def sweep(options: argparse.Namespace) -> Iterator[tuple[int, ...]]:
    """Yield batch, size, classes and devices, one of them changed at a time."""
    base = (options.batch, options.size, FEW, 1)
    yield base
    for place, values in enumerate(
        (options.batches, options.sizes, options.classes, options.devices)
    ):
        for value in values:
            if value != base[place]:
                yield (*base[:place], value, *base[place + 1 :])


def by_shape(options: argparse.Namespace) -> None:
    """Print what the program needs as its shapes grow."""
    devices = max(options.devices)
    os.environ["JAX_PLATFORMS"] = "cpu"
    os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={devices}"
    import jax

    from benchmarks.jaxseg_side import compiled_training
    from jaxseg.training.mesh import create_mesh

    names = ("batch", "size", "classes", "devices")
    for model in options.models:
        rows = []
        for shape in sweep(options):
            batch, size, classes, count = shape
            case = Case(model, size, batch, classes, steps=1, gpu=False)
            compiled, *_ = compiled_training(case, create_mesh(jax.devices()[:count]))
            used = compiled_bytes(compiled)
            rows.append((*shape, _gib(used)))
            say(f"{model}: {rows[-1]}")
            if options.out:
                record = dict(zip(names, shape, strict=True))
                side_by_side.write(
                    options.out, {"model": model, **record, "bytes": used}
                )
            jax.clear_caches()
        say(f"\nMemory of a training step of {model}, compiled, float32")
        table(rows, (*names, "GiB a device"))


def main() -> None:
    """Compare with the peers, or print the table."""
    parser = argparse.ArgumentParser(description="Memory of a training step.")
    commands = parser.add_subparsers(required=True)
    compare = commands.add_parser("peers", help="measured, beside PyTorch")
    model_cases.add_arguments(compare)
    side_by_side.add_arguments(compare, list(ENTRIES))
    compare.set_defaults(function=peers, models=["deeplabv3plus_resnet50"])
    grow = commands.add_parser("table", help="compiled, over shapes and devices")
    grow.add_argument(
        "--models", nargs="+", choices=MODELS, default=["deeplabv3plus_resnet50"]
    )
    grow.add_argument("--batch", type=int, default=8, help="where others change")
    grow.add_argument("--size", type=int, default=256, help="where others change")
    grow.add_argument(
        "--batches", type=int, nargs="*", default=(1, 2, 4, 8, 16, 32), metavar="N"
    )
    grow.add_argument(
        "--sizes", type=int, nargs="*", default=(128, 256, 512, 1024), metavar="N"
    )
    grow.add_argument(
        "--classes", type=int, nargs="*", default=(2, 21, 60, 150), metavar="N"
    )
    grow.add_argument(
        "--devices", type=int, nargs="+", default=(1, 2, 4, 8), metavar="N"
    )
    side_by_side.add_out(grow)
    grow.set_defaults(function=by_shape)
    options = parser.parse_args()
    options.function(options)


if __name__ == "__main__":
    main()
