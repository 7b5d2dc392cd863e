"""Predicts images that are too large for the memory: tiled TIFFs, by windows.

Rows are read as the windows need them, and the mask is written as its rows are done.
The rest of `predict` is in `predict.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np

from jaxseg.commands.prediction_files import require_free
from jaxseg.config import EvaluationConfig
from jaxseg.data.tiff_rows import TiffRows, is_large_tiff
from jaxseg.errors import UserError
from jaxseg.predictor import Predictor
from jaxseg.report.console import Progress, log
from jaxseg.report.image_files import save_picture, value_table
from jaxseg.report.large_masks import (
    ReducedMask,
    reduced_image,
    reduction,
    save_rows,
)
from jaxseg.report.pictures import overlay
from jaxseg.run import Run


def open_large(
    names: Mapping[Path, str],
    masks: Path,
    run: Run,
    options: EvaluationConfig,
    needs_all: bool,
) -> dict[Path, tuple[Path, TiffRows]]:
    """Open the images that are too large to be read whole.

    Args:
      names: image -> name of its results.
      masks: folder of the masks.
      run: the run whose model predicts.
      options: the options of inference.
      needs_all: whether something is asked for, beside masks, that takes all pixels at
        once.

    Returns:
      Image -> the file of its mask, and the opened image.

    Raises:
      UserError: an image cannot be read or predicted by rows, or its mask would replace
        a file that is no result.
    """
    large = [path for path in names if is_large_tiff(path)]
    if not large:
        return {}
    path = large[0]
    if not options.window:
        raise UserError(f"{path}: too large to be predicted whole; give --window 512")
    if options.crf:
        raise UserError(
            f"{path}: too large for a CRF, which needs the whole image; give --crf 0"
        )
    if needs_all:
        raise UserError(
            f"{path}: too large for --probabilities, --components and --fill-holes,"
            " which take all its pixels at once; leave them out"
        )
    if run.labels.planes:
        raise UserError(
            f"{path}: too large for a multilabel run, which writes a mask for each"
            " class; cut it into tiles"
        )
    found = {path: (masks / f"{names[path]}.tif", TiffRows(path)) for path in large}
    for mask, _ in found.values():
        require_free(mask)
    return found


def predict_large(
    predictor: Predictor,
    image: TiffRows,
    mask: Path,
    overlays: Path,
    run: Run,
    values: str,
) -> None:
    """Segment an image by rows; write a tiled TIFF, and a preview of the overlay.

    Args:
      predictor: a predictor with a window.
      image: the opened image.
      mask: the file of the mask, `.tif`.
      overlays: the folder of the preview, which has the name of the mask.
      run: the run of the predictor.
      values: the value of `--values`.

    Raises:
      UserError: the image is damaged, or a file cannot be written.
    """
    height, width = image.size
    factor = reduction(image.size)
    log(
        f"{mask.name}: {width:,}x{height:,} pixels, read and written in parts; its"
        f" overlay is a preview, {factor} times smaller"
    )
    encode, palette = _encoding(run, values)
    small = ReducedMask(image.size, factor)
    counted, total = predictor.work([image.size])
    with Progress(total, name=counted) as progress:
        rows = predictor.predict_rows(image.size, image.rows, progress.advance)
        encoded: Iterator[np.ndarray] = map(encode, small.passed(rows))
        save_rows(mask, encoded, image.size, palette)
    preview = reduced_image(image.rows, image.size, factor)
    painted = overlay(preview, small.classes, run.labels, legend=True)
    save_picture(overlays / f"{mask.stem}.png", painted)


def _encoding(
    run: Run, values: str
) -> tuple[Callable[[np.ndarray], np.ndarray], np.ndarray | None]:
    """Return what turns classes into the values of `--values`, and their palette."""
    labels, form = run.labels, run.form
    if values == "classes":
        return lambda rows: rows.astype(np.uint8), labels.colour_table()
    if form.colours:
        return labels.colours, None
    table = value_table(form.values or range(labels.num_classes))
    return lambda rows: table[rows], None
