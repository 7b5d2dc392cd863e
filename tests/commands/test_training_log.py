"""What a training prints before its first step."""

from dataclasses import replace

import pytest

from jaxseg.commands import train
from jaxseg.config import ModelConfig
from jaxseg.trainer.trainer import Trainer

SMALL = {"width": 0.125, "max_channels": 16}


@pytest.mark.parametrize(
    "model, named",
    [
        (ModelConfig(head="fcn8s", **SMALL), "FCN-8s on ResNet-50, "),
        (ModelConfig(head="unet_original", **SMALL), "classes; Original U-Net, "),
        (
            ModelConfig(
                head="fcn8s", backbone="efficientnet_b0", arithmetic="timm", **SMALL
            ),
            "FCN-8s on EfficientNet-B0 (timm), ",
        ),
    ],
)
def test_head_backbone_and_arithmetic_are_named(tiny_config, capfd, model, named):
    train._describe(Trainer(replace(tiny_config, model=model)))
    assert named in capfd.readouterr().err
