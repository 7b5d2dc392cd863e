"""A split's exact confusion matrix, and the figures that go into `results.json`."""

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
from jaxseg.data.padding import size_multiple
from jaxseg.data.pipeline import Samples, evaluation_batches
from jaxseg.evaluation.inference import Scores
from jaxseg.evaluation.metrics import Confusion, confusion_matrix
from jaxseg.models import SMALLEST
from jaxseg.training.mesh import (
    batch_devices,
    replicated,
    shard_batch,
    split_rows,
    spread,
)

EvaluationStep = Callable[[Any, Mapping[str, jax.Array]], jax.Array]


@dataclass(frozen=True)
class Evaluation:
    """What one pass over a split gave.

    Attributes:
      confusion: over all counted pixels.
      images: number of images.
      seconds: wall time, compilation included.
      size_multiple: what image sizes were padded to a multiple of.
    """

    confusion: Confusion
    images: int
    seconds: float
    size_multiple: int

    def figures(self, names: Sequence[str]) -> dict[str, Any]:
        """Return the figures as JSON-able values; undefined ones are None.

        Args:
          names: of the classes.
        """
        confusion = self.confusion
        return {
            "miou": _number(confusion.mean_iou),
            "pixel_accuracy": _number(confusion.pixel_accuracy),
            "mean_accuracy": _number(confusion.mean_accuracy),
            "frequency_weighted_iou": _number(confusion.frequency_weighted_iou),
            "mean_dice": _number(confusion.mean_dice),
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
    scores: Scores, num_classes: int, mesh: Mesh
) -> EvaluationStep:
    """Return `eval_step(variables, batch) -> int32 confusion counts`, jitted.

    Images that `valid` marks False do not count.

    Args:
      scores: images -> class scores.
      num_classes: number of classes.
      mesh: the devices.
    """

    def step(variables: Any, batch: Mapping[str, jax.Array]) -> jax.Array:
        batch = spread(batch, mesh)
        with split_rows(mesh):
            found = scores(variables, batch["image"])
        prediction = jnp.argmax(found, axis=-1)
        label = batch["label"].astype(jnp.int32)
        label = jnp.where(batch["valid"][:, None, None], label, IGNORE)
        return confusion_matrix(label, prediction, num_classes)

    return jax.jit(step, out_shardings=replicated(mesh))


def evaluate(
    step: EvaluationStep,
    variables: Any,
    samples: Samples,
    sizes: Sequence[tuple[int, int]],
    num_classes: int,
    mesh: Mesh,
    *,
    batch_size: int = 8,
    multiple: int = 0,
    threads: int = 0,
    between: Callable[[], None] = lambda: None,
) -> Evaluation:
    """Count every image of a split once.

    Args:
      step: from `create_evaluation_step`.
      variables: of the model.
      samples: the split.
      sizes: height and width of each sample.
      num_classes: number of classes.
      mesh: the devices.
      batch_size: global.
      multiple: pads sizes to a multiple; 0 decides by the number of distinct sizes.
      threads: that read; 0 is one a core, up to some.
      between: called before each batch; what it raises ends the evaluation.
    """
    start = time.perf_counter()
    multiple = size_multiple(sizes, multiple)
    total, pending = Confusion.zero(num_classes), None
    batches = evaluation_batches(
        samples,
        sizes,
        batch_size=batch_size,
        multiple=multiple,
        smallest=SMALLEST,
        threads=threads,
        process_index=jax.process_index(),
        process_count=jax.process_count(),
        unit=batch_devices(mesh),
    )
    for batch in batches:
        between()
        counts = step(variables, shard_batch(batch.arrays, mesh))
        if pending is not None:  # one behind, so that the device never waits
            total += np.asarray(pending)
        pending = counts
    if pending is not None:
        total += np.asarray(pending)
    seconds = time.perf_counter() - start
    return Evaluation(total, len(sizes), seconds, multiple)
