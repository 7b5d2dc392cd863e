"""Finds prepared records, and reads them sample by sample.

A prepared data set is a TFDS directory of array_record files: encoded images, encoded
masks, names.  The builders write it, and the catalog chooses which one to open.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import cv2
import numpy as np
from PIL import Image

from jaxseg.data import planes
from jaxseg.data.contents import Content
from jaxseg.data.dataset import Dataset, Samples
from jaxseg.data.fingerprints import fingerprint, record_digest, sampled
from jaxseg.data.frequencies import ClassFrequencies
from jaxseg.data.images import decode_image, decode_stored, open_image
from jaxseg.data.labels import PLAIN, LabelSet, MaskForm, known_task
from jaxseg.errors import UserError
from jaxseg.paths import replace_text

Decoded = TypeVar("Decoded")

FINGERPRINTS = "fingerprints"
"""Key of the splits' fingerprints in a builder's metadata."""

_UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError)

cv2.setNumThreads(1)  # grain's threads run in parallel already


class Fields(NamedTuple):
    """The names of the three features of a TFDS set that are read here."""

    image: str = "image"
    label: str = "label"
    name: str = "name"


OUR_FIELDS = Fields()


@dataclass(frozen=True)
class RecordDataset(Dataset):
    """A prepared data set; it is small and can be pickled, and holds no open files.

    The raw values of its labels, if any, are those of the stored masks.

    Attributes:
      directory: folder of the records.
      form: how the mask files from which the records were made encode the classes.
      others: see `Dataset`.
    """

    name: str
    labels: LabelSet
    splits: dict[str, int]
    directory: Path
    notes: tuple[str, ...] = ()
    whole_options: str = ""
    contents: dict[str, Content] = field(default_factory=dict)
    form: MaskForm = PLAIN
    _fields: Fields = OUR_FIELDS
    _sources: dict[str, str] = field(default_factory=dict)
    _fingerprints: dict[str, str] = field(default_factory=dict)

    def fingerprint(self, split: str) -> str:
        """Return a hash that identifies the content of a split.

        It is the one that the builder stored, or else the hash of `SAMPLED` records.

        Raises:
          UserError: as for `samples`.
        """
        return self._fingerprints.get(split) or super().fingerprint(split)

    def knows_fingerprint(self, split: str) -> bool:
        """Whether the builder stored the fingerprint of a split."""
        return split in self._fingerprints

    def frequencies(self, split: str) -> ClassFrequencies:
        """Count how often each class occurs in a split.

        The counts are stored with records that one of our builders wrote.

        Raises:
          UserError: as for `samples`.
        """
        if not self.knows_fingerprint(split):  # another program owns the folder
            return super().frequencies(split)
        asked = repr((self._sources.get(split, split), self.labels)).encode()
        key = hashlib.sha256(asked).hexdigest()[:16]
        path = self.directory / f"class_frequencies-{key}.json"
        with contextlib.suppress(UserError):  # not counted yet, or damaged
            known = ClassFrequencies.read(path)
            counted = len(known.pixels), len(known.images)
            if counted == (self.labels.num_classes, self.splits[split]):
                return known
        found = super().frequencies(split)
        with contextlib.suppress(OSError):  # the classes are counted again next time
            replace_text(path, found.write())
        return found

    def earlier(self, split: str, fingerprint: str) -> Records | None:
        """Find the records of an earlier state of this data set, if they are kept.

        Args:
          split: name of the split.
          fingerprint: fingerprint of the split in that state.
        """
        place = self.directory.resolve().parent.parent
        for path in place.glob("*/*/metadata.json"):
            if _known(path.parent).get(split) == fingerprint:
                try:
                    return Records(path.parent, split, self.labels, self._fields)
                except UserError:  # damaged
                    continue
        return None

    def open_split(self, split: str) -> Records:
        """Open a split, and read its first and last record."""
        source = self._sources.get(split, split)
        samples = Records(self.directory, source, self.labels, self._fields)
        for index in (0, len(samples) - 1):  # finds files that are missing or truncated
            samples[index]
        return samples


class Records(Samples):
    """The records of one split, decoded when they are read; safe for threads.

    It is pickled as its directory and split, and opens the files again.
    """

    def __init__(
        self, directory: Path, split: str, labels: LabelSet, fields: Fields
    ) -> None:
        import tensorflow_datasets as tfds

        self._arguments = (directory, split, labels, fields)
        encoded = {
            fields.image: tfds.decode.SkipDecoding(),
            fields.label: tfds.decode.SkipDecoding(),
        }
        builder = _reopen(directory)
        try:
            self._records: Any = builder.as_data_source(split, decoders=encoded)
        except Exception as error:  # another file format, other features, ...
            raise _damaged(directory, "features.json") from error

    def __reduce__(self) -> tuple[Any, ...]:
        return Records, self._arguments

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, index: int) -> dict[str, Any]:
        _, _, labels, fields = self._arguments
        record = self._record(index)
        name = record[fields.name].decode(errors="replace")
        label = self._decode(decode_stored, record[fields.label], name)
        if label.ndim == 3:  # OpenCV returns a palette's colours, Pillow its indices
            label = self._decode(_indices, record[fields.label], name)
        if labels.raw_values or labels.unknown_is_ignored:
            label = labels.encode(label, name)
        image = self._decode(decode_image, record[fields.image], name)
        if labels.planes:
            label = planes.unstacked(label, labels.num_classes)
        axes = 3 if labels.planes else 2
        fits = label.ndim == axes and image.shape[:2] == label.shape[:2]
        if not fits or label.dtype != np.uint8:
            raise _damaged(self._arguments[0], name)
        return {"image": image, "label": label, "name": name}

    def digests(self) -> dict[str, bytes]:
        """Read and hash every record; return the digests by name."""
        return dict(self._digest(index) for index in range(len(self)))

    def fingerprint(self) -> str:
        """Hash the number of records, and `SAMPLED` of them at equal distances."""
        digests = [self._digest(index)[1] for index in sampled(len(self))]
        return fingerprint(digests, len(self))

    def _digest(self, index: int) -> tuple[str, bytes]:
        record, fields = self._record(index), self._arguments[3]
        name = record[fields.name].decode(errors="replace")
        return name, record_digest(name, record[fields.image], record[fields.label])

    def sizes(self) -> list[tuple[int, int]]:
        """Read (height, width) of every image; pixels are not decoded."""
        sizes = []
        for index in range(len(self)):
            encoded = self._record(index)[self._arguments[3].image]
            image = self._decode(_header, encoded, f"record {index}")
            sizes.append((image.height, image.width))
        return sizes

    def _record(self, index: int) -> dict[str, Any]:
        if not 0 <= index < len(self):
            raise IndexError(f"sample {index} of {len(self)}")
        try:
            return self._records[index]
        except Exception as error:  # array_record: a checksum, a missing file, ...
            raise _damaged(self._arguments[0], f"record {index}") from error

    def _decode(
        self, decode: Callable[[bytes, str], Decoded], encoded: bytes, name: str
    ) -> Decoded:
        """Decode an image of a record; bytes that cannot be decoded are damaged."""
        try:
            return decode(encoded, name)
        except UserError:
            raise
        except Exception as error:  # the decoders raise many kinds on bad bytes
            raise _damaged(self._arguments[0], name) from error


def _indices(encoded: bytes, name: str) -> np.ndarray:
    return np.asarray(_header(encoded, name))


def _header(encoded: bytes, name: str) -> Image.Image:
    return open_image(io.BytesIO(encoded), name)


def open_records(
    name: str,
    directory: Path,
    labels: LabelSet | None = None,
    fields: Fields = OUR_FIELDS,
    sources: Mapping[str, str] | None = None,
) -> RecordDataset:
    """Open a prepared data set.

    Args:
      name: name in the catalog.
      directory: the TFDS directory with `dataset_info.json`.
      labels: the classes; None reads those that the builder stored with the records.
      fields: names of the features.
      sources: our split name -> the TFDS split or slice, such as `train[:90%]`; None
        takes the stored splits with their own names.
    """
    info = _reopen(directory).info
    contents: dict[str, Content] = {}
    form = MaskForm(labels.raw_values) if labels else PLAIN
    if labels is None:
        try:
            stored: Any = info.metadata
            palette = tuple((r, g, b) for r, g, b in stored["palette"])
            task = known_task(stored.get("task", "multiclass"))  # older ones have none
            labels = LabelSet(tuple(stored["names"]), palette, task=task)
            for split, held in dict(stored.get("contents", {})).items():
                pixels, ignored, found, *remark = held  # older ones have none
                if len(pixels) != labels.num_classes:
                    raise ValueError(split)
                counted = tuple(map(int, pixels))
                contents[split] = Content(counted, ignored, found, *remark)
            values = tuple(map(int, stored.get("mask_values", ())))
            colours, bits = (
                bool(stored.get(name, False)) for name in ("mask_colours", "mask_bits")
            )
            form = MaskForm(values, colours, bits)
        except Exception as error:  # the file may hold anything
            raise _damaged(directory, "metadata.json") from error
    sources = dict(sources or {split: split for split in info.splits})
    splits = {split: info.splits[sources[split]].num_examples for split in sources}
    return RecordDataset(
        name,
        labels,
        splits,
        directory,
        contents=contents,
        form=form,
        _fields=fields,
        _sources=sources,
        _fingerprints=_known(directory),
    )


def _known(directory: Path) -> dict[str, str]:
    """Return the fingerprints that one of our builders stored, or none."""
    try:
        stored = json.loads((directory / "metadata.json").read_text())[FINGERPRINTS]
        return {str(split): str(text) for split, text in stored.items()}
    except _UNREADABLE:
        return {}


def _reopen(directory: Path) -> Any:
    import tensorflow_datasets as tfds

    try:
        return tfds.builder_from_directory(directory)
    except Exception as error:  # TFDS lets protobuf's and json's errors through
        raise _damaged(directory, "dataset_info.json") from error


def _damaged(directory: Path, what: str) -> UserError:
    return UserError(f"{what}: damaged; delete {directory} so that it is made again")


def is_prepared(directory: Path) -> bool:
    """Whether `directory` holds a complete prepared data set."""
    return (directory / "dataset_info.json").is_file()
