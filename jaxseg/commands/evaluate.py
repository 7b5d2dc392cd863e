"""Evaluate a trained run on a split of its data set."""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import jax

from jaxseg import memory
from jaxseg.build import build_evaluation_step, size_multiple
from jaxseg.command_line import add_short_options, short_values
from jaxseg.commands.inference_options import (
    NAMES,
    add_import_option,
    changed_options,
    less_memory,
    run_import,
)
from jaxseg.commands.metrics_table import print_metrics
from jaxseg.config import DataConfig
from jaxseg.data.catalog import Dataset, open_dataset
from jaxseg.data.class_tables import says_classes
from jaxseg.data.labels import LabelSet, numbered_names
from jaxseg.errors import UserError
from jaxseg.evaluation.evaluate import evaluate
from jaxseg.evaluation.surfaces import SurfaceOptions
from jaxseg.parallel.devices import left, require_devices
from jaxseg.parallel.mesh import create_mesh, replicated
from jaxseg.paths import no_folder, require_run, unwritable_file, user_path, write_file
from jaxseg.report.console import Progress, log
from jaxseg.run import CONFIG, Run
from jaxseg.schema import from_file

SURFACES = (
    "evaluation.surfaces",
    "evaluation.boundary_ratio",
    "evaluation.boundary_tolerance",
)
"""Further options of the run that this command can replace."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("--run", required=True, help="run folder")
    parser.add_argument("--split", help="default: the run's evaluation split")
    add_import_option(parser)
    add_short_options(parser, (*NAMES, *SURFACES))
    parser.add_argument("--root", help="folder of the raw data, if it has moved")
    parser.add_argument("--out", type=Path, help="write the metrics as JSON")


def run(options: argparse.Namespace) -> int:
    """Evaluate the run, and print the metrics."""
    run_import(options)
    given = short_values(options)
    config = from_file(require_run(options.run) / CONFIG)
    window = changed_options(config, given).window
    if options.out and (reason := unwritable_file(options.out)):
        raise UserError(f"{options.out}: cannot write ({reason})")
    require_devices()
    with memory.remedied("evaluating", less_memory(window), left):
        results = evaluate_run(
            options.run, split=options.split, root=options.root, **given
        )
    print_metrics(results)
    if options.out:
        write_file(options.out, json.dumps(results, indent=2) + "\n")
    return 0


def evaluate_run(
    workdir: str | Path,
    split: str | None = None,
    root: str | None = None,
    **inference: Any,
) -> dict[str, Any]:
    """Evaluate the best checkpoint of a run.

    Args:
      workdir: the run folder.
      split: a split of its data set; None takes the run's evaluation split.
      root: the folder of the raw data, if it has moved.
      **inference: options of `NAMES` and `SURFACES` that replace the run's; None keeps
        the run's.

    Returns:
      Metrics, as in `results.json`.

    Raises:
      UserError: there is no run or no data, or the classes do not match.
    """
    run = Run.open(workdir)
    options = changed_options(run.config, inference)
    dataset = _dataset_of(run, root)
    split = split or run.config.data.eval_split
    samples = dataset.samples(split)
    before = run.data()
    if before and (difference := before.difference(dataset, [split])):
        log(f"these metrics are measured on other data than {workdir}'s: {difference}")
    # The run's mesh, as far as the number of devices here allows.
    mesh = create_mesh(spatial=math.gcd(run.config.mesh.spatial, jax.device_count()))
    best = run.best(replicated(mesh))
    thresholds = run.thresholds(options, best.thresholds)
    model, classes = best.model, run.labels.num_classes
    step = build_evaluation_step(
        run.config, model, classes, mesh, options, options.surfaces
    )
    with Progress(len(samples), name="image") as progress:
        evaluation = evaluate(
            step,
            best.variables,
            samples,
            samples.sizes(),
            mesh,
            batch_size=options.batch_size,
            multiple=size_multiple(model, options),
            threads=run.config.data.threads,
            thresholds=thresholds,
            surfaces=SurfaceOptions.of(options) if options.surfaces else None,
            done=progress.update,
        )
    return {
        "name": run.config.name,
        "step": best.step,
        "split": split,
        **evaluation.summary(
            run.labels.names, options.calibration_bins, lambda i: samples[i]["name"]
        ),
        "evaluation": dataclasses.asdict(options),
    }


def _dataset_of(run: Run, root: str | None) -> Dataset:
    """Open the data set of a run, and check that its classes are the run's."""
    data = run.config.data
    if root is not None:
        data = dataclasses.replace(data, root=root)
    with run.naming_remedy():
        dataset = _open(data, run.labels)
    for text in dataset.notes:
        log(text)
    if dataset.labels.names != run.labels.names:
        raise UserError(
            f"{run.workdir} was trained on classes {', '.join(run.labels.names)};"
            f" {data.name} has {', '.join(dataset.labels.names)}"
        )
    return dataset


def _open(data: DataConfig, labels: LabelSet) -> Dataset:
    """Open the data set that is to be evaluated.

    An image that is in two splits is only reported.  If the classes were inferred from
    the masks, those of the run are taken, since some may not occur in this data.
    """
    data = dataclasses.replace(data, allow_leakage=True)
    if data.name == "folder" and data.task == "multilabel" and not data.mask_bits:
        data = dataclasses.replace(data, class_names=labels.names)
    count = labels.num_classes
    unnamed = labels.names == numbered_names(count)  # no table of classes gave names
    inferred = data.name == "folder" and unnamed and not says_classes(data)
    counted = dataclasses.replace(data, num_classes=count)
    try:
        dataset = open_dataset(data)
    except UserError as error:
        if data.root and not user_path(data.root).exists():
            raise UserError(
                f"{no_folder(user_path(data.root))}; if the data has moved, give its"
                " new place by --root FOLDER"
            ) from error
        if not inferred:
            raise
        return open_dataset(counted)
    if inferred and dataset.labels.num_classes < count:
        return open_dataset(counted)
    return dataset
