"""SegFormer's head: sizes, parameters, which features it reads."""

import jax
import jax.numpy as jnp
import pytest

from jaxseg.heads.segformer import SegFormer

RESNET34 = (64, 64, 128, 256, 512)
MIT_B0 = (0, 32, 64, 160, 256)


def shapes(channels, height=65, width=47, output_stride=32):
    strides = [min(stride, output_stride) for stride in (2, 4, 8, 16, 32)]
    return [
        jax.ShapeDtypeStruct((1, -(-height // s), -(-width // s), c), jnp.float32)
        for s, c in zip(strides, channels, strict=True)
    ]


@pytest.mark.parametrize("output_stride", [8, 16, 32])
@pytest.mark.parametrize("shallow", [False, True])
@pytest.mark.parametrize("channels", [RESNET34, MIT_B0])
def test_logits_have_stride_4(channels, shallow, output_stride):
    given = shapes(channels, output_stride=output_stride)
    head = SegFormer(21, channels=8, shallow=shallow)
    logits, _ = jax.eval_shape(head.init_with_output, jax.random.key(0), given)
    assert logits.shape == (1, 17, 12, 21)


@pytest.mark.parametrize(
    ("channels", "shallow", "count"),
    [
        (MIT_B0, False, 400_149),
        (MIT_B0, True, 400_149),
        (RESNET34, True, 597_013),
        (RESNET34, False, 597_013 - 64 * 256 - 256 - 256 * 256),
    ],
)
def test_it_has_the_published_number_of_parameters(channels, shallow, count):
    """segmentation_models.pytorch 0.6, 21 classes, decoder and segmentation head.

    It reads the feature of stride 2 where there is one: a dense layer, and as many
    columns of the fusion as the head is wide.
    """
    head = SegFormer(21, shallow=shallow)
    variables = jax.eval_shape(head.init, jax.random.key(0), shapes(channels))
    assert sum(leaf.size for leaf in jax.tree.leaves(variables["params"])) == count


def test_a_training_step_at_batch_1_reaches_every_feature():
    head = SegFormer(2, channels=8)
    given = [jnp.zeros((1, 17, 17, 0))] + [
        jax.random.normal(jax.random.key(side), (1, side, side, 4))
        for side in (9, 5, 3, 2)
    ]
    variables = jax.jit(head.init)(jax.random.key(1), given)

    def loss(params, given):
        logits, _ = head.apply(
            {**variables, "params": params},
            given,
            True,
            mutable=["batch_stats"],
            rngs={"dropout": jax.random.key(2)},
        )
        return jnp.mean(logits**2)

    gradients = jax.jit(jax.grad(loss, (0, 1)))(variables["params"], given)
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(gradients))
    assert all(float(jnp.abs(leaf).max()) > 0 for leaf in gradients[1][1:])
