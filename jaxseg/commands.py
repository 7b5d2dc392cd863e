"""What can be done with a trained run: score a split, segment files."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax

from jaxseg.config import EvaluationConfig
from jaxseg.data.catalog import open_dataset
from jaxseg.errors import UserError
from jaxseg.evaluation.evaluate import create_evaluation_step, evaluate
from jaxseg.limits import check_ranges
from jaxseg.predictor import Predictor
from jaxseg.report.console import Progress
from jaxseg.report.image_files import (
    file_names,
    find_images,
    image_size,
    load_image,
    save_mask,
    save_picture,
)
from jaxseg.report.pictures import overlay
from jaxseg.run import Run, scores
from jaxseg.training.mesh import create_mesh, replicated


def _changed(
    options: EvaluationConfig,
    scales: Sequence[float] | None = None,
    flip: bool | None = None,
    window: int | None = None,
    crf: int | None = None,
) -> EvaluationConfig:
    """Return the run's options with those that are given in their place.

    Raises:
      UserError: a value out of its range.
    """
    given = {
        "scales": tuple(scales) if scales else None,
        "flip": flip,
        "window": window,
        "crf": crf,
    }
    kept = {name: value for name, value in given.items() if value is not None}
    check_ranges({f"evaluation.{name}": value for name, value in kept.items()})
    return dataclasses.replace(options, **kept)


def evaluate_run(
    workdir: str | Path,
    split: str | None = None,
    root: str | None = None,
    scales: Sequence[float] | None = None,
    flip: bool | None = None,
    window: int | None = None,
    crf: int | None = None,
) -> dict[str, Any]:
    """Evaluate the best checkpoint of a run.

    Args:
      workdir: the run folder.
      split: of its data set; None is the one it was evaluated on.
      root: where the raw data lies now, if it has moved.
      scales: of multi-scale evaluation; None is the run's.
      flip: add mirrored images; None is the run's.
      window: side of a sliding window; None is the run's.
      crf: iterations of a dense CRF; None is the run's.

    Returns:
      The figures of `results.json`.

    Raises:
      UserError: no run, no data, or classes that do not match.
    """
    run = Run.open(workdir)
    options = _changed(run.config.evaluation, scales, flip, window, crf)
    data = (
        run.config.data
        if root is None
        else dataclasses.replace(run.config.data, root=root)
    )
    dataset = open_dataset(data)
    if dataset.labels.names != run.labels.names:
        raise UserError(
            f"{workdir} was trained on classes {', '.join(run.labels.names)};"
            f" {data.name} has {', '.join(dataset.labels.names)}"
        )
    split = split or data.eval_split
    samples = dataset.samples(split)
    # The run's, as far as the devices here allow.
    mesh = create_mesh(spatial=math.gcd(run.config.mesh.spatial, jax.device_count()))
    model, variables, step = run.best_variables(replicated(mesh))
    classes = run.labels.num_classes
    evaluation = evaluate(
        create_evaluation_step(scores(run.config, model, options), classes, mesh),
        variables,
        samples,
        samples.sizes(),
        classes,
        mesh,
        batch_size=options.batch_size,
        multiple=options.size_multiple,
        threads=data.threads,
    )
    return {
        "name": run.config.name,
        "step": step,
        "split": split,
        **evaluation.figures(run.labels.names),
        "evaluation": dataclasses.asdict(options),
    }


def predict_files(
    workdir: str | Path,
    images: Sequence[str | Path],
    out: str | Path,
    scales: Sequence[float] | None = None,
    flip: bool | None = None,
    window: int | None = None,
    crf: int | None = None,
) -> int:
    """Segment image files; write `out/masks/*.png` and `out/overlays/*.png`.

    Masks are palette PNGs whose values are the classes.  Files of equal name in
    different folders keep the part of their path that tells them apart.

    Args:
      workdir: the run folder.
      images: image files of at most `files.LARGEST` pixels, or folders that are
        searched.
      out: folder for the results; made if it is missing.
      scales: of multi-scale inference; None is the run's.
      flip: add mirrored images; None is the run's.
      window: side of a sliding window; None is the run's.
      crf: iterations of a dense CRF; None is the run's.

    Returns:
      The number of images.

    Raises:
      UserError: no run, no image, an unreadable image, or an unwritable folder.
    """
    run, out = Run.open(workdir), Path(out)
    paths = find_images(images)
    names = _names(paths)
    options = _changed(run.config.evaluation, scales, flip, window, crf)
    sizes = [image_size(path) for path in paths]
    model, variables, _ = run.best_variables()
    predictor = Predictor.of_run(run, model, variables, options)
    for folder in (out / "masks", out / "overlays"):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"{folder}: cannot make it ({error.strerror})") from error
    predictions = predictor.predict_lazily(sizes, lambda i: load_image(paths[i]))
    with Progress(len(paths), name="image") as progress:
        for done, (index, picture, mask) in enumerate(predictions, start=1):
            save_mask(out / "masks" / f"{names[index]}.png", mask, run.labels)
            painted = overlay(picture, mask, run.labels, legend=True)
            save_picture(out / "overlays" / f"{names[index]}.png", painted)
            progress.update(done)
    return len(paths)


def _names(paths: Sequence[Path]) -> list[str]:
    """Name the results: the stem, or as much of the path as tells files apart."""
    names = [path.stem for path in paths]
    depth = 1
    while len(set(names)) < len(names) and depth < 50:
        depth += 1
        twice = {name for name in names if names.count(name) > 1}
        names = [
            "_".join([*path.parts[-depth:-1], path.name.replace(".", "_")]).strip("/")
            if name in twice
            else name
            for name, path in zip(names, paths, strict=True)
        ]
    return file_names(names)
