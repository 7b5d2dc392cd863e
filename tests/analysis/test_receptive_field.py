"""Receptive fields: closed forms, published sizes, and theory against gradients."""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxseg.analysis.receptive_field import (
    TWO_SIGMA,
    EffectiveField,
    effective,
    theoretical,
)
from jaxseg.heads.unet import UNet
from jaxseg.models import create_backbone, create_model
from jaxseg.nn.convolution import Conv, ConvNorm
from jaxseg.nn.lowering import compiling_for
from jaxseg.nn.upsampling import resize_bilinear, resize_nearest
from jaxseg.segmenter import Segmenter


class Stack(nn.Module):
    """Convolutions of (kernel, stride, rate) without anything between.

    `plain` are Linen's own, the others may be lowered to slices and products.
    """

    layers: Sequence[tuple[int, int, int]]
    plain: bool = False

    @nn.compact
    def __call__(self, x):
        for index, (kernel, stride, rate) in enumerate(self.layers):
            conv = Conv(2, kernel, stride, rate, name=f"conv{index}")
            if self.plain:
                conv = conv.copy(conv_general_dilated=None)
            x = conv(x)
        return x


class Resized(nn.Module):
    function: object
    factor: int

    def __call__(self, x):
        return self.function(x, tuple(self.factor * side for side in x.shape[1:3]))


def closed_form(layers):
    """Size and stride by the recurrence of Araujo et al. 2019, eq. 2."""
    size, stride = 1, 1
    for kernel, step, rate in layers:
        size += (kernel - 1) * rate * stride
        stride *= step
    return size, stride


LAYERS = st.lists(
    st.tuples(
        st.sampled_from([1, 3, 5, 7]), st.sampled_from([1, 1, 2]), st.integers(1, 4)
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=25, deadline=None)
@given(layers=LAYERS, plain=st.booleans())
def test_a_stack_of_convolutions_has_the_closed_form(layers, plain):
    size, stride = closed_form(layers)
    field = theoretical(Stack(layers, plain), (1024, 32))
    assert (field.size, field.clipped, field.approximated) == (size, False, ())
    assert field.stride == stride
    assert field.offset == 0


def test_compiled_kernels_do_not_change_the_field():
    with compiling_for(jax.devices()[:1]):
        field = theoretical(Stack([(3, 1, 1), (5, 2, 1)]), (64, 64))
    assert (field.size, field.approximated) == (7, ())


@settings(max_examples=10, deadline=None)
@given(layers=LAYERS)
def test_gradients_reach_exactly_the_theoretical_field(layers):
    # The rows suffice for the centre not to reach the border; one column is fast.
    module, key = Stack(layers, plain=True), jax.random.key(0)
    field = theoretical(module, (384, 1))
    image = jax.ShapeDtypeStruct((1, 384, 1, 3), jnp.float32)
    shapes = jax.eval_shape(module.init, key, image)
    rng = np.random.default_rng(0)  # an initialisation that need not be compiled
    variables = jax.tree.map(lambda leaf: rng.normal(size=leaf.shape), shapes)
    seen = effective(module, (384, 1), key, variables=variables, count=1)
    rows = np.flatnonzero(seen.influence.any(1))
    middle = len(field.low) // 2
    assert (rows[0], rows[-1]) == (field.low[middle], field.high[middle])
    assert seen.extent == (field.size, 1)


# Counted by hand.  A ResNet: stem 7, pooling 2 * 2, and 2 * stride for each 3x3
# convolution.  VGG-16: also in Araujo et al. 2019, table of networks.
@pytest.mark.parametrize(
    ("backbone", "size", "offset"),
    [("vgg16", 212, 15.5), ("resnet18", 435, 0), ("resnet50", 427, 0)],
)
def test_a_backbone_has_its_known_field(backbone, size, offset):
    field = theoretical(create_backbone(backbone))
    assert (field.size, field.stride, field.clipped) == (size, 32, False)
    assert field.offset == offset


@pytest.mark.parametrize(("output", "size", "stride"), [(0, 7, 2), (1, 43, 4)])
def test_any_feature_can_be_chosen(output, size, stride):
    field = theoretical(create_backbone("resnet18"), output=output)
    assert (field.size, field.stride) == (size, stride)


def test_dilation_keeps_the_field_of_the_strided_backbone():
    fields = [
        theoretical(create_backbone("resnet18", output_stride=stride))
        for stride in (32, 16, 8)
    ]
    # The first convolution of a dilated stage keeps the old rate: nothing is lost.
    assert fields[0].size == fields[1].size == fields[2].size == 435
    assert [field.stride for field in fields] == [32, 16, 8]


def test_rows_and_columns_are_analysed_separately():
    class Long(nn.Module):
        @nn.compact
        def __call__(self, x):
            return nn.Conv(1, (3, 7), name="conv")(x)

    assert theoretical(Long(), (64, 16)).size == 3
    assert theoretical(Long(), (16, 64), axis=1).size == 7


def test_a_volume_has_three_axes():
    class Deep(nn.Module):
        @nn.compact
        def __call__(self, x):
            return nn.Conv(1, (3, 5, 7), name="conv")(x)

    sizes = [theoretical(Deep(), (32, 32, 32), axis=axis).size for axis in range(3)]
    assert sizes == [3, 5, 7]


def test_a_field_larger_than_the_image_is_clipped():
    assert theoretical(Stack([(7, 1, 4)] * 2), (33, 33)).clipped
    assert not theoretical(Stack([(7, 1, 4)] * 2), (64, 33)).clipped


@pytest.mark.parametrize(
    ("function", "size", "offset"),
    [(resize_nearest, 1, -0.25), (resize_bilinear, 2, -0.25)],
)
def test_upsampling_by_two_sees_one_or_two_pixels(function, size, offset):
    field = theoretical(Resized(function, 2), (64, 8))
    assert (field.size, field.stride) == (size, 0.5)
    assert field.offset == pytest.approx(offset)


def test_image_pooling_sees_everything_and_can_be_left_out():
    options = dict(width=0.125, rates=(1, 2, 3), channels=8)
    model = create_model("deeplabv3", "resnet18", 2, output_stride=16, **options)
    everything = theoretical(model, method="low_resolution", output=0)
    assert (everything.size, everything.clipped) == (4096, True)
    local = theoretical(model, method="low_resolution", output=0, image_level=False)
    # 435, the branch of rate 3 and the last 3x3 convolution, at stride 16.
    assert (local.size, local.clipped) == (435 + 16 * (2 * 3 + 2), False)


class Tiny(nn.Module):
    """A backbone of three strided convolutions."""

    @nn.compact
    def __call__(self, image, train=False):
        features = [image]
        for index in range(3):
            conv = ConvNorm(4, stride=2, act=False, name=f"conv{index}")
            features.append(conv(features[-1], train))
        return tuple(features[1:])


@pytest.mark.slow
def test_gradients_of_a_segmenter_fill_the_theoretical_field():
    model = Segmenter(Tiny(), UNet(2, 16))
    shape = (192, 33)
    field = theoretical(model, shape)
    assert not field.clipped
    middle = len(field.low) // 2
    seen = effective(model, shape, jax.random.key(0), count=2)
    rows = np.flatnonzero(seen.influence.any(1))
    assert (rows[0], rows[-1]) == (field.low[middle], field.high[middle])


def test_variables_and_seeds_are_averaged():
    module = Stack([(3, 1, 1)])
    key = jax.random.key(0)
    variables = module.init(key, jnp.zeros((1, 9, 9, 3)))
    one = effective(module, (9, 9), key, variables=variables, squared=True, count=64)
    kernel = variables["params"]["conv0"]["kernel"]
    squares = (np.asarray(kernel) ** 2).sum((2, 3))  # the Jacobian's squared norm
    np.testing.assert_allclose(one.influence[3:6, 3:6], squares, rtol=0.5)
    assert one.influence.sum() == pytest.approx(squares.sum(), rel=0.2)
    many = effective(module, (9, 9), key, seeds=30, squared=True, count=2)
    # Every weight has the same variance: the mean over initialisations is flat.
    spread = many.influence[3:6, 3:6]
    assert spread.max() < 3 * spread.min()
    assert one.influence[3:6, 3:6].max() > 3 * one.influence[3:6, 3:6].min()


def test_given_images_replace_the_noise():
    class Square(nn.Module):
        def __call__(self, x):
            return x**2

    images = jnp.arange(1.0, 26).reshape(1, 5, 5, 1)
    seen = effective(Square(), (5, 5), jax.random.key(0), images=images, channels=1)
    expected = np.zeros((5, 5))
    expected[2, 2] = 2 * 13
    np.testing.assert_allclose(seen.influence, expected)


def test_the_size_of_a_field_depends_on_the_share_of_influence():
    influence = np.zeros((9, 11))
    influence[4, 5] = 90
    influence[3:6, 4:7] += 0.5
    influence[1, 5] = influence[7, 5] = 4
    field = EffectiveField(influence)
    assert field.extent == (7, 3)
    # 94.5 of 102.5 lie within one pixel, all of it within three.
    assert field.side(0.9) == 3
    assert field.side(TWO_SIGMA) == field.side(1.0) == 7
    assert field.root_area(0.99) == pytest.approx(3**0.5)
    assert field.root_area(0.999) == pytest.approx(11**0.5)
    assert EffectiveField(np.zeros((3, 3))).extent == (0, 0)


def test_the_effective_field_grows_slower_than_the_theoretical():
    """The paper's main result: by the root of the depth, not by the depth."""
    sides = []
    for depth in (4, 16):
        module = Stack([(3, 1, 1)] * depth)
        seen = effective(module, (65, 65), jax.random.key(0), seeds=2, count=1)
        assert seen.extent == (2 * depth + 1,) * 2
        sides.append(seen.side())
    assert 1.6 < sides[1] / sides[0] < 2.6
