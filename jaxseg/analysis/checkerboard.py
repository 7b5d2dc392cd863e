"""Checkerboard artefacts of upsampling modules, measured from their spectra.

Odena, Dumoulin & Olah 2016, "Deconvolution and Checkerboard Artifacts" (Distill).  A
module that enlarges by a factor f and treats all output pixels alike turns a smooth
input into a smooth output.  One that does not adds a pattern of period f, which stands
in the spectrum at the frequencies k / f, k = 1 .. f - 1.  The score is the share of the
output's energy found there, 0 at best.

The paper counts how many kernel taps meet in each output pixel (`overlap`): equally
many if the stride divides the kernel.  That is the pattern of a kernel of equal
weights.  Weights drawn independently with zero mean score 1 - 1 / f^2 on a constant
whatever the kernel's side, since each phase of the output sums weights of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

PERIOD = 16
"""Input pixels after which the test patterns repeat."""

WAVES = 2
"""Most cycles in a period of a smooth pattern."""

_MARGIN = 4  # input pixels around one period; what the borders spoil is cut off


@dataclass(frozen=True)
class Score:
    """Shares of output energy that belong to the pattern, one for each initialisation.

    Attributes:
      constant: float `[seeds]`, 0..1, for inputs that are constant in each channel.
      smooth: float `[seeds]`, 0..1, for smooth inputs.  Interpolation has a little,
        too: what is left of the repeated spectra that ideal interpolation removes.
    """

    constant: np.ndarray
    smooth: np.ndarray


def overlap(kernel: int, stride: int, size: int) -> np.ndarray:
    """Count the taps of a transposed convolution that meet in each output pixel.

    Args:
      kernel: side of the kernel.
      stride: upsampling factor.
      size: side of the input.

    Returns:
      int64 `[n, n]`, n = (size - 1) * stride + kernel: nothing is cut off.
    """
    line = np.zeros((size - 1) * stride + kernel, np.int64)
    for start in range(0, size * stride, stride):
        line[start : start + kernel] += 1
    return np.outer(line, line)


def pattern_energy(output: np.ndarray, factor: int, waves: int = 0) -> float:
    """Return the share of energy at the frequencies of a pattern of period `factor`.

    Args:
      output: float `[B, H, W, C]`, whole periods of an otherwise smooth signal; factor
        divides H and W.
      factor: upsampling factor.
      waves: half width of the bands around those frequencies, cycles in H or W.

    Returns:
      0..1; 0 for an output of zeros.
    """
    energy = (np.abs(np.fft.fft2(output, axes=(1, 2))) ** 2).sum((0, 3))
    near, base = [], []
    for size in output.shape[1:3]:
        spacing, frequency = size // factor, np.arange(size)
        away = np.minimum(frequency % spacing, -frequency % spacing)
        near.append(away <= waves)
        base.append(np.minimum(frequency, size - frequency) <= waves)
    pattern = np.outer(*near) & ~np.outer(*base)
    return float(energy[pattern].sum() / max(energy.sum(), 1e-30))


def measure(
    module: nn.Module,
    factor: int,
    *,
    channels: int = 4,
    seeds: int = 4,
    steps: int = 0,
    rate: float = 1e-2,
) -> Score:
    """Score an upsampling module at initialisation, or after a little training.

    It is trained to continue smooth patterns on the finer grid.

    Args:
      module: maps `[B, h, w, channels]` to `[B, factor * h, factor * w, C]`; C is
        `channels` if it is to be trained.
      factor: upsampling factor.
      channels: of the input.
      seeds: initialisations, measured separately.
      steps: of Adam on four patterns each; 0 measures the initialisation.
      rate: learning rate.
    """
    rng = np.random.default_rng(0)
    tests = [_patterns(rng, (8,), factor, channels, waves)[0] for waves in (0, WAVES)]
    batches = _patterns(rng, (steps, 4), factor, channels)

    @jax.jit
    def outputs_of(key: jax.Array, batches: Any, tests: Any) -> list[jax.Array]:
        variables = module.init(key, tests[0][:1])
        if steps:
            variables = _trained(module, variables, factor, batches, rate)
        return [_period(module.apply(variables, x), factor) for x in tests]

    shares = []
    for key in jax.random.split(jax.random.key(0), seeds):
        outputs = outputs_of(key, batches, tests)
        shares.append(
            [
                pattern_energy(np.asarray(output, np.float64), factor, waves)
                for output, waves in zip(outputs, (0, WAVES), strict=True)
            ]
        )
    return Score(*np.array(shares).T)


def respond(
    module: nn.Module, variables: Any, factor: int, value: jax.Array
) -> np.ndarray:
    """Return a module's output for a constant image, borders cut off.

    Args:
      module: as for `measure`.
      variables: its parameters.
      factor: upsampling factor.
      value: float `[channels]`, the constant.

    Returns:
      float `[factor * PERIOD, factor * PERIOD, C]`.
    """
    side = PERIOD + 2 * _MARGIN
    x = jnp.broadcast_to(value, (1, side, side, len(value)))
    return np.asarray(_period(module.apply(variables, x), factor)[0])


def _trained(
    module: nn.Module, variables: Any, factor: int, batches: Any, rate: float
) -> Any:
    """Return the variables after one step of Adam on each batch, (x, target)."""
    rest = {name: tree for name, tree in variables.items() if name != "params"}
    optimizer = optax.adam(rate)

    def loss(params: Any, x: jax.Array, target: jax.Array) -> jax.Array:
        out = _period(module.apply({"params": params, **rest}, x), factor)
        if out.shape != target.shape:
            raise ValueError(f"the module gives {out.shape}, not {target.shape}")
        return jnp.mean((out - target) ** 2)

    def step(carry: Any, batch: Any) -> tuple[Any, None]:
        params, state = carry
        updates, state = optimizer.update(jax.grad(loss)(params, *batch), state)
        return (optax.apply_updates(params, updates), state), None

    params = variables.get("params", {})
    (params, _), _ = jax.lax.scan(step, (params, optimizer.init(params)), batches)
    return {"params": params, **rest}


def _patterns(
    rng: np.random.Generator,
    count: tuple[int, ...],
    factor: int,
    channels: int,
    waves: int = WAVES,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw smooth periodic patterns, and one period of each on the finer grid.

    Returns:
      float32 `[*count, side, side, channels]`, side = `PERIOD` and two margins, and
      `[*count, factor * PERIOD, factor * PERIOD, channels]`.
    """
    cycles = np.arange(-waves, waves + 1)
    shape = (*count, len(cycles), len(cycles), channels)
    weights = rng.normal(size=shape) + 1j * rng.normal(size=shape)
    weights /= len(cycles)

    def sample(positions: np.ndarray) -> np.ndarray:
        basis = np.exp(2j * np.pi * np.outer(positions, cycles) / PERIOD)
        waves_across = np.einsum("wv,...uvc->...uwc", basis, weights)
        pattern = np.einsum("hu,...uwc->...hwc", basis, waves_across)
        return pattern.real.astype(np.float32)

    coarse = np.arange(-_MARGIN, PERIOD + _MARGIN)
    fine = (np.arange(factor * PERIOD) + 0.5) / factor - 0.5  # pixel centres
    return sample(coarse), sample(fine)


def _period(output: Any, factor: int) -> jax.Array:
    start, stop = factor * _MARGIN, factor * (_MARGIN + PERIOD)
    return output[:, start:stop, start:stop]
