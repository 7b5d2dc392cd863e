"""GoogLeNet: sizes, dilation, auxiliary classifiers, foreign names."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from backbone_checks import shapes_of, variables_of

from jaxseg.backbones.googlenet import GOOGLENETS, GoogLeNet, GoogLeNetAuxiliary
from jaxseg.segmenter import Classifier, count_parameters
from jaxseg.weights.families import googlenet
from jaxseg.weights.naming import foreign, leaves

ENTRY = GOOGLENETS["googlenet"]
NARROW = {"width": 0.125, "max_channels": 16}


def test_the_classifier_has_the_published_number_of_parameters():
    model = Classifier(ENTRY.build(), ENTRY.classifier(num_classes=1000))
    assert count_parameters(model) == ENTRY.parameters == 6_624_904


def test_auxiliary_classifiers_have_the_published_number_of_parameters():
    auxiliary = ENTRY.auxiliary(num_classes=1000)
    model = Classifier(ENTRY.build(), ENTRY.classifier(num_classes=1000), auxiliary)
    assert count_parameters(model) == 13_004_888  # torchvision with aux_logits=True


@pytest.mark.parametrize("output_stride", [8, 16, 32])
def test_features_round_odd_sizes_up(output_stride):
    module = ENTRY.build(output_stride=output_stride)
    image = jax.ShapeDtypeStruct((1, 65, 47, 3), jnp.float32)
    features, _ = jax.eval_shape(module.init_with_output, jax.random.key(0), image)
    strides = [min(stride, output_stride) for stride in (2, 4, 8, 16, 32)]
    expected = [(-(-65 // stride), -(-47 // stride)) for stride in strides]
    assert [feature.shape[1:3] for feature in features] == expected
    assert [feature.shape[3] for feature in features] == [64, 192, 480, 832, 1024]


def test_the_cap_bounds_each_branch():
    features, _ = jax.eval_shape(
        GoogLeNet(**NARROW).init_with_output,
        jax.random.key(0),
        jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.float32),
    )
    assert max(feature.shape[-1] for feature in features) <= 4 * 16


@pytest.mark.slow
def test_dilation_computes_the_strided_values_and_those_between():
    image = jax.random.normal(jax.random.key(0), (1, 64, 96, 3))
    strided, dense = (GoogLeNet(output_stride=stride, **NARROW) for stride in (32, 8))
    variables = variables_of(strided)
    wanted = jax.jit(strided.apply)(variables, image)
    features = jax.jit(dense.apply)(variables, image)
    for step, feature, values in zip((2, 4), features[3:], wanted[3:], strict=True):
        tolerance = 1e-4 * float(values.std())
        assert tolerance > 0
        np.testing.assert_allclose(
            feature[:, ::step, ::step], values, rtol=0, atol=tolerance
        )


def test_taps_are_the_modules_4a_and_4d():
    image = jax.ShapeDtypeStruct((2, 64, 96, 3), jnp.float32)
    module = GoogLeNet()
    variables = shapes_of(module)
    features, taps = jax.eval_shape(
        lambda v, x: module.apply(v, x, method="with_taps"), variables, image
    )
    assert [tap.shape for tap in taps] == [(2, 4, 6, 512), (2, 4, 6, 528)]
    assert features == jax.eval_shape(module.apply, variables, image)


def test_auxiliary_classifiers_return_float32():
    taps = tuple(jnp.ones((2, 5, 3, channels), jnp.bfloat16) for channels in (8, 16))
    module = GoogLeNetAuxiliary(7, dtype=jnp.bfloat16)
    logits, _ = jax.eval_shape(module.init_with_output, jax.random.key(0), taps)
    assert [part.shape for part in logits] == [(2, 1, 1, 7)] * 2
    assert {part.dtype for part in logits} == {jnp.dtype(jnp.float32)}


@pytest.mark.slow
def test_the_auxiliary_losses_train_the_layers_before_them_at_batch_1():
    model = Classifier(
        GoogLeNet(**NARROW), ENTRY.classifier(num_classes=3), GoogLeNetAuxiliary(3)
    )
    image = jax.random.normal(jax.random.key(0), (1, 40, 33, 3))
    variables = variables_of(model)

    def loss(params):
        (logits, auxiliary), _ = model.apply(
            {**variables, "params": params},
            image,
            train=True,
            method="low_resolution",
            mutable=["batch_stats"],
            rngs={"dropout": jax.random.key(2)},
        )
        return 0.0 * logits.sum() + 0.3 * sum((part**2).sum() for part in auxiliary)

    gradients = jax.jit(jax.grad(loss))(variables["params"])
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(gradients))

    def reached(name):
        leaves = jax.tree.leaves(gradients["backbone"][name])
        return any(float(jnp.abs(leaf).max()) > 0 for leaf in leaves)

    assert reached("stem_conv1")
    assert reached("inception4d")
    assert not reached("inception4e")


def test_auxiliary_classifiers_return_nothing_in_inference():
    model = Classifier(
        GoogLeNet(**NARROW), ENTRY.classifier(num_classes=3), GoogLeNetAuxiliary(3)
    )
    variables = shapes_of(model)
    assert "aux1" in variables["params"]["auxiliary"]
    image = jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.float32)
    logits, auxiliary = jax.eval_shape(
        lambda v, x: model.apply(v, x, method="low_resolution"), variables, image
    )
    assert logits.shape == (1, 1, 1, 3)
    assert auxiliary == ()


def test_every_tensor_has_a_foreign_name_of_its_own():
    model = Classifier(
        GoogLeNet(), ENTRY.classifier(num_classes=3), GoogLeNetAuxiliary(3)
    )
    tables = {
        "backbone": googlenet.BACKBONE,
        "head": googlenet.CLASSIFIER,
        "auxiliary": googlenet.AUXILIARY,
    }
    names = [
        foreign((path[0], *path[2:]), tables[path[1]])
        for path in leaves(shapes_of(model))
    ]
    assert None not in names
    assert len({place.name for place in names}) == len(names)
