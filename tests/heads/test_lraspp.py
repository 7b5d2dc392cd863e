"""LR-ASPP: sizes, parameters, the gate, the choice of upsampling."""

import jax
import jax.numpy as jnp
import pytest
from closeness import assert_close

from jaxseg.heads.lraspp import LRASPP
from jaxseg.nn.upsampling import UPSAMPLINGS

MOBILENET_V3_LARGE = (16, 24, 40, 112, 960)


def shapes(channels, height=65, width=47, output_stride=16):
    strides = [min(stride, output_stride) for stride in (2, 4, 8, 16, 32)]
    return [
        jax.ShapeDtypeStruct((1, -(-height // s), -(-width // s), c), jnp.float32)
        for s, c in zip(strides, channels, strict=True)
    ]


@pytest.mark.parametrize("output_stride", [8, 16, 32])
def test_logits_have_stride_8(output_stride):
    given = shapes([8] * 5, output_stride=output_stride)
    logits, _ = jax.eval_shape(LRASPP(21).init_with_output, jax.random.key(0), given)
    assert logits.shape == (1, 9, 6, 21)


def test_it_has_the_published_number_of_parameters():
    """torchvision 0.28, lraspp_mobilenet_v3_large's classifier, 21 classes."""
    given = shapes(MOBILENET_V3_LARGE)
    variables = jax.eval_shape(LRASPP(21).init, jax.random.key(0), given)
    count = sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))
    assert count == 249_586


@pytest.mark.parametrize("output_stride", [16, 32])
@pytest.mark.parametrize("upsampling", UPSAMPLINGS)
def test_parameters_do_not_depend_on_the_images_size(upsampling, output_stride):
    head = LRASPP(2, channels=8, upsampling=upsampling)
    trees = {
        str(jax.eval_shape(head.init, jax.random.key(0), given))
        for size in ((33, 33), (64, 64), (65, 47))
        for given in [shapes([8] * 5, *size, output_stride)]
    }
    assert len(trees) == 1


def test_a_closed_gate_leaves_the_shallow_score():
    head = LRASPP(2, channels=4)
    given = [jax.random.uniform(jax.random.key(0), (1, 8, 8, 3))] * 5
    variables = jax.jit(head.init)(jax.random.key(1), given)
    params = dict(variables["params"])
    params["gate"] = {"kernel": jnp.full_like(params["gate"]["kernel"], -1e4)}
    logits = head.apply({**variables, "params": params}, given)
    low, high = params["classifier_low"], params["classifier_high"]
    expected = given[2] @ low["kernel"][0, 0] + low["bias"] + high["bias"]
    assert_close(logits, expected)


def test_batch_of_one_trains():
    head = LRASPP(2, channels=4)
    given = [jax.random.normal(jax.random.key(0), (1, 5, 7, 3))] * 5
    variables = jax.jit(head.init)(jax.random.key(1), given)

    def loss(params):
        logits, _ = head.apply(
            {**variables, "params": params}, given, True, mutable=["batch_stats"]
        )
        return jnp.mean(logits**2)

    gradients = jax.jit(jax.grad(loss))(variables["params"])
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(gradients))
