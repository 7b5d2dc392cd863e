"""Memory of a training step with 21 and 150 classes, beside PyTorch's.

    python -m benchmarks.memory
    python -m benchmarks.memory --gpu

`compiled` is the memory that the program requests on one device, from XLA's memory
analysis: temporaries, arguments and outputs, less the memory that outputs share with
arguments.  On a CPU, `measured` is how far resident memory rises during three steps
above that before the state was made, in a separate process that has taken a smaller
step before.  On a GPU it is the peak that each library's allocator reports.

Needs torch, and torchvision or segmentation_models_pytorch; see `side_by_side`.
"""

from __future__ import annotations

import argparse
import ctypes
import dataclasses
import gc
from pathlib import Path
from typing import Any

from benchmarks import model_cases, side_by_side
from benchmarks.model_cases import Case
from benchmarks.side_by_side import Prepared
from jaxseg.report.console import print_line, table

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
        Path("/proc/self/clear_refs").write_text("5")  # reset the peak
        self._before = _status("VmRSS")

    def grown(self) -> float:
        """Return the highest growth so far, bytes."""
        return _status("VmHWM") - self._before


def _status(name: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return 1024.0 * int(line.split()[1])
    raise OSError(f"/proc/self/status has no {name}")


def smaller(case: Case) -> Case:
    """Return a step that runs the same code as the case, in little memory."""
    return dataclasses.replace(case, batch=2, size=64)


def torch_memory(**settings: Any) -> Prepared:
    """Run PyTorch's step; on a CPU, run a smaller one before, which loads its code."""
    import torch

    from benchmarks import torch_side

    case = Case(**settings)
    peak = None
    if not case.gpu:
        torch_side.training(smaller(case))[1]()
        peak = ResidentPeak()
    _, step = torch_side.training(case)
    for _ in range(STEPS):
        step()
    measured = peak.grown() if peak else float(torch.cuda.max_memory_allocated())
    return Prepared(lambda: 0.0, facts={"measured": measured})


def jaxseg_memory(**settings: Any) -> Prepared:
    """Compile our step from shapes, then run it, after a smaller one as PyTorch's."""
    import jax

    from benchmarks.jaxseg_side import compiled_training, ones
    from jaxseg.parallel.mesh import create_mesh

    def take(steps: int, compiled: Any, *shapes: Any) -> None:
        state, batch = ones(shapes)
        for _ in range(steps):
            state, _ = compiled(state, batch)
        jax.block_until_ready(state)

    case, mesh = Case(**settings), create_mesh(jax.devices()[:1])
    if not case.gpu:
        take(1, *compiled_training(smaller(case), mesh))
    compiled, *shapes = compiled_training(case, mesh)
    facts = {"compiled": compiled_bytes(compiled)}
    peak = None if case.gpu else ResidentPeak()
    take(STEPS, compiled, *shapes)
    if peak:
        facts["measured"] = peak.grown()
    else:
        facts["measured"] = float(jax.devices()[0].memory_stats()["peak_bytes_in_use"])
    return Prepared(lambda: 0.0, facts=facts)


def compiled_bytes(compiled: Any) -> float:
    """Return the memory that a compiled program needs on one device, bytes."""
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
    if not options.gpu:  # compiling takes more memory of the process than the step
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
        print_line("\n" + model_cases.title("Memory of a training step, GiB", case))
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


def main() -> None:
    """Compare with the peers."""
    parser = argparse.ArgumentParser(description="Memory of a training step.")
    model_cases.add_arguments(parser)
    side_by_side.add_arguments(parser, list(ENTRIES))
    parser.set_defaults(models=["deeplabv3plus_resnet50"])
    peers(parser.parse_args())


if __name__ == "__main__":
    main()
