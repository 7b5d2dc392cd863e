"""Heads: features -> logits at the head's own stride.

A head is a Linen module `(features, train) -> logits [B, h, w, classes]`.  It never
resizes its logits to the image.  `HEADS` is the registry; `register_head` adds to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import flax.linen as nn

from jaxseg.heads.deeplab import DeepLabV3, DeepLabV3Plus
from jaxseg.heads.deeplab_v1 import DeepLabV2, LargeFOV
from jaxseg.heads.fcn import FCN, FCNSkip
from jaxseg.heads.hypercolumns import Hypercolumns
from jaxseg.heads.lraspp import LRASPP
from jaxseg.heads.pspnet import PSPNet
from jaxseg.heads.segformer import SegFormer
from jaxseg.heads.unet import UNet
from jaxseg.heads.unet_original import (
    IMAGE_CHANNELS,
    UPSAMPLINGS_OF_VOLUMES,
    VOLUME_CHANNELS,
    UNetDecoder,
    UNetEncoder,
)
from jaxseg.heads.upernet import UPerNet
from jaxseg.registration import require_class, require_fields, require_options
from jaxseg.registry import Decorator, Registry, fields_of, one_of

_FCN = "Long et al. 2015, arXiv:1411.4038"
_UNET = "Ronneberger et al. 2015, arXiv:1505.04597"


@dataclass(frozen=True)
class HeadEntry:
    """A head that can be named.

    Attributes:
      module: the Linen class.
      output_stride: the backbone's, unless another is asked for.
      paper: authors, year, arXiv number.
      arguments: of the class; they make it the named head.
      backbone: makes the backbone that belongs to this head, from the keywords `width`,
        `max_channels` and `dtype`; None if the head takes any of the registry.  A Linen
        class is also given the head's arguments and options for which it has fields.
      axes: of the images: 2, or 3 for volumes.
      types: of options that take other values than the class' fields say.
    """

    module: type
    output_stride: int
    paper: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    backbone: Callable[..., Any] | None = None
    axes: int = 2
    types: Mapping[str, Any] = field(default_factory=dict)

    def options(self) -> dict[str, Any]:
        """Return the types of the options that the head can be given, by name."""
        fields = fields_of(self.module)
        if isinstance(self.backbone, type):
            fields = fields_of(self.backbone) | fields
        fixed = {*_OF_CREATE_MODEL, *self.arguments}
        open_ = {name: kind for name, kind in fields.items() if name not in fixed}
        return open_ | dict(self.types)


_OF_CREATE_MODEL = (
    "align_corners",
    "dtype",
    "max_channels",
    "name",
    "num_classes",
    "output_stride",
    "parent",
    "width",
)
"""Fields that `create_model` fills itself."""


_ENTRIES: dict[str, HeadEntry] = {
    "fcn": HeadEntry(FCN, 8, _FCN),
    "fcn32s": HeadEntry(FCNSkip, 32, _FCN, {"stride": 32}),
    "fcn16s": HeadEntry(FCNSkip, 32, _FCN, {"stride": 16}),
    "fcn8s": HeadEntry(FCNSkip, 32, _FCN, {"stride": 8}),
    "hypercolumns": HeadEntry(
        Hypercolumns, 32, "Hariharan et al. 2015, arXiv:1411.5752"
    ),
    "unet": HeadEntry(UNet, 32, _UNET),
    "unet_original": HeadEntry(
        UNetDecoder,
        16,
        _UNET,
        {"channels": IMAGE_CHANNELS, "padding": "valid", "mirror": True},
        UNetEncoder,
    ),
    "unet_same": HeadEntry(
        UNetDecoder,
        16,
        _UNET,
        {"channels": IMAGE_CHANNELS, "padding": "same", "norm": True, "mirror": False},
        UNetEncoder,
    ),
    "unet3d": HeadEntry(
        UNetDecoder,
        8,
        "Cicek et al. 2016, arXiv:1606.06650",
        {
            "channels": VOLUME_CHANNELS,
            "padding": "same",
            "norm": True,
            "mirror": False,
            "dropout": 0.0,
        },
        UNetEncoder,
        axes=3,
        types={
            "upsampling": Annotated[str, one_of("upsampling", UPSAMPLINGS_OF_VOLUMES)]
        },
    ),
    "deeplabv1": HeadEntry(LargeFOV, 8, "Chen et al. 2015, arXiv:1412.7062"),
    "deeplabv2": HeadEntry(DeepLabV2, 8, "Chen et al. 2017, arXiv:1606.00915"),
    "deeplabv3": HeadEntry(DeepLabV3, 8, "Chen et al. 2017, arXiv:1706.05587"),
    "deeplabv3plus": HeadEntry(DeepLabV3Plus, 16, "Chen et al. 2018, arXiv:1802.02611"),
    "pspnet": HeadEntry(PSPNet, 8, "Zhao et al. 2017, arXiv:1612.01105"),
    "upernet": HeadEntry(UPerNet, 32, "Xiao et al. 2018, arXiv:1807.10221"),
    "lraspp": HeadEntry(LRASPP, 16, "Howard et al. 2019, arXiv:1905.02244"),
    "segformer": HeadEntry(SegFormer, 32, "Xie et al. 2021, arXiv:2105.15203"),
}

HEADS = Registry("head", _ENTRIES)
"""Name -> entry."""


_NEEDED = {"num_classes": "num_classes: int", "dtype": "dtype: Any = jnp.float32"}
"""Fields that every head has."""


def register_head(
    name: str, *, output_stride: int = 32, paper: str = ""
) -> Decorator[type[nn.Module]]:
    """Return a decorator that adds a Linen module to the heads.

    The module has the fields `num_classes` and `dtype`, and maps `(features, train)` to
    logits `[B, h, w, num_classes]`.  If it has a field `output_stride`, it is given the
    backbone's.  Its other fields are options, each with its type and range.

    Args:
      name: by which a configuration names the head.
      output_stride: the backbone's, unless another is asked for.
      paper: authors, year, arXiv number.

    Raises:
      UserError: the name is one of jaxseg's own, or it is no such module.
    """
    HEADS.require_name(name)

    def add(module: Any) -> Any:
        owner = f"head {name!r}"
        require_class(owner, module, nn.Module, "flax.linen.Module")
        require_options(owner, module)
        require_fields(owner, module, _NEEDED)
        HEADS.register(name, HeadEntry(module, output_stride, paper), of=module)
        return module

    return add
