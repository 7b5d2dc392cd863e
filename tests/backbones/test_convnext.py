"""ConvNeXt."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from backbone_checks import assert_dilation_changes_no_value
from closeness import assert_close

from jaxseg.backbones.convnext import (
    CONVNEXTS,
    ConvNeXt,
    ConvNeXtBlock,
    NormalizedClassifier,
    pad_behind,
)
from jaxseg.segmenter import Classifier, count_parameters
from jaxseg.weights.families import convnext as names
from jaxseg.weights.naming import write_by_table

tiny = functools.partial(
    ConvNeXt, blocks=(1, 1, 1, 1), channels=8, stochastic_depth=0.5, max_channels=16
)


def test_a_classifier_has_the_published_number_of_parameters():
    entry = CONVNEXTS["convnext_tiny"]
    model = Classifier(entry.build(), entry.classifier(num_classes=1000))
    # torchvision 0.28 and timm 1.0.31.
    assert count_parameters(model) == 28_589_128 == entry.parameters


@pytest.mark.parametrize("output_stride", [8, 16, 32])
def test_features_have_their_strides_at_odd_sizes(output_stride):
    module = tiny(output_stride=output_stride, max_channels=None)
    image = jax.ShapeDtypeStruct((1, 67, 45, 3), jnp.float32)
    features, _ = jax.eval_shape(module.init_with_output, jax.random.key(0), image)
    strides = [min(stride, output_stride) for stride in (2, 4, 8, 16, 32)]
    sizes = [(-(-67 // stride), -(-45 // stride)) for stride in strides]
    assert [feature.shape[1:3] for feature in features] == sizes
    assert [feature.shape[3] for feature in features] == [0, 8, 16, 32, 64]


@pytest.mark.slow
def test_dilation_changes_no_value():
    image = jax.random.normal(jax.random.key(2), (1, 65, 96, 3))
    variables = jax.jit(tiny().init)(jax.random.key(0), image)
    # At its initial 1e-6 the layer scale would hide the blocks.
    variables = jax.tree.map(lambda x: x + 0.1 if x.ndim == 1 else x, variables)
    assert_dilation_changes_no_value(tiny, variables, image)


def test_padding_lies_behind():
    padded = pad_behind(jnp.ones((1, 5, 8, 2)), 4)
    assert padded.shape == (1, 8, 8, 2)
    np.testing.assert_array_equal(padded[0, :, 0, 0], [1, 1, 1, 1, 1, 0, 0, 0])


def test_a_new_block_is_nearly_the_identity():
    x = jax.random.normal(jax.random.key(0), (1, 9, 9, 8))
    block = ConvNeXtBlock()
    variables = block.init(jax.random.key(1), x, False)
    y = block.apply(variables, x, False)
    # The branch is scaled by 1e-6.
    np.testing.assert_allclose(y, x, atol=1e-5)
    assert (y != x).any()


def test_stochastic_depth_drops_whole_images_in_training_only():
    x = jax.random.normal(jax.random.key(0), (64, 3, 3, 8))
    block = ConvNeXtBlock(drop=0.5)
    variables = block.init(jax.random.key(1), x, False)
    variables["params"]["layer_scale"] = jnp.ones(8)
    rngs = {"dropout": jax.random.key(2)}
    branch = block.apply(variables, x, False) - x
    trained = block.apply(variables, x, True, rngs=rngs) - x
    dropped = ~trained.any((1, 2, 3))
    assert 16 < dropped.sum() < 48
    kept = np.asarray(~dropped)
    # The branches are what remains of sums as large as the image.
    size = float(jnp.abs(x).max())
    assert_close(trained[kept], 2 * branch[kept], epsilons=4, magnitude=size)


def test_the_classifier_normalises_what_it_pooled():
    features = [jax.random.normal(jax.random.key(0), (2, 3, 4, 8))]
    classifier = NormalizedClassifier(5)
    variables = classifier.init(jax.random.key(1), features)
    mean = features[0].mean((1, 2))
    centred = mean - mean.mean(-1, keepdims=True)
    normal = centred / jnp.sqrt((centred**2).mean(-1, keepdims=True) + 1e-6)
    expected = normal @ variables["params"]["classifier"]["kernel"]
    logits = classifier.apply(variables, features)
    assert_close(logits[:, 0, 0], expected, epsilons=8)


def test_a_sliding_classifier_gives_a_prediction_for_each_position():
    features = [jax.random.normal(jax.random.key(0), (1, 5, 6, 8))]
    variables = NormalizedClassifier(5).init(jax.random.key(1), features)
    slid = NormalizedClassifier(5, window=(2, 2), rate=2).apply(variables, features)
    assert slid.shape == (1, 3, 4, 5)
    place = [features[0][:, 1:4:2, 2:5:2]]
    assert_close(
        slid[:, 1, 2], NormalizedClassifier(5).apply(variables, place)[:, 0, 0]
    )


@pytest.mark.slow
def test_a_batch_of_one_trains():
    # Gradients of 49 taps are slow to compile on a CPU: two blocks are enough.
    module = tiny(blocks=(0, 0, 0, 2), stochastic_depth=0.0)
    image = jax.random.normal(jax.random.key(0), (1, 33, 33, 3))
    variables = jax.jit(module.init)(jax.random.key(1), image)

    def loss(params):
        features = module.apply({"params": params}, image, train=True)
        return sum(jnp.mean(feature**2) for feature in features[1:])

    gradients = jax.tree.leaves(jax.jit(jax.grad(loss))(variables["params"]))
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in gradients)
    assert sum(bool(leaf.any()) for leaf in gradients) > len(gradients) / 2


@pytest.mark.parametrize(
    ("table", "samples"),
    [
        (
            names.TIMM_BACKBONE,
            {
                "stages.3.blocks.2.gamma": (768,),
                "stages.1.downsample.1.weight": (192, 96, 2, 2),
            },
        ),
        (
            names.TORCHVISION_BACKBONE,
            {
                "features.7.2.layer_scale": (768, 1, 1),
                "features.2.1.weight": (192, 96, 2, 2),
                "features.1.0.block.0.weight": (96, 1, 7, 7),
            },
        ),
        (names.SMP_BACKBONE, {"model.stages_2.blocks.8.mlp.fc1.weight": (1536, 384)}),
    ],
)
def test_every_tensor_has_a_name_elsewhere(table, samples):
    module = CONVNEXTS["convnext_tiny"].build()
    image = jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.float32)
    shapes = jax.eval_shape(module.init, jax.random.key(0), image)
    arrays = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), dict(shapes))
    tensors, unnamed = write_by_table(arrays, table)
    assert not unnamed
    assert len(tensors) == len(jax.tree.leaves(arrays))
    assert {key: tensors[key].shape for key in samples} == samples
