"""Checkerboard scores: by hand, and the order that the paper gives."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxseg.analysis.checkerboard import (
    PERIOD,
    WAVES,
    measure,
    overlap,
    pattern_energy,
    respond,
)
from jaxseg.nn.upsampling import UPSAMPLINGS, TransposedConv, Upsample


class Enlarge(nn.Module):
    """`Upsample` by a whole factor."""

    method: str
    factor: int = 2

    @nn.compact
    def __call__(self, x):
        size = (self.factor * x.shape[1], self.factor * x.shape[2])
        return Upsample(self.method, name="upsample")(x, size)


def test_taps_overlap_evenly_if_the_stride_divides_the_kernel():
    for kernel, stride in ((2, 2), (4, 2), (6, 3), (8, 4)):
        inner = overlap(kernel, stride, 8)[kernel:-kernel, kernel:-kernel]
        assert np.unique(inner).tolist() == [(kernel // stride) ** 2]


def test_the_papers_overlap_of_kernel_3_and_stride_2():
    counts = overlap(3, 2, 4)
    assert counts[0].tolist() == [1, 1, 2, 1, 2, 1, 2, 1, 1]
    assert counts[4, 2:6].tolist() == [4, 2, 4, 2]
    assert counts.sum() == 16 * 9


def one_row(row, size):
    return np.broadcast_to(np.asarray(row)[:, None], (size, size))[None, ..., None]


def test_the_energy_of_a_pattern_is_that_computed_by_hand():
    ramp = np.tile([1.0, 3.0], 8)  # mean 2, alternating 1: energies 4 and 1
    assert pattern_energy(one_row(ramp, 16), 2) == pytest.approx(1 / 5)
    # A wave of one cycle that alternates: all of it in the band around one half.
    wave = np.cos(2 * np.pi * np.arange(16) / 16) * np.tile([1.0, -1.0], 8)
    assert pattern_energy(one_row(wave, 16), 2, waves=1) == pytest.approx(1)
    assert pattern_energy(one_row(wave, 16), 2) == pytest.approx(0)
    # The same at a quarter is no pattern of period 2, but one of period 4.
    quarter = np.cos(2 * np.pi * np.arange(16) / 4)
    assert pattern_energy(one_row(quarter, 16), 2) == pytest.approx(0)
    assert pattern_energy(one_row(quarter, 16), 4) == pytest.approx(1)
    assert pattern_energy(np.zeros((1, 8, 8, 1)), 2) == 0.0


@pytest.mark.parametrize(
    ("kernel", "stride", "share"),
    # Kernel 3: phases of 1, 2, 2, 4 taps, mean 9 / 4, mean square 25 / 4.
    [(3, 2, 1 - (81 / 16) / (25 / 4)), (4, 2, 0.0), (8, 4, 0.0)],
)
def test_a_kernel_of_equal_weights_shows_its_overlap(kernel, stride, share):
    module = TransposedConv(2, stride, kernel, kernel_init=nn.initializers.ones)
    score = measure(module, stride, seeds=1)
    assert score.constant[0] == pytest.approx(share, abs=1e-6)


@pytest.mark.parametrize(("kernel", "factor"), [(3, 2), (4, 2), (5, 4), (8, 4)])
def test_random_weights_score_alike_whatever_the_kernel(kernel, factor):
    score = measure(TransposedConv(32, factor, kernel), factor, seeds=6)
    assert score.constant.mean() == pytest.approx(1 - 1 / factor**2, abs=0.05)


def test_interpolation_keeps_a_constant_and_smooth_inputs_in_order():
    scores = {
        name: measure(Enlarge(name), 2, seeds=1) for name in ("nearest", "bilinear")
    }
    for score in scores.values():
        assert score.constant[0] < 1e-12
    assert (
        1e-6 < scores["bilinear"].smooth[0] < 1e-3 < scores["nearest"].smooth[0] < 0.1
    )


@pytest.mark.parametrize("name", UPSAMPLINGS)
def test_only_sub_pixel_convolution_starts_with_a_pattern(name):
    """A transposed convolution of a decoder, in contrast, starts as interpolation."""
    score = measure(Enlarge(name), 2, seeds=2)
    if name == "pixel_shuffle":
        assert score.constant.min() > 0.4
    else:
        assert score.constant.max() < 1e-10


def test_training_lowers_the_pattern_and_divisible_kernels_end_lowest():
    after = {
        kernel: measure(TransposedConv(4, 2, kernel), 2, seeds=2, steps=200).constant
        for kernel in (3, 4)
    }
    before = measure(TransposedConv(4, 2, 3), 2, seeds=2).constant
    assert after[3].max() < 0.05 * before.min()
    assert after[4].max() < 0.2 * after[3].min()


@functools.cache
def after_training(module):
    """Return the mean pattern of six seeds after 200 steps."""
    return measure(module, 2, seeds=6, steps=200).constant.mean()


@pytest.mark.slow
@pytest.mark.parametrize("name", [*UPSAMPLINGS, "transposed, kernel 4"])
def test_after_training_a_kernel_that_the_stride_does_not_divide_is_worst(name):
    other = Enlarge(name) if name in UPSAMPLINGS else TransposedConv(4, 2, 4)
    assert after_training(TransposedConv(4, 2, 3)) > 1.5 * after_training(other)


def test_training_needs_as_many_channels_out_as_in():
    with pytest.raises(ValueError, match="not"):
        measure(TransposedConv(3, 2), 2, channels=4, seeds=1, steps=1)


def test_a_response_is_one_block_of_whole_periods():
    module = TransposedConv(1, 2, 3, kernel_init=nn.initializers.ones)
    value = jnp.ones(1)
    variables = module.init(jax.random.key(0), jnp.ones((1, 4, 4, 1)))
    answer = respond(module, variables, 2, value)
    assert answer.shape == (2 * PERIOD, 2 * PERIOD, 1)
    assert sorted(answer[:2, :2, 0].ravel().tolist()) == [1, 2, 2, 4]
    assert WAVES < PERIOD / 4
