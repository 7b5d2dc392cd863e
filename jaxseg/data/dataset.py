"""The interface of every data set, however its images are stored.

Training, evaluation and the identity of a run use only a `Dataset` and its `Samples`.
`records` implements them for prepared files, `sequences` for the user's own code.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from jaxseg.config import DataConfig
from jaxseg.data.contents import Content, check_contents
from jaxseg.data.frequencies import ClassFrequencies, count_classes
from jaxseg.data.labels import LabelSet, MaskForm
from jaxseg.errors import UserError, choose


class Samples(ABC):
    """The samples of one split, read on demand; safe to share between threads.

    `samples[i]` is `{"image": uint8 [H, W, 3] RGB, "label": uint8 [H, W], "name": str}`
    with labels 0..classes - 1, or `labels.IGNORE`; for a multilabel set the label is
    uint8 `[H, W, classes]` of 0, 1 or `IGNORE`.
    """

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of samples."""

    @abstractmethod
    def __getitem__(self, index: Any) -> Any:
        """Return a sample.

        Raises:
          UserError: the sample cannot be read.
        """

    @abstractmethod
    def sizes(self) -> list[tuple[int, int]]:
        """Return (height, width) of every image."""

    @abstractmethod
    def fingerprint(self) -> str:
        """Return a hash of some of the samples, which identifies their content."""

    @abstractmethod
    def digests(self) -> dict[str, bytes]:
        """Read and hash every sample; return the digests by name."""


class Dataset(ABC):
    """A data set; it holds no open files.

    Attributes:
      name: name in the catalog.
      labels: the classes.
      splits: number of images in each split.
      notes: lines for the user on how the data set was read.
      whole_options: if there is only one split, the options that divide it by a hash.
      contents: pixels of each class in each split, if they were counted.
      form: how the masks of the data set encode the classes.
    """

    name: str
    labels: LabelSet
    splits: dict[str, int]
    notes: tuple[str, ...]
    whole_options: str
    contents: dict[str, Content]
    form: MaskForm

    @abstractmethod
    def open_split(self, split: str) -> Samples:
        """Open a split that exists and is not empty."""

    def samples(self, split: str, option: str = "") -> Samples:
        """Open a split for random access.

        Args:
          split: name of the split.
          option: the option that gave the name, for the message.

        Raises:
          UserError: the split is unknown (the message lists the known ones) or empty,
            or its samples cannot be read.
        """
        try:
            count = choose(f"split of {self.name}", split, self.splits)
        except UserError as error:
            raise UserError(f"{error}{self._remedy(option)}") from error
        if count == 0:
            raise UserError(f"{self.name}: split {split!r} is empty")
        return self.open_split(split)

    def _remedy(self, option: str) -> str:
        """Return the options by which a missing split is not needed, as a remedy."""
        remedies = []
        other = [split for split in self.splits if split != "train"]
        if option == "data.eval_split" and other:
            remedies.append(f"--data.eval_split {other[-1]}")
        elif option == "data.eval_split" and self.whole_options:
            remedies.append(
                f"{self.whole_options} to keep a fifth of the images for it"
            )
        return f"; pass {' or '.join(remedies)}" if remedies else ""

    def fingerprint(self, split: str) -> str:
        """Return a hash that identifies the content of a split.

        Raises:
          UserError: as `samples`.
        """
        return self.samples(split).fingerprint()

    def knows_fingerprint(self, split: str) -> bool:
        """Whether the fingerprint of a split is known without reading its samples."""
        return False

    def earlier(self, split: str, fingerprint: str) -> Samples | None:
        """Find the samples of an earlier state of this data set, if they are kept.

        Args:
          split: name of the split.
          fingerprint: fingerprint of the split in that state.
        """
        return None

    def check_classes(self, config: DataConfig) -> list[str]:
        """Check that the splits of a training hold the classes that it needs.

        Returns:
          Warnings.

        Raises:
          UserError: as for `contents.check_contents`.
        """
        splits = config.train_split, config.eval_split
        where = config.root or self.name
        labels = self.labels
        return check_contents(self.contents, labels.names, *splits, where, labels.task)

    def frequencies(self, split: str) -> ClassFrequencies:
        """Count how often each class occurs in a split, all of which is read.

        Raises:
          UserError: as `samples`.
        """
        return count_classes(self.samples(split), self.labels)

    def sizes(self, split: str) -> list[tuple[int, int]]:
        """Return (height, width) of every image of a split.

        Raises:
          UserError: as `samples`.
        """
        return self.samples(split).sizes()
