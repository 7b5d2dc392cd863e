"""The results of a finished run: `results.json`, sample pictures, the report."""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from jaxseg.build import describe_model
from jaxseg.config import Config
from jaxseg.data.pipeline import Samples
from jaxseg.nn.lowering import compiling_for, uses_kernels
from jaxseg.parallel.distributed import broadcast_from_primary
from jaxseg.parallel.mesh import gather
from jaxseg.paths import replace_text, user_path
from jaxseg.predictor import Predictor
from jaxseg.report.console import log
from jaxseg.report.image_files import file_names, save_picture
from jaxseg.report.page import write_report
from jaxseg.report.sheets import Sheet, comparison
from jaxseg.run import Run
from jaxseg.schema import to_json
from jaxseg.trainer.trainer import Trainer
from jaxseg.training.checkpoint import Checkpoints
from jaxseg.training.state import fingerprint
from jaxseg.version import __version__

PICTURES = 8
"""Number of sample pictures in a report."""

WORST_PICTURES = 4
"""Number of pictures of the worst images in a report."""


def finish(trainer: Trainer, run: Run, checkpoints: Checkpoints) -> dict[str, Any]:
    """Evaluate the best checkpoint; write results, pictures and the report.

    Args:
      trainer: a trainer after `fit`.
      run: the run folder.
      checkpoints: the checkpoints of the run.

    Returns:
      The content of `results.json`.
    """
    config, state = trainer.config, trainer.state
    assert state is not None
    step, variables, evaluation = trainer.best(checkpoints)
    results = {
        **describe_run(config),
        "step": step,
        "split": config.data.eval_split,
        **evaluation.summary(
            trainer.data.dataset.labels.names,
            config.evaluation.calibration_bins,
            lambda index: trainer.data.evaluation[index]["name"],
        ),
        "trained_steps": trainer.step,
        "parameters": sum(leaf.size for leaf in jax.tree.leaves(state.params)),
        "parameters_sha256": fingerprint(gather(state.params, trainer.mesh)),
        "device": describe_devices(trainer.mesh, config.model.dtype),
        "versions": versions(),
    }
    variables = gather(variables, trainer.mesh)
    assert evaluation.per_image is not None
    worst = evaluation.per_image.worst(WORST_PICTURES)

    def write() -> str:
        best = evaluation.best_thresholds
        predictor = Predictor.of_run(
            run, trainer.model, variables, best_thresholds=best
        )
        samples = trainer.data.evaluation
        return str(write_results(run, results, predictor, samples, worst))

    page = broadcast_from_primary(write)
    score = "-" if math.isnan(evaluation.score) else f"{evaluation.score:.4f}"
    log(f"best: step {step}, {evaluation.score_name} {score}; report in {page}")
    return results


def write_results(
    run: Run,
    results: dict[str, Any],
    predictor: Predictor,
    samples: Samples,
    worst: Sequence[int] = (),
) -> Path:
    """Write `results.json`, `samples/*.png` and `report.html` into the run folder.

    Args:
      run: the run folder.
      results: the content of `results.json`.
      predictor: the model that was evaluated.
      samples: the split that was evaluated.
      worst: indices of the worst images, whose pictures the page shows.

    Returns:
      The path of the report.
    """
    replace_text(run.workdir / "results.json", json.dumps(results, indent=2) + "\n")
    folder = run.workdir / "samples"
    folder.mkdir(exist_ok=True)
    spread = np.linspace(0, len(samples) - 1, min(PICTURES, len(samples))).round()
    shown = _sheets(predictor, samples, spread.astype(int))
    for name, sheet in shown.items():
        save_picture(folder / f"{name}.png", sheet.flat())
    text = to_json(run.config)
    worst_sheets = _sheets(predictor, samples, worst)
    return write_report(run.workdir, results, text, run.labels, shown, worst_sheets)


def _sheets(
    predictor: Predictor, samples: Samples, indices: Sequence[int] | np.ndarray
) -> dict[str, Sheet]:
    """Draw images, labels, predictions and errors; keys are valid names of files."""
    chosen = [samples[int(index)] for index in indices]
    masks = predictor([sample["image"] for sample in chosen])
    names = file_names([sample["name"] for sample in chosen])
    return {
        name: comparison(sample["image"], sample["label"], mask, predictor.labels)
        for name, sample, mask in zip(names, chosen, masks, strict=True)
    }


def describe_run(config: Config) -> dict[str, Any]:
    """Return a run's name, and the model and data from which its title is made.

    The backbone is None for a head that has its own, and the root is None for data
    without a folder.  The arithmetic is "" if it is the backbone's usual one.
    """
    data = config.data
    root = user_path(data.root).resolve().name if data.root else None
    return {
        "name": config.name,
        "model": describe_model(config),
        "data": {"name": data.name, "root": root or None},
    }


def describe_devices(mesh: Mesh, dtype: str) -> str:
    """Name the devices, as in `8 x NVIDIA H200`, and the compiled kernels of a CPU.

    Args:
      mesh: the devices.
      dtype: data type of the model's computations.
    """
    kind = mesh.devices.flat[0].device_kind
    with compiling_for(mesh):
        if dtype == "float32" and uses_kernels():
            kind += " with compiled kernels"
    return kind if mesh.size == 1 else f"{mesh.size} x {kind}"


def versions() -> dict[str, str]:
    """Return the versions of the libraries that a result depends on."""
    names = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "grain")
    return {
        "jaxseg": __version__,
        "python": platform.python_version(),
        **{name: version(name) for name in names},
    }
