"""Mix Transformer: sizes, parameters, dilation, reduction of the sequence."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from closeness import assert_close
from slow_cases import slow, slow_but

from jaxseg.backbones.mix_transformer import (
    MIX_TRANSFORMERS,
    Attention,
    MixTransformer,
)
from jaxseg.nn.blocks import StochasticDepth
from jaxseg.segmenter import Classifier, count_parameters

SMALL = functools.partial(
    MixTransformer,
    blocks=(1, 1, 1, 1),
    channels=(8, 8, 20, 16),
    heads=(1, 2, 5, 8),
)


def abstract_variables(module):
    image = jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.float32)
    return jax.eval_shape(module.init, jax.random.key(0), image)


@pytest.mark.parametrize("name", slow_but(["mit_b0"], MIX_TRANSFORMERS))
def test_a_classifier_has_the_published_number_of_parameters(name):
    entry = MIX_TRANSFORMERS[name]
    model = Classifier(entry.build(), entry.classifier(num_classes=1000))
    assert count_parameters(model) == entry.parameters


@pytest.mark.parametrize("output_stride", [8, 16, 32])
@pytest.mark.parametrize("size", [(33, 33), (65, 128), (97, 75)])
def test_features_have_their_strides_and_the_first_no_channels(size, output_stride):
    module = MIX_TRANSFORMERS["mit_b0"].build(output_stride=output_stride)
    image = jax.ShapeDtypeStruct((1, *size, 3), jnp.float32)
    features, _ = jax.eval_shape(module.init_with_output, jax.random.key(0), image)
    strides = [min(stride, output_stride) for stride in (2, 4, 8, 16, 32)]
    assert [feature.shape[1:3] for feature in features] == [
        (-(-size[0] // stride), -(-size[1] // stride)) for stride in strides
    ]
    assert [feature.shape[3] for feature in features] == [0, 32, 64, 160, 256]


@pytest.mark.parametrize("uniform", [False, True])
def test_parameters_do_not_depend_on_the_output_stride(uniform):
    trees = {
        str(abstract_variables(SMALL(output_stride=s, uniform_dilation=uniform)))
        for s in (8, 16, 32)
    }
    assert len(trees) == 1


@pytest.fixture(scope="module")
def variables():
    return jax.jit(SMALL().init)(jax.random.key(0), jnp.zeros((1, 64, 64, 3)))


@pytest.mark.parametrize("output_stride", [*slow(8), 16])
def test_dilated_features_contain_the_strided_ones(variables, output_stride):
    image = jax.random.normal(jax.random.key(1), (1, 64, 96, 3))
    strided = jax.jit(SMALL().apply)(variables, image)
    dilated = jax.jit(SMALL(output_stride=output_stride).apply)(variables, image)
    for sparse, dense in zip(strided, dilated, strict=True):
        step = dense.shape[1] // sparse.shape[1]
        assert_close(dense[:, ::step, ::step], sparse)


@pytest.mark.parametrize(("step", "same"), [(2, True), (1, False)])
def test_keys_come_from_every_nth_token(step, same):
    x = jax.random.normal(jax.random.key(2), (1, 4, 4, 16))
    module = Attention(8, step=step)
    params = module.init(jax.random.key(3), x)
    y = module.apply(params, x)
    changed = module.apply(params, x.at[0, 1, 1].add(1.0))
    assert bool(jnp.allclose(changed[0, 0, 0], y[0, 0, 0], atol=1e-6)) == same


def test_with_uniform_dilation_keys_come_from_all_tokens(variables):
    """Keys of stage 4 at output stride 16: its 4 x 6 tokens, or 2 x 3 of them."""
    image = jax.random.normal(jax.random.key(1), (1, 64, 96, 3))

    def tokens(uniform):
        module = SMALL(output_stride=16, uniform_dilation=uniform)
        _, state = jax.eval_shape(
            lambda: module.apply(
                variables,
                image,
                mutable=["intermediates"],
                capture_intermediates=lambda module, _: module.name == "key_value",
            )
        )
        attention = state["intermediates"]["stage4_block1"]["attention"]
        return attention["key_value"]["__call__"][0].shape[1:3]

    assert (tokens(False), tokens(True)) == ((2, 3), (4, 6))


def test_attention_is_that_computed_by_hand():
    """One head, one channel, reduction off: softmax of products weighs the values."""
    x = jnp.asarray([0.0, 1.0])[None, :, None, None]
    one = {"kernel": jnp.ones((1, 1)), "bias": jnp.zeros(1)}
    params = {
        "query": one,
        "key_value": {"kernel": jnp.asarray([[1.0, 3.0]]), "bias": jnp.zeros(2)},
        "projection": one,
    }
    y = Attention(1).apply({"params": params}, x)
    e = np.exp(1.0)
    np.testing.assert_allclose(y[0, :, 0, 0], [1.5, 3 * e / (1 + e)], rtol=1e-6)


def test_sequence_reduction_leaves_out_incomplete_windows():
    module = Attention(1, reduction=4)
    x = jax.random.normal(jax.random.key(0), (1, 9, 7, 8))
    variables = module.init(jax.random.key(1), x)
    y = module.apply(variables, x)
    assert y.shape == x.shape
    other = module.apply(variables, x.at[0, 8].set(7.0).at[0, :, 4:].set(7.0))
    assert_close(other[:, :8, :4], y[:, :8, :4], epsilons=8)


@pytest.mark.parametrize("width", [0.125, 0.3, 0.75])
def test_any_width_has_heads_that_divide_its_channels(width):
    module = MIX_TRANSFORMERS["mit_b0"].build(width=width, max_channels=100)
    abstract_variables(module)


def test_the_probability_of_dropping_grows_from_0_to_the_given_one():
    rates = []

    def note(function, args, kwargs, context):
        if isinstance(context.module, StochasticDepth):
            rates.append(context.module.rate)
        return function(*args, **kwargs)

    with nn.intercept_methods(note):
        abstract_variables(SMALL(blocks=(2, 1, 1, 1), drop=0.2))
    assert rates[::2] == rates[1::2] == pytest.approx([0, 0.05, 0.1, 0.15, 0.2])


def test_bfloat16_computes_low_and_keeps_parameters_high():
    module = SMALL(dtype=jnp.bfloat16)
    image = jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.float32)
    features, variables = jax.eval_shape(
        module.init_with_output, jax.random.key(0), image
    )
    assert {leaf.dtype.name for leaf in jax.tree.leaves(variables)} == {"float32"}
    assert {feature.dtype.name for feature in features} == {"bfloat16"}


@pytest.mark.slow
def test_batch_of_one_trains(variables):
    image = jax.random.normal(jax.random.key(0), (1, 35, 33, 3))

    def loss(params):
        features = SMALL().apply(
            {"params": params}, image, True, rngs={"dropout": jax.random.key(2)}
        )
        return sum(jnp.mean(feature**3) for feature in features[1:])

    gradients = jax.jit(jax.grad(loss))(variables["params"])
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(gradients))
