"""Checks that the tests of several backbones share."""

import jax
import jax.numpy as jnp
import numpy as np
from closeness import assert_close

from jaxseg.weights.naming import write_by_table


def shapes_of(module):
    """Variables by shape and type."""
    image = jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.float32)
    return jax.eval_shape(module.init, jax.random.key(0), image)


def variables_of(module):
    """Random variables, statistics too, without compiling an initialiser."""
    rng = np.random.default_rng(0)

    def draw(path, leaf):
        if path[-1].key == "kernel":
            values = rng.normal(0, np.sqrt(2 / np.prod(leaf.shape[:-1])), leaf.shape)
        else:
            positive = path[-1].key in ("scale", "var")
            values = rng.uniform(*(0.5, 1.5) if positive else (-0.2, 0.2), leaf.shape)
        return jnp.asarray(values, jnp.float32)

    return jax.tree_util.tree_map_with_path(draw, shapes_of(module))


def assert_dilation_changes_no_value(build, variables, image):
    """Features at output stride 8 contain those of output stride 32, at its places."""

    def features(stride):
        return jax.jit(build(output_stride=stride).apply)(variables, image)

    for dense, strided in zip(features(8), features(32), strict=True):
        step = dense.shape[2] // strided.shape[2]
        assert_close(dense[:, ::step, ::step], strided)


def assert_a_batch_of_one_trains(module, size):
    """Gradients of all features are finite, and most are not zero."""
    image = jax.random.normal(jax.random.key(0), (1, size, size, 3))
    variables = jax.jit(module.init)(jax.random.key(1), image)

    def loss(params):
        features, _ = module.apply(
            {**variables, "params": params}, image, train=True, mutable=["batch_stats"]
        )
        return sum(jnp.mean(feature**2) for feature in features)

    gradients = jax.tree.leaves(jax.jit(jax.grad(loss))(variables["params"]))
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in gradients)
    assert sum(bool(leaf.any()) for leaf in gradients) > len(gradients) / 2


def assert_a_classifier_trains(model, variables, image):
    """Gradients of the logits are finite and reach the stem."""

    def loss(params):
        logits, _ = model.apply(
            {**variables, "params": params},
            image,
            train=True,
            mutable=["batch_stats"],
            rngs={"dropout": jax.random.key(2)},
        )
        return jnp.mean(logits**2)

    gradients = jax.jit(jax.grad(loss))(variables["params"])
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(gradients))
    assert float(jnp.abs(gradients["backbone"]["stem_conv"]["kernel"]).max()) > 0


def assert_the_classifier_slides(build):
    """A sliding classifier gives at each position its logits for that crop."""
    features = [jax.random.normal(jax.random.key(0), (1, 3, 4, 8))]
    classifier = build(num_classes=5)
    variables = jax.jit(classifier.init)(jax.random.key(1), features)
    dense = build(num_classes=5, window=(2, 3)).apply(variables, features)
    assert dense.shape == (1, 2, 2, 5)
    part = classifier.apply(variables, [features[0][:, 1:3, :3]])
    assert_close(dense[:, 1, 0], part[:, 0, 0], epsilons=8)


def named_tensors(shapes, table):
    """Return tensors of zeros by a table's names, of which each of ours has its own."""
    arrays = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), dict(shapes))
    tensors, unnamed = write_by_table(arrays, table)
    assert not unnamed
    named = {
        name: tensor
        for name, tensor in tensors.items()
        if not name.endswith("num_batches_tracked")
    }
    assert len(named) == len(jax.tree.leaves(arrays))
    return named
