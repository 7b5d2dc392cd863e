"""A user's own folder of images and masks, checked once and stored as records.

Masks become canonical here (classes 0, 1, ..., and 255 for ignored), so nothing after
this has to know how they came.  The records lie under a fingerprint of the files'
contents and the label options: changed files are prepared anew, touched ones found
again.  Which files belong together is `jaxseg.data.layout`'s business, reading one
`jaxseg.data.files`'.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from jaxseg.config import DataConfig
from jaxseg.data import files, layout, records
from jaxseg.data.builders import base
from jaxseg.data.labels import LabelSet
from jaxseg.errors import UserError
from jaxseg.paths import cache_folder, user_path

Splits = dict[str, list[layout.Pair]]


class Folder(base.RecordBuilder, skip_registration=True):
    """Writes pairs of files: images as they are, masks as labels."""

    REMEDY = "mend the mask, or data.num_classes, mask_values, ignore_value or palette"
    """What to do about a mask value of no class."""

    def __init__(
        self, cache: Path, fingerprint: str, splits: Splits, labels: LabelSet, rgb: bool
    ) -> None:
        self._splits, self._rgb = splits, rgb
        super().__init__(cache, fingerprint, labels, splits)

    def _generate_examples(self, split: str) -> Iterator[tuple[str, dict[str, Any]]]:
        for pair in self._splits[split]:
            image, size = files.read_image(pair.image)
            raw = files.read_mask(pair.mask, self._rgb)
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


def label_set(config: DataConfig, masks: list[Path]) -> LabelSet:
    """Return the classes that the options give, inferred from the masks if they do not.

    Raises:
      UserError: options that disagree, or masks that leave the classes unclear.
    """
    counts = {
        "num_classes": config.num_classes,
        "class_names": len(config.class_names),
        "palette": len(config.palette),
        "mask_values": len(config.mask_values),
    }
    given = {f"data.{name}": count for name, count in counts.items() if count}
    if len(set(given.values())) > 1:
        said = ", ".join(f"{name} {count}" for name, count in given.items())
        raise UserError(f"numbers of classes that differ: {said}")
    count = max(given.values(), default=0)
    if not config.mask_values:
        if count in (0, 2):
            count = _count_classes(masks, count, config)
        if 0 <= config.ignore_value < count:
            values = [v for v in range(count) if v != config.ignore_value]
            raise UserError(
                f"data.ignore_value {config.ignore_value} is a class's value too; pass"
                f" --data.mask_values {' '.join(map(str, values))} to leave it out"
            )
    ignored = (
        () if config.ignore_value in config.mask_values else (config.ignore_value,)
    )
    return LabelSet(
        names=config.class_names or tuple(f"class {index}" for index in range(count)),
        palette=config.palette,
        raw_values=config.mask_values,
        raw_ignore=tuple(value for value in ignored if 0 <= value < 65536),
    )


def _count_classes(masks: list[Path], count: int, config: DataConfig) -> int:
    """Infer the number of classes if `count` is 0; refuse masks that look otherwise."""
    present: set[int] = set()
    for path in masks:
        raw = files.read_mask(path, bool(config.palette))
        if raw.ndim == 2:  # colours need no guess, their palette counts the classes
            if raw.min() < 0 or raw.max() > 65535:
                raise UserError(f"{path}: mask values must lie in 0..65535")
            present.update(np.flatnonzero(np.bincount(raw.ravel())).tolist())
    if present == {0, 255}:
        raise UserError(
            f"{masks[0].parent}: the masks hold only 0 and 255 and look binary; pass"
            " --data.mask_values 0 255 to make 255 a class instead of ignored"
        )
    if count:
        return count
    values = sorted(present - {config.ignore_value})
    if len(values) < 2 or 2 * len(values) < values[-1] + 1:
        some = " ".join(map(str, values[:8])) + (" ..." if len(values) > 8 else "")
        raise UserError(
            f"{masks[0].parent}: the classes cannot be inferred from the mask values"
            f" {some or '(all ignored)'}; pass --data.num_classes, or the value of each"
            " class by --data.mask_values"
        )
    return values[-1] + 1


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
                digest.update(hashlib.sha256(files.read_bytes(path)).digest())
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
