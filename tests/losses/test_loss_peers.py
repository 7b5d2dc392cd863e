"""Values and gradients of PyTorch's, SMP's and MONAI's losses, from a golden file."""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from make_loss import make_loss, value_and_gradient
from peer_cases import CASES, inputs

GOLDEN = np.load(Path(__file__).parent / "golden_peers.npz")


@pytest.mark.parametrize("name", CASES)
def test_the_value_and_the_gradient_are_the_peers(name):
    case = CASES[name]
    logits, label = inputs(case.task, case.ignored)
    loss = make_loss(case.ours, case.task)
    value, gradient = value_and_gradient(loss)(jnp.asarray(logits), jnp.asarray(label))
    expected = GOLDEN[f"{name}/gradient"] * case.factor
    assert np.abs(expected).max() > 1e-4
    wanted = GOLDEN[f"{name}/value"] * case.factor
    np.testing.assert_allclose(value, wanted, rtol=2e-6, atol=1e-7)
    # SMP's Lovász weights are differences of float32 numbers near 1.
    relative = 2e-5 if "lovasz" in name else 2e-6
    allowed = relative * np.abs(expected).max()
    np.testing.assert_allclose(gradient, expected, rtol=0, atol=allowed)


def test_the_file_has_each_case_and_no_other():
    names = {f"{name}/{what}" for name in CASES for what in ("value", "gradient")}
    assert set(GOLDEN.files) == names
