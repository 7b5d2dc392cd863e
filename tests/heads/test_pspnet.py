"""PSPNet: pooling by hand, sizes, parameters, a step at batch 1."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxseg.heads.pspnet import PSPNet, PyramidPooling

RESNET34 = (64, 64, 128, 256, 512)


def shapes(channels, height=65, width=47, output_stride=32):
    strides = [min(stride, output_stride) for stride in (2, 4, 8, 16, 32)]
    return [
        jax.ShapeDtypeStruct((1, -(-height // s), -(-width // s), c), jnp.float32)
        for s, c in zip(strides, channels, strict=True)
    ]


def parameters(variables):
    return sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))


def test_aligned_corners_put_the_outer_bins_on_the_border():
    x = jnp.arange(8.0)[None, :, None, None] * jnp.ones((1, 8, 8, 1))
    module = PyramidPooling(1, (2,), align_corners=True)
    variables = jax.jit(module.init)(jax.random.key(0), x)
    variables = jax.tree.map(jnp.ones_like, variables)  # bn: (x - 1) / sqrt(1 + e) + 1
    (branch,) = module.apply(variables, x)
    np.testing.assert_allclose(branch[0, 0, 0, 0], 1.5, rtol=1e-4)
    np.testing.assert_allclose(branch[0, -1, 0, 0], 5.5, rtol=1e-4)


@pytest.mark.parametrize(("level", "stride"), [(-1, 8), (2, 8), (1, 4)])
def test_logits_have_the_read_features_stride(level, stride):
    features = shapes(RESNET34, output_stride=8)
    head = PSPNet(21, level=level)
    logits, _ = jax.eval_shape(head.init_with_output, jax.random.key(0), features)
    assert logits.shape == (1, -(-65 // stride), -(-47 // stride), 21)


@pytest.mark.parametrize(
    ("channels", "count"),
    [(RESNET34, 245_493), ((64, 256, 512, 1024, 2048), 885_141)],
)
def test_on_stride_8_it_has_the_published_number_of_parameters(channels, count):
    """segmentation_models.pytorch 0.6, 21 classes, decoder and segmentation head."""
    head = PSPNet(21, level=2)
    variables = jax.eval_shape(head.init, jax.random.key(0), shapes(channels))
    assert parameters(variables) == count


@pytest.mark.slow
def test_batch_of_one_trains():
    head = PSPNet(3, channels=8)
    features = [jax.random.normal(jax.random.key(0), (1, 7, 9, 8))]
    variables = jax.jit(head.init)(jax.random.key(1), features)

    def loss(params):
        logits, _ = head.apply(
            {**variables, "params": params},
            features,
            train=True,
            mutable=["batch_stats"],
            rngs={"dropout": jax.random.key(2)},
        )
        return jnp.mean(logits**2)

    gradients = jax.jit(jax.grad(loss))(variables["params"])
    branch = gradients["pyramid"]["branch1"]["kernel"]
    assert float(jnp.abs(branch).max()) > 0
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(gradients))


def test_dropout_takes_whole_channels():
    head = PSPNet(1, channels=16, dropout=0.5)
    features = [jax.random.normal(jax.random.key(0), (1, 4, 4, 8))]
    variables = jax.jit(head.init)(jax.random.key(1), features)
    shift = variables["params"]["fuse"]["norm"]["bn"]
    shift["bias"] = shift["bias"] + 100  # so that the ReLU gives no zeros
    _, state = head.apply(
        variables,
        features,
        train=True,
        mutable=["batch_stats", "intermediates"],
        capture_intermediates=lambda module, _: module.name == "dropout",
        rngs={"dropout": jax.random.key(2)},
    )
    (dropped,) = state["intermediates"]["dropout"]["__call__"]
    zero = np.asarray(dropped == 0)
    np.testing.assert_array_equal(zero.all((1, 2)), zero.any((1, 2)))
    assert 0 < zero.mean() < 1
