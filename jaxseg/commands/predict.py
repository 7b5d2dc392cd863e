"""Segment image files with a trained run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jaxseg.commands.options import changed_options
from jaxseg.data.images import find_images, image_size, load_image
from jaxseg.errors import UserError
from jaxseg.predictor import Predictor
from jaxseg.report.console import Progress
from jaxseg.report.image_files import file_names, save_mask, save_picture
from jaxseg.report.pictures import overlay
from jaxseg.run import Run


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
      images: image files of at most `images.LARGEST` pixels, or folders that are
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
    options = changed_options(run.config.evaluation, scales, flip, window, crf)
    sizes = [image_size(path) for path in paths]
    model, variables, _ = run.best_variables()
    predictor = Predictor.of_run(run, model, variables, options)
    for folder in (out / "masks", out / "overlays"):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"{folder}: cannot make it ({error.strerror})") from error
    counted, total = predictor.work(sizes)
    with Progress(total, name=counted) as progress:
        predictions = predictor.predict_lazily(
            sizes, lambda i: load_image(paths[i]), progress.advance
        )
        for index, picture, mask in predictions:
            save_mask(out / "masks" / f"{names[index]}.png", mask, run.labels)
            painted = overlay(picture, mask, run.labels, legend=True)
            save_picture(out / "overlays" / f"{names[index]}.png", painted)
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
