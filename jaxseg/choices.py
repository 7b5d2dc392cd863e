"""What a config may name: backbones, heads and their options, losses, data sets, ...

The modules behind these names import jax or TFDS, which takes seconds; this one imports
nothing, so that a name is checked at once.  `tests/test_choices.py` holds each table
equal to the registry that it stands for.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class HeadChoice:
    """What may be said of a head.

    Attributes:
      options: what it can be given, names of arguments of `create_model`.
      own_backbone: it has a backbone of its own and takes no other.
      volumes: its images have three axes.
    """

    options: tuple[str, ...]
    own_backbone: bool = False
    volumes: bool = False


HEADS: dict[str, HeadChoice] = {
    "fcn": HeadChoice(("channels", "dropout", "level")),
    "fcn32s": HeadChoice(("channels", "dropout", "upsampling")),
    "fcn16s": HeadChoice(("channels", "dropout", "upsampling")),
    "fcn8s": HeadChoice(("channels", "dropout", "upsampling")),
    "hypercolumns": HeadChoice(("channels", "levels", "upsampling")),
    "unet": HeadChoice(("channels", "upsampling")),
    "unet_original": HeadChoice(("dropout", "norm", "upsampling"), own_backbone=True),
    "unet_same": HeadChoice(("dropout", "upsampling"), own_backbone=True),
    "unet3d": HeadChoice(("upsampling",), own_backbone=True, volumes=True),
    "deeplabv1": HeadChoice(("channels", "dropout", "rates")),
    "deeplabv2": HeadChoice(("channels", "dropout", "rates")),
    "deeplabv3": HeadChoice(("channels", "dropout", "rates", "separable")),
    "deeplabv3plus": HeadChoice(
        (
            "aspp_conv",
            "channels",
            "decoder_convs",
            "dropout",
            "low_level_channels",
            "rates",
            "separable",
            "upsampling",
        )
    ),
    "pspnet": HeadChoice(("bins", "channels", "dropout", "level")),
    "upernet": HeadChoice(("bins", "channels", "upsampling")),
    "lraspp": HeadChoice(("channels", "level", "upsampling")),
    "segformer": HeadChoice(("channels", "dropout", "shallow")),
}
"""Of `jaxseg.heads.HEADS`."""

CLASSIFIER = "classifier"
"""The head that is a backbone's own classifier."""

BACKBONES = tuple(
    """
    vgg11 vgg11_bn vgg13 vgg13_bn vgg16 vgg16_bn vgg19 vgg19_bn googlenet resnet18
    resnet34 resnet50 resnet101 resnet152 plain18 plain34 resnext50_32x4d
    resnext101_32x8d resnext101_64x4d wide_resnet50_2 wide_resnet101_2 seresnet18
    seresnet34 seresnet50 seresnet101 seresnet152 resnet18c resnet34c resnet50c
    resnet101c resnet152c resnet18d resnet34d resnet50d resnet101d resnet152d
    densenet121 densenet161 densenet169 densenet201 efficientnet_b0
    tf_efficientnet_b0 smp_efficientnet_b0 efficientnet_b1 tf_efficientnet_b1
    smp_efficientnet_b1 efficientnet_b2 tf_efficientnet_b2 smp_efficientnet_b2
    efficientnet_b3 tf_efficientnet_b3 smp_efficientnet_b3 efficientnet_b4
    tf_efficientnet_b4 smp_efficientnet_b4 efficientnet_b5 timm_efficientnet_b5
    tf_efficientnet_b5 smp_efficientnet_b5 efficientnet_b6 timm_efficientnet_b6
    tf_efficientnet_b6 smp_efficientnet_b6 efficientnet_b7 timm_efficientnet_b7
    tf_efficientnet_b7 smp_efficientnet_b7 efficientnet_lite0 tf_efficientnet_lite0
    efficientnet_lite1 tf_efficientnet_lite1 efficientnet_lite2
    tf_efficientnet_lite2 efficientnet_lite3 tf_efficientnet_lite3
    efficientnet_lite4 tf_efficientnet_lite4 mobilenet_v2 mobilenet_v3_large
    mobilenet_v3_small mobilenet_v3_large_dilated mobilenetv3_large_100
    mobilenetv3_small_100 tf_mobilenetv3_large_100 tf_mobilenetv3_small_100 xception
    xception41 xception65 xception71 convnext_tiny convnext_small convnext_base
    mit_b0 mit_b1 mit_b2 mit_b3 mit_b4 mit_b5
    """.split()
)
"""Of `jaxseg.backbones.BACKBONES`."""

WITH_MULTI_GRID = tuple(
    """
    resnet18 resnet34 resnet50 resnet101 resnet152 plain18 plain34 resnext50_32x4d
    resnext101_32x8d resnext101_64x4d wide_resnet50_2 wide_resnet101_2 seresnet18
    seresnet34 seresnet50 seresnet101 seresnet152 resnet18c resnet34c resnet50c
    resnet101c resnet152c resnet18d resnet34d resnet50d resnet101d resnet152d
    """.split()
)
"""The backbones that have a multi-grid."""

WITH_AUXILIARY = ("googlenet",)
"""The backbones that have auxiliary classifiers."""

UPSAMPLINGS = (
    "bilinear",
    "nearest",
    "bilinear_conv",
    "nearest_conv",
    "transposed",
    "pixel_shuffle",
)
"""Of `jaxseg.nn.upsampling.UPSAMPLINGS`."""

UPSAMPLINGS_OF_VOLUMES = (
    "transposed",
    "trilinear",
    "nearest",
)
"""Of `jaxseg.heads.unet_original.UPSAMPLINGS_OF_VOLUMES`."""

PRESETS = {
    "smp": ("unet", "pspnet", "upernet", "segformer", "deeplabv3", "deeplabv3plus")
}
"""Preset -> the heads that it has."""

DTYPES = (
    "float32",
    "bfloat16",
)
"""Of `jaxseg.models.DTYPES`."""

FREEZES = {
    "": "everything is trained",
    "statistics": "the backbone's batch norm uses its running statistics",
    "backbone": "the backbone's parameters and statistics stay",
}
"""What `Segmenter.freeze` may be, and what it means."""

OUTPUT_STRIDES = (8, 16, 32)
"""The output strides that every backbone has."""

SMALLEST = 33
"""Smallest image side, pixels: one more than the deepest stride."""

OPTIMIZERS = (
    "sgd",
    "adamw",
)
"""Of `jaxseg.training.optimizer.OPTIMIZERS`."""

SCHEDULES = (
    "poly",
    "cosine",
    "constant",
)
"""Of `jaxseg.training.optimizer.SCHEDULES`."""

LOSSES = ("cross_entropy",)
"""Of `jaxseg.training.losses.LOSSES`."""

DATASETS = (
    "digit_scenes",
    "digits",
    "folder",
    "camvid",
    "oxford_iiit_pet",
    "cityscapes",
)
"""Of `jaxseg.data.catalog.DATASETS`."""
