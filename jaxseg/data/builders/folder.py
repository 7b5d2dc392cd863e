"""A user's own folder of images and masks, checked once and stored as records.

Masks are stored as classes 0, 1, ..., and 255 for ignored pixels, whatever encoding the
files have.  The folder of the records is named by a fingerprint of the files' contents
and the label options, so that changed files are prepared again, and files of which only
the time has changed are not.  `jaxseg.data.sources` finds which files belong together.
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
from jaxseg.data.masks import MaskSource, check_size, read_mask
from jaxseg.data.pairing import Pair
from jaxseg.data.roi import read_roi
from jaxseg.data.sources import AnyCoding, Source, find_root, find_source
from jaxseg.data.splits import Splits
from jaxseg.data.survey import FileSurvey, Survey, survey_masks
from jaxseg.errors import UserError, listed
from jaxseg.paths import cache_folder, replace_text


class Prepared(NamedTuple):
    """Records that are stored.

    Attributes:
      directory: folder of the records.
      notes: lines for the user on the choices that were made.
      options: the options that divide the only split by a hash, or "".
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
            remark = self._remark(pairs, survey.splits[split])
            contents[split] = contents[split]._replace(remark=remark)
        super().__init__(cache, fingerprint, coding.labels, splits, contents, form)

    def _remark(self, pairs: Sequence[Pair], files: Sequence[FileSurvey]) -> str:
        """Say what else a user should know of the masks of a split, or nothing."""
        return "; ".join(filter(None, (_empty_regions(pairs, files), _overlaps(files))))

    def _generate_examples(self, split: str) -> Iterator[tuple[str, dict[str, Any]]]:
        for pair in self._splits[split]:
            image, size = images.read_image(pair.image)
            inside = read_roi(pair.roi, size, pair.image) if pair.roi else None
            label = self._label(pair, size, inside)
            yield pair.name, base.record(image, label, pair.name)

    def _label(
        self, pair: Pair, size: tuple[int, int], inside: np.ndarray | None
    ) -> np.ndarray:
        """Return the label of an image, ignored where `inside`, bool, is False."""
        if inside is not None and not inside.any():
            return np.full((*size, *self._coding.labels.planes), IGNORE, np.uint8)
        absent = np.zeros(size, np.uint8)
        planes = [
            absent if path is None else self._plane(path, pair.image, size, inside)
            for path in pair.planes or pair.masks
        ]
        label = np.stack(planes, axis=-1) if pair.planes else planes[0]
        if inside is not None:
            label[~inside] = IGNORE
        return label

    def _plane(
        self,
        path: MaskSource,
        image: Path,
        size: tuple[int, int],
        inside: np.ndarray | None,
    ) -> np.ndarray:
        """Return the label of a mask; outside, that of its first pixel inside."""
        mask = read_mask(path, lossy=True)  # the survey refuses lossy masks
        check_size(path, mask.pixels.shape[:2], image, size)
        if inside is not None:  # values outside need not be of any class
            pixels = mask.pixels.copy()
            pixels[~inside] = pixels[inside][0]
            mask = mask._replace(pixels=pixels)
        return self._coding.encode(mask, str(path))


def _empty_regions(pairs: Sequence[Pair], files: Sequence[FileSurvey]) -> str:
    """Return a note that names the images whose region of interest is empty, or ""."""
    empty = {file.path for file in files if file.outside and not len(file.tally.values)}
    names = [pair.name for pair in pairs if empty.intersection(pair.masks)]
    return f"nothing lies inside data.roi in {listed(names)}" if names else ""


def _overlaps(files: Sequence[FileSurvey]) -> str:
    """Say in how many pixels of how many images several classes overlap, if any."""
    overlaps = [file.overlap for file in files if file.overlap]
    if not overlaps:
        return ""
    images = f"{len(overlaps)} image{'s' * (len(overlaps) > 1)}"
    return (
        f"{sum(overlaps):,} pixels in {images} are in shapes of several classes and"
        " have that of the last one"
    )


def prepare(config: DataConfig) -> Prepared:
    """Check and store a user's folder unless it is stored already.

    Args:
      config: `root` in one of the layouts of `layout.LAYOUTS` or
        `annotations.files.LAYOUTS`, or with patterns, and the label options.

    Raises:
      UserError: the folder, a file or an option is wrong, or an image lies in two
        splits.
    """
    return prepare_source(Folder, find_source(config, find_root(config)), config)


def prepare_source(
    builder: type[Folder], source: Source, config: DataConfig
) -> Prepared:
    """Store the files of a source, and compare the images of its splits.

    Args:
      builder: the builder; its folder in the cache has its name.
      source: the files.
      config: `cache`, and `allow_leakage`, without which an image may not be in two
        splits; of a published source it may.

    Raises:
      UserError: a file is wrong, or an image is in two splits.
    """
    directory = _prepare_splits(builder, cache_folder(config.cache), source)
    allowed = config.allow_leakage or source.published
    leaks = leakage.check(directory, source.splits, source.root, allowed)
    return Prepared(directory, (*source.notes, *leaks), source.whole_options)


def _prepare_splits(builder: type[Folder], cache: Path, source: Source) -> Path:
    """Store pairs of files unless the same contents were stored with these options.

    The source's `find_coding` is called only if the files have to be read.
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
                " everywhere, so that no pixel of any image counts; give the pixels"
                " inside another value"
            )
        coding = source.find_coding(survey)
        base.prepare(builder(cache, fingerprint, splits, coding, survey))
    if signature not in _load(known):
        with contextlib.suppress(OSError):  # the cache may be read-only
            replace_text(known, json.dumps(_load(known) | {signature: fingerprint}))
    return directory


def _signature(root: Path, splits: Splits, options: dict[str, Any]) -> str:
    """Hash names, sizes and times of the files, which are not read."""
    digest = hashlib.sha256(json.dumps([str(root.resolve()), options]).encode())
    for split, pairs in splits.items():
        for pair in pairs:
            files: list[Path] = [pair.image, *([pair.roi] if pair.roi else [])]
            for mask in pair.masks:
                files += [mask] if isinstance(mask, Path) else mask.files
            for path in files:
                stat = path.stat()
                place = path.relative_to(root).as_posix()
                known = (split, pair.name, place, stat.st_size, stat.st_mtime_ns)
                digest.update(repr(known).encode())
            if pair.roi:  # tells a region from the mask of a second class
                digest.update(b"roi")
    return digest.hexdigest()


def _fingerprint(splits: Splits, options: dict[str, Any]) -> str:
    """Hash the contents of the files, whatever their folder, and the options."""
    digest = hashlib.sha256(json.dumps(options).encode())
    for split, pairs in splits.items():
        for pair in pairs:
            digest.update(f"{split}/{pair.name}\n".encode())
            if None in pair.planes:  # which of the classes have no file
                absent = [place for place, path in enumerate(pair.planes) if not path]
                digest.update(f"{absent}\n".encode())
            for source in (pair.image, *pair.masks):
                if isinstance(source, Path):
                    digest.update(hashlib.sha256(images.read_bytes(source)).digest())
                else:
                    digest.update(source.digest())
            if pair.roi:
                digest.update(b"roi")
                digest.update(hashlib.sha256(images.read_bytes(pair.roi)).digest())
    return digest.hexdigest()[:16]


def _load(path: Path) -> dict[str, str]:
    try:
        known = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError):
        known = None
    # This file only saves time: without it the image files are read again.
    return known if isinstance(known, dict) else {}
