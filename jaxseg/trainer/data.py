"""The data of a training: its opened data set, and the two splits that it reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from jaxseg import memory
from jaxseg.config import DataConfig
from jaxseg.data.catalog import Dataset, open_dataset
from jaxseg.data.frequencies import ClassFrequencies
from jaxseg.data.pipeline import Samples
from jaxseg.data.tasks import held
from jaxseg.parallel.distributed import broadcast_from_primary, is_primary
from jaxseg.report.console import log, warn


@dataclass(frozen=True)
class TrainingData:
    """The data of a training.

    Attributes:
      dataset: the data set, opened, and prepared if it was not.
      training: samples of the training split.
      evaluation: samples of the evaluation split.
      evaluation_sizes: height and width of each image of the evaluation split.
      frequencies: how often the training split has each class; None if not asked for.
    """

    dataset: Dataset
    training: Samples
    evaluation: Samples
    evaluation_sizes: Sequence[tuple[int, int]]
    frequencies: ClassFrequencies | None = None

    @property
    def num_classes(self) -> int:
        """Number of classes of the data set."""
        return self.dataset.labels.num_classes


def open_training_data(config: DataConfig, count: bool = False) -> TrainingData:
    """Open the data of a training; the primary process prepares it if it must.

    Args:
      config: the options of the data.
      count: whether to count how often each class occurs.

    Raises:
      UserError: the data is missing, wrong or unreadable; nothing but prepared data was
        written.
    """
    log(f"data set {config.name}: preparing or opening")
    dataset = _open(config)
    splits = dict.fromkeys((config.train_split, config.eval_split))
    for text in (*dataset.notes, *held(dataset, splits)):
        log(text)
    remarks = dataset.check_classes(config)
    for remark in remarks if is_primary() else ():
        warn(remark)
    evaluation = dataset.samples(config.eval_split, "data.eval_split")
    return TrainingData(
        dataset=dataset,
        training=dataset.samples(config.train_split),
        evaluation=evaluation,
        evaluation_sizes=evaluation.sizes(),
        frequencies=_frequencies(dataset, config.train_split) if count else None,
    )


def _open(config: DataConfig) -> Dataset:
    """Open the data set in the primary process first, which prepares it for all."""
    opened: list[Dataset] = []
    broadcast_from_primary(lambda: opened.append(_prepare(config)))
    return opened[0] if opened else _prepare(config)


def _frequencies(dataset: Dataset, split: str) -> ClassFrequencies:
    """Count the classes in the primary process, for all processes."""
    log(f"counting the pixels of each class in split {split!r}")
    found = broadcast_from_primary(lambda: asdict(dataset.frequencies(split)))
    return ClassFrequencies.of_values(found)


def _prepare(config: DataConfig) -> Dataset:
    remedy = "give fewer --data.threads, or split or shrink the largest images"
    with memory.remedied("preparing the data", remedy):
        return open_dataset(config)
