"""Samples into batches, by grain: shuffle, shard by process, augment, batch, pad.

A batch is a dict of `image` uint8 `[B, H, W, 3]`, `label` uint8 `[B, H, W]` and `valid`
bool `[B]`.  A training sample is a function of (seed, epoch, index) alone, so the
number of processes and threads changes no global batch, and the state of the stream is
one integer.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import grain
import numpy as np

from jaxseg.data.labels import IGNORE
from jaxseg.data.padding import group_by_size, pad_image
from jaxseg.data.transforms import Transform
from jaxseg.errors import UserError

Batch = dict[str, Any]


@runtime_checkable
class Samples(Protocol):
    """Random access to decoded samples, safe to read from several threads."""

    def __len__(self) -> int:
        """Return the number of samples."""
        ...

    def __getitem__(self, index: Any) -> Any:
        """Return `{"image", "label", "name"}` of one sample."""
        ...


MOST_THREADS = 8
"""Where they are not counted by hand; Python lets one of them speak at a time."""

ALONE = 128 * 128
"""Pixels of a crop up to which one thread is faster than two, once nothing is decoded:
they hand Python to each other for every small change to an image."""


ENDLESS = 2**52
"""Samples of a stream that nobody sees the end of.  Grain counts batches with floats,
which are exact up to here: its own endless repeat cannot be cut in batches of one."""


def _reading(threads: int) -> grain.ReadOptions:
    if not threads:
        cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else ()
        threads = min(MOST_THREADS, len(cores) or os.cpu_count() or 1)
    return grain.ReadOptions(num_threads=threads, prefetch_buffer_size=max(4, threads))


class KeptSamples:
    """Samples of which as many as fit stay in memory, decoded; safe for threads.

    Every sample of an epoch is read once, so any of them are as good to keep as others:
    the first that come stay.  Their arrays cannot be written to.
    """

    def __init__(self, samples: Samples, mebibytes: int) -> None:
        """Read `samples`, and keep arrays of `mebibytes` in all at most."""
        self._samples = samples
        self._left = mebibytes * 2**20
        self._kept: dict[int, dict[str, Any]] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self._samples)

    def complete(self) -> bool:
        """Whether all samples are in memory."""
        return len(self._kept) == len(self._samples)

    def __getitem__(self, index: Any) -> Any:
        """Return a sample."""
        index = int(index)
        if index in self._kept:
            return self._kept[index]
        sample = self._samples[index]
        arrays = [value for value in sample.values() if isinstance(value, np.ndarray)]
        size = sum(array.nbytes for array in arrays)
        with self._lock:
            if size <= self._left and index not in self._kept:
                for array in arrays:
                    array.flags.writeable = False
                self._left -= size
                self._kept[index] = sample
        return sample


class TrainingStream:
    """An endless iterator over augmented training batches of this process."""

    def __init__(
        self,
        samples: Samples,
        transform: Transform,
        *,
        batch_size: int,
        seed: int,
        threads: int = 0,
        process_index: int = 0,
        process_count: int = 1,
    ):
        """Shuffle, augment and batch `samples` for ever.

        Args:
          samples: the training split.
          transform: makes every sample the same size.
          batch_size: global; each process gets its share.
          seed: of order and augmentation.
          threads: that read and augment; 0 is one a core, `MOST_THREADS` at most, and
            one alone for small crops as soon as all of a `KeptSamples` is in memory.
          process_index: of this process.
          process_count: number of processes.

        Raises:
          UserError: the processes do not divide the batch.
        """
        if batch_size % process_count:
            raise UserError(
                f"train.batch_size {batch_size} over {process_count} processes: choose"
                f" a multiple of {process_count}"
            )

        def augment(sample: dict[str, Any], rng: np.random.Generator) -> Batch:
            sample = transform(sample, rng)
            arrays = {
                name: np.ascontiguousarray(sample[name])
                for name in ("image", "label", "weight")
                if name in sample
            }
            return {**arrays, "valid": np.True_}

        # Augmented before it is shared out: a sample's randomness is that of its place
        # in the global order.  Everything is lazy, so only this process' rows are read.
        order = grain.MapDataset.source(samples).seed(seed).shuffle()
        order = order.repeat(ENDLESS // len(samples))
        share = batch_size // process_count
        augmented: Any = order.random_map(augment)
        if process_count > 1:
            augmented = grain.MapDataset.source(
                _Rows(augmented, batch_size, process_index * share, share)
            )
        self._batches = augmented.batch(share)
        self._iterator = self._read(threads)
        self._being_kept = None
        if isinstance(samples, KeptSamples) and not threads:
            self._being_kept = samples

    def __iter__(self) -> Iterator[Batch]:
        """Return itself."""
        return self

    def __next__(self) -> Batch:
        """Return the next batch."""
        batch = next(self._iterator)
        if self._being_kept is not None and self._being_kept.complete():
            self._being_kept = None
            if batch["label"][0].size <= ALONE:
                place = self.state()
                self._iterator.close()
                self._iterator = self._read(1)
                self.restore(place)
        return batch

    def _read(self, threads: int) -> Any:
        return iter(self._batches.to_iter_dataset(_reading(threads)))

    def state(self) -> dict[str, Any]:
        """Return where the stream stands, as JSON-able values."""
        return self._iterator.get_state()

    def restore(self, state: dict[str, Any]) -> None:
        """Go to where `state` was taken."""
        self._iterator.set_state(state)


@dataclass(frozen=True)
class _Rows:
    """The same rows of every batch of an endless source, one after the other."""

    source: Any
    batch_size: int
    start: int
    count: int

    def __len__(self) -> int:
        return len(self.source) // self.batch_size * self.count

    def __getitem__(self, index: Any) -> Any:
        batch, row = divmod(int(index), self.count)
        return self.source[batch * self.batch_size + self.start + row]


@dataclass(frozen=True)
class EvaluationBatch:
    """One batch of whole images of one padded size.

    Attributes:
      indices: of the images in the split; padding of the batch is not among them.
      sizes: height and width of each image before padding.
      arrays: image, label and valid.
    """

    indices: tuple[int, ...]
    sizes: tuple[tuple[int, int], ...]
    arrays: Batch


def evaluation_batches(
    samples: Samples,
    sizes: Sequence[tuple[int, int]],
    *,
    batch_size: int,
    multiple: int = 1,
    smallest: int = 1,
    threads: int = 0,
    process_index: int = 0,
    process_count: int = 1,
    unit: int = 1,
) -> Iterator[EvaluationBatch]:
    """Yield every image exactly once, in batches of equal padded size.

    The plan is made from the sizes alone, so all processes agree on it.  A batch that
    is not full is filled with images that `valid` marks False.

    Args:
      samples: the split.
      sizes: height and width of each sample.
      batch_size: largest global batch, rounded up to `unit`.
      multiple: sizes are padded to multiples of this.
      smallest: and to at least this.
      threads: that read; 0 is one a core, `MOST_THREADS` at most.
      process_index: of this process.
      process_count: number of processes.
      unit: every global batch is a multiple of this (the number of devices).
    """
    plan = []
    for size, indices in group_by_size(sizes, multiple, smallest).items():
        full = min(batch_size, len(indices))
        full = -(-full // unit) * unit
        share = full // process_count
        for start in range(0, len(indices), full):
            # Contiguous shares: process p holds rows p * share to (p + 1) * share.
            rows = indices[start : start + full]
            mine = rows[process_index * share : (process_index + 1) * share]
            plan.append((size, share, mine))

    def read(entry: tuple[tuple[int, int], int, list[int]]) -> EvaluationBatch:
        size, count, indices = entry
        arrays = {
            "image": np.zeros((count, *size, 3), np.uint8),
            "label": np.full((count, *size), IGNORE, np.uint8),
            "valid": np.arange(count) < len(indices),
        }
        shapes = []
        for row, index in enumerate(indices):
            sample = samples[index]
            height, width = sample["label"].shape
            arrays["image"][row] = pad_image(sample["image"], size)
            arrays["label"][row, :height, :width] = sample["label"]
            shapes.append((height, width))
        return EvaluationBatch(tuple(indices), tuple(shapes), arrays)

    dataset = grain.MapDataset.source(plan).map(read)
    yield from dataset.to_iter_dataset(_reading(threads))
