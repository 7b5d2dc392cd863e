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
from closeness import assert_close

from jaxseg.backbones.efficientnet import (
    LITE_SCALES,
    EfficientNet,
    EfficientNetClassifier,
    rows,
)
from jaxseg.backbones.inverted_residual import (
    Arithmetic,
    InvertedResidual,
    round_channels,
)
from jaxseg.backbones.inverted_residual_net import Row, ends_of_strides
from jaxseg.backbones.names import find_backbone
from jaxseg.nn.blocks import StochasticDepth
from jaxseg.segmenter import Classifier, abstract_variables, count_parameters
from jaxseg.weights.families import efficientnet as names
from jaxseg.weights.naming import prefixed

SMALL = {"width": 0.125, "max_channels": 16}


def classifier(name, arithmetic="", **arguments):
    entry = find_backbone(name, arithmetic)
    return Classifier(entry.build(**arguments), entry.classifier(num_classes=1000))


def shapes(module, height=64, width=64):
    image = jax.ShapeDtypeStruct((1, height, width, 3), jnp.float32)
    features, _ = jax.eval_shape(module.init_with_output, jax.random.key(0), image)
    return [feature.shape[1:] for feature in features]


# A short network: kernels of 3 and 5 at strides, depth where a shortcut is.
SHORT = (
    Row(3, 1, 8, (1,)),
    Row(3, 2, 8, (2,)),
    Row(5, 2, 8, (2, 2)),
    Row(3, 2, 8, (2,)),
    Row(5, 2, 8, (2, 2)),
)


def short(padding="symmetric", table=SHORT, **arguments):
    return EfficientNet(
        rows=table,
        stem=8,
        activation="relu6",
        taps=ends_of_strides(table),
        arithmetic=Arithmetic(padding=padding),
        **arguments,
    )


def random_variables(module):
    """Variables of which no normalisation is trivial."""
    rng = np.random.default_rng(0)
    image = jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.float32)
    shapes = jax.eval_shape(module.init, jax.random.key(0), image)
    return jax.tree.map(
        lambda leaf: rng.uniform(-0.5, 1, leaf.shape).astype(np.float32) ** 2, shapes
    )


def called(module, kind, read):
    """Read every submodule of one class when it is called, by path."""
    seen = {}

    def record(call, args, kwargs, context):
        if isinstance(context.module, kind) and context.method_name == "__call__":
            seen["/".join(context.module.path)] = read(context.module)
        return call(*args, **kwargs)

    with nn.intercept_methods(record):
        shapes(module)
    return seen


@pytest.mark.parametrize("name", ["efficientnet_b2", "efficientnet_lite3"])
def test_published_parameter_counts(name):
    published = find_backbone(name, "tensorflow").parameters
    assert count_parameters(classifier(name, "tensorflow")) == published


@pytest.mark.parametrize(
    ("channels", "rounded"),
    [(17.6, 16), (28.8, 32), (44.0, 48), (3.0, 8), (10.0, 16), (1408.0, 1408)],
)
def test_channels_round_to_multiples_of_8_within_10_percent(channels, rounded):
    assert round_channels(channels) == rounded


@pytest.mark.parametrize(
    ("name", "arithmetic", "channels"),
    [
        ("efficientnet_b0", "torchvision", [32, 24, 40, 112, 320]),
        ("efficientnet_b0", "tensorflow", [16, 24, 40, 112, 320]),
        ("efficientnet_b0", "smp", [32, 24, 40, 112, 320]),
        ("efficientnet_lite4", "tensorflow", [24, 32, 56, 160, 448]),
    ],
)
def test_features_have_the_channels_of_the_encoders(name, arithmetic, channels):
    found = shapes(find_backbone(name, arithmetic).build(), 65, 96)
    assert [shape[-1] for shape in found] == channels
    assert [shape[:2] for shape in found] == [
        (33, 48),
        (17, 24),
        (9, 12),
        (5, 6),
        (3, 3),
    ]


@pytest.mark.parametrize("padding", ["symmetric", "same", 50])
@pytest.mark.parametrize(("output_stride", "last"), [(16, (5, 6)), (8, (9, 12))])
def test_odd_sizes_round_up_at_every_output_stride(padding, output_stride, last):
    found = shapes(short(padding, output_stride=output_stride), 65, 96)
    assert found[-1][:2] == last


@pytest.mark.slow
def test_dilation_computes_the_strided_features_and_those_between():
    image = jax.random.normal(jax.random.key(0), (1, 64, 96, 3))
    variables = random_variables(short())
    strided = jax.jit(short().apply)(variables, image)
    dilated = jax.jit(short(output_stride=8).apply)(variables, image)
    for stride, ours, theirs in zip((1, 1, 1, 2, 4), dilated, strided, strict=True):
        assert theirs.std() > 0.1
        assert_close(ours[:, ::stride, ::stride], theirs)


def test_frozen_padding_is_tensorflows_at_its_size():
    """Sides 50, 25, 13, 7, 4 are even and odd at the kernels of 3 and of 5."""
    variables = random_variables(short())

    def features(padding, side):
        image = jax.random.normal(jax.random.key(0), (1, side, side, 3))
        return jax.jit(short(padding).apply)(variables, image)

    for ours, theirs in zip(features(50, 50), features("same", 50), strict=True):
        assert_close(ours, theirs)
    # At another size it is not: 32 is even where 25 is odd.
    ours, theirs = features(50, 64), features("same", 64)
    assert_close(ours[0], theirs[0])
    assert not np.allclose(ours[1], theirs[1], atol=0.1)


def test_smp_reads_b0_early_and_dilates_what_follows():
    build = find_backbone("efficientnet_b0", "smp").build
    assert build().taps == (
        "stem",
        "stage2_block2",
        "stage3_block2",
        "stage5_block1",
        "stage7_block1",
    )
    rates = called(build(output_stride=8), InvertedResidual, lambda m: m.rate)
    assert [rates[f"stage4_block{i}"] for i in (1, 2, 3)] == [2, 2, 2]
    assert [rates[f"stage5_block{i}"] for i in (1, 2, 3)] == [2, 4, 4]
    assert rates["stage6_block1"] == rates["stage7_block1"] == 4


def test_only_b0_of_smp_is_read_early():
    build = find_backbone("efficientnet_b1", "smp").build
    assert build().taps[3] == "stage5_block4"
    assert all(row.ahead == 0 for row in build().rows)


def test_stochastic_depth_grows_linearly_over_the_blocks():
    module = find_backbone("efficientnet_b0").build(**SMALL)
    rates = called(module, StochasticDepth, lambda m: m.rate)
    # Of 16 blocks the 3rd, 5th, 7th, ... have a shortcut.
    expected = [0.2 * i / 16 for i in (2, 4, 6, 7, 9, 10, 12, 13, 14)]
    at_same_width = {path: rate for path, rate in rates.items() if "block1" not in path}
    np.testing.assert_allclose(list(at_same_width.values()), expected)


def test_squeezed_channels_are_a_quarter_of_the_blocks_input():
    variables = abstract_variables(classifier("efficientnet_b0"))["params"]["backbone"]
    kernel = variables["stage3_block1"]["squeeze"]["reduce"]["kernel"]
    assert kernel.shape == (24 * 6, 24 // 4)
    assert "expand_conv" not in variables["stage1_block1"]


def test_lite_has_no_squeeze_and_keeps_its_stem_and_ends():
    table = rows(LITE_SCALES[4], lite=True)
    assert not any(row.squeeze for row in table)
    assert [len(row.expansions) for row in table] == [1, 4, 4, 6, 6, 8, 1]
    head = abstract_variables(classifier("efficientnet_lite2", "tensorflow"))["params"][
        "head"
    ]
    assert head["conv"]["kernel"].shape == (1, 1, 352, 1280)


def test_arithmetics_are_the_publishers():
    def of(name, arithmetic=""):
        found = find_backbone(name, arithmetic).build().arithmetic
        return found.epsilon, found.momentum, found.padding

    assert of("efficientnet_b4") == (1e-5, 0.9, "symmetric")
    assert of("efficientnet_b4", "timm") == (1e-5, 0.9, "symmetric")
    assert of("efficientnet_b5") == (1e-3, 0.99, "symmetric")
    assert of("efficientnet_b5", "timm") == (1e-5, 0.9, "symmetric")
    assert of("efficientnet_b5", "tensorflow") == (1e-3, 0.99, "same")
    assert of("efficientnet_b5", "smp") == (1e-3, 0.99, 456)
    assert of("efficientnet_lite0") == of("efficientnet_lite0", "timm")
    assert of("efficientnet_lite0", "timm") == (1e-5, 0.9, "symmetric")


def test_images_are_normalised_as_the_weights_expect():
    """The authors of Lite take 127 from bytes and divide by 128."""
    entry = find_backbone("efficientnet_lite0", "tensorflow")
    np.testing.assert_allclose((255 / 255 - entry.mean[0]) / entry.std[0], 1.0)
    np.testing.assert_allclose((0 - entry.mean[2]) / entry.std[2], -127 / 128)
    b0 = find_backbone("efficientnet_b0", "tensorflow")
    assert b0.mean == (0.485, 0.456, 0.406)


@pytest.mark.slow
def test_one_training_step_has_finite_gradients_at_batch_1():
    table = (
        Row(3, 1, 8, (1,), True, "silu"),
        Row(5, 2, 8, (2, 2), True, "silu"),
    )
    model = Classifier(
        short("same", table, drop=0.2), EfficientNetClassifier(3, channels=8)
    )
    image = jax.random.normal(jax.random.key(0), (1, 35, 35, 3))
    variables = random_variables(model)
    assert_a_classifier_trains(model, variables, image)


@pytest.mark.slow
def test_the_classifier_slides_over_a_larger_map():
    assert_the_classifier_slides(EfficientNetClassifier)


@pytest.mark.parametrize(
    ("name", "arithmetic", "source", "examples"),
    [
        (
            "efficientnet_b0",
            "torchvision",
            "torchvision",
            [
                "features.0.1.running_var",
                "features.1.0.block.1.fc2.bias",
                "features.6.3.block.3.0.weight",
                "features.8.0.weight",
                "classifier.1.bias",
            ],
        ),
        (
            "efficientnet_b0",
            "tensorflow",
            "timm",
            [
                "conv_stem.weight",
                "blocks.0.0.conv_pw.weight",
                "blocks.5.3.se.conv_reduce.bias",
                "blocks.6.0.bn3.running_mean",
                "bn2.weight",
                "classifier.weight",
            ],
        ),
        (
            "efficientnet_b0",
            "smp",
            "smp",
            [
                "_bn0.weight",
                "_blocks.0._se_expand.bias",
                "_blocks.15._project_conv.weight",
                "_blocks.9._bn0.bias",
                "_conv_head.weight",
            ],
        ),
        (
            "efficientnet_lite0",
            "tensorflow",
            "package",
            ["_blocks.1._depthwise_conv.weight", "_bn1.running_var", "_fc.weight"],
        ),
    ],
)
def test_every_tensor_has_a_foreign_name_of_its_own(name, arithmetic, source, examples):
    model = classifier(name, arithmetic, **SMALL)
    table = [
        *prefixed("", names.backbone_tables(model.backbone)[source], "backbone/"),
        *prefixed("", names.CLASSIFIER[source], "head/"),
    ]
    tensors = named_tensors(abstract_variables(model), table)
    assert tensors.keys() >= set(examples)
