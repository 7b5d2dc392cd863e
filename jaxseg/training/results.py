"""What a finished run leaves: `results.json`, sample pictures, the report."""

from __future__ import annotations

import json
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from jax.sharding import Mesh

from jaxseg.backbones.names import resolve_name
from jaxseg.config import Config, to_json
from jaxseg.data.pipeline import Samples
from jaxseg.heads import HEADS
from jaxseg.models import DEFAULT_BACKBONE
from jaxseg.nn import cpu_kernels
from jaxseg.paths import replace_text, user_path
from jaxseg.predictor import Predictor
from jaxseg.report.image_files import file_names, save_picture
from jaxseg.report.page import write_report
from jaxseg.report.sheets import Sheet, comparison
from jaxseg.run import Run
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
    replace_text(run.workdir / "results.json", json.dumps(results, indent=2) + "\n")
    sheets = _draw_samples(run.workdir / "samples", predictor, samples)
    return write_report(run.workdir, results, to_json(run.config), run.labels, sheets)


def _draw_samples(
    folder: Path, predictor: Predictor, samples: Samples
) -> dict[str, Sheet]:
    """Draw images, labels, predictions and errors, evenly spread over the split."""
    folder.mkdir(exist_ok=True)
    places = np.linspace(0, len(samples) - 1, min(PICTURES, len(samples))).round()
    chosen = [samples[int(place)] for place in places]
    masks = predictor([sample["image"] for sample in chosen])
    sheets = {}
    names = file_names([sample["name"] for sample in chosen])
    for name, sample, mask in zip(names, chosen, masks, strict=True):
        sheet = comparison(sample["image"], sample["label"], mask, predictor.labels)
        save_picture(folder / f"{name}.png", sheet.flat())
        sheets[name] = sheet
    return sheets


def describe_run(config: Config) -> dict[str, Any]:
    """Return a run's name, and what its title is made of: its model and its data.

    A head with a backbone of its own has none, and data without a folder no root.  The
    arithmetic is "" if it is the backbone's usual one.
    """
    head, data = config.model.head, config.data
    own = head in HEADS and HEADS[head].backbone is not None
    backbone, arithmetic = None, ""
    if not own:
        asked = config.model.backbone or DEFAULT_BACKBONE
        backbone, arithmetic = resolve_name(asked, config.model.arithmetic)
        if arithmetic == resolve_name(backbone)[1]:
            arithmetic = ""
    root = user_path(data.root).resolve().name if data.root else None
    return {
        "name": config.name,
        "model": {"head": head, "backbone": backbone, "arithmetic": arithmetic},
        "data": {"name": data.name, "root": root or None},
    }


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
