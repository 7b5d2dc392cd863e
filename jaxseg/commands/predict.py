"""Segment image files with a trained run."""

from __future__ import annotations

import argparse
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

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
from jaxseg.commands.prediction_files import PROBABILITIES, VALUES, PredictionFiles
from jaxseg.config import EvaluationConfig
from jaxseg.data.image_search import FOLDERS, Found, find_images
from jaxseg.data.images import image_size, load_image
from jaxseg.data.padding import Size
from jaxseg.evaluation.cleaning import check_cleaning, clean_mask
from jaxseg.parallel.devices import left, require_devices
from jaxseg.paths import require_run
from jaxseg.predictor import Predictor
from jaxseg.report.console import Progress, log, print_line
from jaxseg.report.image_files import file_names
from jaxseg.run import CONFIG, Run
from jaxseg.schema import from_file


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
    parser.add_argument(
        "--probabilities",
        choices=tuple(PROBABILITIES),
        help="write the probabilities too, into probabilities/: "
        + "; ".join(f"{name}: {text}" for name, text in PROBABILITIES.items()),
    )
    parser.add_argument(
        "--components",
        type=_pixels,
        default=0,
        metavar="N",
        help="drop connected components of fewer than N pixels of each class (a pixel"
        " is connected to its eight neighbours); in a multiclass run they take the most"
        " frequent class of the pixels around them, otherwise the background's",
    )
    parser.add_argument(
        "--fill-holes",
        type=_pixels,
        nargs="?",
        default=0,
        const=math.inf,
        metavar="N",
        help="for a binary or multilabel run: fill the holes of the foreground that do"
        " not touch the image's edge, or only those of at most N pixels",
    )


def _pixels(text: str) -> int:
    """Read a number of pixels."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r}: a number of pixels, 0 or more")
    return int(text)


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
            options.run,
            found,
            options.out,
            values=options.values,
            probabilities=options.probabilities,
            components=options.components,
            fill_holes=options.fill_holes,
            **given,
        )
    written = FOLDERS if options.probabilities else FOLDERS[:2]
    places = ", ".join(str(options.out / name) for name in written)
    print_line(f"{count} masks in {places}")
    return 0


def predict_files(
    workdir: str | Path,
    images: Sequence[str | Path] | Found,
    out: str | Path,
    values: str = "classes",
    probabilities: str | None = None,
    components: int = 0,
    fill_holes: float = 0,
    **inference: Any,
) -> int:
    """Segment image files; write `out/masks/*.png` and `out/overlays/*.png`.

    With a window, a TIFF of more than `images.LARGEST` pixels is read and written in
    parts: its mask is a tiled TIFF, `out/masks/*.tif`, and its overlay a preview.  For
    a multilabel run the masks are `out/masks/CLASS/*.png`, of 0 and 1, or with `values`
    "masks" of the values in the data's masks.

    Files of equal name keep the part of their path that tells them apart.  A line in
    the log says what else a folder holds, such as hidden files and earlier results.

    Args:
      workdir: the run folder.
      images: image files, or folders that are searched; or what a search has found.
      out: folder for the results; made if it is missing.
      values: "classes" writes palette PNGs of the class numbers; "masks" writes what
        the masks of the run's data hold, grey values or RGB colours, and the first
        value of a class that has several.
      probabilities: one of `PROBABILITIES` writes `out/probabilities/*.npz`, or an
        image for each class, `out/probabilities/CLASS/*.png` or `*.tiff` (a binary run
        has no `CLASS/`); None writes none.  They come from the same pass, not cleaned.
      components: as in `clean_mask`, for masks and overlays.
      fill_holes: as in `clean_mask`, for masks and overlays.
      **inference: options of `NAMES` that replace the run's; None keeps the run's.

    Returns:
      The number of images.

    Raises:
      UserError: there is no run or no image; a file cannot be read or written, or would
        be replaced and is no result; or an option does not fit the run or an image.
    """
    run, out = Run.open(workdir), Path(out)
    check_cleaning(run.labels.task, components, fill_holes)
    found = images if isinstance(images, Found) else find_images(images, out)
    files = PredictionFiles(run, out, values, probabilities)
    names = _names(found)
    files.check_free(list(names.values()))
    options = changed_options(run.config, inference)
    needs_all = bool(probabilities or components or fill_holes)
    large = open_large(names, files.masks, run, options, needs_all)
    whole = [path for path in names if path not in large]
    sizes = [image_size(path) for path in whole]
    predictor = _predictor(run, options)
    files.make_folders()
    for mask, rows in large.values():
        predict_large(predictor, rows, mask, files.overlays, run, values)
    for index, *found in _predictions(predictor, whole, sizes, bool(probabilities)):
        found[1] = clean_mask(found[1], run.labels, components, fill_holes)
        files.write(names[whole[index]], *found)
    return len(names)


def _predictions(
    predictor: Predictor,
    paths: Sequence[Path],
    sizes: Sequence[Size],
    probabilities: bool,
) -> Iterator[tuple[Any, ...]]:
    """Yield index, image, mask and, if asked for, probabilities; show the progress."""
    if not paths:
        return
    counted, total = predictor.work(sizes)
    with Progress(total, name=counted) as progress:
        predict = predictor.predict_lazily
        if probabilities:
            predict = predictor.probabilities_lazily
        yield from predict(sizes, lambda i: load_image(paths[i]), progress.advance)


def _predictor(run: Run, options: EvaluationConfig) -> Predictor:
    """Load the best checkpoint of a run, to predict with these options."""
    best = run.best()
    return Predictor.of_run(run, best.model, best.variables, options, best.thresholds)


def _names(found: Found) -> dict[Path, str]:
    """Return the name of each image's results; log which files were left out.

    It is the stem, or as much of the path as tells files apart.
    """
    if found.left_out():
        log(found.left_out())
    paths = list(found.images)
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
    return dict(zip(paths, file_names(names), strict=True))
