"""Class scores by a sliding window, in the memory of a few windows and a band of rows.

The host cuts the windows, and one compiled program scores a fixed number of them at a
time, whatever the image's size.  Their weighted scores are summed in a band of rows on
the device; rows that no later window covers are finished and leave it, so that the
scores of a large image are never in memory all at once.  The views at several scales,
mirrored and turned, go through the rows of the image together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from jaxseg.data.labels import Task
from jaxseg.data.padding import Size, pad_image
from jaxseg.evaluation.inference import mean_of_views, model_scores, refined, views
from jaxseg.evaluation.window_plan import Grid, Plan, Weights, plan_view, positions
from jaxseg.heads.unet_parts import mirrored
from jaxseg.nn.crf import DenseCRF
from jaxseg.nn.lowering import compiling_for, devices_of
from jaxseg.nn.normalization import normalize_image
from jaxseg.nn.upsampling import resize_bilinear
from jaxseg.parallel.mesh import ROW_AXIS, by_image, shard_batch


@runtime_checkable
class Rows(Protocol):
    """Images whose rows are read when they are needed, as a NumPy array gives them."""

    @property
    def shape(self) -> tuple[int, ...]:
        """`[B, H, W, 3]`."""
        ...

    def take(self, indices: np.ndarray, axis: int, /) -> np.ndarray:
        """Return rows, uint8 `[B, len(indices), W, 3]`; the axis is 1."""
        ...


@dataclass(frozen=True)
class PaddedRows:
    """`Rows` of one image, padded as `pad_image` pads it.

    Attributes:
      read: indices of its rows, int `[n]` -> uint8 `[n, W, 3]`.
      size: height and width of the image.
      padded: size after padding.
    """

    read: Callable[[np.ndarray], np.ndarray]
    size: Size
    padded: Size

    @property
    def shape(self) -> tuple[int, ...]:
        """One image of the padded size."""
        return (1, *self.padded, 3)

    def take(self, indices: np.ndarray, axis: int, /) -> np.ndarray:
        """Read rows and pad their ends."""
        rows = self.read(mirrored(indices, self.size[0]))
        return pad_image(rows, (len(rows), self.padded[1]))[None]


Block = tuple[int, jax.Array]
"""A first row, and float32 scores `[B, rows, W, classes]` from there on."""


class WindowedScores:
    """Images to class scores by overlapping windows, whose scores are averaged.

    The last window ends at the image's border.  An image that fits into one window is
    scored as a whole.  Each view's windows are averaged first, then the views.

    A turned view uses the same windows, each turned, scored and turned back.  Windows
    of the turned image would start at another corner, so that the last ones would lie
    elsewhere.  Neither covers the image better, and both are the same for an image that
    fits into one window.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        mean: Sequence[float],
        std: Sequence[float],
        window: int,
        overlap: float = 1 / 3,
        weights: Weights = "uniform",
        scales: Sequence[float] = (1.0,),
        flip: bool = False,
        turns: bool = False,
        crf: DenseCRF | None = None,
        multiple: int = 0,
        batch_size: int = 8,
        task: Task = "multiclass",
    ):
        """Prepare the programs; each is compiled when it is first called.

        Args:
          model: with `low_resolution(image, train) -> logits, auxiliary logits`.
          mean: normalisation, on the scale 0..1.
          std: normalisation, on the scale 0..1.
          window: side of a window, pixels; rounded up to `multiple`.
          overlap: share of a window's side that the next window covers too, 0..0.9.
          weights: of a window's pixels in the mean over the windows, see
            `window_plan.profile`.
          scales: factors of the image's size.
          flip: add the mirrored image at each scale.
          turns: add each of them turned by 90, 180 and 270 degrees.
          crf: a dense CRF over the scores, which then are its marginals; it needs the
            scores of the whole image in memory.
          multiple: sides are padded to multiples of this; 0 takes the model's.
          batch_size: largest number of windows at a time; fewer if they would have
            more pixels than `window_plan.PIXELS_AT_ONCE`.
          task: whether probabilities are those of a softmax or of sigmoids.
        """
        self._multiple = multiple or getattr(model, "size_multiple", 1)
        side = -(-window // self._multiple) * self._multiple
        self._grid = Grid(side, overlap, weights)
        self._views = views(scales, flip, turns)
        self._type = np.uint8 if tuple(scales) == (1.0,) else np.float32
        self._crf, self._most = crf, batch_size
        self._task: Task = task

        def score(variables: Any, windows: jax.Array) -> jax.Array:
            images = windows.reshape(-1, *windows.shape[2:])
            images = normalize_image(images, mean, std)
            logits = model_scores(model, variables, images)
            return logits.reshape(*windows.shape[:2], *logits.shape[1:])

        self._score = jax.jit(score)
        self._turn_back = jax.jit(_turned_back, static_argnames="turns")
        self._add = jax.jit(_add, donate_argnums=0)
        self._shift = jax.jit(_shift, donate_argnums=0)
        self._finish = jax.jit(self._finished, static_argnames=("plans", "rows"))

    def count(self, size: Size) -> int:
        """Return the number of windows of an image, in all its views.

        Args:
          size: height and width of the image.
        """
        plans = self._plans(size, None)
        return sum(len(plan.tops) * len(plan.lefts) for plan in plans)

    def memory(self, size: Size, classes: int) -> int:
        """Return about how many bytes the scores of an image take at a time.

        Args:
          size: height and width of the image.
          classes: number of classes that have a logit.
        """
        plans = self._plans(size, None)
        # Beside the sums there is each view's block, before and after it is resized.
        rows = sum(p.needed + p.window[0] + 2 * p.block for p in plans)
        return 4 * rows * max(plan.outer[1] for plan in plans) * classes

    def scores(self, variables: Any, images: np.ndarray) -> np.ndarray:
        """Map uint8 `[B, H, W, 3]` to float32 `[B, H, W, classes]`, all at once."""
        parts = [np.asarray(part) for _, part in self.blocks(variables, images)]
        return np.concatenate(parts, axis=1)

    def blocks(
        self,
        variables: Any,
        images: np.ndarray | Rows,
        mesh: Mesh | None = None,
        done: Callable[[int], None] = lambda windows: None,
    ) -> Iterator[Block]:
        """Yield the scores of images of one size, from the top down.

        Args:
          variables: of the model.
          images: uint8 `[B, H, W, 3]` on the host, those of this process.  Without a
            CRF, they may be `Rows`, which are read when they are needed.
          mesh: the devices, among which the images are divided; None takes those of the
            variables.
          done: called after each group of windows with their number; all numbers add
            up to `count`.
        """
        found = self._logit_blocks(variables, images, mesh, done)
        if self._crf is None:
            yield from found
            return
        if not isinstance(images, np.ndarray):
            raise ValueError("a CRF needs images that are in memory")
        logits = jnp.concatenate([part for _, part in found], axis=1)
        yield 0, refined(logits, _put(images, mesh), self._crf, self._task)

    def _logit_blocks(
        self,
        variables: Any,
        images: np.ndarray | Rows,
        mesh: Mesh | None,
        done: Callable[[int], None],
    ) -> Iterator[Block]:
        height = images.shape[1]
        plans = self._plans((height, images.shape[2]), mesh)
        bands = [_Band(self, plan, images, mesh) for plan in plans]
        rows = plans[0].block
        for top in range(0, height, rows):
            for band in bands:
                band.reach(top, variables, done)
            weights = [plan.row_weights(top) for plan in plans]
            shares = [plan.row_sums(top) for plan in plans]
            sums = [band.sums for band in bands]
            block = self._finish(sums, shares, weights, plans=plans, rows=rows)
            block.block_until_ready()  # otherwise windows would queue on the device
            yield top, block[:, : height - top] if height - top < rows else block

    def _plans(self, size: Size, mesh: Mesh | None) -> tuple[Plan, ...]:
        parts = mesh.shape[ROW_AXIS] if mesh else 1
        return tuple(
            plan_view(view, size, self._grid, self._multiple, self._most, parts)
            for view in self._views
        )

    def _finished(
        self,
        sums: Sequence[jax.Array],
        shares: Sequence[jax.Array],
        weights: Sequence[jax.Array | None],
        plans: Sequence[Plan],
        rows: int,
    ) -> jax.Array:
        """Turn the sums of each view into the scores of `rows` rows of the image."""
        found = []
        for total, share, weight, plan in zip(
            sums, shares, weights, plans, strict=True
        ):
            part = total[:, : plan.needed] / (share[:, None, None] * plan.column_sums)
            part = part[:, :, : plan.inner[1]]
            if plan.view.mirror:
                part = part[:, :, ::-1]
            if weight is not None:
                part = jnp.einsum("oi,bixc->boxc", weight, part)
            found.append(resize_bilinear(part, (rows, plan.image[1])))
        return mean_of_views(found, self._task, crf=self._crf is not None)


class _Band:
    """The sums of a view's scores in the current band of rows."""

    def __init__(
        self,
        owner: WindowedScores,
        plan: Plan,
        images: np.ndarray | Rows,
        mesh: Mesh | None,
    ):
        self._owner, self._plan, self._images, self._mesh = owner, plan, images, mesh
        self._first, self._waiting = 0, list(plan.tops)
        self.sums: Any = None  # [B, rows from `_first` on, columns, classes]

    def reach(self, top: int, variables: Any, done: Callable[[int], None]) -> None:
        """Add every window that the image's block at `top` needs."""
        plan = self._plan
        first = plan.first_row(top)
        if first > self._first:
            self.sums = self._owner._shift(self.sums, first - self._first)
            self._first = first
        while self._waiting and self._waiting[0] < first + plan.needed:
            row = self._waiting.pop(0)
            lines = self._lines(row)
            for group in plan.groups():
                self._score(row, lines, group, variables)
                done(len(group))

    def _score(
        self, row: int, lines: np.ndarray, group: tuple[int, ...], variables: Any
    ) -> None:
        plan, owner = self._plan, self._owner
        filled = group + group[-1:] * (plan.together - len(group))
        windows = np.stack([self._cut(lines, column) for column in filled], axis=1)
        turns = plan.view.turns
        windows = np.ascontiguousarray(np.rot90(windows, turns, (2, 3)))
        with compiling_for(self._mesh or devices_of(variables)):
            found = owner._score(variables, _put(windows, self._mesh))
        if turns:
            found = owner._turn_back(found, turns=turns)
        if self.sums is None:
            shape = (len(found), plan.needed + plan.window[0], plan.outer[1])
            self.sums = _zeros((*shape, found.shape[-1]), self._mesh)
        lefts = np.array(filled, np.int32)
        start = row - self._first
        self.sums = owner._add(
            self.sums, found, start, lefts, len(group), plan.profiles
        )

    def _lines(self, top: int) -> np.ndarray:
        """Return the rows of the windows at `top`, at the width of the image."""
        height, tall = self._plan.inner[0], self._plan.window[0]
        row = mirrored(np.arange(top, top + tall), height)
        return _lines(self._images, row, height, axis=1)

    def _cut(self, lines: np.ndarray, left: int) -> np.ndarray:
        """Return a window of the view, `[B, *window, 3]`."""
        plan = self._plan
        width, wide = plan.inner[1], plan.window[1]
        column = mirrored(np.arange(left, left + wide), width)
        if plan.view.mirror:
            column = width - 1 - column
        return _lines(lines, column, width, axis=2).astype(self._owner._type)


def _lines(
    images: np.ndarray | Rows, index: np.ndarray, size: int, axis: int
) -> np.ndarray:
    """Return lines of images that are resized to `size` along an axis."""
    source = images.shape[axis]
    if source == size:
        return images.take(index, axis)
    position = positions(index, source, size)
    low = position.astype(int)
    shape = [1] * len(images.shape)
    shape[axis] = len(index)
    share = (position - low).astype(np.float32).reshape(shape)
    high = np.minimum(low + 1, source - 1)
    return images.take(low, axis) * (1 - share) + images.take(high, axis) * share


def _put(array: np.ndarray, mesh: Mesh | None) -> jax.Array:
    if mesh is None:
        return jnp.asarray(array)
    return shard_batch({"array": array}, mesh)["array"]


def _zeros(shape: tuple[int, ...], mesh: Mesh | None) -> jax.Array:
    return jnp.zeros(shape, jnp.float32, device=by_image(mesh) if mesh else None)


def _turned_back(scores: jax.Array, turns: int) -> jax.Array:
    return jnp.rot90(scores, -turns, (2, 3))


def _add(
    sums: jax.Array,
    scores: jax.Array,
    row: Any,
    columns: jax.Array,
    count: Any,
    profiles: tuple[jax.Array, jax.Array],
) -> jax.Array:
    """Add the weighted scores of the first `count` windows at their positions."""
    weights = (profiles[0][:, None] * profiles[1])[:, :, None]

    def add(index: Any, sums: jax.Array) -> jax.Array:
        part = scores[:, index] * weights
        start = (0, row, columns[index], 0)
        before = jax.lax.dynamic_slice(sums, start, part.shape)
        return jax.lax.dynamic_update_slice(sums, before + part, start)

    return jax.lax.fori_loop(0, count, add, sums)


def _shift(sums: jax.Array, rows: Any) -> jax.Array:
    """Drop the first rows and append as many rows of zeros, in place."""
    count = sums.shape[1]

    def move(row: Any, sums: jax.Array) -> jax.Array:
        line = jax.lax.dynamic_slice_in_dim(sums, row + rows, 1, axis=1)
        line = jnp.where(row + rows < count, line, 0)
        # Unless the row is read before it is written, XLA copies all of the sums.
        line = jax.lax.optimization_barrier(line)
        return jax.lax.dynamic_update_slice_in_dim(sums, line, row, axis=1)

    return jax.lax.fori_loop(0, count, move, sums)
