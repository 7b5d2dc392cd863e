"""States depend on the seed only, and differences are described in a line."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxseg.errors import UserError
from jaxseg.models import create_model
from jaxseg.training.state import (
    create_state,
    describe_difference,
    fingerprint,
    require_finite,
)


def make_state(seed, size=(40, 40)):
    model = create_model("fcn8s", "resnet18", 3, width=0.125, max_channels=16)
    return create_state(model, optax.sgd(0.1), seed, size)


def test_parameters_are_a_function_of_the_seed():
    prints = [fingerprint(make_state(seed).params) for seed in (0, 0, 1)]
    assert prints[0] == prints[1] != prints[2]


def test_parameters_do_not_depend_on_the_traced_size():
    assert fingerprint(make_state(0).params) == fingerprint(
        make_state(0, (64, 48)).params
    )


def test_a_fingerprint_sees_one_changed_bit():
    tree = {"a": np.ones(3, np.float32)}
    other = {"a": np.nextafter(tree["a"], 2)}
    assert fingerprint(tree) != fingerprint(other)


def test_kernels_begin_with_hes_variance():
    kernel = make_state(0).params["backbone"]["stem_conv"]["kernel"]
    fan_out = 7 * 7 * kernel.shape[-1]
    np.testing.assert_allclose(jnp.std(kernel), np.sqrt(2 / fan_out), rtol=0.1)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ({"a": np.ones(3)}, "b (2,) is missing"),
        ({"a": np.ones(4), "b": np.ones(2)}, "a is (4,), expected (3,)"),
        (
            {"a": np.ones(3), "b": np.ones(2), "c": np.ones(1)},
            "c (1,) is not in this model",
        ),
        ({"a": np.zeros(3), "b": np.zeros(2)}, None),
    ],
)
def test_a_difference_names_the_first_leaf(found, words):
    assert describe_difference({"a": np.ones(3), "b": np.ones(2)}, found) == words


def test_state_is_a_pytree_with_its_step():
    state = make_state(0)
    assert int(state.step) == 0
    assert state.variables["params"] is state.params
    assert len(jax.tree.leaves(state)) > 100


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_names_the_step(loss):
    with pytest.raises(UserError, match="at step 17"):
        require_finite(loss, 17)
