"""Draw the picture of the start page: `python docs/figures/segmentation.py RUN`.

RUN is the folder of the quick start, `runs/deeplab`.  Scenes of its validation split
are above, what the trained model makes of them below.
"""

import argparse
import io
from pathlib import Path

import numpy as np
from PIL import Image

import jaxseg
from jaxseg.data.builders.digit_scenes import LABELS, render
from jaxseg.report import lettering
from jaxseg.report.pictures import present, resize, stack

SCENES, SIDE, GAP = (3, 8, 14, 22, 31), 192, 8


def main() -> None:
    """Write docs/figures/segmentation.png."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", metavar="RUN")
    predictor = jaxseg.Predictor.from_run(parser.parse_args().run)
    images = [render(0, "val", index)[0] for index in SCENES]
    masks = predictor(images)
    columns = []
    for image, mask in zip(images, masks, strict=True):
        image, mask = resize(image, mask.astype(np.uint8), SIDE, SIDE)
        painted = jaxseg.overlay(image, mask, LABELS, alpha=0.6)
        gap = np.full((GAP, SIDE, 3), lettering.PAPER, np.uint8)
        columns.append(np.concatenate([image, gap, painted]))
        columns.append(np.full((len(columns[0]), GAP, 3), lettering.PAPER, np.uint8))
    picture = np.concatenate(columns[:-1], axis=1)
    entries = [entry for entry in present(LABELS, *masks) if any(entry[1])]
    picture = stack([picture, lettering.legend(entries, picture.shape[1])])
    encoded = io.BytesIO()
    colours = Image.fromarray(picture).quantize(128, Image.Quantize.MEDIANCUT)
    colours.save(encoded, "PNG", optimize=True)
    Path(__file__).with_name("segmentation.png").write_bytes(encoded.getvalue())


if __name__ == "__main__":
    main()
