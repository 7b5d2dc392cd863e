"""Xception and the aligned Xception."""

import functools

import jax
import jax.numpy as jnp
import pytest
from backbone_checks import (
    assert_a_batch_of_one_trains,
    assert_dilation_changes_no_value,
    named_tensors,
    shapes_of,
)

from jaxseg.backbones.xception import XCEPTIONS, Xception
from jaxseg.backbones.xception_aligned import ALIGNED_XCEPTIONS, AlignedXception
from jaxseg.segmenter import Classifier, count_parameters
from jaxseg.weights.families import xception as names

ENTRIES = XCEPTIONS | ALIGNED_XCEPTIONS

# timm 1.0.31.
PUBLISHED = {"xception": 22_855_952, "xception41": 26_969_560}

TINY = [
    functools.partial(Xception, middle=1, max_channels=8),
    functools.partial(AlignedXception, middle=1, max_channels=8),
]


def noisy(module, image):
    """Initialise a module; normalisations get statistics that are not trivial."""
    variables = jax.jit(module.init)(jax.random.key(0), image)
    return jax.tree.map(lambda x: x + 0.1 if x.ndim == 1 else x, variables)


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_classifier_has_the_published_number_of_parameters(name):
    entry = ENTRIES[name]
    model = Classifier(entry.build(), entry.classifier(num_classes=1000))
    assert count_parameters(model) == PUBLISHED[name] == entry.parameters


@pytest.mark.parametrize(
    ("name", "channels", "output_stride"),
    [
        ("xception", [64, 128, 256, 728, 2048], 32),
        ("xception", [64, 128, 256, 728, 2048], 8),
        ("xception41", [128, 256, 728, 1024, 2048], 16),
        ("xception71", [128, 256, 728, 1024, 2048], 32),
    ],
)
def test_features_have_their_strides_at_odd_sizes(name, channels, output_stride):
    module = ENTRIES[name].build(output_stride=output_stride)
    image = jax.ShapeDtypeStruct((1, 67, 45, 3), jnp.float32)
    features, _ = jax.eval_shape(module.init_with_output, jax.random.key(0), image)
    strides = [min(stride, output_stride) for stride in (2, 4, 8, 16, 32)]
    sizes = [(-(-67 // stride), -(-45 // stride)) for stride in strides]
    assert [feature.shape[1:3] for feature in features] == sizes
    assert [feature.shape[3] for feature in features] == channels


def test_the_original_stem_is_not_padded():
    module = XCEPTIONS["xception"].build(padded_stem=False)
    image = jax.ShapeDtypeStruct((1, 299, 299, 3), jnp.float32)
    features, _ = jax.eval_shape(module.init_with_output, jax.random.key(0), image)
    assert [feature.shape[1] for feature in features] == [147, 74, 37, 19, 10]


@pytest.mark.slow
@pytest.mark.parametrize("build", TINY)
def test_dilation_changes_no_value(build):
    image = jax.random.normal(jax.random.key(2), (1, 65, 96, 3))
    variables = noisy(build(), image)
    assert_dilation_changes_no_value(build, variables, image)


@pytest.mark.slow
@pytest.mark.parametrize("build", TINY)
def test_a_batch_of_one_trains_dilated(build):
    module = build(output_stride=8)
    assert_a_batch_of_one_trains(module, 40)


@pytest.mark.parametrize(
    ("name", "table", "samples"),
    [
        (
            "xception",
            names.BACKBONE,
            {
                "block1.rep.0.conv1.weight": (64, 1, 3, 3),
                "block2.rep.4.pointwise.weight": (256, 256, 1, 1),
                "block12.rep.5.running_var": (1024,),
                "bn4.weight": (2048,),
            },
        ),
        (
            "xception71",
            names.ALIGNED_BACKBONE,
            {
                "stem.1.conv.weight": (64, 32, 3, 3),
                "blocks.22.stack.conv3.conv_pw.weight": (2048, 1536, 1, 1),
            },
        ),
        (
            "xception41",
            names.SMP_ALIGNED_BACKBONE,
            {"model.blocks_0.stack.conv1.bn_dw.bias": (64,)},
        ),
    ],
)
def test_every_tensor_has_a_name_elsewhere(name, table, samples):
    tensors = named_tensors(shapes_of(ENTRIES[name].build()), table)
    assert {key: tensors[key].shape for key in samples} == samples
