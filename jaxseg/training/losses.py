"""Losses between low-resolution logits and full-resolution labels.

A loss is a frozen dataclass that inherits from `Loss`; its fields are the options that
a configuration may give it.  `LOSSES` is the registry; `register_loss` adds to it.

In training, logits are resized to the label's size here and nowhere else.
`CrossEntropy` resizes and differentiates a band of rows at a time, so that logits of
the label's size never exist as a whole.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import jax
import jax.numpy as jnp
from pydantic import Field

from jaxseg.data.labels import IGNORE, Task
from jaxseg.nn.upsampling import linear_weights, resize_linear
from jaxseg.ranges import Count, Decay
from jaxseg.registration import require_dataclass
from jaxseg.registry import Decorator, Registry

ClassWeights = tuple[Annotated[float, Field(ge=0, le=1e30)], ...]


class Loss:
    """The interface of a loss.

    A batch that lies on several devices is one batch: a loss sums over all of it.  With
    `train.accumulate` a step computes micro-batches one after the other and adds their
    losses, which is right for `additive` losses only.

    Attributes:
      additive: whether the losses of the parts of a batch add up to that of the batch,
        if each is given what `prepare` returned for the batch.  It is not checked.
    """

    additive: ClassVar[bool] = False

    def prepare(self, label: jax.Array, factor: jax.Array | None) -> Any:
        """Return what the loss of a part of a batch needs to know of all its labels.

        Args:
          label: int `[B, H, W]` of the whole batch, classes or `IGNORE`.
          factor: float32 `[B, H, W]`, of each pixel; None is 1.
        """
        return None

    def __call__(
        self,
        logits: jax.Array,
        label: jax.Array,
        factor: jax.Array | None = None,
        prepared: Any = None,
        align_corners: bool = False,
    ) -> jax.Array:
        """Return the loss, a float32 scalar.

        Args:
          logits: float `[B, h, w, classes]` at the head's stride.  For volumes all
            arrays have one axis more.
          label: int `[B, H, W]`, classes or `IGNORE`; ignored pixels do not enter.
          factor: float `[B, H, W]`, of each pixel; None is 1.  It has no gradient.
          prepared: what `prepare` returned for the batch that these are part of; None
            if they are the whole batch.
          align_corners: how the logits are resized, see `resize_linear`.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class CrossEntropy(Loss):
    """The mean cross-entropy over the pixels that are not ignored.

    With weights and smoothing it equals PyTorch's `cross_entropy` (mean reduction):
    smoothing spreads `label_smoothing` evenly over all classes (Szegedy et al. 2016,
    arXiv:1512.00567, sec. 7), the class weights enter sum and normaliser.  A batch
    without a counted pixel has loss 0.

    Attributes:
      class_weights: one factor a class; empty is 1 for all.
      label_smoothing: in [0, 1).
      bands: number of parts that the rows are cut into where logits are resized; 1 for
        images whose rows lie on several devices.
      task: "binary" and "multilabel" have sigmoids in the softmax' place; the mean of a
        multilabel batch is over pixels and classes.
    """

    additive: ClassVar[bool] = True

    class_weights: ClassWeights = ()
    label_smoothing: Decay = 0.0
    bands: Count = 16
    task: Task = "multiclass"

    def weight(self, label: jax.Array, factor: jax.Array | None = None) -> jax.Array:
        """Return the total weight: the number of pixels if nothing is weighted."""
        weights = self._pixel_weights(label)
        return jnp.sum(weights if factor is None else weights * factor)

    def prepare(self, label: jax.Array, factor: jax.Array | None) -> jax.Array:
        """Return the reciprocal of the total weight, or 1 if that is 0."""
        weight = self.weight(label, factor)
        return 1 / jnp.where(weight > 0, weight, 1.0)

    def __call__(
        self,
        logits: jax.Array,
        label: jax.Array,
        factor: jax.Array | None = None,
        prepared: Any = None,
        align_corners: bool = False,
    ) -> jax.Array:
        """Return the weighted mean over the pixels, see `Loss`."""
        if prepared is None:
            prepared = self.prepare(label, factor)
        return self.total(logits, label, factor, align_corners) * prepared

    def total(
        self,
        logits: jax.Array,
        label: jax.Array,
        factor: jax.Array | None = None,
        align_corners: bool = False,
    ) -> jax.Array:
        """Return the weighted sum over the pixels, see `Loss`."""
        logits = logits.astype(jnp.float32)
        counted = (label != IGNORE).astype(jnp.float32)
        counted = counted if factor is None else counted * factor
        size = label.shape[1 : logits.ndim - 1]
        if self.bands == 1 or logits.shape[1:-1] == size:
            logits = resize_linear(logits, size, align_corners)
            return self.sum(logits, label, counted)
        return _sum_by_bands(self, align_corners, logits, label, counted)

    def sum(self, logits: jax.Array, label: jax.Array, counted: jax.Array) -> jax.Array:
        """Return the sum over pixels, each multiplied by `counted`.

        Args:
          logits: float32 `[B, H, W, classes]`.
          label: int `[B, H, W]`.
          counted: float32 `[B, H, W]`.
        """
        if self.task != "multiclass":
            return self._sigmoid_sum(logits, label, counted)
        log_p = jax.nn.log_softmax(logits)
        classes = logits.shape[-1]
        target = jax.nn.one_hot(label, classes, dtype=jnp.float32)
        per_class = self._class_weights(classes)
        total = -jnp.sum(log_p * target * per_class, axis=-1)
        if self.label_smoothing:
            smooth = -jnp.mean(log_p * per_class, axis=-1)
            total += self.label_smoothing * (smooth - total)
        return jnp.sum(total * counted)

    def _sigmoid_sum(
        self, logits: jax.Array, label: jax.Array, counted: jax.Array
    ) -> jax.Array:
        """Return the sum of the binary cross-entropies."""
        logits = logits[..., 0] if self.task == "binary" else logits
        target = (label == 1).astype(jnp.float32)
        smoothed = target * (1 - self.label_smoothing) + self.label_smoothing / 2
        each = jax.nn.softplus(logits) - smoothed * logits
        if self.class_weights and self.task == "binary":
            each *= self._class_weights(2)[(label == 1).astype(jnp.int32)]
        elif self.class_weights:
            each *= self._class_weights(logits.shape[-1])
        return jnp.sum(each * counted)

    def _class_weights(self, classes: int) -> jax.Array:
        if not self.class_weights:
            return jnp.ones(classes, jnp.float32)
        return jnp.asarray(self.class_weights, jnp.float32)

    def _pixel_weights(self, label: jax.Array) -> jax.Array:
        counted = label != IGNORE
        if not self.class_weights:
            return counted.astype(jnp.float32)
        weights = self._class_weights(len(self.class_weights))
        if self.task == "multilabel":
            return jnp.where(counted, weights, 0.0)
        return jnp.where(counted, weights[jnp.where(counted, label, 0)], 0.0)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _sum_by_bands(
    loss: CrossEntropy,
    align_corners: bool,
    logits: jax.Array,
    label: jax.Array,
    counted: jax.Array,
) -> jax.Array:
    """Resize and sum, one band of rows after the other.

    If a gradient is needed, it is computed in the same pass as the sum, since the
    cotangent of a sum is only a factor.
    """
    return _bands(loss, align_corners, logits, label, counted, lambda f: f(logits))


def _bands(
    loss: CrossEntropy,
    align_corners: bool,
    logits: jax.Array,
    label: jax.Array,
    counted: jax.Array,
    evaluate: Callable[[Callable[[jax.Array], jax.Array]], Any],
) -> Any:
    """Sum over the bands the result of `evaluate` for each band's loss."""
    height, *rest = label.shape[1 : logits.ndim - 1]
    planes = label.shape[logits.ndim - 1 :]
    rows = -(-height // loss.bands)
    over = loss.bands * rows - height
    weights = linear_weights(logits.shape[1], height, align_corners)
    weights = jnp.pad(weights, ((0, over), (0, 0))).reshape(loss.bands, rows, -1)
    label, counted = (
        jnp.pad(x, ((0, 0), (0, over), *[(0, 0)] * (x.ndim - 2)))
        .reshape(len(x), loss.bands, rows, *rest, *planes)
        .swapaxes(0, 1)
        for x in (label, counted)
    )

    def band(total: Any, given: tuple[jax.Array, ...]) -> tuple[Any, None]:
        weights, label, counted = given

        def summed(logits: jax.Array) -> jax.Array:
            part = jnp.moveaxis(jnp.tensordot(weights, logits, (1, 1)), 0, 1)
            part = resize_linear(part, (rows, *rest), align_corners)
            return loss.sum(part, label, counted)

        return jax.tree.map(jnp.add, total, evaluate(summed)), None

    start = jax.tree.map(
        lambda x: jnp.zeros(x.shape, x.dtype),
        jax.eval_shape(lambda: evaluate(lambda logits: logits.sum())),
    )
    return jax.lax.scan(band, start, (weights, label, counted))[0]


def _bands_forward(
    loss: CrossEntropy,
    align_corners: bool,
    logits: jax.Array,
    label: jax.Array,
    counted: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    def evaluate(summed: Callable[[jax.Array], jax.Array]) -> Any:
        return jax.value_and_grad(summed)(logits)

    return _bands(loss, align_corners, logits, label, counted, evaluate)


def _bands_backward(
    loss: CrossEntropy, align_corners: bool, gradient: jax.Array, cotangent: Any
) -> tuple[jax.Array, None, None]:
    return cotangent * gradient, None, None


_sum_by_bands.defvjp(_bands_forward, _bands_backward)

LOSSES: Registry[type[Loss]] = Registry("loss", {"cross_entropy": CrossEntropy})
"""Name -> class."""


def register_loss(name: str) -> Decorator[type[Loss]]:
    """Return a decorator that adds a loss, a frozen dataclass derived from `Loss`.

    Its fields are options, each with its type and range.  Fields called `class_weights`
    and `label_smoothing` are filled by `train.class_weights` and
    `train.label_smoothing`.

    Args:
      name: by which a configuration names the loss.

    Raises:
      UserError: the name is one of jaxseg's own, or it is no such class.
    """
    LOSSES.require_name(name)

    def add(loss: Any) -> Any:
        require_dataclass(LOSSES, name, loss, Loss)
        LOSSES.register(name, loss, of=loss)
        return loss

    return add
