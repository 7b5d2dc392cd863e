"""DeepLabV3 and V3+: parameters, the options of the decoder, the upsampling."""

import jax
import jax.numpy as jnp
import pytest
from closeness import assert_close

from jaxseg.heads.deeplab import DeepLabV3Plus, rates_at
from jaxseg.models import create_model
from jaxseg.nn.upsampling import UPSAMPLINGS
from jaxseg.weights.families.heads_smp import SMP_ARGUMENTS

RESNET34 = (64, 64, 128, 256, 512)


def shapes(channels, height=65, width=47, output_stride=16):
    strides = [min(stride, output_stride) for stride in (2, 4, 8, 16, 32)]
    return [
        jax.ShapeDtypeStruct((1, -(-height // s), -(-width // s), c), jnp.float32)
        for s, c in zip(strides, channels, strict=True)
    ]


def parameters(head, channels):
    variables = jax.eval_shape(head.init, jax.random.key(0), shapes(channels))
    return sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))


@pytest.mark.parametrize(
    ("name", "count"), [("deeplabv3", 4_727_573), ("deeplabv3plus", 1_157_925)]
)
def test_as_smp_it_has_the_published_number_of_parameters(name, count):
    """segmentation_models.pytorch 0.6, 21 classes, decoder and segmentation head."""
    model = create_model(name, "resnet34", 21, **SMP_ARGUMENTS[name])
    assert model.align_corners
    assert parameters(model.head, RESNET34) == count


def test_rates_double_at_half_the_output_stride():
    assert rates_at((6, 12, 18), 16) == (6, 12, 18)
    assert rates_at((6, 12, 18), 8) == (12, 24, 36)


def names(head):
    tree = jax.eval_shape(head.init, jax.random.key(0), shapes([8] * 5))
    return set(tree["params"])


def test_the_default_decoder_is_the_papers():
    assert names(DeepLabV3Plus(2, 8)) == {
        "aspp",
        "low_level",
        "decoder1",
        "decoder2",
        "classifier",
    }


@pytest.mark.parametrize(
    ("option", "more"),
    [
        ({"aspp_conv": True}, {"aspp_conv"}),
        ({"decoder_convs": 3}, {"decoder3"}),
        ({"upsampling": "transposed"}, {"upsample"}),
        ({"upsampling": "nearest"}, set()),
        ({"align_corners": True}, set()),
    ],
)
def test_an_option_adds_its_own_parameters_only(option, more):
    assert names(DeepLabV3Plus(2, 8, **option)) - names(DeepLabV3Plus(2, 8)) == more


@pytest.mark.parametrize("output_stride", [16, 32])
@pytest.mark.parametrize("upsampling", UPSAMPLINGS)
def test_parameters_do_not_depend_on_the_images_size(upsampling, output_stride):
    head = DeepLabV3Plus(2, 8, upsampling=upsampling, output_stride=output_stride)
    trees = {
        str(jax.eval_shape(head.init, jax.random.key(0), given))
        for size in ((33, 33), (36, 35), (64, 64), (129, 65))
        for given in [shapes([8] * 5, *size, output_stride)]
    }
    assert len(trees) == 1


@pytest.mark.parametrize("upsampling", UPSAMPLINGS)
def test_logits_have_stride_4(upsampling):
    head = DeepLabV3Plus(2, 8, upsampling=upsampling)
    given = shapes([8] * 5)
    logits, _ = jax.eval_shape(head.init_with_output, jax.random.key(0), given)
    assert logits.shape == (1, 17, 12, 2)


def test_aligned_corners_change_the_inside_and_keep_the_corner():
    given = [
        jax.random.normal(jax.random.key(side), (1, side, side, 8))
        for side in (32, 16, 8, 4, 4)
    ]
    head = DeepLabV3Plus(2, 8, decoder_convs=0, low_level_channels=1)
    variables = jax.jit(head.init)(jax.random.key(1), given)
    half = jax.jit(head.apply)(variables, given)
    aligned = jax.jit(head.clone(align_corners=True).apply)(variables, given)
    assert_close(aligned[0, 0, 0], half[0, 0, 0], epsilons=8)
    assert not jnp.allclose(aligned[0, 5, 5], half[0, 5, 5], atol=1e-3)
