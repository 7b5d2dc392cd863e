"""A split's exact confusion matrix, and the metrics that go into `results.json`."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from jaxseg.data.labels import IGNORE
from jaxseg.data.pipeline import Samples, evaluation_batches
from jaxseg.evaluation.inference import Scores
from jaxseg.evaluation.metrics import Confusion, compute_metrics, confusion_matrix
from jaxseg.evaluation.windows import WindowedScores
from jaxseg.nn.lowering import compiling_for
from jaxseg.parallel.mesh import (
    batch_devices,
    constrain,
    replicated,
    shard_batch,
    split_rows,
)
from jaxseg.segmenter import SIZE_MULTIPLE, SMALLEST

Counts = jax.Array | np.ndarray
"""Number of pixels by label and prediction, int `[classes, classes]`."""


@dataclass(frozen=True)
class EvaluationStep:
    """A function that counts the pixels of a batch of images.

    Attributes:
      count: `(variables, this process' part of a batch) -> counts over the batch`.
      one_each: a device takes one image at a time.
    """

    count: Callable[[Any, Mapping[str, np.ndarray]], Counts]
    one_each: bool = False


@dataclass(frozen=True)
class Evaluation:
    """The result of one pass over a split.

    Attributes:
      confusion: over all counted pixels.
      images: number of images.
      seconds: wall time, compilation included.
      size_multiple: what image sides were padded to multiples of.
    """

    confusion: Confusion
    images: int
    seconds: float
    size_multiple: int

    def metrics(self) -> dict[str, float]:
        """Return every metric by name, a user's own too; undefined ones are NaN.

        Raises:
          UserError: a user's metric fails.
        """
        return compute_metrics(self.confusion)

    def summary(self, names: Sequence[str]) -> dict[str, Any]:
        """Return all metrics as values for JSON; undefined ones are None.

        Args:
          names: of the classes.
        """
        confusion = self.confusion
        return {
            **{name: _number(value) for name, value in self.metrics().items()},
            "per_class_iou": _by_name(names, confusion.iou),
            "per_class_dice": _by_name(names, confusion.dice),
            "confusion": confusion.counts.tolist(),
            "images": self.images,
            "seconds": round(self.seconds, 3),
            "images_per_second": round(self.images / self.seconds, 2),
            "size_multiple": self.size_multiple,
        }


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _by_name(names: Sequence[str], values: np.ndarray) -> dict[str, float | None]:
    return {name: _number(value) for name, value in zip(names, values, strict=True)}


def create_evaluation_step(
    scores: Scores | WindowedScores, num_classes: int, mesh: Mesh
) -> EvaluationStep:
    """Return a function that counts the pixels of batches of images.

    Images whose `valid` is False are not counted.

    Args:
      scores: images -> class scores; by a sliding window a device has one image at a
        time.
      num_classes: number of classes.
      mesh: the devices.
    """
    if isinstance(scores, WindowedScores):
        return _windowed_step(scores, num_classes, mesh)

    @compiling_for(mesh)
    def step(variables: Any, batch: Mapping[str, jax.Array]) -> jax.Array:
        batch = constrain(batch, mesh)
        with split_rows(mesh):
            found = scores(variables, batch["image"])
        return _count(found, batch, num_classes)

    compiled = jax.jit(step, out_shardings=replicated(mesh))
    return EvaluationStep(
        lambda variables, batch: compiled(variables, shard_batch(batch, mesh))
    )


def _windowed_step(
    scores: WindowedScores, num_classes: int, mesh: Mesh
) -> EvaluationStep:
    count = jax.jit(
        lambda found, batch: _count(found, batch, num_classes),
        out_shardings=replicated(mesh),
    )

    def step(variables: Any, batch: Mapping[str, np.ndarray]) -> np.ndarray:
        total = np.zeros((num_classes, num_classes), np.int64)
        for top, block in scores.blocks(variables, batch["image"], mesh):
            label = batch["label"][:, top : top + block.shape[1]]
            rows = shard_batch({"label": label, "valid": batch["valid"]}, mesh)
            total += np.asarray(count(block, rows))
        return total

    return EvaluationStep(step, one_each=True)


def _count(
    scores: jax.Array, batch: Mapping[str, jax.Array], num_classes: int
) -> jax.Array:
    prediction = jnp.argmax(scores, axis=-1)
    label = batch["label"].astype(jnp.int32)
    label = jnp.where(batch["valid"][:, None, None], label, IGNORE)
    return confusion_matrix(label, prediction, num_classes)


def evaluate(
    step: EvaluationStep,
    variables: Any,
    samples: Samples,
    sizes: Sequence[tuple[int, int]],
    num_classes: int,
    mesh: Mesh,
    *,
    batch_size: int = 8,
    multiple: int = SIZE_MULTIPLE,
    threads: int = 0,
    on_batch: Callable[[], None] = lambda: None,
    done: Callable[[int], None] = lambda images: None,
) -> Evaluation:
    """Count every image of a split once.

    Args:
      step: from `create_evaluation_step`.
      variables: of the model.
      samples: the split.
      sizes: height and width of each sample.
      num_classes: number of classes.
      mesh: the devices.
      batch_size: global; of a step that takes one each, the number of devices.
      multiple: sides are padded to multiples of this by reflection; 1 pads none.
      threads: number of reading threads; 0 is one per core, up to a limit.
      on_batch: called before each batch; what it raises ends the evaluation.
      done: called with the number of images that are done, of all processes.
    """
    start, processes = time.perf_counter(), jax.process_count()
    total, pending, finished = Confusion.zero(num_classes), None, 0
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
    )
    for batch in batches:
        on_batch()
        counts = step.count(variables, batch.arrays)
        if pending is not None:  # fetch one batch late, so that the device never waits
            total += np.asarray(pending)
            done(finished)
        pending = counts
        finished = min(len(sizes), finished + len(batch.indices) * processes)
    if pending is not None:
        total += np.asarray(pending)
        done(len(sizes))
    seconds = time.perf_counter() - start
    return Evaluation(total, len(sizes), seconds, multiple)
