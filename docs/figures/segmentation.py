"""Draw the picture of the start page: `python docs/figures/segmentation.py RUN`.

RUN is the folder of the quick start, `runs/deeplab`.  Scenes of its validation split
are above, what the trained model makes of them below.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[2]))

import jaxseg
from jaxseg.data.builders.digit_scenes import LABELS, render
from jaxseg.report import lettering
from jaxseg.report.pictures import present, resize, stack

SCENES, SIDE, GAP = (0, 1, 8, 14, 22), 192, 8
PALETTE = (
    *((0, 0, 0), (230, 75, 53), (77, 187, 213), (0, 160, 135), (120, 94, 240)),
    *((243, 155, 57), (240, 98, 165), (101, 160, 60), (255, 205, 70), (150, 100, 70)),
    (60, 84, 136),
)
"""Colours that differ more from each other than those of the run."""


def main() -> None:
    """Write docs/figures/segmentation.jpg."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", metavar="RUN")
    predictor = jaxseg.Predictor.from_run(parser.parse_args().run)
    images = [render(0, "val", index)[0] for index in SCENES]
    masks = predictor(images)
    labels = jaxseg.LabelSet(names=LABELS.names, palette=PALETTE)
    columns = []
    for image, mask in zip(images, masks, strict=True):
        image, mask = resize(image, mask.astype(np.uint8), SIDE, SIDE)
        grey = np.repeat(image.mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2)
        painted = jaxseg.overlay(grey, mask, labels, alpha=1.0)
        gap = np.full((GAP, SIDE, 3), lettering.PAPER, np.uint8)
        columns.append(np.concatenate([image, gap, painted]))
        columns.append(np.full((len(columns[0]), GAP, 3), lettering.PAPER, np.uint8))
    picture = np.concatenate(columns[:-1], axis=1)
    entries = [entry for entry in present(labels, *masks) if any(entry[1])]
    picture = stack([picture, lettering.legend(entries, picture.shape[1])])
    file = Path(__file__).with_name("segmentation.jpg")
    Image.fromarray(picture).save(file, quality=90, optimize=True)


if __name__ == "__main__":
    main()
