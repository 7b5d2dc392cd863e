"""LoveDA: land cover of rural and urban areas in aerial images.

Wang et al. 2021, "LoveDA: A Remote Sensing Land-Cover Dataset for Domain Adaptive
Semantic Segmentation".  Names and values are those of README.md of
github.com/Junjue-Wang/LoveDA: the masks hold 1..7 for the classes and 0 for no data,
which is ignored.  The colours are the COLOR_MAP of its code, as mmsegmentation has it.
"""

from __future__ import annotations

from pathlib import Path

from jaxseg.data.labels import Colour, LabelSet
from jaxseg.data.published.archive import Found, PublishedSet, folder_splits

_CLASSES: dict[str, Colour] = {
    "background": (255, 255, 255),
    "building": (255, 0, 0),
    "road": (255, 255, 0),
    "water": (0, 0, 255),
    "barren": (159, 129, 183),
    "forest": (0, 255, 0),
    "agriculture": (255, 195, 128),
}

LABELS = LabelSet(
    names=tuple(_CLASSES),
    palette=tuple(_CLASSES.values()),
    raw_values=tuple(range(1, 8)),
    raw_ignore=(0,),
)


def _find(root: Path) -> Found:
    splits = {
        split: {
            f"{scene}/": (
                root / place / scene / "images_png",
                root / place / scene / "masks_png",
            )
            for scene in ("Rural", "Urban")
        }
        for split, place in (("train", "Train"), ("val", "Val"))
    }
    return Found(folder_splits(splits, root, ".png"), LABELS)


LOVEDA = PublishedSet(
    description="land cover from the air, 1024x1024: 7 classes, 2522 train, 1669 val"
    " images, CC BY-NC-SA 4.0; Train and Val of its archives by --data.root",
    find=_find,
    fetch="fetch Train.zip and Val.zip of https://zenodo.org/records/5706578, unpack"
    " both into one folder (DIR/Train/Rural/images_png, DIR/Train/Rural/masks_png;"
    " Urban and Val likewise), and pass --data.root DIR",
    counts={"train": 2522, "val": 1669},
    num_classes=7,
)
