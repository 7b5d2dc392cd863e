"""PASCAL VOC 2012, segmentation, and its augmented training set.

Everingham et al., "The PASCAL Visual Object Classes Challenge 2012".  Names and colours
are those of the devkit (VOCinit.m, VOClabelcolormap.m); the masks hold 0..20, and 255
at the borders of objects, which is ignored.  The augmented set has the masks of the
Semantic Boundaries Dataset (Hariharan et al. 2011) as PNG, and a list of the images:
DeepLab's `SegmentationClassAug` and `train_aug.txt`.  Its val is that of VOC.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from jaxseg.data.labels import LabelSet
from jaxseg.data.pairing import Pair
from jaxseg.data.published.archive import (
    Found,
    Missing,
    PublishedSet,
    inner,
    list_pairs,
)
from jaxseg.data.splits import Splits

LABELS = LabelSet(
    names=(
        "background",
        "aeroplane",
        "bicycle",
        "bird",
        "boat",
        "bottle",
        "bus",
        "car",
        "cat",
        "chair",
        "cow",
        "diningtable",
        "dog",
        "horse",
        "motorbike",
        "person",
        "pottedplant",
        "sheep",
        "sofa",
        "train",
        "tvmonitor",
    )
)
_MASKS = "SegmentationClass"
_AUGMENTED = "SegmentationClassAug"
_AUGMENTED_LISTS = ("train_aug.txt", "trainaug.txt")


def _find(root: Path, augmented: bool) -> Found:
    folder = inner(root, (".", "VOC2012", "VOCdevkit/VOC2012"), "JPEGImages")
    lists = folder / "ImageSets" / "Segmentation"
    train, masks = lists / "train.txt", _MASKS
    if augmented:
        names = [lists / name for name in _AUGMENTED_LISTS]
        train = next((path for path in names if path.is_file()), names[0])
        masks = _AUGMENTED
    splits: Splits = {}
    for split, path, place in (("train", train, masks), ("val", lists / "val.txt", "")):
        for needed in (path, folder / (place or _MASKS)):
            if not needed.exists():
                raise Missing(needed.relative_to(root).as_posix())
        splits[split] = list_pairs(path, partial(_pair, folder, place or _MASKS))
    return Found(splits, LABELS)


def _pair(folder: Path, masks: str, name: str) -> Pair:
    image = folder / "JPEGImages" / f"{name}.jpg"
    return Pair(name, image, folder / masks / f"{name}.png")


_VOC = (
    "fetch VOCtrainval_11-May-2012.tar of http://host.robots.ox.ac.uk/pascal/VOC/voc2012"
    " and pass its folder as --data.root VOCdevkit/VOC2012"
)

VOC2012 = PublishedSet(
    description="objects in photographs: 21 classes, 1464 train, 1449 val images, terms"
    " of Flickr; VOCdevkit/VOC2012 of the PASCAL VOC page by --data.root",
    find=partial(_find, augmented=False),
    fetch=f"{_VOC} (JPEGImages, SegmentationClass, ImageSets/Segmentation/train.txt and"
    " val.txt)",
    counts={"train": 1464, "val": 1449},
    num_classes=21,
)

VOC2012_AUG = PublishedSet(
    description="voc2012 with the masks of the Semantic Boundaries Dataset: 10582"
    " train, 1449 val images; SegmentationClassAug + train_aug.txt in VOC2012",
    find=partial(_find, augmented=True),
    fetch=f"{_VOC}, with the masks of the Semantic Boundaries Dataset"
    " (http://home.bharathh.info/pubs/codes/SBD/download.html) in it as PNG,"
    " SegmentationClassAug/NAME.png, and ImageSets/Segmentation/train_aug.txt of their"
    " 10582 names",
    counts={"train": 10582, "val": 1449},
    num_classes=21,
)
