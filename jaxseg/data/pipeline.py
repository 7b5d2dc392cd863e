"""Samples into batches, by grain: shuffle, shard by process, augment, batch, pad.

A batch is a dict of `image` uint8 `[B, H, W, 3]`, `label` uint8 `[B, H, W]` (if classes
may overlap, `[B, H, W, classes]`) and `valid` bool `[B]`.  A training sample depends
only on (seed, epoch, index), so that global batches do not depend on the number of
processes and threads, and the state of the stream is one integer.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import grain
import numpy as np

from jaxseg.data.balance import draws, epoch_length
from jaxseg.data.labels import IGNORE
from jaxseg.data.padding import group_by_size, pad_image
from jaxseg.data.samples import Samples
from jaxseg.data.transforms import Transform
from jaxseg.errors import UserError

Batch = dict[str, Any]


MOST_THREADS = 8
"""Default upper bound; beyond it Python's global lock serialises the threads."""

SMALL_CROP = 128 * 128
"""Number of pixels up to which one thread is faster than several once nothing has to be
decoded: several would spend more time exchanging Python's lock than on the crop."""

ENDLESS = 2**52
"""Number of samples of an endless stream.  Grain counts batches with floats, which are
exact up to here; its own endless repeat cannot be cut into batches of one."""


def _read_options(threads: int) -> grain.ReadOptions:
    if not threads:
        cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else ()
        threads = min(MOST_THREADS, len(cores) or os.cpu_count() or 1)
    return grain.ReadOptions(num_threads=threads, prefetch_buffer_size=max(4, threads))


class CachedSamples:
    """Decoded samples, as many of which as fit stay in memory; safe for threads.

    Every sample is read in every epoch, so it does not matter which of them are kept:
    the first ones that are read are.  Their arrays are read-only.
    """

    def __init__(self, samples: Samples, mebibytes: int) -> None:
        """Keep arrays of `samples` of at most `mebibytes` in all."""
        self._samples = samples
        self._left = mebibytes * 2**20
        self._cached: dict[int, dict[str, Any]] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self._samples)

    def is_full(self) -> bool:
        """Whether all samples are in memory."""
        return len(self._cached) == len(self._samples)

    def __getitem__(self, index: Any) -> Any:
        """Return a sample."""
        index = int(index)
        if index in self._cached:
            return self._cached[index]
        sample = self._samples[index]
        arrays = [value for value in sample.values() if isinstance(value, np.ndarray)]
        size = sum(array.nbytes for array in arrays)
        with self._lock:
            if size <= self._left and index not in self._cached:
                for array in arrays:
                    array.flags.writeable = False
                self._left -= size
                self._cached[index] = sample
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
        repeats: Sequence[float] = (),
        threads: int = 0,
        process_index: int = 0,
        process_count: int = 1,
    ):
        """Shuffle, augment and batch `samples` without end.

        Args:
          samples: the training split.
          transform: makes every sample the same size.
          batch_size: size of the global batch, of which each process gets its share.
          seed: seed of order and augmentation.
          repeats: how often each sample is drawn in an epoch, at least 1, see
            `balance.draws`; empty draws each of them once.
          threads: number of threads that read and augment; 0 is one per core, at most
            `MOST_THREADS`, and one for crops of at most `SMALL_CROP` pixels as soon as
            all samples of a `CachedSamples` are in memory.
          process_index: index of this process.
          process_count: number of processes.

        Raises:
          UserError: the batch cannot be divided among the processes.
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

        # Augment before the rows are shared out, so that a sample's randomness depends
        # on its index in the global order alone.  All of this is lazy: only the rows of
        # this process are read, and what is mixed into them.
        share = batch_size // process_count
        augmented: Any = _ordered(samples, repeats, seed).random_map(augment)
        if process_count > 1:
            augmented = grain.MapDataset.source(
                _Rows(augmented, batch_size, process_index * share, share)
            )
        self._batches = augmented.batch(share)
        self._iterator = self._start(threads)
        self._filling: CachedSamples | None = None
        if isinstance(samples, CachedSamples) and not threads:
            self._filling = samples

    def __iter__(self) -> Iterator[Batch]:
        """Return itself."""
        return self

    def __next__(self) -> Batch:
        """Return the next batch."""
        batch = next(self._iterator)
        if self._filling is not None and self._filling.is_full():
            self._filling = None
            if batch["image"][0, ..., 0].size <= SMALL_CROP:
                self._continue_with_one_thread()
        return batch

    def _continue_with_one_thread(self) -> None:
        """Replace the iterator by one with a single thread, at the same position.

        In the first epoch several threads decode the samples.  Once all samples are in
        memory only augmentation is left, and a single thread is faster for small crops.
        Grain fixes the number of threads of an iterator when it starts, so a new
        iterator is needed.  Its state is one integer, and a sample depends only on its
        position, so the batches are the same.
        """
        position = self.state()
        self._iterator.close()
        self._iterator = self._start(1)
        self.restore(position)

    def _start(self, threads: int) -> Any:
        """Return an iterator that starts at the first batch."""
        return iter(self._batches.to_iter_dataset(_read_options(threads)))

    def close(self) -> None:
        """Stop reading ahead; there is no next batch then."""
        self._iterator.close()

    def state(self) -> dict[str, Any]:
        """Return the position of the stream as JSON values."""
        return self._iterator.get_state()

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from the position that `state` returned."""
        self._iterator.set_state(state)


def _ordered(samples: Samples, repeats: Sequence[float], seed: int) -> Any:
    """Return the samples of all epochs in their order; nothing is read."""
    if repeats:
        return grain.MapDataset.source(_Drawn(samples, repeats, seed)).seed(seed)
    order = grain.MapDataset.source(samples).seed(seed).shuffle()
    return order.repeat(ENDLESS // len(samples))


class _Drawn:
    """The samples that `balance.draws` chooses, one epoch after the other."""

    def __init__(self, samples: Samples, repeats: Sequence[float], seed: int) -> None:
        self._samples, self._length = samples, epoch_length(repeats)
        # Reading ahead may reach the next epoch while batches of this one are made.
        self._draws = functools.lru_cache(2)(functools.partial(draws, repeats, seed))

    def __len__(self) -> int:
        return ENDLESS

    def __getitem__(self, index: Any) -> Any:
        epoch, place = divmod(int(index), self._length)
        return self._samples[int(self._draws(epoch)[place])]


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
      indices: indices of the images in the split, without those that fill up the batch.
      sizes: height and width of each image before padding.
      arrays: image, label, valid, and `index` int32 `[B]`: the index of each image, -1
        for those that fill up the batch.
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
    planes: tuple[int, ...] = (),
) -> Iterator[EvaluationBatch]:
    """Yield every image exactly once, in batches of equal padded size.

    The batches depend only on the sizes, so all processes agree on them.  A batch that
    is not full is filled up with images whose `valid` is False.

    Args:
      samples: the split.
      sizes: height and width of each sample.
      batch_size: largest global batch, rounded up to a multiple of `unit`.
      multiple: sides are padded to multiples of this.
      smallest: sides are padded to at least this.
      threads: number of threads that read; 0 is one per core, at most `MOST_THREADS`.
      process_index: index of this process.
      process_count: number of processes.
      unit: every global batch is a multiple of this (the number of devices).
      planes: the axes of a label after `[H, W]`, see `LabelSet.planes`.
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
            "label": np.full((count, *size, *planes), IGNORE, np.uint8),
            "index": np.array(indices + [-1] * (count - len(indices)), np.int32),
        }
        arrays["valid"] = arrays["index"] >= 0
        shapes = []
        for row, index in enumerate(indices):
            sample = samples[index]
            height, width = sample["label"].shape[:2]
            arrays["image"][row] = pad_image(sample["image"], size)
            arrays["label"][row, :height, :width] = sample["label"]
            shapes.append((height, width))
        return EvaluationBatch(tuple(indices), tuple(shapes), arrays)

    batches = grain.MapDataset.source(plan).map(read)
    yield from batches.to_iter_dataset(_read_options(threads))
