"""Data sets that TFDS prepares: their labels, and how their records are found.

TFDS downloads and prepares them in an environment with TensorFlow; this module only
finds and opens them.  To add a data set, add an entry to `TFDS_DATASETS`.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

from jaxseg.config import DataConfig
from jaxseg.data.labels import LabelSet
from jaxseg.data.records import Fields, RecordDataset, open_records
from jaxseg.errors import UserError
from jaxseg.paths import cache_folder, user_path


@dataclass(frozen=True)
class TfdsDataset:
    """A data set that TFDS prepares.

    Attributes:
      description: one line: content, classes, licence.
      builder: name in TFDS: `name` or `name/config`.
      labels: the classes, with the raw values of the masks.
      fields: the names of the features.
      splits: our split name -> the TFDS split or slice.
      first: what the user must do before TFDS can prepare the set.
    """

    description: str
    builder: str
    labels: LabelSet
    fields: Fields
    splits: dict[str, str] = field(default_factory=dict)
    first: str = ""


_CITYSCAPES = {
    "road": (7, (128, 64, 128)),
    "sidewalk": (8, (244, 35, 232)),
    "building": (11, (70, 70, 70)),
    "wall": (12, (102, 102, 156)),
    "fence": (13, (190, 153, 153)),
    "pole": (17, (153, 153, 153)),
    "traffic light": (19, (250, 170, 30)),
    "traffic sign": (20, (220, 220, 0)),
    "vegetation": (21, (107, 142, 35)),
    "terrain": (22, (152, 251, 152)),
    "sky": (23, (70, 130, 180)),
    "person": (24, (220, 20, 60)),
    "rider": (25, (255, 0, 0)),
    "car": (26, (0, 0, 142)),
    "truck": (27, (0, 0, 70)),
    "bus": (28, (0, 60, 100)),
    "train": (31, (0, 80, 100)),
    "motorcycle": (32, (0, 0, 230)),
    "bicycle": (33, (119, 11, 32)),
}
"""The 19 training classes: id in the labelIds masks, and colour."""

TFDS_DATASETS = {
    "oxford_iiit_pet": TfdsDataset(
        description="cats and dogs, trimaps: 3 classes, 3680 train, 3669 test images,"
        " CC BY-SA 4.0; prepared by TFDS (0.8 GB)",
        builder="oxford_iiit_pet",
        labels=LabelSet(
            names=("pet", "background", "outline"),
            palette=((192, 64, 0), (0, 0, 0), (224, 224, 0)),
            raw_values=(1, 2, 3),
        ),
        fields=Fields("image", "segmentation_mask", "file_name"),
        splits={"train": "train", "val": "test", "test": "test"},
    ),
    "cityscapes": TfdsDataset(
        description="urban street scenes, 1024x2048: 19 classes, 2975 train, 500 val"
        " images, own non-commercial licence; registration at cityscapes-dataset.com",
        builder="cityscapes/semantic_segmentation",
        labels=LabelSet(
            names=tuple(_CITYSCAPES),
            palette=tuple(colour for _, colour in _CITYSCAPES.values()),
            raw_values=tuple(value for value, _ in _CITYSCAPES.values()),
            unknown_is_ignored=True,
        ),
        fields=Fields("image_left", "segmentation_label", "image_id"),
        splits={"train": "train", "val": "validation"},
        first="put leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip from"
        " cityscapes-dataset.com into {data_dir}/downloads/manual, then ",
    ),
}


def open_tfds_dataset(name: str, config: DataConfig) -> RecordDataset:
    """Open a data set that TFDS has prepared as array_record.

    Args:
      name: a name in `TFDS_DATASETS`.
      config: `root` is searched, or else the cache, $TFDS_DATA_DIR and
        ~/tensorflow_datasets; `root` may also be the prepared directory itself.

    Raises:
      UserError: the set is not prepared, or has another file format; the message says
        what to run.
    """
    dataset = TFDS_DATASETS[name]
    default = user_path(os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets")
    folders = [cache_folder(config.cache), default]
    if config.root:
        folders.insert(0, user_path(config.root))
    found = [path for folder in folders for path in _prepared(folder, dataset.builder)]
    target = folders[0] if config.root else folders[-1]
    for directory in found:
        if _is_array_record(directory):
            return open_records(
                name, directory, dataset.labels, dataset.fields, dataset.splits
            )
    problem = f"not found in {', '.join(map(str, folders))}"
    if found:
        problem = f"{found[0]} is not in array_record format; move it away"
    raise UserError(f"{name}: {problem}. {_how_to_prepare(dataset, target)}")


def _prepared(folder: Path, builder: str) -> list[Path]:
    """List the prepared versions of a builder below `folder`, the newest first."""
    if (folder / "dataset_info.json").is_file():
        return [folder]
    versions = [path.parent for path in (folder / builder).glob("*/dataset_info.json")]
    return sorted(versions, key=_version, reverse=True)


def _version(directory: Path) -> list[int]:
    return [int(part) for part in directory.name.split(".") if part.isdigit()]


def _is_array_record(directory: Path) -> bool:
    try:
        info = json.loads((directory / "dataset_info.json").read_text())
        formats = [info.get("fileFormat"), *info.get("alternativeFileFormats", [])]
    except (ValueError, AttributeError, TypeError, RecursionError):  # another's file
        return False
    return "array_record" in formats


def _how_to_prepare(dataset: TfdsDataset, data_dir: Path) -> str:
    code = (
        f"import tensorflow_datasets as tfds; tfds.builder('{dataset.builder}',"
        f" file_format='array_record', data_dir='{data_dir}').download_and_prepare()"
    )
    return (
        "Prepare it once, where TensorFlow is installed:"
        f" {dataset.first.format(data_dir=data_dir)}"
        f'pip install tensorflow tensorflow-datasets && python -c "{code}"'
    )
