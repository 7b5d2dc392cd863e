"""UPerNet: sizes, parameters, the top-down path, the choice of upsampling."""

import jax
import jax.numpy as jnp
import pytest
from closeness import assert_close

from jaxseg.heads.upernet import UPerNet
from jaxseg.nn.upsampling import UPSAMPLINGS

RESNET34 = (64, 64, 128, 256, 512)


def shapes(channels, height=65, width=47, output_stride=32):
    strides = [min(stride, output_stride) for stride in (2, 4, 8, 16, 32)]
    return [
        jax.ShapeDtypeStruct((1, -(-height // s), -(-width // s), c), jnp.float32)
        for s, c in zip(strides, channels, strict=True)
    ]


def features(channels, height, width):
    keys = jax.random.split(jax.random.key(0), 5)
    return [
        jax.random.normal(key, leaf.shape)
        for key, leaf in zip(keys, shapes(channels, height, width), strict=True)
    ]


@pytest.mark.parametrize("output_stride", [8, 16, 32])
@pytest.mark.parametrize("channels", [RESNET34, (0, 32, 64, 160, 256)])
def test_logits_have_stride_4(channels, output_stride):
    given = shapes(channels, output_stride=output_stride)
    head = UPerNet(21, channels=8)
    logits, _ = jax.eval_shape(head.init_with_output, jax.random.key(0), given)
    assert logits.shape == (1, 17, 12, 21)


@pytest.mark.parametrize(
    ("channels", "count"), [(RESNET34, 8_320_149), ((0, 32, 64, 160, 256), 7_418_133)]
)
def test_it_has_the_published_number_of_parameters(channels, count):
    """segmentation_models.pytorch 0.6, 21 classes, decoder and segmentation head."""
    variables = jax.eval_shape(UPerNet(21).init, jax.random.key(0), shapes(channels))
    assert sum(leaf.size for leaf in jax.tree.leaves(variables["params"])) == count


@pytest.mark.parametrize("upsampling", UPSAMPLINGS)
def test_parameters_do_not_depend_on_the_images_size(upsampling):
    head = UPerNet(2, channels=8, upsampling=upsampling)
    trees = {
        str(jax.eval_shape(head.init, jax.random.key(0), shapes([8] * 5, *size)))
        for size in ((33, 33), (64, 64), (65, 47), (129, 33))
    }
    assert len(trees) == 1


def test_the_learned_upsampling_has_weights_and_the_default_has_none():
    names = [
        {name for name in tree["params"] if name.startswith("upsample")}
        for tree in (
            jax.eval_shape(head.init, jax.random.key(0), shapes([8] * 5))
            for head in (UPerNet(2, 8), UPerNet(2, 8, upsampling="transposed"))
        )
    ]
    assert names == [set(), {"upsample1", "upsample2", "upsample3"}]


def test_features_are_normalised_first():
    """A feature's scale and shift over channels change nothing."""
    head = UPerNet(2, channels=8)
    given = features([0, 8, 8, 8, 8], 33, 33)
    variables = jax.jit(head.init)(jax.random.key(1), given)
    apply = jax.jit(head.apply)
    scaled = [3 * feature + 5 for feature in given]
    assert_close(apply(variables, scaled), apply(variables, given))


def test_a_training_step_at_batch_1_reaches_every_feature():
    head = UPerNet(2, channels=8)
    given = features([0, 8, 8, 8, 8], 33, 33)
    variables = jax.jit(head.init)(jax.random.key(1), given)

    def loss(params, given):
        logits, _ = head.apply(
            {**variables, "params": params}, given, True, mutable=["batch_stats"]
        )
        return jnp.mean(logits**2)

    gradients = jax.jit(jax.grad(loss, (0, 1)))(variables["params"], given)
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(gradients))
    assert all(float(jnp.abs(leaf).max()) > 0 for leaf in gradients[1][1:])
