"""Mapillary Vistas, research edition: street scenes, versions 1.2 and 2.0.

Neuhold et al. 2017, "The Mapillary Vistas Dataset for Semantic Understanding of Street
Scenes".  A mask's values are places in the list of labels of the archive's
configuration file.  Of version 1.2 names and colours are here, as in config.json and in
mmsegmentation: 65 classes, and 65, unlabelled, which is not evaluated and is ignored.
Those of version 2.0 are read from config_v2.0.json of the archive: the classes are the
labels that it says are evaluated, and the others are ignored.
"""

from __future__ import annotations

import json
from pathlib import Path

from jaxseg.data.images import read_bytes
from jaxseg.data.labels import Colour, LabelSet
from jaxseg.data.published.archive import (
    Found,
    Missing,
    PublishedSet,
    distinct,
    plain_splits,
)
from jaxseg.data.splits import Splits
from jaxseg.errors import UserError

_CLASSES: dict[str, Colour] = {
    "Bird": (165, 42, 42),
    "Ground Animal": (0, 192, 0),
    "Curb": (196, 196, 196),
    "Fence": (190, 153, 153),
    "Guard Rail": (180, 165, 180),
    "Barrier": (90, 120, 150),
    "Wall": (102, 102, 156),
    "Bike Lane": (128, 64, 255),
    "Crosswalk - Plain": (140, 140, 200),
    "Curb Cut": (170, 170, 170),
    "Parking": (250, 170, 160),
    "Pedestrian Area": (96, 96, 96),
    "Rail Track": (230, 150, 140),
    "Road": (128, 64, 128),
    "Service Lane": (110, 110, 110),
    "Sidewalk": (244, 35, 232),
    "Bridge": (150, 100, 100),
    "Building": (70, 70, 70),
    "Tunnel": (150, 120, 90),
    "Person": (220, 20, 60),
    "Bicyclist": (255, 0, 0),
    "Motorcyclist": (255, 0, 100),
    "Other Rider": (255, 0, 200),
    "Lane Marking - Crosswalk": (200, 128, 128),
    "Lane Marking - General": (255, 255, 255),
    "Mountain": (64, 170, 64),
    "Sand": (230, 160, 50),
    "Sky": (70, 130, 180),
    "Snow": (190, 255, 255),
    "Terrain": (152, 251, 152),
    "Vegetation": (107, 142, 35),
    "Water": (0, 170, 30),
    "Banner": (255, 255, 128),
    "Bench": (250, 0, 30),
    "Bike Rack": (100, 140, 180),
    "Billboard": (220, 220, 220),
    "Catch Basin": (220, 128, 128),
    "CCTV Camera": (222, 40, 40),
    "Fire Hydrant": (100, 170, 30),
    "Junction Box": (40, 40, 40),
    "Mailbox": (33, 33, 33),
    "Manhole": (100, 128, 160),
    "Phone Booth": (142, 0, 0),
    "Pothole": (70, 100, 150),
    "Street Light": (210, 170, 100),
    "Pole": (153, 153, 153),
    "Traffic Sign Frame": (128, 128, 128),
    "Utility Pole": (0, 0, 80),
    "Traffic Light": (250, 170, 30),
    "Traffic Sign (Back)": (192, 192, 192),
    "Traffic Sign (Front)": (220, 220, 0),
    "Trash Can": (140, 140, 20),
    "Bicycle": (119, 11, 32),
    "Boat": (150, 0, 255),
    "Bus": (0, 60, 100),
    "Car": (0, 0, 142),
    "Caravan": (0, 0, 90),
    "Motorcycle": (0, 0, 230),
    "On Rails": (0, 80, 100),
    "Other Vehicle": (128, 64, 64),
    "Trailer": (0, 0, 110),
    "Truck": (0, 0, 70),
    "Wheeled Slow": (0, 0, 192),
    "Car Mount": (32, 32, 32),
    "Ego Vehicle": (120, 10, 10),
}

LABELS = LabelSet(
    names=tuple(_CLASSES), palette=tuple(_CLASSES.values()), raw_ignore=(65,)
)
_CONFIG = "config_v2.0.json"


def _find(root: Path) -> Found:
    newer = (root / "training" / "v1.2").is_dir() or (root / "validation/v1.2").is_dir()
    return Found(_splits(root, "v1.2/labels" if newer else "labels"), LABELS)


def _find_newer(root: Path) -> Found:
    if not (root / _CONFIG).is_file():
        raise Missing(_CONFIG)
    splits = _splits(root, "v2.0/labels")
    return Found(splits, read_labels(root / _CONFIG))


def _splits(root: Path, masks: str) -> Splits:
    places = "{}/images", f"{{}}/{masks}", "training", "validation"
    return plain_splits(root, root, *places)


def read_labels(path: Path) -> LabelSet:
    """Read the classes of the configuration file of the archive.

    Args:
      path: JSON, `{"labels": [{"readable": text, "color": [r, g, b], "evaluate":
        bool}, ...]}`.

    Raises:
      UserError: it cannot be read, or is of another form.
    """
    try:
        labels = json.loads(read_bytes(path))["labels"]
        kept = [value for value, label in enumerate(labels) if label["evaluate"]]
        names = tuple(str(labels[value]["readable"]) for value in kept)
        colours = [labels[value]["color"] for value in kept]
        palette = tuple((int(r), int(g), int(b)) for r, g, b in colours)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(
            f"{path}: not the list of labels of Mapillary Vistas ({error!r}); unpack"
            " the archive again"
        ) from error
    ignored = tuple(value for value in range(len(labels)) if value not in kept)
    return LabelSet(names, distinct(palette), tuple(kept), raw_ignore=ignored)


_FETCH = (
    "fetch the research edition of https://www.mapillary.com/dataset/vistas and pass"
    " its folder as --data.root DIR, in which lie training/images, {0},"
    " validation/images and {1}"
)
_COUNTS = {"train": 18000, "val": 2000}

VISTAS = PublishedSet(
    description="Mapillary Vistas 1.2, street scenes of the world: 65 classes, 18000"
    " train, 2000 val images, non-commercial research; its folder by --data.root",
    find=_find,
    fetch=_FETCH.format(
        "training/labels (or training/v1.2/labels)",
        "validation/labels (or validation/v1.2/labels)",
    ),
    counts=_COUNTS,
    num_classes=65,
)

VISTAS_2 = PublishedSet(
    description="Mapillary Vistas 2.0, the same images: the classes that its"
    " config_v2.0.json evaluates, 18000 train, 2000 val images; its folder by"
    " --data.root",
    find=_find_newer,
    fetch=_FETCH.format(
        "training/v2.0/labels", "validation/v2.0/labels, and config_v2.0.json"
    ),
    counts=_COUNTS,
)
