"""Image in, mask out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, overload

import jax
import jax.numpy as jnp
import numpy as np

from jaxseg.build import build_scores, size_multiple
from jaxseg.config import EvaluationConfig
from jaxseg.data.labels import LabelSet
from jaxseg.data.padding import Size, group_by_size, pad_image, padded_size
from jaxseg.errors import UserError
from jaxseg.evaluation.inference import Scores, create_scores
from jaxseg.evaluation.windows import WindowedScores
from jaxseg.nn.lowering import compiling_for, devices_of
from jaxseg.run import Run
from jaxseg.segmenter import SIZE_MULTIPLE, SMALLEST, Segmenter


class Predictor:
    """A trained segmenter, called with images.  It holds no state between calls.

    An image's mask does not depend on the images that are given with it: its sides are
    padded to multiples of 32 by reflection, at the bottom and right, and the mask is
    cut back.

    Attributes:
      labels: names and colours of the classes.
    """

    def __init__(
        self,
        scores: Scores | WindowedScores,
        variables: Any,
        labels: LabelSet,
        *,
        batch_size: int = 8,
        multiple: int = SIZE_MULTIPLE,
    ):
        """Wrap a scoring function and its weights.

        Args:
          scores: `(variables, uint8 [B, H, W, 3]) -> float32 [B, H, W, classes]`, or
            by a sliding window, image by image.
          variables: of the model.
          labels: the classes.
          batch_size: images of equal size that are predicted together.
          multiple: sides are padded to multiples of this; 1 pads none.
        """
        self.labels = labels
        self._variables = variables
        self._batch_size, self._multiple = batch_size, multiple
        self._windows: WindowedScores | None = None
        if isinstance(scores, WindowedScores):
            self._windows, self._batch_size = scores, 1
            self._masks = _by_window(scores)
        else:
            self._masks = _whole(scores)

    @classmethod
    def from_run(
        cls, workdir: str | Path, evaluation: EvaluationConfig | None = None
    ) -> Predictor:
        """Load the best checkpoint of a run.

        Args:
          workdir: the run folder.
          evaluation: scales, flip, window, ...; None takes the run's.

        Raises:
          UserError: it is no run folder, or has no checkpoint.
        """
        run = Run.open(workdir)
        model, variables, _ = run.best_variables()
        return cls.of_run(run, model, variables, evaluation)

    @classmethod
    def of_run(
        cls,
        run: Run,
        model: Segmenter,
        variables: Any,
        evaluation: EvaluationConfig | None = None,
    ) -> Predictor:
        """Wrap the model of an open run.

        Args:
          run: which says how an image is normalised and scored.
          model: its model.
          variables: parameters and statistics.
          evaluation: scales, flip, window, ...; None takes the run's.
        """
        options = evaluation or run.config.evaluation
        return cls(
            build_scores(run.config, model, options),
            variables,
            run.labels,
            batch_size=options.batch_size,
            multiple=size_multiple(model, options),
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
    ) -> Predictor:
        """Wrap a model that you built and trained yourself.

        Args:
          model: from `create_model`.
          variables: its parameters and statistics.
          labels: the classes.
          mean: normalisation of RGB on the scale 0..1; None is the backbone's.
          std: likewise.
        """
        scores_of = create_scores(model, mean=mean or model.mean, std=std or model.std)
        return cls(scores_of, variables, labels, multiple=model.size_multiple)

    @overload
    def __call__(self, images: np.ndarray) -> np.ndarray: ...

    @overload
    def __call__(self, images: Sequence[np.ndarray]) -> list[np.ndarray]: ...

    def __call__(
        self, images: np.ndarray | Sequence[np.ndarray]
    ) -> np.ndarray | list[np.ndarray]:
        """Predict the class of every pixel.

        Args:
          images: uint8 `[H, W, 3]` RGB, or a list of such of any sizes.

        Returns:
          int32 `[H, W]`, or a list of such in the same order.

        Raises:
          UserError: an image of another shape or type.
        """
        if isinstance(images, np.ndarray) and images.ndim == 3:
            return self._predict_list([images])[0]
        return self._predict_list(list(images))

    def _predict_list(self, images: list[np.ndarray]) -> list[np.ndarray]:
        for image in images:
            _check(image)
        sizes = [(image.shape[0], image.shape[1]) for image in images]
        masks: list[np.ndarray] = [np.empty(0, np.int32)] * len(images)
        for index, _, mask in self.predict_lazily(sizes, images.__getitem__):
            masks[index] = mask
        return masks

    def work(self, sizes: Sequence[Size]) -> tuple[str, int]:
        """Return what `predict_lazily` counts, and how many of it images of sizes are.

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
        done: Callable[[int], None] = lambda count: None,
    ) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """Predict images that are read when their turn comes, equal sizes together.

        Args:
          sizes: height and width of every image.
          load: index -> uint8 `[H, W, 3]`.
          done: called with how many more are done of what `work` counts.

        Yields:
          Index, image and int32 mask, in an order of their own.

        Raises:
          UserError: an image of another size than was said.
        """
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
                    # The last chunk borrows the full chunks' compiled program.
                    extra = self._batch_size - len(chunk)
                    batch = np.concatenate([batch, np.repeat(batch[-1:], extra, 0)])
                predicted = self._masks(self._variables, batch, done)
                for row, (index, image) in enumerate(zip(chunk, images, strict=True)):
                    height, width = sizes[index]
                    yield index, image, predicted[row, :height, :width]
                    if self._windows is None:
                        done(1)


Masks = Callable[[Any, np.ndarray, Callable[[int], None]], np.ndarray]
"""`(variables, uint8 [B, H, W, 3], called as windows are done) -> int32 [B, H, W]`."""


def _classes(scores: jax.Array) -> jax.Array:
    return jnp.argmax(scores, axis=-1).astype(jnp.int32)


def _whole(scores: Scores) -> Masks:
    predict = jax.jit(lambda variables, images: _classes(scores(variables, images)))

    def masks(
        variables: Any, images: np.ndarray, done: Callable[[int], None]
    ) -> np.ndarray:
        with compiling_for(devices_of(variables)):
            return np.asarray(predict(variables, images))

    return masks


def _by_window(scores: WindowedScores) -> Masks:
    classes = jax.jit(_classes)

    def masks(
        variables: Any, images: np.ndarray, done: Callable[[int], None]
    ) -> np.ndarray:
        found = np.empty(images.shape[:3], np.int32)
        for top, block in scores.blocks(variables, images, done=done):
            found[:, top : top + block.shape[1]] = classes(block)
        return found

    return masks


def _check(image: np.ndarray) -> None:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise UserError(
            f"an image must be uint8 [H, W, 3] RGB, not {image.dtype}"
            f" {list(image.shape)}; read files with jaxseg.load_image"
        )
    if min(image.shape[:2]) < 1:
        raise UserError(
            f"an image of {image.shape[0]}x{image.shape[1]} pixels is empty"
        )
