"""Residual networks: their options, their dilation, their names elsewhere."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from backbone_checks import (
    assert_a_batch_of_one_trains,
    assert_dilation_changes_no_value,
    named_tensors,
    shapes_of,
)
from slow_cases import slow

from jaxseg.backbones.residual import BasicBlock, Bottleneck
from jaxseg.backbones.resnet import RESNETS, ResNet
from jaxseg.segmenter import Classifier, count_parameters
from jaxseg.weights.families import resnet as names
from jaxseg.weights.naming import prefixed

# By hand from resnet18: 64*128 + 128*256 + 256*512 weights of shortcuts less, with
# three normalisations; a stem of 3*9*32 + 9*32*32 + 9*32*64 weights instead of 3*49*64,
# with two more normalisations of 32.  The others are timm's (1.0.31).
PUBLISHED = {
    "plain18": 11_689_512 - 172_032 - 2 * (128 + 256 + 512),
    "resnet18c": 11_689_512 - 9_408 + 28_512 + 4 * 32,
    "resnet18d": 11_708_744,
    "seresnet18": 11_779_624,
}


def tiny(block=BasicBlock, **arguments):
    """Build a network of one block a stage."""
    return functools.partial(
        ResNet, blocks=(1, 1, 1, 1), block=block, width=0.125, **arguments
    )


def noisy(module, image):
    """Initialise a module; normalisations get statistics that are not trivial."""
    variables = jax.jit(module.init)(jax.random.key(0), image)
    return jax.tree.map(lambda x: x + 0.1 if x.ndim == 1 else x, variables)


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_classifier_has_the_published_number_of_parameters(name):
    entry = RESNETS[name]
    model = Classifier(entry.build(), entry.classifier(num_classes=1000))
    assert count_parameters(model) == PUBLISHED[name] == entry.parameters


@pytest.mark.parametrize("output_stride", [8, 16, 32])
def test_features_have_their_strides_at_odd_sizes(output_stride):
    options = {"average": True, "squeeze_excite": True}
    module = tiny(options=options, deep_stem=True)(output_stride=output_stride)
    image = jax.ShapeDtypeStruct((1, 67, 45, 3), jnp.float32)
    features, _ = jax.eval_shape(module.init_with_output, jax.random.key(0), image)
    strides = [min(stride, output_stride) for stride in (2, 4, 8, 16, 32)]
    sizes = [(-(-67 // stride), -(-45 // stride)) for stride in strides]
    assert [feature.shape[1:3] for feature in features] == sizes


@pytest.mark.parametrize(
    "build",
    [
        tiny(options={"average": True}, deep_stem=True),
        *slow(
            tiny(options={"residual": False}),
            tiny(Bottleneck, options={"groups": 2}),
        ),
    ],
)
def test_dilation_changes_no_value(build):
    image = jax.random.normal(jax.random.key(2), (1, 65, 96, 3))
    variables = noisy(build(), image)
    assert_dilation_changes_no_value(build, variables, image)


def test_a_gate_sees_the_whole_map():
    """Shut gates leave the shortcut alone."""
    block = BasicBlock(8, squeeze_excite=True)
    x = jax.random.normal(jax.random.key(0), (1, 5, 6, 8))
    variables = block.init(jax.random.key(1), x, False)
    shut = jnp.full((8,), -1e3)
    variables["params"]["squeeze_excite"]["expand"]["bias"] = shut
    np.testing.assert_array_equal(block.apply(variables, x, False), jnp.maximum(x, 0))


def test_plain_blocks_have_no_shortcut():
    block = BasicBlock(8, residual=False)
    x = jax.random.normal(jax.random.key(0), (1, 5, 6, 8))
    variables = block.init(jax.random.key(1), x, False)
    kernel = variables["params"]["conv2"]["kernel"]
    variables["params"]["conv2"]["kernel"] = jnp.zeros_like(kernel)
    assert not block.apply(variables, x, False).any()


@pytest.mark.slow
@pytest.mark.parametrize(
    "options", [{"squeeze_excite": True, "average": True}, {"residual": False}]
)
def test_a_batch_of_one_trains(options):
    module = tiny(options=options, deep_stem=True)()
    assert_a_batch_of_one_trains(module, 33)


@pytest.mark.parametrize(
    ("name", "table", "samples"),
    [
        (
            "seresnet18",
            names.BACKBONE,
            {
                "layer1.1.se.fc1.weight": (8, 64, 1, 1),
                "layer2.0.downsample.0.weight": (128, 64, 1, 1),
            },
        ),
        ("resnet18c", names.TIMM_C, {"conv1.6.weight": (64, 32, 3, 3)}),
        ("resnet18c", names.MMSEG_C, {"stem.7.running_mean": (64,)}),
        ("resnet18d", names.TIMM_D, {"layer4.0.downsample.2.running_var": (512,)}),
        ("resnet18d", names.MMSEG_D, {"stem.3.weight": (32, 32, 3, 3)}),
        ("resnet18d", names.SMP_D, {"model.bn1.weight": (64,)}),
    ],
)
def test_every_tensor_has_a_name_elsewhere(name, table, samples):
    tensors = named_tensors(shapes_of(RESNETS[name].build()), prefixed("", table))
    assert {key: tensors[key].shape for key in samples} == samples
