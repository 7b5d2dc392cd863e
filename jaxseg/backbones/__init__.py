"""Backbones: image -> features, shallow to deep; each is a classifier too.

Every backbone is a Linen module that maps `image` float `[B, H, W, 3]` to five feature
maps whose strides are 2, 4, 8, 16 and 32 before dilation; `output_stride` bounds the
strides, and stages that would exceed it dilate instead.  Sizes round up at each stride,
so any image size works.  A network without features of stride 2 gives a map of no
channels there.  The registry is `BACKBONES`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flax.linen as nn

from jaxseg.backbones.convnext import CONVNEXTS
from jaxseg.backbones.densenet import DENSENETS
from jaxseg.backbones.efficientnet import EFFICIENTNETS
from jaxseg.backbones.entry import IMAGENET_MEAN, IMAGENET_STD, BackboneEntry
from jaxseg.backbones.googlenet import GOOGLENETS
from jaxseg.backbones.mix_transformer import MIX_TRANSFORMERS
from jaxseg.backbones.mobilenet import MOBILENETS
from jaxseg.backbones.resnet import RESNETS
from jaxseg.backbones.vgg import VGGS
from jaxseg.backbones.xception import XCEPTIONS
from jaxseg.backbones.xception_aligned import ALIGNED_XCEPTIONS
from jaxseg.registration import require_class, require_fields, require_function
from jaxseg.registry import Decorator, Registry

_ENTRIES: dict[str, BackboneEntry] = {
    **VGGS,
    **GOOGLENETS,
    **RESNETS,
    **DENSENETS,
    **EFFICIENTNETS,
    **MOBILENETS,
    **XCEPTIONS,
    **ALIGNED_XCEPTIONS,
    **CONVNEXTS,
    **MIX_TRANSFORMERS,
}

BACKBONES = Registry("backbone", _ENTRIES)
"""Name -> entry."""


_NEEDED = {
    "width": "width: float = 1.0",
    "max_channels": "max_channels: int | None = None",
    "output_stride": "output_stride: int = 32",
    "uniform_dilation": "uniform_dilation: bool = False",
    "dtype": "dtype: Any = jnp.float32",
}
"""Fields that every backbone has which is a class."""


def register_backbone(
    name: str,
    *,
    paper: str = "",
    parameters: int = 0,
    mean: tuple[float, float, float] = IMAGENET_MEAN,
    std: tuple[float, float, float] = IMAGENET_STD,
) -> Decorator[Callable[..., nn.Module]]:
    """Return a decorator that adds a backbone, a Linen class or what returns a module.

    It is called with `width`, `max_channels`, `output_stride`, `uniform_dilation` and
    `dtype`, all by keyword, and gives a module that maps `(image, train)` to five
    features of strides 2, 4, 8, 16 and 32, bounded by the output stride.

    Args:
      name: by which a configuration names the backbone.
      paper: authors, year, arXiv number.
      parameters: of the classifier of 1000 classes, for the list of models.
      mean: of the RGB values 0..1, which is subtracted from an image.
      std: of the RGB values 0..1, by which an image is divided.

    Raises:
      UserError: the name is one of jaxseg's own, or it cannot be called.
    """
    BACKBONES.require_name(name)

    def add(build: Any) -> Any:
        owner = f"backbone {name!r}"
        if isinstance(build, type):
            require_class(owner, build, nn.Module, "flax.linen.Module")
            require_fields(owner, build, _NEEDED)
        else:
            require_function(BACKBONES, name, build)
        entry = BackboneEntry(build, paper, parameters, mean=mean, std=std)
        BACKBONES.register(name, entry, of=build)
        return build

    return add
