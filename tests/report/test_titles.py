"""A run is called by its model and its data."""

import pytest

from jaxseg.backbones import BACKBONES
from jaxseg.data.catalog import DATASETS
from jaxseg.heads import HEADS
from jaxseg.report.titles import (
    backbone_title,
    data_title,
    model_title,
    run_title,
)


def results(head="deeplabv3plus", backbone="resnet50", data="camvid", root=None):
    return {
        "name": "experiment",
        "model": {"head": head, "backbone": backbone},
        "data": {"name": data, "root": root},
    }


@pytest.mark.parametrize(
    ("given", "title"),
    [
        (results(), "DeepLabV3+ on ResNet-50, CamVid"),
        (results("unet_original", None, "folder", "nuclei"), "Original U-Net, nuclei"),
        (
            results("fcn8s", "vgg16_bn", "digit_scenes"),
            "FCN-8s on VGG-16-bn, digit scenes",
        ),
        (
            results("classifier", "googlenet", "digits"),
            "Classifier on GoogLeNet, digits",
        ),
        (results("mine", "own", "set"), "mine on own, set"),
        (results(data="folder"), "DeepLabV3+ on ResNet-50, folder"),
    ],
)
def test_a_title_names_model_and_data(given, title):
    assert run_title(given) == title


@pytest.mark.parametrize(
    ("given", "title"),
    [
        ({"name": "deeplab"}, "deeplab"),
        ({}, "Run"),
        ({"name": 3, "model": [], "data": "x"}, "Run"),
        ({"name": "a", "model": {"head": 5}, "data": {"name": None}}, "a"),
        ({"name": "a", "data": {"name": "camvid"}}, "CamVid"),
    ],
)
def test_results_without_model_and_data_have_a_title(given, title):
    assert run_title(given) == title


def test_every_backbone_has_a_title_of_its_own():
    titles = {name: backbone_title(name) for name in BACKBONES}
    assert len(set(titles.values())) == len(titles)
    assert all(title[0].isupper() or title[:3] == "MiT" for title in titles.values())
    assert titles["efficientnet_lite0"] == "EfficientNet-Lite0"
    assert titles["resnext50_32x4d"] == "ResNeXt-50-32x4d"
    assert titles["xception"] == "Xception"
    assert titles["mit_b0"] == "MiT-B0"


def test_a_title_names_an_arithmetic_that_is_not_the_usual_one():
    model = {"head": "unet", "backbone": "efficientnet_b0", "arithmetic": "smp"}
    assert model_title({"model": model}) == "U-Net on EfficientNet-B0 (smp)"
    assert model_title({"model": model | {"arithmetic": ""}}) == (
        "U-Net on EfficientNet-B0"
    )


def test_backbones_of_older_results_keep_their_titles():
    assert backbone_title("tf_efficientnet_lite0") == "EfficientNet-Lite0 (tf)"
    assert backbone_title("mobilenetv3_large_100") == "MobileNetV3-large-100"


def test_every_head_has_a_title():
    titles = {name: model_title({"model": {"head": name}}) for name in HEADS}
    assert len(set(titles.values())) == len(titles)
    assert not {name for name, title in titles.items() if title == name}


def test_data_sets_are_written_without_underscores():
    for name in DATASETS:
        assert "_" not in data_title({"data": {"name": name}})
