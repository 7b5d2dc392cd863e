"""Whole models: a backbone and a head as one segmenter, or as a classifier.

`create_model` and `create_classifier` turn names into modules.  Models take plain
arguments, never a run's configuration.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxseg.backbones import BACKBONES
from jaxseg.backbones.entry import IMAGENET_MEAN, IMAGENET_STD
from jaxseg.backbones.names import find_backbone
from jaxseg.checks import (
    check_auxiliary,
    check_classifier,
    check_head,
    check_multi_grid,
    check_output_stride,
)
from jaxseg.choices import CLASSIFIER, FREEZES, SMALLEST
from jaxseg.errors import UserError, choose
from jaxseg.heads import HEADS
from jaxseg.heads.fcn import FCN
from jaxseg.nn.upsampling import resize_linear

DTYPES = {"float32": jnp.float32, "bfloat16": jnp.bfloat16}
"""Compute types by name."""

DEFAULT_BACKBONE = "resnet50"
"""Taken where none is named."""

SIZE_MULTIPLE = 32
"""Of a segmenter's image sides, pixels: its deepest stride.  At other sizes features of
different strides do not lie on each other as they did in training."""

SMALLEST_VOLUME = 9
"""Smallest side of a volume, voxels."""


class Segmenter(nn.Module):
    """A semantic-segmentation network.

    Attributes:
      backbone: image -> features.
      head: features -> logits.
      auxiliary: a second head that trains the backbone's next to last features (Zhao et
        al. 2017, arXiv:1612.01105, sec. 3.3), or None.
      freeze: what training leaves as it is, a name in `FREEZES`.
      align_corners: how the logits are resized to the image's size, see
        `resize_linear`; most models of segmentation_models.pytorch want True.
      example: shape of an image that the parameters can be traced with.
      mean: of the RGB values 0..1, which the backbone's published weights expect
        subtracted from an image.
      std: of the RGB values 0..1, which they expect it divided by.
    """

    backbone: nn.Module
    head: nn.Module
    auxiliary: nn.Module | None = None
    freeze: str = ""
    align_corners: bool = False
    example: tuple[int, ...] = (64, 64, 3)
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD

    @property
    def size_multiple(self) -> int:
        """What an image's sides are padded to multiples of before it is segmented."""
        return SIZE_MULTIPLE

    def __call__(self, image: jax.Array, train: bool = False) -> jax.Array:
        """Return float32 logits at the image's size.

        Args:
          image: float `[B, H, W, 3]`, normalised; H and W at least 33.
          train: use batch statistics and dropout.

        Returns:
          float32 `[B, H, W, classes]`.
        """
        logits, _ = self.low_resolution(image, train)
        return resize_linear(logits, image.shape[1:-1], self.align_corners)

    def low_resolution(
        self, image: jax.Array, train: bool = False
    ) -> tuple[jax.Array, tuple[jax.Array, ...]]:
        """Return the head's and the auxiliary heads' logits at their own strides.

        There are no auxiliary logits outside training.

        Args:
          image: float `[B, H, W, 3]`, normalised.
          train: use batch statistics and dropout.

        Raises:
          UserError: the image is smaller than 33 pixels a side.
        """
        _check_size(image)
        features = self.features(image, train)
        logits = self.head(features, train).astype(jnp.float32)
        if self.auxiliary is None or not (train or self.is_initializing()):
            return logits, ()
        return logits, (self.auxiliary(features, train).astype(jnp.float32),)

    def features(self, image: jax.Array, train: bool = False) -> tuple[jax.Array, ...]:
        """Return the backbone's features, through what `freeze` leaves of training."""
        return self._frozen(self.backbone(image, train and not self.freeze))

    def _frozen(self, features: Any) -> Any:
        if self.freeze == "backbone":
            features = jax.tree.map(jax.lax.stop_gradient, features)
        return features


class Classifier(Segmenter):
    """An image classifier: a backbone and its own head, whose logits are 1 x 1.

    Auxiliary classifiers, which only GoogLeNet has, answer in training only.
    """

    @property
    def size_multiple(self) -> int:
        """One: what pads an image would count in the mean over its features."""
        return 1

    def __call__(self, image: jax.Array, train: bool = False) -> jax.Array:
        """Map float `[B, H, W, 3]`, normalised, to float32 logits `[B, classes]`."""
        logits, _ = self.low_resolution(image, train)
        return logits[:, 0, 0]

    def low_resolution(
        self, image: jax.Array, train: bool = False
    ) -> tuple[jax.Array, tuple[jax.Array, ...]]:
        """Return logits `[B, 1, 1, classes]` and those of the auxiliary classifiers."""
        _check_size(image)
        auxiliary = ()
        if self.auxiliary is None:
            features = self.features(image, train)
        else:
            found = self.backbone.with_taps(image, train and not self.freeze)
            features, taps = self._frozen(found)
            if train or self.is_initializing():
                auxiliary = self.auxiliary(taps, train)
        return self.head(features, train).astype(jnp.float32), auxiliary


def _check_size(image: jax.Array) -> None:
    sides = [side for side in image.shape[1:-1] if isinstance(side, int)]
    smallest = SMALLEST if image.ndim == 4 else SMALLEST_VOLUME
    if sides and min(sides) < smallest:
        raise UserError(
            f"an image of {'x'.join(map(str, sides))} pixels: the smallest side is "
            f"{smallest}; enlarge the image (or augment.crop)"
        )


def create_model(
    head: str,
    backbone: str | None = None,
    num_classes: int = 21,
    *,
    arithmetic: str = "",
    image_channels: int = 3,
    width: float = 1.0,
    max_channels: int | None = None,
    output_stride: int | None = None,
    uniform_dilation: bool = False,
    multi_grid: Sequence[int] = (),
    auxiliary: bool = False,
    freeze: str = "",
    align_corners: bool | None = None,
    dtype: str = "float32",
    **options: Any,
) -> Segmenter:
    """Build a segmenter by name.

    Args:
      head: a name in `HEADS`, such as "deeplabv3plus" or "unet"; "classifier" is the
        backbone's own classifier, which gives one prediction an image.
      backbone: a name in `BACKBONES`; None is the head's usual one.
      arithmetic: of the backbone, see `backbones.names`; "" is its usual one.
      num_classes: number of classes.
      image_channels: of the images, 3 for RGB.
      width: factor on the backbone's channels.
      max_channels: upper bound on a stage's channels.
      output_stride: the backbone's, 32, 16 or 8; None is the head's usual one.
      uniform_dilation: dilate the first convolution of a stage like the rest, as
        segmentation_models.pytorch does; see `backbones.entry.plan_stages`.
      multi_grid: factors on the rates of a ResNet's last blocks; 1, 2, 4 with
        `uniform_dilation` are DeepLabV3's.
      auxiliary: add an FCN head on the next to last features (or on those that the
        backbone's published weights have it on).
      freeze: "statistics" trains the backbone with its running batch-norm statistics
        (and without random depth), "backbone" does not train it at all.
      align_corners: align the corner pixels where the model or its head resizes, for
        weights that want it; None is the head's usual choice.
      dtype: compute type, "float32" or "bfloat16"; parameters stay float32.
      **options: of the head: channels, rates, separable, dropout, upsampling, ...;
        None is the head's default.

    Raises:
      UserError: an unknown name, or an option that this head does not have.
    """
    given = {name: value for name, value in options.items() if value is not None}
    choose("freeze", freeze, FREEZES)
    if head == CLASSIFIER:
        dilated = uniform_dilation or multi_grid or output_stride not in (None, 32)
        check_classifier(given, bool(dilated or align_corners))
        return create_classifier(
            backbone or DEFAULT_BACKBONE,
            num_classes,
            arithmetic=arithmetic,
            width=width,
            max_channels=max_channels,
            auxiliary=auxiliary,
            dtype=dtype,
        ).clone(freeze=freeze, example=(64, 64, image_channels))
    entry = choose("head", head, HEADS)
    compute = choose("dtype", dtype, DTYPES)
    _check_classes(num_classes)
    stride = entry.output_stride if output_stride is None else output_stride
    body: dict[str, Any] = dict(width=width, max_channels=max_channels, dtype=compute)
    placed = backbone or arithmetic or uniform_dilation or multi_grid or auxiliary
    check_head(head, given, bool(placed or output_stride is not None))
    known, of_backbone = _fields(entry.module), _fields(entry.backbone)
    given |= entry.arguments
    if align_corners is not None and "align_corners" in known:
        given["align_corners"] = align_corners
    if entry.backbone is None:
        module = create_backbone(
            backbone or DEFAULT_BACKBONE,
            arithmetic=arithmetic,
            output_stride=stride,
            uniform_dilation=uniform_dilation,
            multi_grid=multi_grid,
            **body,
        )
    else:
        shared = {name: given[name] for name in of_backbone & set(given)}
        module = entry.backbone(**body, **shared)
        given = {name: given[name] for name in known & set(given)}
    if "output_stride" in known:
        given["output_stride"] = stride
    named = find_backbone(backbone or DEFAULT_BACKBONE, arithmetic)
    return Segmenter(
        backbone=module,
        head=entry.module(num_classes=num_classes, dtype=compute, **given),
        auxiliary=FCN(num_classes, level=named.auxiliary_level, dtype=compute)
        if auxiliary
        else None,
        freeze=freeze,
        align_corners=bool(align_corners),
        example=(*(64,) * entry.axes, image_channels),
        mean=IMAGENET_MEAN if entry.backbone else named.mean,
        std=IMAGENET_STD if entry.backbone else named.std,
    )


def _fields(kind: Any) -> set[str]:
    """Return the names of a Linen class' fields; of anything else none."""
    if not dataclasses.is_dataclass(kind):
        return set()
    return {field.name for field in dataclasses.fields(kind)}


def create_backbone(
    name: str,
    *,
    arithmetic: str = "",
    width: float = 1.0,
    max_channels: int | None = None,
    output_stride: int = 32,
    uniform_dilation: bool = False,
    multi_grid: Sequence[int] = (),
    dtype: Any = jnp.float32,
) -> nn.Module:
    """Build a backbone by name: `(image, train) -> five features`.

    Args:
      name: in `BACKBONES`.
      arithmetic: one that the network has, see `backbones.names`; "" is its usual one.
      width: factor on its channels.
      max_channels: upper bound on a stage's channels.
      output_stride: 32, 16 or 8.
      uniform_dilation: see `backbones.entry.plan_stages`.
      multi_grid: see `ResNet`; others have none.
      dtype: compute type.

    Raises:
      UserError: an unknown name, or a value out of range.
    """
    entry = find_backbone(name, arithmetic)
    check_output_stride(output_stride)
    check_multi_grid(name, multi_grid)
    if width <= 0:
        raise UserError(f"model.width {width}: it must be positive")
    module = entry.build(
        width=width,
        max_channels=max_channels,
        output_stride=output_stride,
        uniform_dilation=uniform_dilation,
        dtype=dtype,
    )
    return module.clone(multi_grid=tuple(multi_grid)) if multi_grid else module


def create_classifier(
    backbone: str,
    num_classes: int = 1000,
    *,
    arithmetic: str = "",
    width: float = 1.0,
    max_channels: int | None = None,
    auxiliary: bool = False,
    dtype: str = "float32",
) -> Classifier:
    """Build an image classifier by its backbone's name.

    Args:
      backbone: a name in `BACKBONES`.
      num_classes: number of classes.
      arithmetic: of the backbone, see `backbones.names`; "" is its usual one.
      width: factor on the backbone's channels.
      max_channels: upper bound on a stage's channels.
      auxiliary: add the paper's auxiliary classifiers (GoogLeNet).
      dtype: compute type, "float32" or "bfloat16".

    Raises:
      UserError: an unknown name.
    """
    compute = choose("dtype", dtype, DTYPES)
    body = create_backbone(
        backbone,
        arithmetic=arithmetic,
        width=width,
        max_channels=max_channels,
        dtype=compute,
    )
    _check_classes(num_classes)
    entry = find_backbone(backbone, arithmetic)
    if entry.classifier_arguments:
        body = body.clone(**entry.classifier_arguments)
    if auxiliary:
        check_auxiliary(backbone)
    return Classifier(
        backbone=body,
        head=entry.classifier(num_classes=num_classes, dtype=compute),
        auxiliary=entry.auxiliary(num_classes=num_classes, dtype=compute)
        if auxiliary and entry.auxiliary
        else None,
        mean=entry.mean,
        std=entry.std,
    )


def _check_classes(num_classes: int) -> None:
    if num_classes < 1:
        raise UserError(f"num_classes {num_classes}: it must be at least 1")


def list_models() -> list[tuple[str, str | None]]:
    """Return every (head, backbone) pair that `create_model` builds.

    The backbone is None where the head has its own.
    """
    return [
        (head, backbone)
        for head, entry in HEADS.items()
        for backbone in (BACKBONES if entry.backbone is None else [None])
    ]


def abstract_variables(model: Segmenter, sharding: Any = None) -> dict[str, Any]:
    """Return shapes and types of a model's variables, without allocating them.

    Args:
      model: a segmenter or classifier.
      sharding: given to every leaf, for a restore onto devices.
    """
    image = jax.ShapeDtypeStruct((1, *model.example), jnp.float32)
    variables = jax.eval_shape(model.init, jax.random.key(0), image)
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding),
        dict(variables),
    )


def count_parameters(model: Segmenter) -> int:
    """Return the number of trained parameters, without allocating them."""
    leaves = jax.tree.leaves(abstract_variables(model)["params"])
    return sum(leaf.size for leaf in leaves)
