"""Predicts masks and probabilities of images with a trained model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, overload

import jax
import numpy as np

from jaxseg import memory
from jaxseg.build import build_scores, size_multiple
from jaxseg.config import EvaluationConfig
from jaxseg.data.inputs import Image, pixels_of, size_of
from jaxseg.data.labels import LabelSet
from jaxseg.data.padding import Size, group_by_size, pad_image, padded_size
from jaxseg.errors import UserError
from jaxseg.evaluation.answers import Finish, answering
from jaxseg.evaluation.histograms import rounded_threshold
from jaxseg.evaluation.inference import Scores, create_scores
from jaxseg.evaluation.probabilities import Probabilities
from jaxseg.evaluation.windows import PaddedRows, WindowedScores
from jaxseg.run import Run
from jaxseg.segmenter import SIZE_MULTIPLE, SMALLEST, Segmenter


def _nothing(count: int) -> None:
    """Report nothing about the images that are done."""


class Predictor:
    """A trained segmenter, called with images.  It holds no state between calls.

    An image's mask does not depend on the images that are given with it.  The sides of
    an image are padded to multiples of 32 by reflection, at the bottom and right, and
    the padding of the mask is cut off.

    Attributes:
      labels: names and colours of the classes.
      thresholds: for each class that has a logit, in a binary or multilabel task, the
        probability from which on a pixel has the class.
    """

    def __init__(
        self,
        scores: Scores | WindowedScores,
        variables: Any,
        labels: LabelSet,
        *,
        batch_size: int = 8,
        multiple: int = SIZE_MULTIPLE,
        logits: bool = True,
        thresholds: Sequence[float] | None = None,
    ):
        """Wrap a scoring function and its weights.

        Args:
          scores: `(variables, uint8 [B, H, W, 3]) -> float32 [B, H, W, classes]`, or
            scores by a sliding window, image by image.
          variables: of the model.
          labels: the classes.
          batch_size: number of images of equal size that are predicted together.
          multiple: sides are padded to multiples of this; 1 does not pad.
          logits: whether the scores are logits, not probabilities.
          thresholds: one, or one per class for a multilabel set; None takes 0.5.
        """
        self.labels = labels
        self.thresholds = _thresholds(labels, thresholds)
        self._variables = variables
        self._batch_size, self._multiple = batch_size, multiple
        self._windows: WindowedScores | None = None
        if isinstance(scores, WindowedScores):
            self._windows, self._batch_size = scores, 1
        said = Probabilities(labels.task, logits)
        self._answer = answering(scores)
        self._masks = jax.jit(lambda scores: said.predict(scores, self.thresholds))
        self._probabilities = jax.jit(said)

    @classmethod
    def from_run(
        cls, workdir: str | Path, evaluation: EvaluationConfig | None = None
    ) -> Predictor:
        """Load the best checkpoint of a run.

        Args:
          workdir: the run folder.
          evaluation: scales, flip, window, threshold, ...; None takes the run's.

        Raises:
          UserError: the folder is no run folder, or has no checkpoint.
        """
        run = Run.open(workdir)
        best = run.best()
        return cls.of_run(run, best.model, best.variables, evaluation, best.thresholds)

    @classmethod
    def of_run(
        cls,
        run: Run,
        model: Segmenter,
        variables: Any,
        evaluation: EvaluationConfig | None = None,
        best_thresholds: Sequence[float] = (),
    ) -> Predictor:
        """Wrap the model of an open run.

        Args:
          run: the run, whose options say how an image is normalised and scored.
          model: the model of the run.
          variables: parameters and statistics.
          evaluation: scales, flip, window, threshold, ...; None takes the run's.
          best_thresholds: the thresholds that "best" stands for.

        Raises:
          UserError: the best thresholds are asked for but not known.
        """
        options = evaluation or run.config.evaluation
        return cls(
            build_scores(run.config, model, options),
            variables,
            run.labels,
            batch_size=options.batch_size,
            multiple=size_multiple(model, options),
            logits=Probabilities.of(run.labels.task, options).logits,
            thresholds=run.thresholds(options, best_thresholds),
        )

    @classmethod
    def from_model(
        cls,
        model: Segmenter,
        variables: Any,
        labels: LabelSet,
        *,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        thresholds: Sequence[float] | None = None,
    ) -> Predictor:
        """Wrap a model that you built and trained yourself.

        Args:
          model: from `create_model`.
          variables: its parameters and statistics.
          labels: the classes.
          mean: mean of RGB on the scale 0..1; None takes the backbone's.
          std: standard deviation of RGB on the scale 0..1; None takes the backbone's.
          thresholds: one, or one per class for a multilabel set; None takes 0.5.
        """
        scores_of = create_scores(
            model, mean=mean or model.mean, std=std or model.std, task=labels.task
        )
        multiple = model.size_multiple
        return cls(
            scores_of, variables, labels, multiple=multiple, thresholds=thresholds
        )

    @overload
    def __call__(self, images: Image) -> np.ndarray: ...

    @overload
    def __call__(self, images: Sequence[Image]) -> list[np.ndarray]: ...

    def __call__(
        self, images: Image | Sequence[Image]
    ) -> np.ndarray | list[np.ndarray]:
        """Predict the class of every pixel.

        Args:
          images: uint8 `[H, W, 3]` RGB, or the path of an image file, which is read as
            `jaxseg.load_image` does; or a list of these, of any sizes.  Only one batch
            of a list of paths is in memory at a time.

        Returns:
          int32 `[H, W]`, the class; for a binary task 1 is the foreground.  For a
          multilabel task uint8 `[H, W, classes]` of 0 and 1.  For a list, a list in the
          same order.

        Raises:
          UserError: an image has another shape or dtype, or a file is no image.
        """
        return self._predict(images, self._masks)

    @overload
    def probabilities(self, images: Image) -> np.ndarray: ...

    @overload
    def probabilities(self, images: Sequence[Image]) -> list[np.ndarray]: ...

    def probabilities(
        self, images: Image | Sequence[Image]
    ) -> np.ndarray | list[np.ndarray]:
        """Predict the probabilities of the classes of every pixel.

        Args:
          images: an image, a path, or a list of them, as in a call of the predictor.

        Returns:
          float32 `[H, W, classes]`, which sum to 1 unless the task is multilabel.  For
          a binary task `[H, W]`, the probability of the foreground.  For a list, a list
          in the same order.

        Raises:
          UserError: an image has another shape or dtype, or a file is no image.
        """
        return self._predict(images, self._probabilities)

    def _predict(
        self, images: Image | Sequence[Image], finish: Finish
    ) -> np.ndarray | list[np.ndarray]:
        if isinstance(images, str | Path):
            return self._predict_list([images], finish)[0]
        if isinstance(images, np.ndarray) and images.ndim == 3:
            return self._predict_list([images], finish)[0]
        return self._predict_list(list(images), finish)

    def _predict_list(self, images: list[Image], finish: Finish) -> list[np.ndarray]:
        sizes = [size_of(image) for image in images]
        found: list[np.ndarray] = [np.empty(0, np.int32)] * len(images)
        lazily = self._answer_lazily(
            sizes, lambda index: pixels_of(images[index]), _nothing, [finish]
        )
        for index, _, (mask,) in lazily:
            found[index] = mask
        return found

    def work(self, sizes: Sequence[Size]) -> tuple[str, int]:
        """Return the unit that `predict_lazily` counts, and the number of units.

        Args:
          sizes: height and width of every image.
        """
        windows = self._windows
        if windows is None:
            return "image", len(sizes)
        fitted = (padded_size(size, self._multiple, SMALLEST) for size in sizes)
        return "window", sum(windows.count(size) for size in fitted)

    def predict_lazily(
        self,
        sizes: Sequence[Size],
        load: Callable[[int], np.ndarray],
        done: Callable[[int], None] = _nothing,
    ) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """Predict images that are read when they are needed, equal sizes together.

        Args:
          sizes: height and width of every image.
          load: index -> uint8 `[H, W, 3]`.
          done: called with the number of further units (see `work`) that are done.

        Yields:
          Index, image and mask (see `__call__`), grouped by size.

        Raises:
          UserError: an image has another size than in `sizes`.
        """
        finishes = [self._masks]
        for index, image, (mask,) in self._answer_lazily(sizes, load, done, finishes):
            yield index, image, mask

    def probabilities_lazily(
        self,
        sizes: Sequence[Size],
        load: Callable[[int], np.ndarray],
        done: Callable[[int], None] = _nothing,
    ) -> Iterator[tuple[int, np.ndarray, np.ndarray, np.ndarray]]:
        """Predict as `predict_lazily`, with the probabilities of the same pass.

        Args:
          sizes: height and width of every image.
          load: index -> uint8 `[H, W, 3]`.
          done: called with the number of further units (see `work`) that are done.

        Yields:
          Index, image, the mask of `predict_lazily`, bit for bit, and probabilities
          (see `probabilities`), grouped by size.

        Raises:
          UserError: an image has another size than in `sizes`.
        """
        finishes = [self._masks, self._probabilities]
        for index, image, found in self._answer_lazily(sizes, load, done, finishes):
            mask, probabilities = found
            yield index, image, mask, probabilities

    def predict_rows(
        self,
        size: Size,
        read: Callable[[np.ndarray], np.ndarray],
        done: Callable[[int], None] = _nothing,
    ) -> Iterator[np.ndarray]:
        """Predict an image by windows whose rows are read when they are needed.

        Args:
          size: height and width of the image, at least 33 pixels a side.
          read: indices of rows, int `[n]` -> uint8 `[n, W, 3]`.
          done: called with the number of further windows that are done.

        Yields:
          The next rows of the mask, see `__call__`, from the top down.

        Raises:
          UserError: there is no window, or its scores do not fit the memory.
        """
        windows = self._windows
        if windows is None:
            raise UserError("an image is read by rows only for windows: give a window")
        padded = padded_size(size, self._multiple, SMALLEST)
        memory.require(
            windows.memory(padded, self.labels.num_logits),
            f"a band of {padded[1]:,} columns of {self.labels.num_logits} classes",
            "give a smaller window, which makes the band lower",
        )
        rows = PaddedRows(read, size, padded)
        for top, block in windows.blocks(self._variables, rows, done=done):
            if top < size[0]:  # below it, all rows are padding
                yield np.asarray(self._masks(block))[0, : size[0] - top, : size[1]]

    def _answer_lazily(
        self,
        sizes: Sequence[Size],
        load: Callable[[int], np.ndarray],
        done: Callable[[int], None],
        finishes: Sequence[Finish],
    ) -> Iterator[tuple[int, np.ndarray, list[np.ndarray]]]:
        groups = group_by_size(sizes, self._multiple, SMALLEST)
        for padded, indices in groups.items():
            for start in range(0, len(indices), self._batch_size):
                chunk = indices[start : start + self._batch_size]
                images = [load(index) for index in chunk]
                for index, image in zip(chunk, images, strict=True):
                    if image.shape[:2] != tuple(sizes[index]):
                        raise UserError(f"image {index} changed its size while waiting")
                batch = np.stack([pad_image(image, padded) for image in images])
                if len(indices) > self._batch_size > len(chunk):
                    # The last chunk uses the compiled program of full chunks.
                    extra = self._batch_size - len(chunk)
                    batch = np.concatenate([batch, np.repeat(batch[-1:], extra, 0)])
                answers = self._answer(self._variables, batch, done, finishes)
                for row, (index, image) in enumerate(zip(chunk, images, strict=True)):
                    height, width = sizes[index]
                    yield index, image, [each[row, :height, :width] for each in answers]
                    if self._windows is None:
                        done(1)


def _thresholds(
    labels: LabelSet, thresholds: Sequence[float] | None
) -> tuple[float, ...]:
    """Return a threshold for each class that has a logit, rounded to a bound of a bin.

    Raises:
      UserError: the number of thresholds is wrong.
    """
    if labels.task == "multiclass":
        return ()
    given = list(thresholds or [0.5])
    given = given * labels.num_logits if len(given) == 1 else given
    if len(given) != labels.num_logits:
        raise UserError(
            f"{len(given)} thresholds for {labels.num_logits} classes; give one, or one"
            " per class"
        )
    return tuple(rounded_threshold(each) for each in given)
