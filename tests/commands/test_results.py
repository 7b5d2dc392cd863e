"""The model and data of a run in its results."""

from dataclasses import replace

import pytest

from jaxseg.commands.results import describe_run
from jaxseg.config import Config, DataConfig, ModelConfig


@pytest.mark.parametrize(
    ("model", "backbone"),
    [
        (ModelConfig(head="unet", backbone="vgg16"), "vgg16"),
        (ModelConfig(head="unet"), "resnet50"),  # the usual one
        (ModelConfig(head="classifier", backbone="resnet18"), "resnet18"),
        (ModelConfig(head="unet_original"), None),  # it has its own
    ],
)
def test_the_used_backbone_is_named(model, backbone):
    described = describe_run(Config(name="run", model=model))
    assert described["name"] == "run"
    assert described["model"]["head"] == model.head
    assert described["model"]["backbone"] == backbone


@pytest.mark.parametrize(
    ("backbone", "arithmetic", "named"),
    [
        ("efficientnet_b0", "smp", ("efficientnet_b0", "smp")),
        ("efficientnet_b0", "torchvision", ("efficientnet_b0", "")),  # the usual one
        ("smp_efficientnet_b0", "", ("efficientnet_b0", "smp")),
    ],
)
def test_an_arithmetic_that_is_not_the_usual_one_is_named(backbone, arithmetic, named):
    model = ModelConfig(head="unet", backbone=backbone, arithmetic=arithmetic)
    described = describe_run(Config(model=model))["model"]
    assert (described["backbone"], described["arithmetic"]) == named


@pytest.mark.parametrize(
    ("root", "name"),
    [
        ("data/nuclei", "nuclei"),
        ("data/nuclei/", "nuclei"),
        ("nuclei/../cells", "cells"),
        (".", "here"),
        ("", None),
        ("/", None),
    ],
)
def test_a_root_is_named_by_its_folder(root, name, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    config = replace(Config(), data=DataConfig(name="folder", root=root))
    assert describe_run(config)["data"] == {"name": "folder", "root": name}
