"""Checks the outputs of a user's own loss, head and backbone before a training.

They are traced with abstract arrays, which take no memory and no device.  A shape or
dtype that the package cannot use is refused in one line.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxseg.data.labels import Task, num_logits
from jaxseg.errors import UserError
from jaxseg.losses.base import Loss
from jaxseg.segmenter import Segmenter

IMAGE = (1, 64, 128, 3)
"""Shape of the traced batch: its sides differ, and are multiples of all strides."""


def check_loss(
    owner: str, loss: Loss, num_classes: int, task: Task = "multiclass"
) -> None:
    """Refuse a loss that is not a differentiable float32 scalar.

    Args:
      owner: names it, for the message.
      loss: the loss.
      num_classes: of the data set; of a binary one 2.
      task: of the data.

    Raises:
      UserError: it fails, or returns anything else.
    """
    batch, height, width, _ = IMAGE
    stride = 16
    channels = num_logits(task, num_classes)
    planes = (num_classes,) if task == "multilabel" else ()
    logits = _array((batch, height // stride, width // stride, channels))
    label = jax.ShapeDtypeStruct((batch, height, width, *planes), jnp.int32)
    factor = _array((batch, height, width))

    def value(logits: Any, label: Any, factor: Any) -> Any:
        return loss(logits, label, factor, loss.prepare(label, factor))

    for each in (None, factor)[: 1 if planes else 2]:  # border weights have one class
        found = _traced(owner, value, logits, label, each)
        if _shape(found) != ((), jnp.float32):
            raise UserError(
                f"{owner} returned {_said(found)}; it must return a float32 scalar"
            )


def check_backbone(owner: str, model: Segmenter, output_stride: int) -> None:
    """Refuse a backbone that does not return five features of the expected strides.

    Raises:
      UserError: it fails, or returns anything else.
    """
    features = _features(owner, model)
    expected = [min(2**level, output_stride) for level in range(1, 6)]
    if not isinstance(features, (tuple, list)) or len(features) != len(expected):
        found = len(features) if isinstance(features, (tuple, list)) else "no tuple of"
        raise UserError(f"{owner} returned {found} features; it must return five")
    batch, height, width, _ = IMAGE
    for level, (feature, stride) in enumerate(zip(features, expected, strict=True)):
        size = (batch, height // stride, width // stride)
        shape, _ = _shape(feature)
        if len(shape) != 4 or shape[:3] != size:
            raise UserError(
                f"{owner} returned feature {level} as {_said(feature)} of an image"
                f" {list(IMAGE)}; at output stride {output_stride} it must be"
                f" [{', '.join(map(str, size))}, channels], of stride {stride}"
            )


def check_head(owner: str, model: Segmenter, num_classes: int) -> None:
    """Refuse a head that does not return logits at one stride.

    Raises:
      UserError: it fails, or returns anything else.
    """
    features = _features("the backbone", model)
    logits = _traced(
        owner,
        lambda given: model.head.init_with_output(jax.random.key(0), given, False)[0],
        features,
    )
    shape, kind = _shape(logits)
    batch, height, width, _ = IMAGE
    right = len(shape) == 4 and shape[0] == batch and shape[3] == num_classes
    right = right and jnp.issubdtype(kind, jnp.floating)
    # A size rounds up at each stride, and either side has the same.
    right = right and 0 < shape[1] <= height and shape[2] * height == shape[1] * width
    if not right:
        raise UserError(
            f"{owner} returned {_said(logits)} of an image {list(IMAGE)} and"
            f" {num_classes} classes; it must return logits of float"
            f" [{batch}, {height} / s, {width} / s, {num_classes}] at a stride s"
        )


def _features(owner: str, model: Segmenter) -> Any:
    key = jax.random.key(0)
    return _traced(
        owner,
        lambda image: model.backbone.init_with_output(key, image, False)[0],
        _array(IMAGE),
    )


def _traced(owner: str, function: Callable[..., Any], *given: Any) -> Any:
    try:
        return jax.eval_shape(function, *given)
    except UserError:
        raise
    except Exception as error:  # whatever the user's code does
        line = str(error).strip().splitlines() or [""]
        raise UserError(f"{owner}: {type(error).__name__}: {line[0]}") from error


def _array(shape: tuple[int, ...]) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, jnp.float32)


def _shape(value: Any) -> tuple[tuple[int, ...], Any]:
    if isinstance(value, jax.ShapeDtypeStruct):
        return value.shape, value.dtype
    return (-1,), None


def _said(value: Any) -> str:
    if isinstance(value, jax.ShapeDtypeStruct):
        return f"{value.dtype} {list(value.shape)}"
    return f"a {type(value).__name__}"
