"""Evaluates a model on the evaluation split, with the options of its training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jax.sharding import Mesh

from jaxseg import memory
from jaxseg.build import build_evaluation_step, size_multiple
from jaxseg.config import Config
from jaxseg.data.samples import Samples
from jaxseg.evaluation.evaluate import Evaluation, evaluate
from jaxseg.evaluation.step import EvaluationStep
from jaxseg.evaluation.surfaces import SurfaceOptions
from jaxseg.evaluation.window_plan import smaller_window
from jaxseg.parallel import devices
from jaxseg.segmenter import Segmenter
from jaxseg.trainer.data import TrainingData


@dataclass(frozen=True)
class _Part:
    """Some of the samples of a split."""

    samples: Samples
    indices: list[int]

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: Any) -> Any:
        return self.samples[self.indices[int(index)]]


class Evaluator:
    """Evaluates variables of one model; each program is compiled once."""

    def __init__(
        self, config: Config, model: Segmenter, data: TrainingData, mesh: Mesh
    ):
        """Keep the arguments; a program is compiled by the first call that needs it.

        Args:
          config: the options of the training.
          model: the model that the config describes.
          data: the data that the config names.
          mesh: the devices.
        """
        self._config, self._model, self._data = config, model, data
        self._mesh = mesh
        self._steps: dict[bool, EvaluationStep] = {}

    def __call__(
        self,
        variables: Any,
        on_batch: Callable[[], None] = lambda: None,
        images: int | None = None,
        thresholds: Sequence[float] | None = None,
        surfaces: bool = False,
    ) -> Evaluation:
        """Evaluate the model on the evaluation split.

        Args:
          variables: of the model, on the mesh.
          on_batch: called before each batch; an exception that it raises ends the
            evaluation.
          images: number of images to evaluate, at equal distances in the split; None
            evaluates all.
          thresholds: one for each class that has a logit; None takes the config's.
          surfaces: measure boundaries too; the thresholds must be known.

        Raises:
          UserError: memory is short; the message names options that take less.
        """
        options, data = self._config.evaluation, self._data
        samples, sizes = data.evaluation, data.evaluation_sizes
        if images is not None:
            part = np.linspace(0, len(sizes) - 1, images).round().astype(int).tolist()
            samples, sizes = _Part(samples, part), [sizes[index] for index in part]
        thresholds = thresholds or self._thresholds()
        surfaces = surfaces and thresholds is not None
        remedy = "give --evaluation.batch_size 1"
        if window := smaller_window(options.window):
            remedy += f" or --evaluation.window {window}"
        remedy += ", and run the same command again to go on"
        with memory.remedied("evaluating", remedy, devices.left):
            return evaluate(
                self._compiled(surfaces),
                variables,
                samples,
                sizes,
                self._mesh,
                batch_size=options.batch_size,
                multiple=size_multiple(self._model, options),
                threads=self._config.data.threads,
                thresholds=thresholds,
                surfaces=SurfaceOptions.of(options) if surfaces else None,
                on_batch=on_batch,
            )

    def complete(self, variables: Any, evaluation: Evaluation | None) -> Evaluation:
        """Evaluate a finished run with all measures that the config asks for.

        A second pass follows if the best thresholds are known only after the first.

        Args:
          variables: of the model, on the mesh.
          evaluation: an evaluation of these variables, which is returned if it has all
            measures; None if there is none.

        Raises:
          UserError: memory is short; the message names options that take less.
        """
        surfaces = self._config.evaluation.surfaces
        if evaluation is None:
            evaluation = self(variables, surfaces=surfaces)
        known = evaluation.per_image is not None
        if known and (evaluation.surfaces is not None or not surfaces):
            return evaluation
        thresholds = evaluation.thresholds or None
        return self(variables, thresholds=thresholds, surfaces=surfaces)

    def _compiled(self, masks: bool) -> EvaluationStep:
        """Return the evaluation step; the first call creates it."""
        if masks not in self._steps:
            self._steps[masks] = build_evaluation_step(
                self._config,
                self._model,
                self._data.num_classes,
                self._mesh,
                masks=masks,
            )
        return self._steps[masks]

    def _thresholds(self) -> tuple[float, ...] | None:
        """Return the thresholds that the config gives; None means the best ones."""
        threshold = self._config.evaluation.threshold
        if threshold == "best":
            return None
        return (threshold,) * self._data.dataset.labels.num_logits
