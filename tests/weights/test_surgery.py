"""A classifier's parameters serve its dense form, exactly where arithmetic allows."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from closeness import assert_close
from slow_cases import slow

from jaxseg.backbones.classifier import PooledClassifier, pool_window
from jaxseg.backbones.entry import plan_stages
from jaxseg.errors import UserError
from jaxseg.models import create_classifier, create_model
from jaxseg.nn.convolution import Conv
from jaxseg.segmenter import Classifier
from jaxseg.weights.surgery import to_dense, transplant


class Unpadded(nn.Module):
    """A backbone of 2x2 convolutions that never pads: stride 32, field 32."""

    output_stride: int = 32

    @nn.compact
    def __call__(self, image, train=False):
        x, features = image, []
        for number, stage in enumerate(plan_stages((2,) * 5, self.output_stride)):
            conv = Conv(
                8, 2, stage.stride, stage.first_rate, padding=0, name=f"conv{number}"
            )
            x = nn.relu(conv(x))
            features.append(x)
        return tuple(features)


def normal(seed, *shape):
    return jax.random.normal(jax.random.key(seed), shape)


@pytest.fixture(scope="module")
def unpadded():
    classifier = Classifier(Unpadded(), PooledClassifier(5))
    return classifier, classifier.init(jax.random.key(0), normal(1, 1, 64, 96, 3))


def dense_logits(classifier, variables, image, crop, output_stride=32):
    model = to_dense(classifier, crop, output_stride)
    slide = jax.jit(functools.partial(model.apply, method="low_resolution"))
    logits, _ = slide(variables, image)
    return np.asarray(logits)


@pytest.mark.parametrize("output_stride", [32, 16, 8])
def test_without_padding_it_is_the_classifier_slid(unpadded, output_stride):
    classifier, variables = unpadded
    image = normal(2, 1, 160, 128, 3)
    dense = dense_logits(classifier, variables, image, (64, 96), output_stride)
    rows, columns = (160 - 64) // output_stride + 1, (128 - 96) // output_stride + 1
    assert dense.shape[1] >= rows and dense.shape[2] >= columns
    for row in range(rows):
        for column in range(columns):
            top, left = row * output_stride, column * output_stride
            cut = image[:, top : top + 64, left : left + 96]
            expected = classifier.apply(variables, cut)
            assert_close(dense[:, row, column], expected)


@pytest.mark.parametrize(
    "backbone",
    ["resnet50", *slow("xception", "vgg11", "seresnet18", "efficientnet_lite0")],
)
def test_at_the_crop_size_it_gives_the_classifiers_logits(backbone):
    classifier = create_classifier(backbone, 5, width=0.125, max_channels=16)
    size = (97, 100) if backbone == "xception" else (64, 96)
    if backbone == "vgg11":  # fc6 has no other
        size = (224, 224)
    image = normal(3, 2, *size, 3)
    variables = jax.jit(classifier.init)(jax.random.key(0), image)
    dense = dense_logits(classifier, variables, image, size)
    assert dense.shape == (2, 1, 1, 5)
    assert_close(dense[:, 0, 0], jax.jit(classifier.apply)(variables, image))


@pytest.mark.parametrize("output_stride", [16, *slow(8)])
def test_a_smaller_output_stride_fills_in_between(output_stride):
    classifier = create_classifier("resnet18", 5, width=0.125)
    image = normal(4, 1, 96, 128, 3)
    variables = jax.jit(classifier.init)(jax.random.key(0), image)
    coarse = dense_logits(classifier, variables, image, (64, 64))
    fine = dense_logits(classifier, variables, image, (64, 64), output_stride)
    step = 32 // output_stride
    assert_close(fine[:, ::step, ::step], coarse)


def test_a_window_pools_what_a_cut_out_would():
    x = normal(5, 1, 6, 7, 2)
    pooled = pool_window(x, (2, 3))
    assert pooled.shape == (1, 5, 5, 2)
    assert_close(pooled[0, 1, 2], x[0, 1:3, 2:5].mean((0, 1)), epsilons=8)
    dilated = pool_window(x, (2, 2), rate=3)
    assert_close(dilated[0, 1, 2], x[0, 1:5:3, 2:6:3].mean((0, 1)), epsilons=8)


def test_a_crop_smaller_than_the_stride_is_refused(unpadded):
    with pytest.raises(UserError, match="crop"):
        to_dense(unpadded[0], (16, 64))


def test_another_output_stride_is_refused(unpadded):
    with pytest.raises(UserError, match="output stride 12"):
        to_dense(unpadded[0], (64, 64), 12)


def transplanted(head, classes, **options):
    classifier = create_classifier("resnet18", 5, width=0.125)
    source = jax.jit(classifier.init)(jax.random.key(0), jnp.zeros((1, 64, 64, 3)))
    model = create_model(head, "resnet18", classes, width=0.125, **options)
    target = jax.jit(model.init)(jax.random.key(1), jnp.zeros((1, 64, 64, 3)))
    return source, model, *transplant(source, target)


def test_a_transplant_carries_backbone_and_scores():
    source, model, variables, taken, kept = transplanted("fcn32s", 5)
    assert kept == []
    image = normal(6, 1, 96, 64, 3)
    logits, _ = model.apply(variables, image, method="low_resolution")
    classifier = create_classifier("resnet18", 5, width=0.125)
    dense = dense_logits(classifier, source, image, (32, 32))
    assert_close(logits, dense)


def test_other_classes_keep_the_new_scores():
    _, _, _, taken, kept = transplanted("fcn8s", 4)
    assert any("backbone/stem_conv" in name for name in taken)
    assert {name.split("/")[2] for name in kept} == {"score32", "score16", "score8"}


@pytest.mark.slow
def test_the_deepest_score_of_hypercolumns_is_the_classifiers():
    source, _, variables, taken, kept = transplanted("hypercolumns", 5)
    assert "params/head/score4/kernel" in taken
    np.testing.assert_array_equal(
        variables["params"]["head"]["score4"]["kernel"][0, 0],
        source["params"]["head"]["classifier"]["kernel"],
    )


@pytest.mark.slow
def test_a_classifier_on_other_features_is_initialised():
    # 64 channels, as many as the backbone's: the shapes would fit.
    _, _, _, taken, kept = transplanted("deeplabv3", 5, channels=64)
    assert {name for name in kept if "classifier" in name} == {
        "params/head/classifier/bias",
        "params/head/classifier/kernel",
    }


def test_a_larger_fully_connected_layer_is_thinned_out():
    source = {"params": {"head": {"fc6": {"kernel": normal(7, 7, 7, 4, 8)}}}}
    target = {"params": {"head": {"fc6": {"kernel": jnp.zeros((3, 3, 4, 3))}}}}
    variables, taken, kept = transplant(source, target)
    kernel = variables["params"]["head"]["fc6"]["kernel"]
    expected = source["params"]["head"]["fc6"]["kernel"][::3, ::3][..., [0, 4, 7]]
    np.testing.assert_array_equal(kernel, expected)
    assert taken == ["params/head/fc6/kernel"] and kept == []
