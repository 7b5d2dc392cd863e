"""The base of all builders: the form of a record, and writing it silently.

A builder fetches or draws examples; `jaxseg.data.records` finds and reads the records.
"""

from __future__ import annotations

import contextlib
import io
import shutil
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import tensorflow_datasets as tfds
from absl import logging

from jaxseg.data import planes, records
from jaxseg.data.contents import Content
from jaxseg.data.fingerprints import fingerprint, record_digest
from jaxseg.data.labels import PLAIN, LabelSet, MaskForm
from jaxseg.errors import UserError
from jaxseg.locks import locked


class RecordBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """Writes encoded images, encoded masks and names as array_record files.

    A subclass has `_generate_examples(split)`, which yields keys and `record`s.  It is
    not in TFDS' global registry, so its name may be anything.
    """

    VERSION = tfds.core.Version("1.0.0")
    IN_ORDER = False
    """Keep the order of generation; otherwise a hash of the key gives the order.  TFDS
    then holds all records of a split in memory, so this is for small sets only."""

    def __init__(
        self,
        cache: Path,
        config: str,
        labels: LabelSet,
        splits: Collection[str],
        contents: Mapping[str, Content] | None = None,
        form: MaskForm = PLAIN,
    ) -> None:
        """Describe the records to write.

        Args:
          cache: the records go to `cache/<builder>/<config>/<version>`.
          config: text that tells these records from others of this builder.
          labels: the classes; stored with the records.
          splits: names of the splits.
          contents: pixels of each class in each split, if they were counted; stored
            with the records.
          form: how the mask files encode the classes; stored with the records.
        """
        self._form = form
        self._labels, self._split_names = labels, splits
        self._contents = contents or {}
        builder_config = tfds.core.BuilderConfig(name=config, version=self.VERSION)
        with quiet():
            super().__init__(
                data_dir=cache, config=builder_config, file_format="array_record"
            )

    def _info(self) -> tfds.core.DatasetInfo:
        features = {
            "image": tfds.features.Image(),
            "label": tfds.features.Image(shape=(None, None, 1), encoding_format="png"),
            "name": tfds.features.Text(),
        }
        metadata = {
            "names": self._labels.names,
            "palette": self._labels.palette,
            "mask_values": self._form.values,
            "mask_colours": self._form.colours,
            "mask_bits": self._form.bits,
            "task": self._labels.task,
            "contents": {split: list(held) for split, held in self._contents.items()},
        }
        return _LocalInfo(
            builder=self,
            features=tfds.features.FeaturesDict(features),
            metadata=tfds.core.MetadataDict(metadata),
            disable_shuffling=self.IN_ORDER,
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        del dl_manager  # nothing is downloaded
        return {split: self._fingerprinted(split) for split in self._split_names}

    def _fingerprinted(self, split: str) -> Iterator[tuple[Any, dict[str, Any]]]:
        """Generate the examples, then add the split's fingerprint to the metadata."""
        digests = []
        for key, example in self._generate_examples(split):
            content = example["name"], example["image"], example["label"]
            digests.append(record_digest(*content))
            yield key, example
        metadata: Any = self.info.metadata
        known = metadata.setdefault(records.FINGERPRINTS, {})
        known[split] = fingerprint(digests, len(digests))


class _LocalInfo(tfds.core.DatasetInfo):
    """A DatasetInfo that TFDS does not look up on the network."""

    def initialize_from_bucket(self) -> None:
        """Do nothing; the method of TFDS leaves an empty temporary folder behind."""


def prepare(builder: RecordBuilder) -> Path:
    """Write a builder's records unless they are there; print nothing.

    The records appear under their final name all at once, when they are complete.  Of
    several processes one writes and the others wait for it.

    Raises:
      UserError: they cannot be written.
    """
    directory = Path(builder.data_dir)
    if records.is_prepared(directory):
        return directory
    place = directory.parent
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with locked(place.with_name(f"{place.name}.lock")):
            if not records.is_prepared(directory):
                for unfinished in place.glob("incomplete.*"):  # of a killed process
                    shutil.rmtree(unfinished)
                with quiet():
                    builder.download_and_prepare()
    except OSError as error:
        raise UserError(
            f"{directory}: cannot write the prepared records ({error}); choose another"
            " folder by --data.cache"
        ) from error
    return directory


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence TFDS: progress bars, the lines it prints, and absl's log below errors."""
    tfds.disable_progress_bar()
    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.set_verbosity(verbosity)


def record(image: bytes, label: np.ndarray, name: str) -> dict[str, Any]:
    """Return the record of an encoded image and its labels.

    Args:
      image: the content of an image file.
      label: uint8 `[H, W]`, or `[H, W, classes]`, whose planes are stored one below the
        other.
      name: name of the sample, which the message also gives.

    Raises:
      UserError: the planes together are too large.
    """
    if label.ndim == 3:
        label = planes.stacked(label, name)
    return {"image": image, "label": encode_png(label), "name": name}


def encode_png(pixels: np.ndarray) -> bytes:
    """Encode uint8 `[H, W]`, or RGB uint8 `[H, W, 3]`, as PNG."""
    if pixels.ndim == 3:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".png", pixels)[1].tobytes()
