"""One pass over a split: exact counts, and the metrics that go into `results.json`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from jaxseg.data.labels import Task
from jaxseg.data.pipeline import EvaluationBatch, Samples, evaluation_batches
from jaxseg.evaluation import measures
from jaxseg.evaluation.histograms import Histogram, rounded_threshold
from jaxseg.evaluation.metrics import (
    AnyConfusion,
    Confusion,
    MultilabelConfusion,
    compute_metrics,
)
from jaxseg.evaluation.per_image import PerImage
from jaxseg.evaluation.step import EvaluationStep
from jaxseg.evaluation.surfaces import SurfaceOptions, Surfaces
from jaxseg.evaluation.tally import Tally
from jaxseg.parallel.mesh import batch_devices
from jaxseg.segmenter import SIZE_MULTIPLE, SMALLEST


@dataclass(frozen=True)
class Evaluation:
    """The result of one pass over a split.

    Attributes:
      confusion: over all counted pixels, at the thresholds; a `MultilabelConfusion` if
        classes may overlap.
      images: number of images.
      seconds: wall time, compilation included.
      size_multiple: the sides of images were padded to multiples of this.
      task: what is predicted of a pixel.
      histogram: of the probabilities; for a multiclass task, of those of the predicted
        classes.
      thresholds: the probability from which on a class is predicted, for each class
        that has a logit; empty for a multiclass task.
      per_image: the overlaps in each image, at the thresholds; None if the thresholds
        were known only after the pass.
      surfaces: the measures of boundaries; None if they were not asked for.
    """

    confusion: AnyConfusion
    images: int
    seconds: float
    size_multiple: int
    task: Task = "multiclass"
    histogram: Histogram | None = None
    thresholds: tuple[float, ...] = ()
    per_image: PerImage | None = None
    surfaces: Surfaces | None = None

    @property
    def score(self) -> float:
        """The metric by which the best checkpoint is chosen.

        It is the mean IoU; for a binary task, the IoU of the foreground.
        """
        if self.task == "binary":
            return float(self.confusion.iou[1])
        return self.confusion.mean_iou

    @property
    def score_name(self) -> str:
        """The name under which `score` is shown."""
        return "foreground IoU" if self.task == "binary" else "mean IoU"

    @property
    def best_thresholds(self) -> tuple[float, ...]:
        """The threshold of the best IoU of each class; empty for a multiclass task."""
        if self.task == "multiclass" or self.histogram is None:
            return ()
        return tuple(self.histogram.best_thresholds.tolist())

    def metrics(self) -> dict[str, float]:
        """Return every metric by name, registered ones too; undefined ones are NaN.

        Raises:
          UserError: a user's metric fails.
        """
        found = compute_metrics(self.confusion)
        if self.histogram is not None:
            found |= measures.scalars(self.confusion, self.histogram, self.task)
        return found

    def summary(
        self,
        names: Sequence[str],
        parts: int = 15,
        image_name: Callable[[int], str] = str,
    ) -> dict[str, Any]:
        """Return all metrics as values for JSON; undefined ones are None.

        Args:
          names: names of the classes.
          parts: number of bins of 0..1, for the calibration.
          image_name: index -> name; called for the worst images only.
        """
        confusion = self.confusion
        found: dict[str, Any] = {"task": self.task, **self.metrics()}
        if self.histogram is not None:
            found |= measures.details(
                self.histogram, self.task, names, self.thresholds, parts
            )
        if self.per_image is not None:
            found |= self.per_image.summary(image_name)
        if self.surfaces is not None:
            found |= self.surfaces.summary(names)
        return {
            **{name: measures.plain(value) for name, value in found.items()},
            "per_class_iou": measures.by_name(names, confusion.iou),
            "per_class_dice": measures.by_name(names, confusion.dice),
            "confusion": confusion.counts.tolist(),
            "images": self.images,
            "seconds": round(self.seconds, 3),
            "images_per_second": round(self.images / self.seconds, 2),
            "size_multiple": self.size_multiple,
        }


def evaluate(
    step: EvaluationStep,
    variables: Any,
    samples: Samples,
    sizes: Sequence[tuple[int, int]],
    mesh: Mesh,
    *,
    batch_size: int = 8,
    multiple: int = SIZE_MULTIPLE,
    threads: int = 0,
    thresholds: Sequence[float] | None = None,
    surfaces: SurfaceOptions | None = None,
    on_batch: Callable[[], None] = lambda: None,
    done: Callable[[int], None] = lambda images: None,
) -> Evaluation:
    """Measure every image of a split once.

    Args:
      step: from `create_evaluation_step`.
      variables: of the model.
      samples: the split.
      sizes: height and width of each sample.
      mesh: the devices.
      batch_size: images at a time over all devices; for a step whose devices take one
        image each, the number of devices.
      multiple: sides are padded to multiples of this by reflection; 1 does not pad.
      threads: number of reading threads; 0 is one per core, up to a limit.
      thresholds: one for each class that has a logit, in a binary or multilabel task;
        None takes those of the best IoU in this split, which are known only afterwards.
      surfaces: measure boundaries too; the step must return masks, and thresholds must
        be given.
      on_batch: called before each batch; an exception that it raises ends the
        evaluation.
      done: called with the number of images that all processes together have done.
    """
    start, pending, finished = time.perf_counter(), None, 0
    known = _known_bounds(step, thresholds)
    assert surfaces is None or (step.masks and known is not None)
    guess = (0.5,) * (step.counter.planes or (1,))[0]  # its overlaps are not kept
    bounds = np.array(guess if known is None else known, np.float32)
    tally = Tally(step.counter, len(sizes), surfaces, threads)
    for batch in _batches(step, samples, sizes, mesh, batch_size, multiple, threads):
        on_batch()
        counted = step.count(variables, batch.arrays, bounds)
        if pending is not None:  # fetch one batch late, so that the device never waits
            tally.add(*pending)
            done(finished)
        pending = batch, counted
        count = len(batch.indices) * jax.process_count()
        finished = min(len(sizes), finished + count)
    if pending is not None:
        tally.add(*pending)
        done(len(sizes))
    found = _evaluation(tally, step.counter.task, known)
    seconds = time.perf_counter() - start
    return Evaluation(
        **found, seconds=seconds, images=len(sizes), size_multiple=multiple
    )


def _batches(
    step: EvaluationStep,
    samples: Samples,
    sizes: Sequence[tuple[int, int]],
    mesh: Mesh,
    batch_size: int,
    multiple: int,
    threads: int,
) -> Iterator[EvaluationBatch]:
    return evaluation_batches(
        samples,
        sizes,
        batch_size=1 if step.one_each else batch_size,
        multiple=multiple,
        smallest=SMALLEST,
        threads=threads,
        process_index=jax.process_index(),
        process_count=jax.process_count(),
        unit=batch_devices(mesh),
        planes=step.counter.planes,
    )


def _known_bounds(
    step: EvaluationStep, thresholds: Sequence[float] | None
) -> tuple[float, ...] | None:
    """Return the thresholds as bounds of bins; empty for a multiclass task.

    None means that they are known only after the pass.
    """
    if step.counter.task == "multiclass":
        return ()
    if thresholds is None:
        return None
    return tuple(rounded_threshold(each) for each in thresholds)


def _evaluation(
    tally: Tally, task: Task, known: tuple[float, ...] | None
) -> dict[str, Any]:
    """Return the attributes of an `Evaluation` that follow from the counts."""
    histogram = Histogram(tally.counts["histogram"])
    found: dict[str, Any] = {
        "task": task,
        "histogram": histogram,
        "per_image": None if known is None else tally.per_image(),
        "surfaces": tally.surfaces(),
    }
    if task == "multiclass":
        return found | {"confusion": Confusion(tally.counts["confusion"])}
    best = histogram.best_thresholds.tolist
    bounds = tuple(map(rounded_threshold, best())) if known is None else known
    counts = histogram.confusion_at(bounds)
    multilabel = task == "multilabel"
    confusion = MultilabelConfusion(counts) if multilabel else Confusion(counts[0])
    return found | {"confusion": confusion, "thresholds": bounds}
