"""DenseNet: sizes, pooling, dilation, the rectified classifier, foreign names."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from backbone_checks import shapes_of, variables_of

from jaxseg.backbones.densenet import (
    DENSENETS,
    DenseNet,
    RectifiedClassifier,
)
from jaxseg.segmenter import Classifier, count_parameters
from jaxseg.weights.families import densenet
from jaxseg.weights.naming import foreign, leaves

# torchvision 0.28, `num_params` of the published weights; SMP 0.6, encoders' channels.
PUBLISHED = {
    "densenet121": (7_978_856, [64, 256, 512, 1024, 1024]),
    "densenet161": (28_681_000, [96, 384, 768, 2112, 2208]),
    "densenet169": (14_149_480, [64, 256, 512, 1280, 1664]),
    "densenet201": (20_013_928, [64, 256, 512, 1792, 1920]),
}


def tiny(**arguments):
    """Two layers a block, 8 channels each."""
    return DenseNet((2, 2, 2, 2), growth=8, **arguments)


@pytest.fixture(scope="module")
def strided():
    """Variables, an image, and its features at output stride 32."""
    image = jax.random.normal(jax.random.key(0), (1, 64, 96, 3))
    variables = variables_of(tiny())
    return variables, image, jax.jit(tiny().apply)(variables, image)


@pytest.mark.parametrize("name", DENSENETS)
def test_the_classifier_has_the_published_number_of_parameters(name):
    entry = DENSENETS[name]
    model = Classifier(entry.build(), entry.classifier(num_classes=1000))
    assert count_parameters(model) == entry.parameters == PUBLISHED[name][0]


@pytest.mark.parametrize("name", DENSENETS)
def test_features_have_the_published_channels(name):
    image = jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.float32)
    module = DENSENETS[name].build()
    features, _ = jax.eval_shape(module.init_with_output, jax.random.key(0), image)
    assert [feature.shape[3] for feature in features] == PUBLISHED[name][1]


@pytest.mark.parametrize("output_stride", [8, 16, 32])
def test_features_round_odd_sizes_up(output_stride):
    module = tiny(output_stride=output_stride)
    image = jax.ShapeDtypeStruct((1, 65, 47, 3), jnp.float32)
    features, _ = jax.eval_shape(module.init_with_output, jax.random.key(0), image)
    strides = [min(stride, output_stride) for stride in (2, 4, 8, 16, 32)]
    expected = [(-(-65 // stride), -(-47 // stride)) for stride in strides]
    assert [feature.shape[1:3] for feature in features] == expected


def test_width_and_cap_keep_the_features_small():
    module = DENSENETS["densenet121"].build(width=0.125, max_channels=16)
    image = jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.float32)
    features, _ = jax.eval_shape(module.init_with_output, jax.random.key(0), image)
    # 8 from the stem (1/8 of 64), 8 from a layer, 16 passed on by a transition.
    wanted = [8, 8 + 6 * 8, 16 + 12 * 8, 16 + 24 * 8, 16 + 16 * 8]
    assert [feature.shape[3] for feature in features] == wanted


@pytest.mark.slow
def test_dilation_computes_the_strided_values_and_those_between(strided):
    variables, image, wanted = strided
    features = jax.jit(tiny(output_stride=8).apply)(variables, image)
    for step, feature, values in zip((2, 4), features[3:], wanted[3:], strict=True):
        tolerance = 1e-4 * float(values.std())
        assert tolerance > 0
        np.testing.assert_allclose(
            feature[:, ::step, ::step], values, rtol=0, atol=tolerance
        )


@pytest.mark.slow
def test_one_image_trains():
    module = DenseNet((1, 1, 1, 1), growth=8, output_stride=8)
    image = jax.random.normal(jax.random.key(0), (1, 33, 40, 3))
    variables = variables_of(module)

    def loss(params):
        given = {**variables, "params": params}
        features, _ = module.apply(given, image, True, mutable=["batch_stats"])
        return jnp.mean(features[-1][..., 0] ** 3)

    gradients = jax.jit(jax.grad(loss))(variables["params"])
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(gradients))
    assert float(jnp.abs(gradients["stem_conv"]["kernel"]).max()) > 0


def test_the_last_feature_is_signed_and_the_classifier_rectifies_it(strided):
    *shallow, deepest = strided[2]
    assert all(float(feature.min()) == 0 for feature in shallow)
    assert float(deepest.min()) < 0
    classifier = RectifiedClassifier(3)
    variables = variables_of_top(deepest.shape[-1])
    signed = classifier.apply(variables, [deepest])
    rectified = classifier.apply(variables, [jnp.where(deepest > 0, deepest, 0.0)])
    np.testing.assert_array_equal(signed, rectified)
    assert float(jnp.abs(signed).max()) > 0


def variables_of_top(channels):
    """A classifier that adds up the channels."""
    layer = {"kernel": jnp.ones((channels, 3)), "bias": jnp.zeros(3)}
    return {"params": {"classifier": layer}}


@pytest.mark.parametrize(
    ("table", "name"),
    [
        (densenet.BACKBONE, "features.denseblock2.denselayer1.norm2.weight"),
        (
            densenet.TORCHVISION_FILE_BACKBONE,
            "features.denseblock2.denselayer1.norm.2.weight",
        ),
    ],
)
def test_every_tensor_has_a_foreign_name_of_its_own(table, name):
    names = [foreign(path, table) for path in leaves(shapes_of(tiny()))]
    assert None not in names
    assert len({place.name for place in names}) == len(names)
    assert name in {place.name for place in names}
