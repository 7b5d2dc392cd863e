"""The U-Net decoder: parameters, sizes, the choice of upsampling."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from closeness import assert_close

from jaxseg.heads.unet import UNet
from jaxseg.nn.upsampling import UPSAMPLINGS


def shapes(channels, height=66, width=47, output_stride=32):
    strides = [min(stride, output_stride) for stride in (2, 4, 8, 16, 32)]
    return [
        jax.ShapeDtypeStruct((1, -(-height // s), -(-width // s), c), jnp.float32)
        for s, c in zip(strides, channels, strict=True)
    ]


@pytest.mark.parametrize(
    ("channels", "count"),
    [((64, 64, 128, 256, 512), 3_154_597), ((0, 32, 64, 160, 256), 2_232_997)],
)
def test_it_has_the_published_number_of_parameters(channels, count):
    """segmentation_models.pytorch 0.6, 21 classes, decoder and segmentation head."""
    variables = jax.eval_shape(UNet(21).init, jax.random.key(0), shapes(channels))
    assert sum(leaf.size for leaf in jax.tree.leaves(variables["params"])) == count


@pytest.mark.parametrize("upsampling", UPSAMPLINGS)
@pytest.mark.parametrize("output_stride", [8, 32])
def test_logits_have_twice_the_shallowest_size(upsampling, output_stride):
    head = UNet(3, 16, upsampling)
    given = shapes([8] * 5, output_stride=output_stride)
    logits, _ = jax.eval_shape(head.init_with_output, jax.random.key(0), given)
    assert logits.shape == (1, 66, 48, 3)


@pytest.mark.parametrize("upsampling", UPSAMPLINGS)
def test_parameters_do_not_depend_on_the_images_size(upsampling):
    head = UNet(2, 16, upsampling)
    trees = {
        str(jax.eval_shape(head.init, jax.random.key(0), shapes([8] * 5, *size)))
        for size in ((33, 33), (64, 64), (97, 75))
    }
    assert len(trees) == 1


def test_a_learned_upsampling_has_weights_a_level_and_the_default_none():
    counts = [
        sum(name.endswith("_upsample") for name in tree["params"])
        for tree in (
            jax.eval_shape(UNet(2, 16, name).init, jax.random.key(0), shapes([8] * 5))
            for name in ("nearest", "bilinear", "transposed")
        )
    ]
    assert counts == [0, 0, 5]


def test_a_transposed_convolution_starts_as_linear_interpolation():
    """Away from the border, which it takes for zero where resizing repeats it."""
    given = [jax.random.normal(jax.random.key(0), (1, 8, 8, 8))]
    learned, fixed = UNet(2, 16, "transposed"), UNet(2, 16, "bilinear")
    variables = jax.jit(learned.init)(jax.random.key(1), given)
    params = dict(variables["params"])
    del params["level1_upsample"]
    first = jax.jit(learned.apply)(variables, given)
    second = jax.jit(fixed.apply)({**variables, "params": params}, given)
    inside = np.s_[0, 4:-4, 4:-4]
    assert_close(first[inside], second[inside])
    assert float(jnp.abs(second[inside]).max()) > 0
