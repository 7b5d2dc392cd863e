"""A user's own folder of images and masks, checked once and stored as records.

Masks become canonical here (classes 0, 1, ..., and 255 for ignored), so nothing after
this has to know how they came.  The records lie under a fingerprint of the files'
contents and the label options: changed files are prepared anew, touched ones found
again.  Which files belong together is `jaxseg.data.layout`'s business.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds

from jaxseg.config import DataConfig
from jaxseg.data import images, layout, records
from jaxseg.data.builders import base
from jaxseg.data.classes import label_set
from jaxseg.data.labels import LabelSet
from jaxseg.data.masks import read_mask
from jaxseg.errors import UserError
from jaxseg.paths import cache_folder, user_path

Splits = dict[str, list[layout.Pair]]


class Folder(base.RecordBuilder, skip_registration=True):
    """Writes pairs of files: images as they are read, masks as labels."""

    VERSION = tfds.core.Version("1.1.0")  # 1.0.0 dropped transparency
    REMEDY = "mend the mask, or data.num_classes, mask_values, ignore_value or palette"
    """What to do about a mask value of no class."""

    def __init__(
        self, cache: Path, fingerprint: str, splits: Splits, labels: LabelSet, rgb: bool
    ) -> None:
        self._splits, self._rgb = splits, rgb
        super().__init__(cache, fingerprint, labels, splits)

    def _generate_examples(self, split: str) -> Iterator[tuple[str, dict[str, Any]]]:
        for pair in self._splits[split]:
            image, size = images.read_image(pair.image)
            raw = read_mask(pair.mask, self._rgb)
            if raw.shape[:2] != size:
                raise UserError(
                    f"{pair.mask}: {raw.shape[1]}x{raw.shape[0]} pixels, but"
                    f" {pair.image} has {size[1]}x{size[0]} (upright);"
                    " a mask has the size of its image"
                )
            try:
                label = self._labels.encode(raw, str(pair.mask))
            except UserError as error:
                raise UserError(f"{error}; {self.REMEDY}") from error
            yield pair.name, base.record(image, label, pair.name)


def prepare(config: DataConfig) -> Path:
    """Check and store a user's folder unless that was done; return the records' place.

    Args:
      config: `root` in one of the layouts of `layout.LAYOUTS`, and the label options.

    Raises:
      UserError: the folder, a file or an option is wrong.
    """
    if not config.root:
        raise UserError("data set 'folder' reads your files: pass --data.root FOLDER")
    root = user_path(config.root)
    splits = layout.find_splits(root)
    names = ("num_classes", "class_names", "palette", "mask_values", "ignore_value")
    options = {name: getattr(config, name) for name in names}
    masks = [pair.mask for pairs in splits.values() for pair in pairs]
    cache = cache_folder(config.cache)
    return prepare_splits(
        Folder, cache, root, splits, options, lambda: label_set(config, masks)
    )


def prepare_splits(
    builder: type[Folder],
    cache: Path,
    root: Path,
    splits: Splits,
    options: dict[str, Any],
    labels: Callable[[], LabelSet],
) -> Path:
    """Store pairs of files unless the same contents were stored with these options.

    Args:
      builder: its name is that of the folder in the cache.
      cache: where prepared records go.
      root: the folder that the files lie in.
      splits: the pairs of each split.
      options: whatever else decides what is stored, as JSON values.
      labels: called only if the files have to be read.
    """
    place = cache / builder.name
    known = place / "signatures.json"
    signature = _signature(root, splits, options)
    fingerprint = _load(known).get(signature) or _fingerprint(splits, options)
    directory = place / fingerprint / str(builder.VERSION)
    if not records.is_prepared(directory):
        rgb = bool(options.get("palette"))
        base.prepare(builder(cache, fingerprint, splits, labels(), rgb))
    if signature not in _load(known):
        _save(known, _load(known) | {signature: fingerprint})
    return directory


def _signature(root: Path, splits: Splits, options: dict[str, Any]) -> str:
    """Hash what can be known of the files without reading them."""
    digest = hashlib.sha256(json.dumps([str(root.resolve()), options]).encode())
    for split, pairs in splits.items():
        for pair in pairs:
            for path in (pair.image, pair.mask):
                stat = path.stat()
                place = path.relative_to(root).as_posix()
                known = (split, pair.name, place, stat.st_size, stat.st_mtime_ns)
                digest.update(repr(known).encode())
    return digest.hexdigest()


def _fingerprint(splits: Splits, options: dict[str, Any]) -> str:
    """Hash the contents of the files, wherever they lie, and the options."""
    digest = hashlib.sha256(json.dumps(options).encode())
    for split, pairs in splits.items():
        for pair in pairs:
            digest.update(f"{split}/{pair.name}\n".encode())
            for path in (pair.image, pair.mask):
                digest.update(hashlib.sha256(images.read_bytes(path)).digest())
    return digest.hexdigest()[:16]


def _load(path: Path) -> dict[str, str]:
    try:
        known = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError):
        known = None
    # Only a shortcut: without it the files are read again.
    return known if isinstance(known, dict) else {}


def _save(path: Path, known: dict[str, str]) -> None:
    partial = path.with_suffix(f".{os.getpid()}")
    with contextlib.suppress(OSError):  # a cache that is only read
        partial.write_text(json.dumps(known))
        partial.replace(path)
