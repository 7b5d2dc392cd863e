"""A sample on one sheet: image, ground truth, prediction and errors, with a legend.

A `Sheet` holds pictures and the meaning of their colours.  The report page lays it out,
and `flat` turns it into one picture for a file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from jaxseg.data.labels import IGNORE, Colour, LabelSet
from jaxseg.report import lettering, overlaps
from jaxseg.report.marks import DARKENED, marks_of
from jaxseg.report.pictures import SMALLEST, checked, present, resize, stack

_LARGEST = 512  # longer side of a picture, pixels
_GAP = 8  # pixels between two pictures of a flat sheet
_NARROWEST = 112  # least width of a picture, pixels, which a title needs


@dataclass(frozen=True)
class Sheet:
    """Pictures beside each other.

    Attributes:
      pictures: RGB uint8 `[H, W, 3]`, all of one size, by title.
      legend: what a colour means, and the colour.
    """

    pictures: Mapping[str, np.ndarray]
    legend: Sequence[tuple[str, Colour]]

    def flat(self) -> np.ndarray:
        """Return titles, pictures and legend as one picture, uint8 `[H', W', 3]`."""
        height, width = next(iter(self.pictures.values())).shape[:2]
        place = max(width, _NARROWEST)
        row = np.full(
            (height, len(self.pictures) * (place + _GAP) - _GAP, 3),
            lettering.PAPER,
            np.uint8,
        )
        for index, picture in enumerate(self.pictures.values()):
            left = index * (place + _GAP)
            row[:, left : left + width] = picture
        title = lettering.titles(list(self.pictures), place, _GAP)
        return stack([title, row, lettering.legend(self.legend, row.shape[1])])


def comparison(
    image: np.ndarray, label: np.ndarray, prediction: np.ndarray, labels: LabelSet
) -> Sheet:
    """Compare a prediction with the ground truth.

    Errors are painted on the image, which is darkened and grey. With two classes the
    second is the positive one, and false positives and false negatives have different
    colours; with more, all errors have one colour. If classes may overlap, false
    positives of any class and false negatives of any class have different colours. The
    colours are those of `marks_of(labels)`.

    Args:
      image: RGB uint8 `[H, W, 3]`.
      label: int `[H, W]`, the true class or `IGNORE`; of a multilabel set
        `[H, W, classes]` of 0, 1 and `IGNORE`.
      prediction: int `[H, W]`, the predicted class; `[H, W, classes]` likewise.
      labels: names and colours of the classes.

    Returns:
      The sheet; each picture's longer side is 256 to 512 pixels.

    Raises:
      UserError: the arrays do not fit each other or the labels.
    """
    label = checked(image, label, labels)
    prediction = checked(image, prediction, labels)
    longer = max(label.shape[:2])
    factor = min(max(longer, SMALLEST), _LARGEST) / longer
    height, width = (max(round(factor * side), 1) for side in label.shape[:2])
    prediction = resize(image, prediction, height, width)[1]
    image, label = resize(image, label, height, width)

    marks = marks_of(labels)
    grey = DARKENED * (image @ (0.299, 0.587, 0.114))
    errors = np.repeat(grey[:, :, None], 3, axis=2).round().astype(np.uint8)
    legend = list(present(labels, label, prediction))
    for name, colour, pixels in [
        *_errors(label, prediction, labels),
        ("ignored", marks.ignored, _ignored(label)),
    ]:
        errors[pixels] = colour
        if pixels.any():
            legend.append((name, colour))
    pictures = {
        "Image": image,
        "Ground truth": _coloured(label, labels),
        "Prediction": _coloured(prediction, labels),
        "Errors": errors,
    }
    return Sheet(pictures, legend)


def _ignored(label: np.ndarray) -> np.ndarray:
    return overlaps.ignored(label) if label.ndim == 3 else label == IGNORE


def _coloured(mask: np.ndarray, labels: LabelSet) -> np.ndarray:
    """Paint a mask alone, uint8 `[H, W, 3]`, ignored pixels in their own colour."""
    marks = marks_of(labels)
    if mask.ndim == 2:
        table = labels.colour_table()
        table[IGNORE] = marks.ignored
        return table[mask]
    black = np.zeros((*mask.shape[:2], 3), np.uint8)
    black[overlaps.ignored(mask)] = marks.ignored
    return overlaps.colours(mask, labels, black, overlaps.stripe(mask.shape))[0]


def _errors(
    label: np.ndarray, prediction: np.ndarray, labels: LabelSet
) -> list[tuple[str, Colour, np.ndarray]]:
    """Return the kinds of errors: name, colour, and bool `[H, W]`."""
    marks = marks_of(labels)
    if label.ndim == 3:
        counted = label != IGNORE
        more = (counted & (prediction > label)).any(axis=2)
        less = (counted & (prediction < label)).any(axis=2)
        return [
            ("false positive", marks.wrong, more),
            ("false negative", marks.missed, less & ~more),
            ("both, of different classes", marks.both, less & more),
        ]
    wrong = (label != IGNORE) & (label != prediction)
    if labels.num_classes != 2:
        return [("wrong", marks.wrong, wrong)]
    positive = labels.names[1]
    return [
        (f"false positive ({positive})", marks.wrong, wrong & (prediction == 1)),
        (f"false negative ({positive})", marks.missed, wrong & (prediction == 0)),
    ]
