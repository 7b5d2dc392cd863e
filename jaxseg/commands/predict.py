"""Segment image files with a trained run."""

from __future__ import annotations

import argparse
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxseg import memory
from jaxseg.command_line import add_short_options, short_values
from jaxseg.commands.inference_options import (
    NAMES,
    add_import_option,
    changed_options,
    less_memory,
    run_import,
)
from jaxseg.commands.large_images import open_large, predict_large
from jaxseg.config import EvaluationConfig
from jaxseg.data.image_search import Found, find_images, is_result
from jaxseg.data.images import image_size, load_image
from jaxseg.data.labels import LabelSet
from jaxseg.data.padding import Size
from jaxseg.errors import UserError, choose
from jaxseg.parallel.devices import left, require_devices
from jaxseg.paths import require_run
from jaxseg.predictor import Predictor
from jaxseg.report.console import Progress, log, print_line
from jaxseg.report.image_files import file_names, save_mask, save_picture, save_values
from jaxseg.report.pictures import overlay
from jaxseg.run import CONFIG, Run
from jaxseg.schema import from_file

VALUES = {
    "classes": "the number of the class, 0, 1, ..., which shows in its colour; of a"
    " multilabel run 0 and 1 in a folder a class",
    "masks": "what the data set's own masks hold: grey values, or RGB colours",
}
"""Value of `--values` -> the content of the masks that are written."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("--run", required=True, help="run folder")
    parser.add_argument("images", nargs="+", help="image files or folders")
    parser.add_argument(
        "--out", required=True, type=Path, help="folder for the results"
    )
    add_import_option(parser)
    add_short_options(parser, NAMES)
    parser.add_argument(
        "--values",
        choices=tuple(VALUES),
        default="classes",
        help="what the masks hold: "
        + "; ".join(f"{name}: {text}" for name, text in VALUES.items()),
    )


def run(options: argparse.Namespace) -> int:
    """Predict, and print the folder of the masks."""
    run_import(options)
    given = short_values(options)
    config = from_file(require_run(options.run) / CONFIG)
    window = changed_options(config, given).window
    found = find_images(options.images, options.out)
    require_devices()
    with memory.remedied("predicting", less_memory(window), left):
        count = predict_files(
            options.run, found, options.out, values=options.values, **given
        )
    out = options.out
    print_line(f"{count} masks in {out / 'masks'}, {out / 'overlays'}")
    return 0


def predict_files(
    workdir: str | Path,
    images: Sequence[str | Path] | Found,
    out: str | Path,
    values: str = "classes",
    **inference: Any,
) -> int:
    """Segment image files; write `out/masks/*.png` and `out/overlays/*.png`.

    With a window, a TIFF of more than `images.LARGEST` pixels is read and written in
    parts: its mask is a tiled TIFF, `out/masks/*.tif`, and its overlay a preview.

    Of a multilabel run the masks are `out/masks/CLASS/*.png`, of 0 and 1, or with
    `values` "masks" what the data has.

    Files of equal name in different folders keep the part of their path that tells them
    apart.  What a folder holds beside images to predict, such as hidden files and
    earlier results, is left out and said in a line.

    Args:
      workdir: the run folder.
      images: image files, or folders that are searched; or what a search has found.
      out: folder for the results; made if it is missing.
      values: "classes" writes palette PNGs of the class numbers; "masks" writes what
        the masks of the run's data hold: grey values, or RGB where they are in colours;
        of several values of a class, the first.
      **inference: scales, flip, turns, window, overlap, window_weights, crf or
        threshold of `EvaluationConfig`, in place of the run's; None is the run's.

    Returns:
      The number of images.

    Raises:
      UserError: no run, no image, an unreadable image, an unwritable folder, or a file
        in the place of a result that no prediction wrote.
    """
    choose("kind of values", values, VALUES)
    run, out = Run.open(workdir), Path(out)
    found = images if isinstance(images, Found) else find_images(images, out)
    paths = list(found.images)
    names = dict(zip(paths, _names(paths), strict=True))
    mask_folders, overlays = _mask_folders(out / "masks", run, values), out / "overlays"
    _check_free([*mask_folders, overlays], list(names.values()))
    if found.left_out():
        log(found.left_out())
    options = changed_options(run.config, inference)
    large = open_large(names, mask_folders[0], run, options)
    whole = [path for path in paths if path not in large]
    sizes = [image_size(path) for path in whole]
    predictor = _predictor(run, options)
    _make_folders([*mask_folders, overlays])
    for mask, rows in large.values():
        predict_large(predictor, rows, mask, overlays, run, values)
    if whole:
        folders = mask_folders, overlays
        _predict_whole(predictor, whole, sizes, names, folders, run, values)
    return len(paths)


def _predict_whole(
    predictor: Predictor,
    paths: Sequence[Path],
    sizes: Sequence[Size],
    names: Mapping[Path, str],
    folders: tuple[Sequence[Path], Path],
    run: Run,
    values: str,
) -> None:
    """Segment images that are read whole; the folders are of masks and overlays."""
    mask_folders, overlays = folders
    counted, total = predictor.work(sizes)
    with Progress(total, name=counted) as progress:
        predictions = predictor.predict_lazily(
            sizes, lambda i: load_image(paths[i]), progress.advance
        )
        for index, picture, mask in predictions:
            name = f"{names[paths[index]]}.png"
            _save(mask_folders, name, mask, run, values)
            painted = overlay(picture, mask, run.labels, legend=True)
            save_picture(overlays / name, painted)


def _predictor(run: Run, options: EvaluationConfig) -> Predictor:
    best = run.best()
    return Predictor.of_run(run, best.model, best.variables, options, best.thresholds)


def _mask_folders(masks: Path, run: Run, values: str) -> list[Path]:
    """Return the folder of the masks, or a folder a class where classes may overlap."""
    planes = run.labels.planes and not (values == "masks" and run.form.bits)
    if not planes:
        return [masks]
    return [masks / name for name in file_names(run.labels.names)]


def _make_folders(folders: Sequence[Path]) -> None:
    for folder in folders:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"{folder}: cannot make it ({error.strerror})") from error


def _check_free(folders: Sequence[Path], names: Sequence[str]) -> None:
    """Refuse to replace files that are not results, such as masks drawn by hand."""
    for folder in folders:
        for name in names:
            path = folder / f"{name}.png"
            if os.path.exists(path) and not is_result(path):
                raise UserError(
                    f"{path}: exists, and was not written by predict; choose another"
                    " --out, or move it away"
                )


def _save(
    folders: Sequence[Path], name: str, mask: np.ndarray, run: Run, values: str
) -> None:
    """Write a mask in the values of `--values`."""
    labels, form = run.labels, run.form
    if labels.planes and len(folders) == 1:
        bits = mask.astype(np.int32) << np.arange(labels.num_classes)
        save_values(folders[0] / name, bits.sum(2), range(1 << labels.num_classes))
    elif labels.planes:
        for index, folder in enumerate(folders):
            _save_plane(folder / name, mask[..., index], run, values, index)
    elif values == "classes":
        save_mask(folders[0] / name, mask, labels)
    elif form.colours:
        save_picture(folders[0] / name, labels.colours(mask))
    else:
        save_values(folders[0] / name, mask, form.values or range(labels.num_classes))


def _save_plane(
    path: Path, plane: np.ndarray, run: Run, values: str, index: int
) -> None:
    """Write the mask of one of the classes that may overlap."""
    if values == "masks":
        save_values(path, plane, run.form.values or range(2))
        return
    labels = run.labels
    painted = LabelSet(("none", "class"), ((0, 0, 0), labels.palette[index]))
    save_mask(path, plane, painted)


def _names(paths: Sequence[Path]) -> list[str]:
    """Name the results: the stem, or as much of the path as tells files apart."""
    names = [path.stem for path in paths]
    depth = 1
    while len(set(names)) < len(names) and depth < 50:
        depth += 1
        twice = {name for name, count in Counter(names).items() if count > 1}
        names = [
            "_".join([*path.parts[-depth:-1], path.name.replace(".", "_")]).strip("/")
            if name in twice
            else name
            for name, path in zip(names, paths, strict=True)
        ]
    return file_names(names)
