"""Adds up the counts of the batches of a pass, and keeps the measures of each image."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from jaxseg.data.labels import Task
from jaxseg.data.pipeline import EvaluationBatch
from jaxseg.evaluation.counting import Counter, added
from jaxseg.evaluation.per_image import PerImage
from jaxseg.evaluation.step import Counted, Masks
from jaxseg.evaluation.surfaces import SurfaceOptions, Surfaces, measure_image
from jaxseg.parallel.distributed import gather_rows


class Tally:
    """The counts and measures of the batches so far.

    Attributes:
      counts: over all pixels, int64.
    """

    def __init__(
        self,
        counter: Counter,
        images: int,
        surfaces: SurfaceOptions | None = None,
        threads: int = 0,
    ):
        """Begin with nothing.

        Args:
          counter: counts the scores.
          images: number of images of the split.
          surfaces: options of the measures of boundaries; None does not measure them.
          threads: number of threads that measure boundaries; 0 is one per core.
        """
        self.counts = counter.zero()
        self._task: Task = counter.task
        self._classes = counter.num_classes
        self._overlaps = np.zeros((images, self._classes, 2), np.int64)
        self._options, self._threads = surfaces, threads or os.cpu_count() or 1
        planes = self._classes - (self._task == "binary")
        self._surfaces = np.zeros((images if surfaces else 0, planes, 6))
        self._mine = np.zeros(images, bool)

    def add(self, batch: EvaluationBatch, counted: Counted) -> None:
        """Add a batch; this process has only its own part of the images on the host."""
        self.counts = added(self.counts, counted.counts)
        index = np.asarray(counted.index)
        there = index >= 0
        self._overlaps[index[there]] = np.asarray(counted.counts["overlaps"])[there]
        if self._options is not None:
            self._add_surfaces(batch, index, counted.masks())

    def _add_surfaces(
        self, batch: EvaluationBatch, index: np.ndarray, masks: Masks
    ) -> None:
        places = {int(index[place]): place for place in masks}
        options, labels = self._options, batch.arrays["label"]
        assert options is not None

        def measure(row: int) -> np.ndarray:
            height, width = batch.sizes[row]
            label = labels[row, :height, :width]
            mask = masks[places[batch.indices[row]]][:height, :width]
            return measure_image(label, mask, self._task, self._classes, options)

        with ThreadPoolExecutor(self._threads) as pool:
            found = list(pool.map(measure, range(len(batch.indices))))
        for image, values in zip(batch.indices, found, strict=True):
            self._surfaces[image], self._mine[image] = values, True

    def per_image(self) -> PerImage:
        """Return the overlaps in every image, of all processes."""
        return PerImage(self._overlaps, self._task)

    def surfaces(self) -> Surfaces | None:
        """Return the measures of boundaries, of all processes; None without them."""
        if self._options is None:
            return None
        return Surfaces(gather_rows(self._surfaces, self._mine), self._task)
