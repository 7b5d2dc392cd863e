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
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow_datasets as tfds

from jaxseg.config import DataConfig
from jaxseg.data import images, leakage, records
from jaxseg.data.builders import base
from jaxseg.data.labels import IGNORE
from jaxseg.data.masks import check_size, read_mask
from jaxseg.data.pairing import Pair
from jaxseg.data.roi import read_roi
from jaxseg.data.sources import AnyCoding, Source, find_layout, interpreted
from jaxseg.data.splits import Splits
from jaxseg.data.survey import FileSurvey, Survey, survey_masks
from jaxseg.errors import UserError, listed
from jaxseg.paths import cache_folder, replace_text, user_path


class Prepared(NamedTuple):
    """Records that are stored.

    Attributes:
      directory: where they lie.
      notes: what a user should know of the choices that were made.
      options: the options that split the only split there is by a hash, or empty.
    """

    directory: Path
    notes: tuple[str, ...]
    options: str


class Folder(base.RecordBuilder, skip_registration=True):
    """Writes pairs of files: images as they are read, masks as labels."""

    VERSION = tfds.core.Version("1.1.0")  # 1.0.0 dropped transparency

    def __init__(
        self,
        cache: Path,
        fingerprint: str,
        splits: Splits,
        coding: AnyCoding,
        survey: Survey,
    ) -> None:
        self._splits, self._coding = splits, coding
        contents, form = coding.contents(survey), coding.form(survey)
        for split, pairs in splits.items():
            remark = _empty_regions(pairs, survey.splits[split])
            contents[split] = contents[split]._replace(remark=remark)
        super().__init__(cache, fingerprint, coding.labels, splits, contents, form)

    def _generate_examples(self, split: str) -> Iterator[tuple[str, dict[str, Any]]]:
        for pair in self._splits[split]:
            image, size = images.read_image(pair.image)
            inside = read_roi(pair.roi, size, pair.image) if pair.roi else None
            label = self._label(pair, size, inside)
            yield pair.name, base.record(image, label, pair.name)

    def _label(
        self, pair: Pair, size: tuple[int, int], inside: np.ndarray | None
    ) -> np.ndarray:
        """Return the label of an image, ignored where `inside`, bool, is not true."""
        if inside is not None and not inside.any():
            return np.full((*size, *self._coding.labels.planes), IGNORE, np.uint8)
        absent = np.zeros(size, np.uint8)
        planes = [
            absent if path is None else self._plane(path, pair.image, size, inside)
            for path in pair.planes or (pair.mask,)
        ]
        label = np.stack(planes, axis=-1) if pair.planes else planes[0]
        if inside is not None:
            label[~inside] = IGNORE
        return label

    def _plane(
        self, path: Path, image: Path, size: tuple[int, int], inside: np.ndarray | None
    ) -> np.ndarray:
        """Return what a mask file says; outside, what its first pixel inside says."""
        mask = read_mask(path, lossy=True)  # refused before where it matters
        check_size(path, mask.pixels.shape[:2], image, size)
        if inside is not None:  # what lies outside need not be of any class
            pixels = mask.pixels.copy()
            pixels[~inside] = pixels[inside][0]
            mask = mask._replace(pixels=pixels)
        return self._coding.encode(mask, str(path))


def _empty_regions(pairs: Sequence[Pair], files: Sequence[FileSurvey]) -> str:
    """Name the images whose region of interest is empty, if there are any."""
    empty = {file.path for file in files if file.outside and not len(file.tally.values)}
    names = [pair.name for pair in pairs if empty.intersection(pair.masks)]
    return f"nothing lies inside data.roi in {listed(names)}" if names else ""


def prepare(config: DataConfig) -> Prepared:
    """Check and store a user's folder unless that was done.

    Args:
      config: `root` in one of the layouts of `layout.LAYOUTS`, or with the patterns
        `images` and `masks`, and the label options.

    Raises:
      UserError: the folder, a file or an option is wrong, or an image lies in two
        splits.
    """
    root = folder_root(config)
    source = interpreted(config, root, find_layout(config, root))
    return prepare_source(Folder, source, config)


def folder_root(config: DataConfig) -> Path:
    """Return the user's folder.

    Raises:
      UserError: none is given.
    """
    if not config.root:
        raise UserError("data set 'folder' reads your files: pass --data.root FOLDER")
    return user_path(config.root)


def prepare_source(
    builder: type[Folder], source: Source, config: DataConfig
) -> Prepared:
    """Store the files of a source, and compare the images of its splits.

    Args:
      builder: its name is that of the folder in the cache.
      source: the files.
      config: where prepared records go, and whether an image may lie in two splits.

    Raises:
      UserError: a file is wrong, or an image lies in two splits.
    """
    directory = prepare_splits(builder, cache_folder(config.cache), source)
    leaks = leakage.check(directory, source.splits, source.root, config.allow_leakage)
    return Prepared(directory, (*source.notes, *leaks), source.whole_options)


def prepare_splits(builder: type[Folder], cache: Path, source: Source) -> Path:
    """Store pairs of files unless the same contents were stored with these options.

    Args:
      builder: its name is that of the folder in the cache.
      cache: where prepared records go.
      source: the files; its `find_coding` is called only if they have to be read.
    """
    root, splits, options = source.root, source.splits, source.options
    place = cache / builder.name
    known = place / "signatures.json"
    signature = _signature(root, splits, options)
    fingerprint = _load(known).get(signature) or _fingerprint(splits, options)
    directory = place / fingerprint / str(builder.VERSION)
    if not records.is_prepared(directory):
        masks = {
            split: [path for pair in pairs for path in pair.masks]
            for split, pairs in splits.items()
        }
        regions = source.regions
        survey = survey_masks(masks, source.lossy, regions)
        if regions and not any(file.tally.pixels.sum() for file in survey.files):
            raise UserError(
                f"{next(iter(regions.values())).parent}: all files of data.roi are 0"
                " everywhere, so that no pixel of any image counts; inside they have"
                " another value"
            )
        coding = source.find_coding(survey)
        base.prepare(builder(cache, fingerprint, splits, coding, survey))
    if signature not in _load(known):
        with contextlib.suppress(OSError):  # a cache that is only read
            replace_text(known, json.dumps(_load(known) | {signature: fingerprint}))
    return directory


def _signature(root: Path, splits: Splits, options: dict[str, Any]) -> str:
    """Hash what can be known of the files without reading them."""
    digest = hashlib.sha256(json.dumps([str(root.resolve()), options]).encode())
    for split, pairs in splits.items():
        for pair in pairs:
            for path in (pair.image, *pair.masks, pair.roi):
                if path is None:
                    continue
                stat = path.stat()
                place = path.relative_to(root).as_posix()
                known = (split, pair.name, place, stat.st_size, stat.st_mtime_ns)
                digest.update(repr(known).encode())
            if pair.roi:  # else masks of two files are as one and its region
                digest.update(b"roi")
    return digest.hexdigest()


def _fingerprint(splits: Splits, options: dict[str, Any]) -> str:
    """Hash the contents of the files, wherever they lie, and the options."""
    digest = hashlib.sha256(json.dumps(options).encode())
    for split, pairs in splits.items():
        for pair in pairs:
            digest.update(f"{split}/{pair.name}\n".encode())
            if None in pair.planes:  # which of the classes have no file
                absent = [place for place, path in enumerate(pair.planes) if not path]
                digest.update(f"{absent}\n".encode())
            for path in (pair.image, *pair.masks):
                digest.update(hashlib.sha256(images.read_bytes(path)).digest())
            if pair.roi:
                digest.update(b"roi")
                digest.update(hashlib.sha256(images.read_bytes(pair.roi)).digest())
    return digest.hexdigest()[:16]


def _load(path: Path) -> dict[str, str]:
    try:
        known = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError):
        known = None
    # Only a shortcut: without it the files are read again.
    return known if isinstance(known, dict) else {}
