"""What a finished run leaves: `results.json`, sample pictures, the report."""

from __future__ import annotations

import json
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from jax.sharding import Mesh

from jaxseg.config import to_json
from jaxseg.data.pipeline import Samples
from jaxseg.nn import cpu_kernels
from jaxseg.predictor import Predictor
from jaxseg.report.image_files import file_names, save_picture
from jaxseg.report.page import write_report
from jaxseg.report.pictures import comparison
from jaxseg.run import Run, write_text
from jaxseg.version import __version__

PICTURES = 8
"""Number of samples in a report."""


def write_results(
    run: Run, results: dict[str, Any], predictor: Predictor, samples: Samples
) -> Path:
    """Write `results.json`, `samples/*.png` and `report.html` into the run folder.

    Args:
      run: the folder.
      results: the figures.
      predictor: the model that they belong to.
      samples: the split that they were measured on.

    Returns:
      The path of the report.
    """
    write_text(run.workdir / "results.json", json.dumps(results, indent=2) + "\n")
    pictures = _draw_samples(run.workdir / "samples", predictor, samples)
    return write_report(
        run.workdir, run.config.name, results, to_json(run.config), run.labels, pictures
    )


def _draw_samples(folder: Path, predictor: Predictor, samples: Samples) -> list[Path]:
    """Draw images, labels, predictions and errors, evenly spread over the split."""
    folder.mkdir(exist_ok=True)
    places = np.linspace(0, len(samples) - 1, min(PICTURES, len(samples))).round()
    chosen = [samples[int(place)] for place in places]
    masks = predictor([sample["image"] for sample in chosen])
    paths = []
    names = file_names([sample["name"] for sample in chosen])
    for name, sample, mask in zip(names, chosen, masks, strict=True):
        sheet = comparison(sample["image"], sample["label"], mask, predictor.labels)
        path = folder / f"{name}.png"
        save_picture(path, sheet)
        paths.append(path)
    return paths


def describe_devices(mesh: Mesh, dtype: str) -> str:
    """Name the devices, as in `8 x NVIDIA H200`, and what computes on a CPU.

    Args:
      mesh: the devices.
      dtype: of the model's computations.
    """
    kind = mesh.devices.flat[0].device_kind
    if dtype == "float32" and cpu_kernels.usable():
        kind += " with compiled kernels"
    return kind if mesh.size == 1 else f"{mesh.size} x {kind}"


def versions() -> dict[str, str]:
    """Return the versions that a result depends on."""
    names = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "grain")
    return {
        "jaxseg": __version__,
        "python": platform.python_version(),
        **{name: version(name) for name in names},
    }
