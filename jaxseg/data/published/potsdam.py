"""ISPRS Potsdam: land cover of a city in aerial images of 5 cm a pixel.

ISPRS 2D Semantic Labeling Contest, Potsdam: 38 tiles of 6000x6000 pixels, masks of six
colours; 24 tiles were published to train, 14 with their masks later to test, which are
val here.  Tiles are taken as they come (RGB).  Black, which the masks without
boundaries have along the edges of objects, is ignored.  So are other colours of no
class, which some published masks have (that of tile 4_12): a line says how many.
"""

from __future__ import annotations

import re
from pathlib import Path

from jaxseg.data.labels import Colour, LabelSet
from jaxseg.data.pairing import Pair
from jaxseg.data.published.archive import Found, Missing, PublishedSet
from jaxseg.data.splits import Splits

_CLASSES: dict[str, Colour] = {
    "impervious surfaces": (255, 255, 255),
    "building": (0, 0, 255),
    "low vegetation": (0, 255, 255),
    "tree": (0, 255, 0),
    "car": (255, 255, 0),
    "clutter": (255, 0, 0),
}

LABELS = LabelSet(
    names=tuple(_CLASSES),
    palette=tuple(_CLASSES.values()),
    raw_ignore=(),
    unknown_is_ignored=True,
)

_TRAIN = (
    *("2_10", "2_11", "2_12", "3_10", "3_11", "3_12", "4_10", "4_11", "4_12", "5_10"),
    *("5_11", "5_12", "6_7", "6_8", "6_9", "6_10", "6_11", "6_12", "7_7", "7_8", "7_9"),
    *("7_10", "7_11", "7_12"),
)
_VAL = (
    *("2_13", "2_14", "3_13", "3_14", "4_13", "4_14", "4_15", "5_13", "5_14", "5_15"),
    *("6_13", "6_14", "6_15", "7_13"),
)


def _find(root: Path) -> Found:
    images = _tiles(root, "RGB")
    masks = _tiles(root, "label") or _tiles(root, "label_noBoundary")
    for kind, tiles in (("RGB", images), ("label", masks)):
        if not tiles:
            raise Missing(f"top_potsdam_*_{kind}.tif")
    splits: Splits = {
        split: [
            Pair(f"top_potsdam_{tile}", images[tile], masks[tile])
            for tile in tiles
            if tile in images and tile in masks
        ]
        for split, tiles in (("train", _TRAIN), ("val", _VAL))
    }
    if not any(splits.values()):
        raise Missing("published tile in both top_potsdam_*_RGB.tif and its label")
    return Found({split: pairs for split, pairs in splits.items() if pairs}, LABELS)


def _tiles(root: Path, kind: str) -> dict[str, Path]:
    """Return the files of a kind by tile; they lie in `root` or two folders deep."""
    found: dict[str, Path] = {}
    for place in ("", "*/", "*/*/"):
        for path in sorted(root.glob(f"{place}top_potsdam_*_{kind}.tif")):
            named = re.fullmatch(rf"top_potsdam_(\d+_\d+)_{kind}\.tif", path.name)
            if named:
                found.setdefault(named[1], path)
    return found


POTSDAM = PublishedSet(
    description="ISPRS Potsdam, a city from the air, 6000x6000: 6 classes, 24 train, 14"
    " val tiles, research use; 2_Ortho_RGB + 5_Labels_all by --data.root",
    find=_find,
    fetch="fetch 2_Ortho_RGB.zip and 5_Labels_all.zip (or 5_Labels_all_noBoundary.zip)"
    " of https://www.isprs.org/education/benchmarks/UrbanSemLab, unpack both into one"
    " folder (top_potsdam_2_10_RGB.tif, top_potsdam_2_10_label.tif, ..., with the"
    " folders of the archives or without), and pass --data.root DIR",
    counts={"train": 24, "val": 14},
    num_classes=6,
    by_colour=True,
)
