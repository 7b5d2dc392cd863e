"""Models by name: backbones, segmenters and classifiers.

Models take plain arguments, never a run's configuration.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import flax.linen as nn
import jax.numpy as jnp

from jaxseg.backbones import BACKBONES
from jaxseg.backbones.entry import IMAGENET_MEAN, IMAGENET_STD
from jaxseg.backbones.names import find_backbone
from jaxseg.errors import UserError, choose
from jaxseg.heads import HEADS, HeadEntry
from jaxseg.heads.fcn import FCN
from jaxseg.registry import check_options, fields_of, parse, required_of
from jaxseg.segmenter import FREEZES, Classifier, Segmenter

DTYPES = {"float32": jnp.float32, "bfloat16": jnp.bfloat16}
"""Compute types by name."""

DEFAULT_BACKBONE = "resnet50"
"""The backbone of models for which none is given."""

CLASSIFIER = "classifier"
"""The head that is a backbone's own classifier."""

OUTPUT_STRIDES = (8, 16, 32)
"""The output strides that every backbone has."""


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
        backbone's own classifier, which gives one prediction per image.
      backbone: a name in `BACKBONES`; None takes the head's usual one.
      arithmetic: arithmetic of the backbone, see `backbones.names`; "" takes its usual
        one.
      num_classes: number of classes.
      image_channels: number of channels of the images, 3 for RGB.
      width: factor on the number of the backbone's channels.
      max_channels: largest number of channels of a stage.
      output_stride: output stride of the backbone, 32, 16 or 8; None takes the head's
        usual one.
      uniform_dilation: dilate the first convolution of a stage like the rest, as
        segmentation_models.pytorch does; see `backbones.entry.plan_stages`.
      multi_grid: factors on the rates of a ResNet's last blocks; 1, 2, 4 with
        `uniform_dilation` are DeepLabV3's.
      auxiliary: add an FCN head on the next to last features (or on those that the
        backbone's published weights have it on).
      freeze: "statistics" trains the backbone with its running batch-norm statistics
        (and without random depth), "backbone" does not train it at all.
      align_corners: align the corner pixels when the model or its head resizes, for
        weights that need it; None takes the head's usual choice.
      dtype: compute type, "float32" or "bfloat16"; parameters stay float32.
      **options: options of the head: channels, rates, separable, dropout, ...; None
        takes the head's default.

    Raises:
      UserError: a name is unknown, or this head does not have an option.
    """
    named = parse("head", head)
    if named.name != CLASSIFIER:
        HEADS.find(named.name, [CLASSIFIER])
    choose("freeze", freeze, FREEZES)
    stage = output_stride, uniform_dilation, tuple(multi_grid)
    rest = _dtype(dtype), num_classes, auxiliary, align_corners
    asked = _Asked(backbone, arithmetic, width, max_channels, *stage, *rest)
    build = _classifier if named.name == CLASSIFIER else _segmenter
    model = build(named.name, _merged(named.options, options), asked)
    return model.clone(freeze=freeze, example=(*model.example[:-1], image_channels))


@dataclass(frozen=True)
class _Asked:
    """The options of a model; None is the default of the head or the backbone."""

    backbone: str | None
    arithmetic: str
    width: float
    max_channels: int | None
    output_stride: int | None
    uniform_dilation: bool
    multi_grid: tuple[int, ...]
    dtype: Any
    num_classes: int
    auxiliary: bool
    align_corners: bool | None

    @property
    def dilates(self) -> bool:
        """Whether the options ask for another dilation than the head's default."""
        stride = self.output_stride is not None
        return bool(self.uniform_dilation or self.multi_grid or stride)


def _merged(named: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a head, given with its name or beside it."""
    given = {name: value for name, value in options.items() if value is not None}
    if twice := sorted(set(given) & set(named)):
        raise UserError(f"option {', '.join(twice)} of the head is given twice")
    return {**named, **given}


def _classifier(head: str, options: Mapping[str, Any], asked: _Asked) -> Segmenter:
    if asked.output_stride == 32:
        asked = replace(asked, output_stride=None)
    if options or asked.dilates or asked.align_corners:
        raise UserError(f"head {head!r} has no options and output stride 32")
    return create_classifier(
        asked.backbone or DEFAULT_BACKBONE,
        asked.num_classes,
        arithmetic=asked.arithmetic,
        width=asked.width,
        max_channels=asked.max_channels,
        auxiliary=asked.auxiliary,
        dtype=asked.dtype,
    )


def _segmenter(head: str, options: Mapping[str, Any], asked: _Asked) -> Segmenter:
    entry = HEADS[head]
    given = check_options(
        f"head {head!r}", entry.options(), options, required_of(entry.module)
    )
    _check_classes(asked.num_classes)
    known = fields_of(entry.module)
    stride = asked.output_stride
    filled = {"output_stride": entry.output_stride if stride is None else stride}
    if asked.align_corners is not None:
        filled["align_corners"] = asked.align_corners
    own = entry.backbone is not None
    of_head = {**entry.arguments, **given, **filled}
    module = entry.module(
        num_classes=asked.num_classes,
        dtype=asked.dtype,
        **{name: value for name, value in of_head.items() if name in known},
    )
    if own:
        backbone, named = _own_backbone(head, of_head, asked), None
    else:
        name = asked.backbone or DEFAULT_BACKBONE
        backbone = _any_backbone(entry, asked)
        named = find_backbone(name, asked.arithmetic)
    return Segmenter(
        backbone=backbone,
        head=module,
        auxiliary=FCN(asked.num_classes, level=named.auxiliary_level, dtype=asked.dtype)
        if asked.auxiliary and named
        else None,
        align_corners=bool(asked.align_corners),
        example=(*(64,) * entry.axes, 3),
        mean=named.mean if named else IMAGENET_MEAN,
        std=named.std if named else IMAGENET_STD,
    )


def _own_backbone(head: str, of_head: Mapping[str, Any], asked: _Asked) -> nn.Module:
    """Build the backbone that belongs to a head and takes some of its options."""
    if asked.backbone or asked.arithmetic or asked.dilates or asked.auxiliary:
        raise UserError(
            f"head {head!r} has a backbone of its own: leave backbone, arithmetic,"
            " output_stride, uniform_dilation, multi_grid and auxiliary unset"
        )
    build = HEADS[head].backbone
    assert build is not None
    known = fields_of(build) if isinstance(build, type) else {}
    shared = {name: value for name, value in of_head.items() if name in known}
    return build(
        width=asked.width, max_channels=asked.max_channels, dtype=asked.dtype, **shared
    )


def _any_backbone(entry: HeadEntry, asked: _Asked) -> nn.Module:
    stride = asked.output_stride
    return create_backbone(
        asked.backbone or DEFAULT_BACKBONE,
        arithmetic=asked.arithmetic,
        width=asked.width,
        max_channels=asked.max_channels,
        output_stride=entry.output_stride if stride is None else stride,
        uniform_dilation=asked.uniform_dilation,
        multi_grid=asked.multi_grid,
        dtype=asked.dtype,
    )


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
      name: a name in `BACKBONES`.
      arithmetic: arithmetic of the backbone, see `backbones.names`; "" takes its usual
        one.
      width: factor on the number of its channels.
      max_channels: largest number of channels of a stage.
      output_stride: 32, 16 or 8.
      uniform_dilation: see `backbones.entry.plan_stages`.
      multi_grid: see `ResNet`; other backbones have none.
      dtype: compute type.

    Raises:
      UserError: a name is unknown, or a value is out of range.
    """
    entry = find_backbone(name, arithmetic)
    check_output_stride(output_stride)
    if width <= 0:
        raise UserError(f"model.width {width}: it must be positive")
    module = entry.build(
        width=width,
        max_channels=max_channels,
        output_stride=output_stride,
        uniform_dilation=uniform_dilation,
        dtype=dtype,
    )
    if not multi_grid:
        return module
    if min(multi_grid) < 1:
        raise UserError(f"multi_grid {tuple(multi_grid)}: each factor is at least 1")
    if "multi_grid" not in fields_of(type(module)):
        raise UserError(f"backbone {name!r} has no multi-grid; the ResNets have")
    return module.clone(multi_grid=tuple(multi_grid))


def check_output_stride(stride: int) -> None:
    """Refuse an output stride that no backbone has."""
    if stride not in OUTPUT_STRIDES:
        raise UserError(f"output stride {stride}: a backbone has 8, 16 or 32")


def create_classifier(
    backbone: str,
    num_classes: int = 1000,
    *,
    arithmetic: str = "",
    width: float = 1.0,
    max_channels: int | None = None,
    auxiliary: bool = False,
    dtype: Any = "float32",
) -> Classifier:
    """Build an image classifier by its backbone's name.

    Args:
      backbone: a name in `BACKBONES`.
      num_classes: number of classes.
      arithmetic: arithmetic of the backbone, see `backbones.names`; "" takes its usual
        one.
      width: factor on the number of the backbone's channels.
      max_channels: largest number of channels of a stage.
      auxiliary: add the paper's auxiliary classifiers (GoogLeNet).
      dtype: compute type, "float32" or "bfloat16".

    Raises:
      UserError: a name is unknown.
    """
    compute = _dtype(dtype)
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
    if auxiliary and entry.auxiliary is None:
        raise UserError(f"backbone {backbone!r} has no auxiliary classifiers")
    return Classifier(
        backbone=body,
        head=entry.classifier(num_classes=num_classes, dtype=compute),
        auxiliary=entry.auxiliary(num_classes=num_classes, dtype=compute)
        if auxiliary and entry.auxiliary
        else None,
        mean=entry.mean,
        std=entry.std,
    )


def _dtype(dtype: Any) -> Any:
    """Return a compute type, given by its name or as it is."""
    return choose("dtype", dtype, DTYPES) if isinstance(dtype, str) else dtype


def _check_classes(num_classes: int) -> None:
    if num_classes < 1:
        raise UserError(f"num_classes {num_classes}: it must be at least 1")


def list_models() -> list[tuple[str, str | None]]:
    """Return every (head, backbone) pair that `create_model` builds.

    The backbone is None if the head has its own.
    """
    return [
        (head, backbone)
        for head, entry in HEADS.items()
        for backbone in (BACKBONES if entry.backbone is None else [None])
    ]
