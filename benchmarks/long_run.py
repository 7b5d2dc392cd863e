"""A long run: are memory and step time constant, and is nothing compiled again?

    python -m benchmarks.long_run [--steps 20000] [--write]

It trains a small network on digits in one process, and measures at every twentieth of
the steps.  `--write` puts the table into docs/reliability.md.  It ends with an error if
memory grew by more than 10 % or 50 MB over the last half, or if a program was compiled
after the first evaluation.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import jax
import psutil

import jaxseg
from benchmarks.document import RELIABILITY, markdown, put
from jaxseg.report.events import MetricLog


def config(steps: int, cache: str) -> jaxseg.Config:
    return jaxseg.Config(
        name="long",
        data=jaxseg.DataConfig(name="digits", cache=cache, threads=2),
        augment=jaxseg.AugmentConfig(
            crop=(33, 33), scale=(0.8, 1.2), max_class_share=1.0
        ),
        model=jaxseg.ModelConfig(head="fcn32s", backbone="vgg11", width=0.0625),
        optimizer=jaxseg.OptimizerConfig(name="adamw", learning_rate=1e-3),
        train=jaxseg.TrainConfig(
            steps=steps,
            batch_size=4,
            log_every=10,
            eval_every=steps // 20,
            checkpoint_every=steps // 20,
        ),
        evaluation=jaxseg.EvaluationConfig(batch_size=64),
    )


def main() -> None:
    """Run, print the table, and fail if memory grew or programs were compiled."""
    parser = argparse.ArgumentParser(description="Memory and step time of a long run.")
    parser.add_argument("--steps", type=int, default=20_000)
    parser.add_argument("--write", action="store_true", help=f"into {RELIABILITY.name}")
    options = parser.parse_args()

    process, compiled = psutil.Process(), []

    def listen(event: str, seconds: float, **_: Any) -> None:
        if event == "/jax/core/compile/backend_compile_duration":
            compiled.append(seconds)

    looks: list[tuple[int, float, float, int]] = []
    begun = [0, time.perf_counter()]
    original = MetricLog.write

    def write(log: MetricLog, step: int, split: str, values: Any) -> None:
        original(log, step, split, values)
        now = time.perf_counter()
        if split == "val":  # at the end of an evaluation; the next steps begin
            begun[:] = [step, now]
        elif (step + 10) % (options.steps // 20) == 0:
            milliseconds = 1000 * (now - begun[1]) / (step - begun[0])
            memory = process.memory_info().rss / 2**20
            looks.append((step + 10, milliseconds, memory, len(compiled)))

    MetricLog.write = write  # type: ignore[method-assign]
    jax.monitoring.register_event_duration_secs_listener(listen)
    with tempfile.TemporaryDirectory() as folder:
        jaxseg.train(config(options.steps, folder), Path(folder) / "run")

    shown = looks[:2] + looks[3::4]
    table = markdown(
        ("up to step", "ms a step", "host memory, MiB", "programs compiled"),
        ((f"{at:,}", f"{ms:.1f}", f"{mb:.0f}", f"{n}") for at, ms, mb, n in shown),
    )
    print("\n".join(table))
    if options.write:
        put(RELIABILITY, "long", table)
    half = looks[len(looks) // 2 :]
    growth = half[-1][2] - half[0][2]
    if growth > min(50, half[0][2] / 10) or half[-1][3] != looks[1][3]:
        raise SystemExit("memory grew, or programs were compiled again")


if __name__ == "__main__":
    main()
