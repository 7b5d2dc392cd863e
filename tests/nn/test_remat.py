"""Recomputing blocks changes what is stored, not what is computed."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.ad_checkpoint import print_saved_residuals

from jaxseg.nn.remat import block_output, recompute_blocks


def loss(x):
    for _ in range(3):
        x = block_output(jnp.tanh(jnp.sin(x) * 2))
    return jnp.sum(x)


def test_gradients_are_unchanged():
    x = jnp.linspace(-1, 1, 7)
    np.testing.assert_allclose(
        jax.grad(recompute_blocks(loss))(x), jax.grad(loss)(x), rtol=1e-6
    )


def test_only_block_outputs_are_kept(capsys):
    print_saved_residuals(recompute_blocks(loss), jnp.ones(7))
    kept = capsys.readouterr().out.splitlines()
    print_saved_residuals(loss, jnp.ones(7))
    usual = capsys.readouterr().out.splitlines()
    assert sum("block_output" in line for line in kept) == len(kept) - 1
    assert len(kept) < len(usual)
