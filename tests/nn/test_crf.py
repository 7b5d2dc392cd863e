"""The dense CRF: by hand, by brute force, by pydensecrf, and on a noisy label map."""

import dataclasses
import math
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from closeness import assert_close
from jax.test_util import check_grads

from jaxseg.errors import UserError
from jaxseg.nn.crf import NORMALIZATIONS, DenseCRF, dense_crf

GOLDEN = Path(__file__).with_name("golden") / "crf.npz"

SMALL = DenseCRF(
    appearance_weight=1.5,
    smoothness_weight=0.7,
    theta_alpha=3.0,
    theta_beta=40.0,
    theta_gamma=1.2,
    iterations=3,
    cutoff=math.inf,
    tile=8,
)


def scene(height=6, width=7, classes=3, seed=0):
    """Random logits and an image of some smoothness."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (height, width, classes)).astype(np.float32)
    image = rng.integers(0, 120, (height, width, 3)) + 10 * np.arange(width)[:, None]
    return jnp.asarray(logits), jnp.asarray(image, jnp.uint8)


def softmax(x):
    x = np.exp(x - x.max(-1, keepdims=True))
    return x / x.sum(-1, keepdims=True)


def brute_force(logits, image, crf, compatibility=None):
    """The equations in float64, with all the pairs in one matrix."""
    height, width, classes = logits.shape
    place = np.stack(np.mgrid[:height, :width], -1).reshape(-1, 2).astype(np.float64)
    colour = np.asarray(image, np.float64).reshape(-1, 3)
    unary = np.asarray(logits, np.float64).reshape(-1, classes)

    def squares(x):
        return ((x[:, None] - x[None]) ** 2).sum(-1)

    exponents = (
        squares(place) / crf.theta_alpha**2 + squares(colour) / crf.theta_beta**2,
        squares(place) / crf.theta_gamma**2,
    )
    row, column = place.astype(int).T
    sampled = (row[:, None] - row) % crf.stride + (
        column[:, None] - column
    ) % crf.stride
    kernels = []
    for index, exponent in enumerate(exponents):
        kernel = np.exp(-exponent / 2)
        if index == 0 and crf.stride > 1:
            kernel *= np.where(sampled == 0, crf.stride**2, 0)
            np.fill_diagonal(kernel, 1)
        if crf.normalization == "none":
            np.fill_diagonal(kernel, 0)
        if crf.normalization == "row":
            kernel /= kernel.sum(1, keepdims=True)
        if crf.normalization == "symmetric":
            total = kernel.sum(1)
            kernel /= np.sqrt(total[:, None] * total)
        kernels.append(kernel)
    both = crf.appearance_weight * kernels[0] + crf.smoothness_weight * kernels[1]
    cost = 1 - np.eye(classes) if compatibility is None else compatibility
    marginals = softmax(unary)
    for _ in range(crf.iterations):
        # cost[l, l'] times the message of label l'
        energy = np.einsum("lk,pk->pl", cost, both @ marginals)
        marginals = softmax(unary - energy)
    return marginals.reshape(logits.shape)


def test_two_pixels_by_hand():
    logits = jnp.asarray([[[1.0, 0.0], [0.0, 3.0]]])
    image = jnp.asarray([[[10, 20, 30], [13, 20, 34]]], jnp.uint8)
    crf = dataclasses.replace(
        SMALL, theta_alpha=2.0, theta_beta=5.0, iterations=1, normalization="none"
    )
    # One pixel and 5 grey levels apart: exp(-(1/4 + 25/25) / 2) and exp(-1/2.88).
    join = 1.5 * math.exp(-0.625) + 0.7 * math.exp(-1 / 2.88)
    first, second = 1 / (1 + math.exp(-1)), 1 / (1 + math.exp(3))  # of label 0
    # A label costs what the neighbour gives to the other label, times their kernel.
    left = 1 - join * (1 - second) + join * second
    right = -3 - join * (1 - first) + join * first
    expected = [1 / (1 + math.exp(-left)), 1 / (1 + math.exp(-right))]
    out = dense_crf(logits, image, crf)
    np.testing.assert_allclose(out[0, :, 0], expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("normalization", "stride"),
    [(name, 1) for name in NORMALIZATIONS] + [("symmetric", 3), ("none", 2)],
)
def test_equals_brute_force(normalization, stride):
    logits, image = scene()
    crf = dataclasses.replace(SMALL, normalization=normalization, stride=stride)
    expected = brute_force(logits, image, crf)
    assert_close(dense_crf(logits, image, crf), expected, epsilons=128)


def test_compatibility_equals_brute_force():
    logits, image = scene()
    cost = np.random.default_rng(1).uniform(0, 2, (3, 3)).astype(np.float32)
    out = dense_crf(logits, image, SMALL, compatibility=jnp.asarray(cost))
    expected = brute_force(logits, image, SMALL, cost)
    assert_close(out, expected, epsilons=128)
    transposed = brute_force(logits, image, SMALL, cost.T)
    assert np.abs(out - transposed).max() > 1e-2


def test_weights_given_as_arrays_replace_the_parameters():
    logits, image = scene()
    heavy = dataclasses.replace(SMALL, appearance_weight=3.0, smoothness_weight=0.2)
    out = dense_crf(
        logits,
        image,
        SMALL,
        appearance_weight=jnp.float32(3.0),
        smoothness_weight=jnp.float32(0.2),
    )
    assert_close(out, dense_crf(logits, image, heavy), epsilons=8)


@pytest.mark.parametrize("tile", [1, 5, 1000])
def test_the_tile_does_not_matter(tile):
    logits, image = scene()
    expected = dense_crf(logits, image, SMALL)
    out = dense_crf(logits, image, dataclasses.replace(SMALL, tile=tile))
    assert_close(out, expected, epsilons=16)


def test_a_cutoff_leaves_out_only_what_is_negligible():
    logits, image = scene(12, 14)
    crf = dataclasses.replace(SMALL, theta_beta=8.0, theta_alpha=6.0, tile=4)
    exact = dense_crf(logits, image, crf)

    def error(cutoff):
        out = dense_crf(logits, image, dataclasses.replace(crf, cutoff=cutoff))
        return np.abs(out - exact).max()

    assert error(4.0) < 1e-3
    assert error(0.1) > 1e-2  # so that tiles were left out indeed


def test_zero_weights_give_the_softmax_in_float32():
    logits, image = scene()
    logits = logits.astype(jnp.bfloat16)
    crf = dataclasses.replace(SMALL, appearance_weight=0.0, smoothness_weight=0.0)
    out = dense_crf(logits, image, crf)
    assert out.dtype == jnp.float32
    expected = jax.nn.softmax(logits.astype(jnp.float32))
    assert_close(out, expected, epsilons=8)


def test_zero_iterations_give_the_softmax():
    logits, image = scene()
    out = dense_crf(logits, image, dataclasses.replace(SMALL, iterations=0))
    assert_close(out, jax.nn.softmax(logits), epsilons=8)


def test_a_uniform_image_and_uniform_logits_stay_uniform():
    logits = jnp.broadcast_to(jnp.asarray([0.3, -1.0, 2.0]), (5, 9, 3))
    image = jnp.full((5, 9, 3), 77, jnp.uint8)
    crf = dataclasses.replace(SMALL, normalization="row")
    out = np.asarray(dense_crf(logits, image, crf))
    assert_close(out, np.broadcast_to(out[0, 0], out.shape), epsilons=8)
    # Each message is then the marginals themselves: the fixed map of one pixel.
    expected = softmax(np.asarray([0.3, -1.0, 2.0]))
    for _ in range(crf.iterations):
        expected = softmax(np.asarray([0.3, -1.0, 2.0]) + 2.2 * expected)
    assert_close(out[0, 0], expected)


def test_permuted_classes_give_permuted_marginals():
    logits, image = scene(classes=4)
    order = jnp.asarray([2, 0, 3, 1])
    out = dense_crf(logits[..., order], image, SMALL)
    expected = dense_crf(logits, image, SMALL)[..., order]
    assert_close(out, expected, epsilons=8)


@pytest.mark.parametrize("batched", [dense_crf, jax.vmap(lambda *a: dense_crf(*a))])
def test_a_batch_equals_each_image_by_itself(batched):
    logits, image = zip(*(scene(seed=seed) for seed in range(3)), strict=True)
    out = batched(jnp.stack(logits), jnp.stack(image))
    for one, *inputs in zip(out, logits, image, strict=True):
        assert_close(one, dense_crf(*inputs), epsilons=16)


@pytest.mark.parametrize(("normalization", "stride"), [("symmetric", 1), ("row", 2)])
def test_gradients(normalization, stride):
    logits, image = scene(3, 4, 2)
    crf = dataclasses.replace(
        SMALL, iterations=2, normalization=normalization, stride=stride, tile=5
    )

    def function(logits, appearance, smoothness, compatibility):
        return dense_crf(
            jnp.asarray(logits),
            image,
            crf,
            appearance_weight=jnp.asarray(appearance),
            smoothness_weight=jnp.asarray(smoothness),
            compatibility=jnp.asarray(compatibility),
        )

    point = (
        logits,
        jnp.float32(0.6),
        jnp.float32(0.4),
        jnp.asarray([[0, 1], [2, 0.5]]),
    )
    check_grads(function, point, 1, modes=("rev",), atol=5e-3, rtol=5e-3, eps=1e-2)


def test_the_image_gets_no_gradient():
    logits, image = scene()
    gradient = jax.grad(lambda image: dense_crf(logits, image, SMALL)[0, 0, 0])(
        image.astype(jnp.float32)
    )
    assert not np.any(gradient)


def test_large_logits_stay_finite():
    logits, image = scene()
    out = dense_crf(1e5 * logits, image, SMALL)
    assert_close(out.sum(-1), 1)
    np.testing.assert_array_equal(out.argmax(-1), logits.argmax(-1))


def test_a_constant_added_to_the_logits_changes_nothing():
    logits, image = scene()
    out = dense_crf(logits + 100, image, SMALL)
    assert_close(out, dense_crf(logits, image, SMALL), epsilons=128)


def test_narrow_colours_keep_float32s_digits():
    # Colours 240 standard deviations apart, and pairs a few apart within each end.
    rng = np.random.default_rng(0)
    image = np.where(np.arange(8)[:, None] < 4, 0, 240) + rng.integers(0, 3, (9, 8, 3))
    crf = dataclasses.replace(SMALL, theta_beta=1.0, theta_alpha=20.0)
    logits = jnp.asarray(rng.normal(0, 1, (9, 8, 3)), jnp.float32)
    out = dense_crf(logits, jnp.asarray(image, jnp.uint8), crf)
    assert_close(out, brute_force(logits, image, crf), epsilons=1024)


@pytest.mark.parametrize("stride", [1, 2])
def test_it_repairs_a_noisy_label_map(stride):
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:32, :40]
    label = ((rows - 15) ** 2 + (columns - 22) ** 2 < 120).astype(int)
    image = np.where(label[..., None], [180, 90, 60], [70, 110, 160])
    image = np.uint8(image + rng.normal(0, 3, image.shape))
    said = np.where(rng.random(label.shape) < 0.25, 1 - label, label)
    logits = jnp.asarray(1.5 * np.eye(2)[said], jnp.float32)
    out = dense_crf(logits, jnp.asarray(image), DenseCRF(stride=stride, tile=128))
    assert (said == label).mean() < 0.8
    assert (np.asarray(out).argmax(-1) == label).mean() > 0.995


def test_close_to_pydensecrf():
    # Its lattice is an approximation, hence the tolerance.  Logits without a CRF are at
    # 0.12, and another normalisation or another theta are four times as far as ours.
    golden = np.load(GOLDEN)
    logits, image = jnp.asarray(golden["logits"]), jnp.asarray(golden["image"])
    expected = golden["marginals"].astype(np.float32)
    crf = DenseCRF(theta_alpha=20.0, theta_beta=8.0, theta_gamma=2.0)

    def difference(**changes):
        out = dense_crf(logits, image, dataclasses.replace(crf, **changes))
        return np.abs(out - expected).mean()

    assert difference() < 0.002
    assert difference(normalization="row") > 0.005
    assert difference(theta_beta=5.0) > 0.005
    labels = dense_crf(logits, image, crf).argmax(-1)
    assert (labels == expected.argmax(-1)).mean() > 0.996


@pytest.mark.parametrize(
    "change",
    [
        {"normalization": "column"},
        {"theta_alpha": 0.0},
        {"theta_beta": math.nan},
        {"theta_gamma": -1.0},
        {"cutoff": 0.0},
        {"iterations": -1},
        {"stride": 0},
        {"tile": 0},
    ],
)
def test_a_parameter_out_of_range_is_named(change):
    (name,) = change
    with pytest.raises(UserError, match=name):
        DenseCRF(**change)


def test_sizes_that_differ_are_named():
    logits, image = scene()
    with pytest.raises(UserError, match="resize the logits"):
        dense_crf(logits[:3], image)
    with pytest.raises(UserError, match="batch"):
        dense_crf(logits[None], image)
    with pytest.raises(UserError, match="compatibility"):
        dense_crf(logits, image, compatibility=jnp.eye(2))


def test_the_parameters_are_hashable():
    assert hash(DenseCRF()) == hash(DenseCRF())
    assert DenseCRF() != DenseCRF(stride=2)
