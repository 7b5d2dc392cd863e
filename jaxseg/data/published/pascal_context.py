"""PASCAL Context: the images of PASCAL VOC 2010 with every pixel labelled.

Mottaghi et al. 2014, "The Role of Context for Object Detection and Semantic
Segmentation in the Wild".  The archive holds a MATLAB file an image, whose `LabelMap`
has the numbers 1..459 of its labels.txt and 0 for none.  The benchmark takes the 59
most frequent classes and ignores the rest; with 60 classes the rest is a class of its
own, the background.  The splits are VOC 2010's train and val.

The 59 numbers are those of mmsegmentation's converter; the names and their order,
alphabetical as the numbers are, are its PascalContextDataset59's.  (59_labels.txt of
the archive has another order, and writes table, bedclothes and cloth as diningtable,
bedcloth and clothes.)  The set has no colours of its own: classes have those of the
colour map of PASCAL VOC.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from jaxseg.data.labels import LabelSet, voc_palette
from jaxseg.data.pairing import Pair
from jaxseg.data.published.archive import (
    Found,
    Missing,
    PublishedSet,
    inner,
    list_pairs,
)
from jaxseg.data.splits import Splits

_CLASSES = {
    "aeroplane": 2,
    "bag": 9,
    "bed": 18,
    "bedclothes": 19,
    "bench": 22,
    "bicycle": 23,
    "bird": 25,
    "boat": 31,
    "book": 33,
    "bottle": 34,
    "building": 44,
    "bus": 45,
    "cabinet": 46,
    "car": 59,
    "cat": 65,
    "ceiling": 68,
    "chair": 72,
    "cloth": 80,
    "computer": 85,
    "cow": 98,
    "cup": 104,
    "curtain": 105,
    "dog": 113,
    "door": 115,
    "fence": 144,
    "floor": 158,
    "flower": 159,
    "food": 162,
    "grass": 187,
    "ground": 189,
    "horse": 207,
    "keyboard": 220,
    "light": 232,
    "motorbike": 258,
    "mountain": 259,
    "mouse": 260,
    "person": 284,
    "plate": 295,
    "platform": 296,
    "pottedplant": 308,
    "road": 324,
    "rock": 326,
    "sheep": 347,
    "shelves": 349,
    "sidewalk": 354,
    "sign": 355,
    "sky": 360,
    "snow": 366,
    "sofa": 368,
    "table": 397,
    "track": 415,
    "train": 416,
    "tree": 420,
    "truck": 424,
    "tvmonitor": 427,
    "wall": 440,
    "water": 445,
    "window": 454,
    "wood": 458,
}
"""The number of each class in the masks."""

_LAST = 459

LABELS_59 = LabelSet(
    names=tuple(_CLASSES),
    palette=voc_palette(60)[1:],
    raw_values=tuple(_CLASSES.values()),
    raw_ignore=tuple(set(range(_LAST + 1)) - set(_CLASSES.values())),
)

LABELS_60 = LabelSet(
    names=("background", *_CLASSES),
    raw_values=(0, *_CLASSES.values()),
    raw_ranges=((0, _LAST, 0),),
    raw_ignore=(),
)


def _find(root: Path, labels: LabelSet) -> Found:
    folder = inner(root, (".", "VOC2010", "VOCdevkit/VOC2010"), "JPEGImages")
    masks = inner(root, (".", "VOC2010", "VOCdevkit/VOC2010"), "trainval") / "trainval"
    splits: Splits = {}
    for split in ("train", "val"):
        path = folder / "ImageSets" / "Main" / f"{split}.txt"
        if not path.is_file():
            raise Missing(path.relative_to(root).as_posix())
        splits[split] = list_pairs(path, partial(_pair, folder, masks))
    return Found(splits, labels)


def _pair(folder: Path, masks: Path, name: str) -> Pair:
    return Pair(name, folder / "JPEGImages" / f"{name}.jpg", masks / f"{name}.mat")


_FETCH = (
    "fetch trainval.tar.gz of https://cs.stanford.edu/~roozbeh/pascal-context and"
    " VOCtrainval_03-May-2010.tar of http://host.robots.ox.ac.uk/pascal/VOC/voc2010,"
    " unpack the first, a folder trainval of .mat files, into VOCdevkit/VOC2010 of the"
    " second (JPEGImages, ImageSets/Main/train.txt and val.txt), and pass --data.root"
    " VOCdevkit/VOC2010"
)
_COUNTS = {"train": 4998, "val": 5105}

CONTEXT_59 = PublishedSet(
    description="PASCAL Context, things and stuff of VOC 2010: 59 classes, 4998 train,"
    " 5105 val images, terms of Flickr; VOCdevkit/VOC2010 + trainval by --data.root",
    find=partial(_find, labels=LABELS_59),
    fetch=_FETCH,
    counts=_COUNTS,
    num_classes=59,
)

CONTEXT_60 = PublishedSet(
    description="pascal_context_59 with all else as a class of its own, the background:"
    " 60 classes, 4998 train, 5105 val images",
    find=partial(_find, labels=LABELS_60),
    fetch=_FETCH,
    counts=_COUNTS,
    num_classes=60,
)
