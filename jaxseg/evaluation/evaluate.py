"""One pass over a split: exact counts, and the metrics that go into `results.json`."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from jaxseg.data.labels import IGNORE, Task
from jaxseg.data.pipeline import Samples, evaluation_batches
from jaxseg.evaluation import measures
from jaxseg.evaluation.counting import Counter, Counts, added
from jaxseg.evaluation.histograms import Histogram, rounded_threshold
from jaxseg.evaluation.inference import Scores, WholeScores
from jaxseg.evaluation.metrics import (
    AnyConfusion,
    Confusion,
    MultilabelConfusion,
    compute_metrics,
)
from jaxseg.evaluation.probabilities import Probabilities
from jaxseg.evaluation.windows import WindowedScores
from jaxseg.nn.lowering import compiling_for
from jaxseg.parallel.mesh import (
    ROW_AXIS,
    batch_devices,
    constrain,
    replicated,
    shard_batch,
    split_rows,
)
from jaxseg.segmenter import SIZE_MULTIPLE, SMALLEST


@dataclass(frozen=True)
class EvaluationStep:
    """A function that counts the pixels of a batch of images.

    Attributes:
      count: `(variables, this process' part of a batch) -> counts over the batch`.
      counter: that counts.
      one_each: a device takes one image at a time.
    """

    count: Callable[[Any, Mapping[str, np.ndarray]], Counts]
    counter: Counter
    one_each: bool = False


@dataclass(frozen=True)
class Evaluation:
    """The result of one pass over a split.

    Attributes:
      confusion: over all counted pixels, at the thresholds; a `MultilabelConfusion` if
        classes may overlap.
      images: number of images.
      seconds: wall time, compilation included.
      size_multiple: what image sides were padded to multiples of.
      task: what was measured.
      histogram: of the probabilities; of a multiclass task, of those of the classes
        predicted.
      thresholds: of each class that has a logit: it is predicted from there on; none in
        a multiclass task.
    """

    confusion: AnyConfusion
    images: int
    seconds: float
    size_multiple: int
    task: Task = "multiclass"
    histogram: Histogram | None = None
    thresholds: tuple[float, ...] = ()

    @property
    def score(self) -> float:
        """The metric by which the best checkpoint is chosen.

        The mean IoU; of a binary task the IoU of the foreground.
        """
        if self.task == "binary":
            return float(self.confusion.iou[1])
        return self.confusion.mean_iou

    @property
    def score_name(self) -> str:
        """What `score` is called."""
        return "foreground IoU" if self.task == "binary" else "mean IoU"

    @property
    def best_thresholds(self) -> tuple[float, ...]:
        """The thresholds of the best IoU; none in a multiclass task."""
        if self.task == "multiclass" or self.histogram is None:
            return ()
        return tuple(self.histogram.best_thresholds.tolist())

    def metrics(self) -> dict[str, float]:
        """Return every metric by name, a user's own too; undefined ones are NaN.

        Raises:
          UserError: a user's metric fails.
        """
        found = compute_metrics(self.confusion)
        if self.histogram is not None:
            found |= measures.scalars(self.confusion, self.histogram, self.task)
        return found

    def summary(self, names: Sequence[str], parts: int = 15) -> dict[str, Any]:
        """Return all metrics as values for JSON; undefined ones are None.

        Args:
          names: of the classes.
          parts: of 0..1, for the calibration.
        """
        confusion = self.confusion
        found: dict[str, Any] = {"task": self.task, **self.metrics()}
        if self.histogram is not None:
            found |= measures.details(
                self.histogram, self.task, names, self.thresholds, parts
            )
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


def create_evaluation_step(
    scores: Scores | WindowedScores,
    num_classes: int,
    mesh: Mesh,
    probabilities: Probabilities | None = None,
) -> EvaluationStep:
    """Return a function that counts the pixels of batches of images.

    Images whose `valid` is False are not counted.

    Args:
      scores: images -> class scores; by a sliding window a device has one image at a
        time.
      num_classes: number of classes; of a binary task 2.
      mesh: the devices.
      probabilities: what the scores say, and of which task; None are the logits of a
        multiclass task.
    """
    counter = Counter(num_classes, probabilities or Probabilities())
    if isinstance(scores, WindowedScores):
        return _windowed_step(scores, counter, mesh)

    @compiling_for(mesh)
    def step(variables: Any, batch: Mapping[str, jax.Array]) -> Counts:
        batch = constrain(batch, mesh)
        image, label = batch["image"], _valid_label(batch)
        with split_rows(mesh):
            # Rows that lie on several devices are not cut into bands.
            if isinstance(scores, WholeScores) and mesh.shape[ROW_AXIS] == 1:
                return scores.summed(variables, image, label, counter)
            found = scores(variables, image)
        return counter(found, label)

    compiled = jax.jit(step, out_shardings=replicated(mesh))
    return EvaluationStep(
        lambda variables, batch: compiled(variables, shard_batch(batch, mesh)), counter
    )


def _windowed_step(
    scores: WindowedScores, counter: Counter, mesh: Mesh
) -> EvaluationStep:
    count = jax.jit(
        lambda found, batch: counter(found, _valid_label(batch)),
        out_shardings=replicated(mesh),
    )

    def step(variables: Any, batch: Mapping[str, np.ndarray]) -> Counts:
        total = counter.zero()
        for top, block in scores.blocks(variables, batch["image"], mesh):
            label = batch["label"][:, top : top + block.shape[1]]
            rows = shard_batch({"label": label, "valid": batch["valid"]}, mesh)
            total = added(total, count(block, rows))
        return total

    return EvaluationStep(step, counter, one_each=True)


def _valid_label(batch: Mapping[str, jax.Array]) -> jax.Array:
    """Return the labels, int32; those of images that are not valid are ignored."""
    label = batch["label"].astype(jnp.int32)
    valid = batch["valid"].reshape(-1, *(1 for _ in label.shape[1:]))
    return jnp.where(valid, label, IGNORE)


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
    on_batch: Callable[[], None] = lambda: None,
    done: Callable[[int], None] = lambda images: None,
) -> Evaluation:
    """Count every image of a split once.

    Args:
      step: from `create_evaluation_step`.
      variables: of the model.
      samples: the split.
      sizes: height and width of each sample.
      mesh: the devices.
      batch_size: global; of a step that takes one each, the number of devices.
      multiple: sides are padded to multiples of this by reflection; 1 pads none.
      threads: number of reading threads; 0 is one per core, up to a limit.
      thresholds: of each class that has a logit, in a binary or multilabel task; None
        are those of the best IoU in this split.
      on_batch: called before each batch; what it raises ends the evaluation.
      done: called with the number of images that are done, of all processes.
    """
    start, processes = time.perf_counter(), jax.process_count()
    total, pending, finished = step.counter.zero(), None, 0
    batches = evaluation_batches(
        samples,
        sizes,
        batch_size=1 if step.one_each else batch_size,
        multiple=multiple,
        smallest=SMALLEST,
        threads=threads,
        process_index=jax.process_index(),
        process_count=processes,
        unit=batch_devices(mesh),
        planes=step.counter.planes,
    )
    for batch in batches:
        on_batch()
        counts = step.count(variables, batch.arrays)
        if pending is not None:  # fetch one batch late, so that the device never waits
            total = added(total, pending)
            done(finished)
        pending = counts
        finished = min(len(sizes), finished + len(batch.indices) * processes)
    if pending is not None:
        total = added(total, pending)
        done(len(sizes))
    seconds = time.perf_counter() - start
    measured = len(sizes), seconds, multiple
    return _evaluation(step.counter.task, total, thresholds, measured)


def _evaluation(
    task: Task,
    total: Counts,
    thresholds: Sequence[float] | None,
    measured: tuple[int, float, int],
) -> Evaluation:
    histogram = Histogram(total["histogram"])
    if task == "multiclass":
        return Evaluation(Confusion(total["confusion"]), *measured, task, histogram)
    best = histogram.best_thresholds.tolist
    chosen = best() if thresholds is None else thresholds
    bounds = tuple(rounded_threshold(each) for each in chosen)
    counts = histogram.confusion_at(bounds)
    multilabel = task == "multilabel"
    confusion = MultilabelConfusion(counts) if multilabel else Confusion(counts[0])
    return Evaluation(confusion, *measured, task, histogram, bounds)
