import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from backbone_checks import (
    assert_a_classifier_trains,
    assert_the_classifier_slides,
    named_tensors,
)

from jaxseg.backbones.inverted_residual import InvertedResidual
from jaxseg.backbones.inverted_residual_net import Row, ends_of_strides
from jaxseg.backbones.mobilenet import MobileNetV3, MobileNetV3Classifier
from jaxseg.backbones.names import find_backbone
from jaxseg.segmenter import Classifier, abstract_variables, count_parameters
from jaxseg.weights.families import mobilenet as names
from jaxseg.weights.naming import prefixed

SMALL = {"width": 0.125, "max_channels": 16}


def classifier(name, arithmetic="", **arguments):
    entry = find_backbone(name, arithmetic)
    return Classifier(entry.build(**arguments), entry.classifier(num_classes=1000))


def shapes(module, height, width):
    image = jax.ShapeDtypeStruct((1, height, width, 3), jnp.float32)
    features, _ = jax.eval_shape(module.init_with_output, jax.random.key(0), image)
    return [feature.shape[1:] for feature in features]


@pytest.mark.parametrize(
    ("name", "arithmetic"),
    [
        ("mobilenet_v2", ""),
        ("mobilenet_v3_large", ""),
        ("mobilenet_v3_small", "tensorflow"),
    ],
)
def test_published_parameter_counts(name, arithmetic):
    published = find_backbone(name, arithmetic).parameters
    assert count_parameters(classifier(name, arithmetic)) == published


@pytest.mark.parametrize(
    ("name", "arithmetic", "output_stride", "channels"),
    [
        ("mobilenet_v2", "", 8, [16, 24, 32, 96, 1280]),
        ("mobilenet_v3_large", "torchvision", 32, [16, 24, 40, 112, 960]),
        ("mobilenet_v3_large", "dilated", 16, [16, 24, 40, 80, 960]),
        ("mobilenet_v3_small", "tensorflow", 8, [16, 16, 24, 48, 576]),
    ],
)
def test_features_have_their_channels_and_strides(
    name, arithmetic, output_stride, channels
):
    module = find_backbone(name, arithmetic).build(output_stride=output_stride)
    strides = [min(stride, output_stride) for stride in (2, 4, 8, 16, 32)]
    expected = [
        (-(-65 // stride), 96 // stride, count)
        for stride, count in zip(strides, channels, strict=True)
    ]
    assert shapes(module, 65, 96) == expected


def test_torchvisions_segmentation_dilates_the_strided_block_too():
    named = find_backbone("mobilenet_v3_large", "dilated").build(output_stride=16)
    assert named.taps == (
        "stage1_block1",
        "stage2_block1",
        "stage3_block1",
        "stage4_block1",
        "stage7_conv",
    )
    rates = {}

    def record(call, args, kwargs, context):
        if isinstance(context.module, InvertedResidual):
            rates[context.module.name] = context.module.rate, context.module.stride
        return call(*args, **kwargs)

    with nn.intercept_methods(record):
        shapes(named, 64, 64)
    assert rates["stage5_block2"] == (1, 1)
    assert [rates[f"stage6_block{i}"] for i in (1, 2, 3)] == [(2, 1)] * 3


def test_v3_squeezes_a_quarter_of_the_depthwise_channels():
    variables = abstract_variables(classifier("mobilenet_v3_large"))["params"]
    block = variables["backbone"]["stage3_block1"]
    assert block["depthwise_conv"]["kernel"].shape == (5, 5, 1, 72)
    assert block["squeeze"]["reduce"]["kernel"].shape == (72, 24)
    assert "squeeze" not in variables["backbone"]["stage4_block1"]


def test_one_training_step_has_finite_gradients_at_batch_1():
    rows = (
        Row(3, 2, 8, (1,), True),
        Row(5, 2, 8, (2, 2), True, "hard_swish"),
    )
    backbone = MobileNetV3(
        rows=rows,
        stem=8,
        activation="hard_swish",
        taps=(*ends_of_strides(rows)[:-1], "stage3_conv"),
        last=16,
        gate="hard_sigmoid",
    )
    model = Classifier(backbone, MobileNetV3Classifier(3, hidden=16))
    image = jax.random.normal(jax.random.key(0), (1, 35, 35, 3))
    shapes = jax.eval_shape(model.init, jax.random.key(1), image)
    variables = jax.tree.map(lambda leaf: np.full(leaf.shape, 0.1, np.float32), shapes)
    assert_a_classifier_trains(model, variables, image)


def test_the_classifier_slides_over_a_larger_map():
    assert_the_classifier_slides(functools.partial(MobileNetV3Classifier, hidden=16))


@pytest.mark.parametrize(
    ("name", "arithmetic", "source", "examples"),
    [
        (
            "mobilenet_v2",
            "",
            "torchvision",
            [
                "features.1.conv.0.0.weight",
                "features.1.conv.2.running_mean",
                "features.17.conv.2.weight",
                "features.18.0.weight",
                "classifier.1.weight",
            ],
        ),
        (
            "mobilenet_v2",
            "",
            "timm",
            ["blocks.6.0.conv_pwl.weight", "conv_head.weight", "bn2.bias"],
        ),
        (
            "mobilenet_v3_small",
            "torchvision",
            "torchvision",
            [
                "features.1.block.1.fc1.weight",
                "features.2.block.2.0.weight",
                "features.11.block.3.1.running_var",
                "features.12.0.weight",
                "classifier.3.bias",
            ],
        ),
        (
            "mobilenet_v3_large",
            "timm",
            "timm",
            ["blocks.6.0.conv.weight", "blocks.6.0.bn1.bias", "conv_head.bias"],
        ),
    ],
)
def test_every_tensor_has_a_foreign_name_of_its_own(name, arithmetic, source, examples):
    model = classifier(name, arithmetic, **SMALL)
    heads = names.V2_CLASSIFIER if name == "mobilenet_v2" else names.V3_CLASSIFIER
    table = [
        *prefixed("", names.backbone_tables(model.backbone)[source], "backbone/"),
        *prefixed("", heads[source], "head/"),
    ]
    tensors = named_tensors(abstract_variables(model), table)
    assert tensors.keys() >= set(examples)
