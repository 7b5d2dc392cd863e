"""A data set of a user's own sequences, which are objects with a length and an index.

Each sample is checked when it is read, since it comes directly from the user's code.
Nothing is copied to disk.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from jaxseg.data.contents import Content
from jaxseg.data.dataset import Dataset, Samples
from jaxseg.data.fingerprints import fingerprint, sample_digest, sampled
from jaxseg.data.labels import LabelSet, MaskForm
from jaxseg.errors import UserError


@dataclass(frozen=True)
class SequenceDataset(Dataset):
    """A data set whose splits are sequences, such as lists or PyTorch data sets.

    `sequence[i]`, for i from 0 to `len(sequence) - 1`, is `(image, label)` or a mapping
    with `image`, `label` and optionally `name`:

    - image: uint8 `[H, W, 3]` RGB; H and W may differ from sample to sample.
    - label: integers `[H, W]`: the class 0, 1, ..., or 255 for an ignored pixel; if
      `labels` has raw values, these.  For the task "multilabel", `[H, W, classes]` of
      0, 1 and 255.
    - name: text, for pictures and messages; the index if it is missing.

    Several threads read at the same time (`data.threads`).  Reading a sample again must
    give the same sample; random changes belong into `augment`.  The evaluation split is
    read once when a training begins, for the sizes of its images.

    Attributes:
      labels: the classes.
      sequences: name of a split, such as "train" or "val" -> its sequence.
      name: name of the data set; `open_dataset` sets it.
      notes: lines that are printed when the data set is opened.
    """

    labels: LabelSet
    sequences: Mapping[str, Any]
    name: str = ""
    notes: tuple[str, ...] = ()
    whole_options: str = field(default="", init=False)
    splits: dict[str, int] = field(init=False)
    contents: dict[str, Content] = field(init=False)
    form: MaskForm = field(init=False)

    def __post_init__(self) -> None:
        """Count the samples.

        Raises:
          UserError: a split is no sequence.
        """
        if not isinstance(self.labels, LabelSet):
            raise UserError(
                "SequenceDataset: the classes come first, as in jaxseg.LabelSet(names="
                f'("sky", "road")), not {type(self.labels).__name__}'
            )
        if not isinstance(self.sequences, Mapping):
            raise UserError(
                'SequenceDataset: give the sequences by split, as in {"train": a, "val"'
                f": b}}, not {type(self.sequences).__name__}"
            )
        for split, sequence in self.sequences.items():
            if not hasattr(sequence, "__len__") or not hasattr(sequence, "__getitem__"):
                raise UserError(
                    f"SequenceDataset: split {split!r} is of type"
                    f" {type(sequence).__name__}, which has no length or no [index];"
                    " a list has both, as has a class with __len__ and __getitem__"
                )
        splits = {split: len(sequence) for split, sequence in self.sequences.items()}
        object.__setattr__(self, "splits", splits)
        object.__setattr__(self, "contents", {})
        object.__setattr__(self, "form", MaskForm(self.labels.raw_values))

    def open_split(self, split: str) -> SequenceSamples:
        """Open a split, and check its first and its last sample.

        Raises:
          UserError: a sample is invalid, or the first differs when it is read again.
        """
        where = f"{self.name or 'data set'}: split {split!r}"
        samples = SequenceSamples(self.sequences[split], self.labels, where)
        first, again = samples.digest(0), samples.digest(0)
        if first != again:
            raise UserError(
                f"{where}, element 0: it differs when it is read again, so that no run"
                " could be resumed or compared; make random changes by"
                " augment.transforms"
            )
        samples[len(samples) - 1]
        return samples


class SequenceSamples(Samples):
    """The samples of a user's sequence, checked."""

    def __init__(self, sequence: Any, labels: LabelSet, where: str) -> None:
        """Wrap a sequence.

        Args:
          sequence: see `SequenceDataset`.
          labels: the classes.
          where: text that names the data set and split, for messages.
        """
        self._sequence, self._labels, self._where = sequence, labels, where

    def __len__(self) -> int:
        return len(self._sequence)

    def __getitem__(self, index: Any) -> Any:
        index = int(index)
        if not 0 <= index < len(self):
            raise IndexError(f"sample {index} of {len(self)}")
        where = f"{self._where}, element {index}"
        try:
            element = self._sequence[index]
        except UserError:
            raise
        except Exception as error:  # whatever the user's code does
            raise UserError(f"{where}: {type(error).__name__}: {error}") from error
        image, label, name = _parts(element, where)
        image = _image(image, where)
        label = _label(label, image.shape[:2] + self._labels.planes, where)
        return {
            "image": image,
            "label": self._labels.encode(label, where),
            "name": str(index) if name is None else str(name),
        }

    def sizes(self) -> list[tuple[int, int]]:
        """Read (height, width) of every image."""
        return [self[index]["label"].shape[:2] for index in range(len(self))]

    def digest(self, index: int) -> bytes:
        """Read and hash a sample."""
        sample = self[index]
        return sample_digest(sample["name"], sample["image"], sample["label"])

    def fingerprint(self) -> str:
        """Hash the number of samples, and samples at equal distances."""
        digests = [self.digest(index) for index in sampled(len(self))]
        return fingerprint(digests, len(self))

    def digests(self) -> dict[str, bytes]:
        """Read and hash every sample; return the digests by name."""
        return {self[index]["name"]: self.digest(index) for index in range(len(self))}


def _parts(element: Any, where: str) -> tuple[Any, Any, Any]:
    """Return image, label and name; the name may be None."""
    if isinstance(element, Mapping):
        if missing := [name for name in ("image", "label") if name not in element]:
            raise UserError(
                f"{where}: no {missing[0]!r} in it; it has"
                f" {', '.join(map(repr, element)) or 'nothing'}"
            )
        return element["image"], element["label"], element.get("name")
    if isinstance(element, (tuple, list)) and len(element) == 2:
        return element[0], element[1], None
    raise UserError(
        f"{where}: a {type(element).__name__}; it must be (image, label), or a dict"
        ' {"image": ..., "label": ..., "name": ...}'
    )


def _image(image: Any, where: str) -> np.ndarray:
    said = _said(image)
    if not isinstance(image, np.ndarray):
        raise UserError(
            f"{where}: the image is {said}; it must be a NumPy array, as"
            ' np.asarray(image.convert("RGB")) is of a PIL image'
        )
    if image.dtype != np.uint8:
        raise UserError(
            f"{where}: the image is {said}; it must be uint8, 0..255, since jaxseg"
            " normalises it"
        )
    if image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise UserError(
            f"{where}: the image is {said}; it must be [H, W, 3], RGB with the channels"
            " last"
        )
    image = np.ascontiguousarray(image).view()
    image.flags.writeable = False  # transforms must not change the user's array
    return image


def _label(label: Any, size: tuple[int, ...], where: str) -> np.ndarray:
    said = _said(label)
    if not isinstance(label, np.ndarray):
        raise UserError(
            f"{where}: the label is {said}; it must be a NumPy array, as"
            " np.asarray(mask) is of a PIL image"
        )
    if label.dtype.kind not in "ui":
        raise UserError(
            f"{where}: the label is {said}; it must be of integers, as"
            " label.astype(np.uint8) is"
        )
    if label.shape != size:
        height, width = size[:2]
        raise UserError(
            f"{where}: the label is {said}, the image [{height}, {width}, 3]; the label"
            f" must be {list(size)}"
        )
    return label


def _said(value: Any) -> str:
    """Return the type and shape of a refused value, as text."""
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {list(value.shape)}"
    return f"of type {type(value).__name__}"
