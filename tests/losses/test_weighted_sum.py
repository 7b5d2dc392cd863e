"""Sums of losses: how they are read, and their value."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from make_loss import make_loss

from jaxseg.errors import UserError
from jaxseg.losses.weighted_sum import Term, parse_sum
from jaxseg.registry import Named

PLAIN, DICE = Named("cross_entropy"), Named("dice")
SMOOTH = Named("dice", {"smooth": 1.0})


@pytest.mark.parametrize(
    "text, terms",
    [
        ("dice", [(1.0, DICE)]),
        ("dice(smooth=1.0)", [(1.0, SMOOTH)]),
        ("2*dice", [(2.0, DICE)]),
        ("cross_entropy+dice", [(1.0, PLAIN), (1.0, DICE)]),
        ("cross_entropy + 0.5*dice(smooth=1.0)", [(1.0, PLAIN), (0.5, SMOOTH)]),
        (
            " 1e-3 * cross_entropy + dice + 3*dice ( smooth = 1.0 ) ",
            [(0.001, PLAIN), (1.0, DICE), (3.0, SMOOTH)],
        ),
        ("dice(smooth=1e+0)", [(1.0, SMOOTH)]),
        ("dicee", [(1.0, Named("dicee"))]),
        ("", [(1.0, Named(""))]),
    ],
)
def test_a_sum_is_read_in_its_order(text, terms):
    assert parse_sum(text) == tuple(Term(*term) for term in terms)


@pytest.mark.parametrize(
    "text",
    [
        "cross_entropy +",
        "+ dice",
        "dice + -1*dice",
        "0*dice",
        "0.0*dice + cross_entropy",
        "dice*0.5",
        "dice*dice",
        "2*3*dice",
        "(dice + cross_entropy)*2",
        "2*(dice + cross_entropy)",
        "True*dice",
        "1e999*dice",
        "1e7*dice",
        "'a'*dice",
        "dice + 1",
        "1 + dice",
        "0.5*dice(smooth=x)",
        "a.b + dice",
        "dice(1.0) + dice",
        "dice + " * 3000 + "dice(",
    ],
)
def test_other_text_is_refused_in_one_line(text):
    with pytest.raises(UserError, match="^loss .*: ") as caught:
        parse_sum(text)
    assert "\n" not in str(caught.value)


def test_the_sum_is_that_of_its_terms():
    logits = jax.random.normal(jax.random.key(0), (2, 3, 4, 3))
    label = jax.random.randint(jax.random.key(1), (2, 3, 4), 0, 3)
    value = make_loss("0.3*cross_entropy + 2*dice")(logits, label)
    plain = make_loss("cross_entropy")(logits, label)
    expected = 0.3 * plain + 2 * make_loss("dice")(logits, label)
    np.testing.assert_allclose(value, expected, rtol=1e-6)


def test_a_sum_of_additive_losses_is_additive():
    loss = make_loss("cross_entropy + 2*boundary")
    assert loss.additive
    assert not make_loss("cross_entropy + dice").additive


def test_each_term_gets_what_it_prepared_of_the_batch():
    loss = make_loss("cross_entropy + 0.5*dice")
    logits, label = jnp.zeros((1, 2, 2, 3)), jnp.zeros((1, 2, 2), int)
    known = loss.prepare(label, None)
    assert known[1] is None
    np.testing.assert_allclose(known[0], 1 / 4)
    halved = loss(logits, label, None, (known[0] / 2, None))
    difference = loss(logits, label) - halved
    np.testing.assert_allclose(difference, np.log(3) / 2, rtol=1e-6)
