"""Evaluates a batch of images: exact counts, and the masks if they are asked for."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from jaxseg.data.labels import IGNORE
from jaxseg.evaluation.counting import Counter, Counts, added
from jaxseg.evaluation.inference import Scores, WholeScores
from jaxseg.evaluation.probabilities import Probabilities
from jaxseg.evaluation.windows import WindowedScores
from jaxseg.nn.lowering import compiling_for
from jaxseg.parallel.mesh import (
    ROW_AXIS,
    by_image,
    constrain,
    local_rows,
    replicated,
    shard_batch,
    split_rows,
)

Masks = dict[int, np.ndarray]
"""Predicted masks of the images that this process holds, by their index in the batch:
uint8 `[H, W]`, or for a multilabel task `[H, W, classes]` of 0 and 1."""


@dataclass(frozen=True)
class Counted:
    """The result of a batch of images.

    Attributes:
      counts: over the batch of all processes.
      index: int `[B]`, of each image in the split; -1 for images that only fill up the
        batch.
      masks: fetches the masks from the devices; empty if they were not asked for.
    """

    counts: Counts
    index: jax.Array
    masks: Callable[[], Masks]


@dataclass(frozen=True)
class EvaluationStep:
    """A function that counts the pixels of a batch of images.

    Attributes:
      count: `(variables, this process' part of a batch, thresholds) -> counted`; the
        thresholds are float32, one for each class that has a logit.
      counter: counts the scores.
      masks: whether the masks are returned too.
      one_each: whether a device takes one image at a time.
    """

    count: Callable[[Any, Mapping[str, np.ndarray], np.ndarray], Counted]
    counter: Counter
    masks: bool = False
    one_each: bool = False


def create_evaluation_step(
    scores: Scores | WindowedScores,
    num_classes: int,
    mesh: Mesh,
    probabilities: Probabilities | None = None,
    masks: bool = False,
) -> EvaluationStep:
    """Return a function that counts the pixels of batches of images.

    Images whose `valid` is False are not counted.

    Args:
      scores: images -> class scores; with a sliding window a device takes one image at
        a time.
      num_classes: number of classes; 2 for a binary task.
      mesh: the devices.
      probabilities: turns scores into probabilities; None takes the scores as logits of
        a multiclass task.
      masks: whether to return the masks too, on the host.
    """
    counter = Counter(num_classes, probabilities or Probabilities())
    finish = functools.partial(_finish, counter, masks)
    if isinstance(scores, WindowedScores):
        return _windowed_step(scores, counter, mesh, finish, masks)

    # No bands if masks are returned, or if the rows are divided among several devices.
    whole_rows = mesh.shape[ROW_AXIS] == 1 and not masks
    in_bands = scores if isinstance(scores, WholeScores) and whole_rows else None

    @compiling_for(mesh)
    def step(variables: Any, batch: Mapping[str, jax.Array], bounds: jax.Array) -> Any:
        batch = constrain(batch, mesh)
        image, index = batch["image"], batch["index"]
        with split_rows(mesh):
            if in_bands is not None:
                count = functools.partial(counter, thresholds=bounds)
                label = _valid_label(batch)
                return in_bands.summed(variables, image, label, count), None, index
            found = scores(variables, image)
        return *finish(found, batch, bounds), index

    places = replicated(mesh), by_image(mesh), replicated(mesh)
    compiled = jax.jit(step, out_shardings=places)

    def count(
        variables: Any, batch: Mapping[str, np.ndarray], bounds: np.ndarray
    ) -> Counted:
        counts, mask, index = compiled(variables, shard_batch(batch, mesh), bounds)
        return Counted(counts, index, lambda: local_rows(mask) if masks else {})

    return EvaluationStep(count, counter, masks)


def _windowed_step(
    scores: WindowedScores,
    counter: Counter,
    mesh: Mesh,
    finish: Callable[..., tuple[Counts, jax.Array | None]],
    masks: bool,
) -> EvaluationStep:
    compiled = jax.jit(finish, out_shardings=(replicated(mesh), by_image(mesh)))
    spread = jax.jit(lambda index: index, out_shardings=replicated(mesh))

    def count(
        variables: Any, batch: Mapping[str, np.ndarray], bounds: np.ndarray
    ) -> Counted:
        total = counter.zero() | {"overlaps": 0}
        parts: list[Masks] = []
        for top, block in scores.blocks(variables, batch["image"], mesh):
            label = batch["label"][:, top : top + block.shape[1]]
            rows = shard_batch({"label": label, "valid": batch["valid"]}, mesh)
            counts, mask = compiled(block, rows, bounds)
            total = added(total, counts)
            if mask is not None:
                parts.append(local_rows(mask))
        whole = {
            place: np.concatenate([part[place] for part in parts])
            for place in (parts[0] if parts else ())
        }
        index = spread(shard_batch({"index": batch["index"]}, mesh)["index"])
        return Counted(total, index, lambda: whole)

    return EvaluationStep(count, counter, masks, one_each=True)


def _finish(
    counter: Counter,
    masks: bool,
    scores: jax.Array,
    batch: Mapping[str, jax.Array],
    bounds: jax.Array,
) -> tuple[Counts, jax.Array | None]:
    """Return the counts of scores, and the masks if they are asked for."""
    counts = counter(scores, _valid_label(batch), bounds)
    if not masks:
        return counts, None
    return counts, counter.probabilities.predict(scores, bounds).astype(jnp.uint8)


def _valid_label(batch: Mapping[str, jax.Array]) -> jax.Array:
    """Return the labels, int32; those of images that are not valid are ignored."""
    label = batch["label"].astype(jnp.int32)
    valid = batch["valid"].reshape(-1, *(1 for _ in label.shape[1:]))
    return jnp.where(valid, label, IGNORE)
