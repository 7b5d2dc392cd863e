"""The files that `predict` writes for an image: mask, overlay and probabilities."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from jaxseg.data.image_search import FOLDERS, is_result
from jaxseg.data.labels import LabelSet
from jaxseg.errors import UserError, choose
from jaxseg.report.image_files import (
    file_names,
    save_mask,
    save_picture,
    save_probabilities,
    save_shares,
    save_values,
)
from jaxseg.report.pictures import overlay
from jaxseg.run import Run

VALUES = {
    "classes": "the number of the class, 0, 1, ..., shown in the colour of the class;"
    " for a multilabel run 0 and 1, in a folder for each class",
    "masks": "what the data set's own masks hold: grey values, or RGB colours",
}
"""Value of `--values` -> the content of the masks that are written."""

PROBABILITIES = {
    "npz": "NumPy arrays `probabilities`, float32 [H, W, classes], for a binary run"
    " [H, W], and `classes`, their names",
    "png": "16-bit grey, 65535 times the probability, an image for each class",
    "tiff": "32-bit floating-point grey, an image for each class",
}
"""Value of `--probabilities` -> the files of probabilities that are written."""


class PredictionFiles:
    """Writes the results of images into folders, none of which may hold other files.

    Attributes:
      masks: the folder of the masks, or of the folders of each class.
      overlays: the folder of the overlays.
    """

    def __init__(self, run: Run, out: Path, values: str, kind: str | None) -> None:
        """Choose the folders.

        Args:
          run: the run that predicts.
          out: the folder that holds all results.
          values: one of `VALUES`.
          kind: one of `PROBABILITIES`, or None.

        Raises:
          UserError: `values` or `kind` is none of these.
        """
        choose("kind of values", values, VALUES)
        if kind:
            choose("kind of probabilities", kind, PROBABILITIES)
        self._run, self._values, self._kind = run, values, kind
        self.masks, self.overlays, shares = (out / name for name in FOLDERS)
        classes = file_names(run.labels.names)
        planes = run.labels.planes and not (values == "masks" and run.form.bits)
        self._masks = (
            [self.masks / name for name in classes] if planes else [self.masks]
        )
        alone = kind == "npz" or run.labels.task == "binary"
        self._shares = [shares] if alone else [shares / name for name in classes]

    def _places(self) -> list[tuple[Path, str]]:
        """Return the folders of results, each with the ending of its files."""
        found = [(folder, "png") for folder in (*self._masks, self.overlays)]
        if self._kind:
            found += [(folder, self._kind) for folder in self._shares]
        return found

    def check_free(self, names: Sequence[str]) -> None:
        """Refuse to replace files that are not results, such as masks drawn by hand."""
        for folder, ending in self._places():
            for name in names:
                require_free(folder / f"{name}.{ending}")

    def make_folders(self) -> None:
        """Make the folders of the results."""
        for folder, _ in self._places():
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                said = f"{folder}: cannot make this folder ({error.strerror})"
                raise UserError(said) from error

    def write(
        self, name: str, image: np.ndarray, mask: np.ndarray, *shares: np.ndarray
    ) -> None:
        """Write the results of an image.

        Args:
          name: name of the files, without their endings.
          image: uint8 `[H, W, 3]`.
          mask: as a `Predictor` returns it.
          *shares: the probabilities, if they are to be written.
        """
        labels = self._run.labels
        _save(self._masks, f"{name}.png", mask, self._run, self._values)
        painted = overlay(image, mask, labels, legend=True)
        save_picture(self.overlays / f"{name}.png", painted)
        for probabilities in shares:
            if self._kind == "npz":
                names = labels.names[1:] if labels.task == "binary" else labels.names
                save_probabilities(
                    self._shares[0] / f"{name}.npz", probabilities, names
                )
                continue
            planes = np.atleast_3d(probabilities)
            for folder, plane in zip(
                self._shares, np.moveaxis(planes, 2, 0), strict=True
            ):
                save_shares(folder / f"{name}.{self._kind}", plane)


def require_free(path: Path) -> None:
    """Refuse to replace a file that is no result.

    Raises:
      UserError: the file exists, and no prediction wrote it.
    """
    if os.path.exists(path) and not is_result(path):
        raise UserError(
            f"{path}: exists and was not written by predict; choose another --out, or"
            " move the file away"
        )


def _save(
    folders: Sequence[Path], name: str, mask: np.ndarray, run: Run, values: str
) -> None:
    """Write a mask with the values that `--values` names."""
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
