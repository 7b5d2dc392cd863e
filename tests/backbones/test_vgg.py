"""VGG: sizes, poolings, dilation, the sliding classifier, foreign names."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from backbone_checks import shapes_of, variables_of
from closeness import assert_close

from jaxseg.backbones.vgg import VGGS, VGGClassifier
from jaxseg.errors import UserError
from jaxseg.segmenter import Classifier, count_parameters
from jaxseg.weights.families.vgg import backbone
from jaxseg.weights.naming import foreign, leaves

NARROW = 0.125

# torchvision 0.28, `num_params` of the published weights.
PUBLISHED = {
    "vgg11": 132_863_336,
    "vgg11_bn": 132_868_840,
    "vgg13": 133_047_848,
    "vgg13_bn": 133_053_736,
    "vgg16": 138_357_544,
    "vgg16_bn": 138_365_992,
    "vgg19": 143_667_240,
    "vgg19_bn": 143_678_248,
}


@pytest.mark.parametrize("name", VGGS)
def test_the_classifier_has_the_published_number_of_parameters(name):
    entry = VGGS[name]
    model = Classifier(entry.build(), entry.classifier(num_classes=1000))
    assert count_parameters(model) == entry.parameters == PUBLISHED[name]


@pytest.mark.parametrize("output_stride", [8, 16, 32])
def test_features_round_odd_sizes_up(output_stride):
    module = VGGS["vgg16"].build(output_stride=output_stride)
    image = jax.ShapeDtypeStruct((1, 65, 47, 3), jnp.float32)
    features, _ = jax.eval_shape(module.init_with_output, jax.random.key(0), image)
    strides = [min(stride, output_stride) for stride in (2, 4, 8, 16, 32)]
    expected = [(-(-65 // stride), -(-47 // stride)) for stride in strides]
    assert [feature.shape[1:3] for feature in features] == expected
    assert [feature.shape[3] for feature in features] == [64, 128, 256, 512, 512]


def test_dilation_computes_the_strided_values_and_those_between():
    image = jax.random.normal(jax.random.key(0), (1, 64, 96, 3))
    strided, dense = (
        VGGS["vgg11_bn"].build(width=NARROW, output_stride=stride) for stride in (32, 8)
    )
    variables = variables_of(strided)
    wanted = jax.jit(strided.apply)(variables, image)
    features = jax.jit(dense.apply)(variables, image)
    for step, feature, values in zip((2, 4), features[3:], wanted[3:], strict=True):
        tolerance = 1e-4 * float(values.std())
        assert tolerance > 0
        np.testing.assert_allclose(
            feature[:, ::step, ::step], values, rtol=0, atol=tolerance
        )


@pytest.mark.slow
def test_one_image_trains_with_dilated_poolings():
    module = VGGS["vgg11_bn"].build(width=NARROW, max_channels=16, output_stride=8)
    image = jax.random.normal(jax.random.key(0), (1, 33, 40, 3))
    variables = variables_of(module)

    def loss(params):
        given = {**variables, "params": params}
        features, _ = module.apply(given, image, True, mutable=["batch_stats"])
        return jnp.mean(features[-1] ** 2)

    gradients = jax.jit(jax.grad(loss))(variables["params"])
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(gradients))
    assert float(jnp.abs(gradients["stage1_conv1"]["kernel"]).max()) > 0


@pytest.mark.parametrize("rate", [1, 2])
def test_the_sliding_classifier_equals_the_classifier_at_every_place(rate):
    x = jax.random.normal(jax.random.key(0), (1, 15, 14, 8))
    classifier = VGGClassifier(5)
    variables = classifier.init(jax.random.key(1), [x])
    dense = jax.jit(VGGClassifier(5, window=(7, 7), rate=rate).apply)(variables, [x])
    assert dense.shape == (1, 15 - 6 * rate, 14 - 6 * rate, 5)
    row, column = 2, 1
    crop = x[:, row : row + 6 * rate + 1 : rate, column : column + 6 * rate + 1 : rate]
    single = classifier.apply(variables, [crop])
    assert float(single.std()) > 0.01
    assert_close(dense[:, row, column], single[:, 0, 0])


def test_the_dense_layers_narrow_with_the_features():
    classifier = VGGClassifier(5)
    x = jax.ShapeDtypeStruct((1, 7, 7, 64), jnp.float32)
    params = jax.eval_shape(classifier.init, jax.random.key(0), [x])["params"]
    assert params["fc6"]["kernel"].shape == (7, 7, 64, 512)
    assert params["fc7"]["kernel"].shape == (512, 512)


def test_dropout_acts_in_training_only():
    x = jax.random.normal(jax.random.key(0), (1, 7, 7, 8))
    classifier = VGGClassifier(5)
    variables = classifier.init(jax.random.key(1), [x])
    one, two = (
        classifier.apply(variables, [x], True, rngs={"dropout": jax.random.key(seed)})
        for seed in (0, 1)
    )
    assert not np.allclose(one, two)
    np.testing.assert_array_equal(
        classifier.apply(variables, [x]), classifier.apply(variables, [x])
    )


def test_another_window_is_refused():
    with pytest.raises(UserError, match="a window of 6x7 features"):
        VGGClassifier(5, window=(6, 7)).init(
            jax.random.key(0), [jnp.ones((1, 9, 9, 8))]
        )


def table(name):
    """Rules of a variant."""
    module = VGGS[name].build()
    return backbone(module.convolutions, module.normalized)


@pytest.mark.parametrize(
    ("name", "module", "theirs"),
    [
        ("vgg11", "stage5_conv2", "features.18"),
        ("vgg16", "stage5_conv3", "features.28"),
        ("vgg16_bn", "stage5_conv3", "features.40"),
        ("vgg16_bn", "stage5_norm3", "features.41"),
        ("vgg19_bn", "stage1_norm2", "features.4"),
    ],
)
def test_a_layer_has_torchvisions_number(name, module, theirs):
    place = foreign(("params", module, "bias"), table(name))
    assert place is not None
    assert place.name == f"{theirs}.bias"


@pytest.mark.parametrize("name", VGGS)
def test_every_tensor_has_a_foreign_name_of_its_own(name):
    variables = shapes_of(VGGS[name].build(width=NARROW))
    names = [foreign(path, table(name)) for path in leaves(variables)]
    assert None not in names
    assert len({place.name for place in names}) == len(names)
