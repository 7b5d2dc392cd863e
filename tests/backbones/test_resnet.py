"""Residual networks: their options, their dilation, their names elsewhere."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxseg.backbones.residual import BasicBlock, Bottleneck, average_pool
from jaxseg.backbones.resnet import RESNETS, ResNet
from jaxseg.models import Classifier, count_parameters
from jaxseg.weights.families import resnet as names
from jaxseg.weights.naming import prefixed, write_by_table

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
    model = Classifier(entry.build(), entry.top(num_classes=1000))
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
        tiny(options={"residual": False}),
        tiny(Bottleneck, options={"groups": 2}),
    ],
)
def test_dilation_changes_no_value(build):
    image = jax.random.normal(jax.random.key(2), (1, 65, 96, 3))
    variables = noisy(build(), image)

    def features(stride):
        return jax.jit(build(output_stride=stride).apply)(variables, image)

    for dense, strided in zip(features(8), features(32), strict=True):
        step = dense.shape[2] // strided.shape[2]
        np.testing.assert_allclose(
            dense[:, ::step, ::step], strided, rtol=1e-4, atol=1e-4
        )


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


def test_an_averaging_shortcut_counts_no_padding():
    x = jnp.arange(1.0, 10.0).reshape(1, 3, 3, 1)
    halved = average_pool(x, 2, 1)[0, :, :, 0]
    np.testing.assert_array_equal(halved, [[3, 4.5], [7.5, 9]])
    apart = average_pool(x, 1, 2)[0, :, :, 0]
    np.testing.assert_array_equal(apart[0], [(1 + 3 + 7 + 9) / 4, (2 + 8) / 2, 6])


@pytest.mark.parametrize(
    "options", [{"squeeze_excite": True, "average": True}, {"residual": False}]
)
def test_a_batch_of_one_trains(options):
    module = tiny(options=options, deep_stem=True)()
    image = jax.random.normal(jax.random.key(0), (1, 33, 33, 3))
    variables = jax.jit(module.init)(jax.random.key(1), image)

    def loss(params):
        features, _ = module.apply(
            {**variables, "params": params}, image, train=True, mutable=["batch_stats"]
        )
        return sum(jnp.mean(feature**2) for feature in features)

    gradients = jax.tree.leaves(jax.jit(jax.grad(loss))(variables["params"]))
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in gradients)
    assert sum(bool(leaf.any()) for leaf in gradients) > len(gradients) / 2


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
    module = RESNETS[name].build()
    image = jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.float32)
    shapes = jax.eval_shape(module.init, jax.random.key(0), image)
    arrays = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), dict(shapes))
    tensors, unnamed = write_by_table(arrays, prefixed("", table))
    assert not unnamed
    named = [key for key in tensors if not key.endswith("num_batches_tracked")]
    assert len(named) == len(jax.tree.leaves(arrays))
    assert {key: tensors[key].shape for key in samples} == samples
