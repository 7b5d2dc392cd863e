"""Cross-entropy: values by hand, ignored pixels, weights, smoothing, gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from closeness import assert_close
from jax.test_util import check_grads

from jaxseg.data.labels import IGNORE
from jaxseg.losses.cross_entropy import CrossEntropy
from jaxseg.nn.upsampling import resize_bilinear

KEY = jax.random.key(0)
LOGITS = jax.random.normal(KEY, (2, 4, 5, 3))
LABEL = jax.random.randint(KEY, (2, 4, 5), 0, 3)


def test_two_pixels_by_hand():
    logits = jnp.log(jnp.array([[[[0.7, 0.3], [0.2, 0.8]]]]))
    label = jnp.array([[[0, 0]]])
    expected = -(np.log(0.7) + np.log(0.2)) / 2
    np.testing.assert_allclose(CrossEntropy()(logits, label), expected, rtol=1e-6)


def test_ignored_pixels_equal_the_subset_without_them():
    masked = LABEL.at[0].set(IGNORE)
    loss = CrossEntropy()
    np.testing.assert_allclose(
        loss(LOGITS, masked), loss(LOGITS[1:], LABEL[1:]), rtol=1e-6
    )


def test_ignored_pixels_have_no_gradient():
    masked = LABEL.at[0, :2].set(IGNORE)
    gradient = jax.grad(CrossEntropy())(LOGITS, masked)
    assert float(jnp.abs(gradient[0, :2]).max()) == 0
    assert float(jnp.abs(gradient[0, 2:]).min()) > 0


def test_a_batch_of_ignored_pixels_has_loss_0():
    label = jnp.full((1, 4, 5), IGNORE)
    assert float(CrossEntropy().weight(label)) == 0
    assert float(CrossEntropy()(LOGITS[:1], label)) == 0


def test_class_weights_enter_sum_and_normaliser():
    logits = jnp.log(jnp.array([[[[0.7, 0.3], [0.2, 0.8]]]]))
    label = jnp.array([[[0, 1]]])
    loss = CrossEntropy(class_weights=(1.0, 3.0))
    expected = -(1 * np.log(0.7) + 3 * np.log(0.8)) / 4
    np.testing.assert_allclose(loss(logits, label), expected, rtol=1e-6)


def test_label_smoothing_spreads_evenly():
    logits = jnp.log(jnp.array([[[[0.7, 0.2, 0.1]]]]))
    label = jnp.array([[[0]]])
    loss = CrossEntropy(label_smoothing=0.3)
    target = np.array([0.8, 0.1, 0.1])
    expected = -(target * np.log([0.7, 0.2, 0.1])).sum()
    np.testing.assert_allclose(loss(logits, label), expected, rtol=1e-6)


def test_low_resolution_logits_are_resized_to_the_label():
    label = jax.random.randint(KEY, (2, 11, 9), 0, 3)
    large = resize_bilinear(LOGITS, (11, 9))
    loss = CrossEntropy()
    np.testing.assert_allclose(loss(LOGITS, label), loss(large, label), rtol=1e-6)


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("size", [(11, 9), (64, 48), (4, 20), (37, 5), (3, 5)])
@pytest.mark.parametrize("low", [(4, 5), (1, 1), (1, 5)])
def test_bands_of_rows_equal_the_whole(size, low, align_corners):
    logits = jax.random.normal(KEY, (2, *low, 3))
    label = jax.random.randint(KEY, (2, *size), 0, 3).at[0, 0].set(IGNORE)
    factor = jax.random.uniform(KEY, label.shape)
    results = []
    for bands in (1, 16):
        loss = CrossEntropy((1.0, 2.0, 0.5), 0.1, bands=bands)

        def scaled(x, loss=loss):
            return 3 * loss(x, label, factor, align_corners=align_corners)

        value, gradient = jax.jit(jax.value_and_grad(scaled))(logits)
        alone = jax.jit(scaled)(logits)
        np.testing.assert_allclose(value, alone, rtol=1e-6)
        results.append((value, gradient))
    (value, gradient), (again, same) = results
    np.testing.assert_allclose(again, value, rtol=2e-6)
    assert_close(same, gradient, epsilons=16)


def test_volumes_too_are_resized_in_bands():
    logits = jax.random.normal(KEY, (1, 2, 3, 4, 3))
    label = jax.random.randint(KEY, (1, 9, 6, 8), 0, 3)
    one, many = (
        jax.jit(jax.value_and_grad(CrossEntropy(bands=bands)))(logits, label)
        for bands in (1, 16)
    )
    for want, got in zip(one, many, strict=True):
        assert_close(got, want)
    same = CrossEntropy()(jnp.zeros((1, 4, 4, 4, 3)), jnp.zeros((1, 4, 4, 4), int))
    np.testing.assert_allclose(same, np.log(3), rtol=1e-6)


def test_logits_of_the_labels_size_never_exist():
    label = jax.random.randint(KEY, (2, 256, 256), 0, 3)
    loss = jax.jit(jax.grad(CrossEntropy()))
    arguments = (jnp.zeros((2, 16, 16, 50)), label)
    memory = loss.lower(*arguments).compile().memory_analysis()
    whole = 2 * 256 * 256 * 50 * 4
    assert memory.temp_size_in_bytes < whole / 2


def test_the_gradient_is_that_of_finite_differences():
    label = jax.random.randint(KEY, (2, 7, 6), 0, 3).at[0, 0].set(IGNORE)
    loss = CrossEntropy((1.0, 2.0, 0.5), 0.1)
    check_grads(
        lambda x: loss(jnp.asarray(x), label),
        (LOGITS,),
        order=1,
        modes=("rev",),
        rtol=0.05,
    )


def test_bfloat16_logits_are_summed_in_float32():
    low = LOGITS.astype(jnp.bfloat16)
    value = CrossEntropy()(low, LABEL)
    assert value.dtype == jnp.float32
    high = CrossEntropy()(low.astype(jnp.float32), LABEL)
    np.testing.assert_allclose(value, high)


@pytest.mark.parametrize("batch_size", [1, 5, 12])
def test_the_sum_over_a_data_set_does_not_depend_on_the_batch_size(batch_size):
    rng = np.random.default_rng(0)
    logits = jnp.asarray(rng.normal(size=(12, 9, 7, 4)), jnp.float32)
    label = jnp.asarray(rng.choice([0, 1, 2, 3, IGNORE], (12, 17, 14)), jnp.int32)
    loss = CrossEntropy(class_weights=(1.0, 2.0, 0.5, 1.0))
    whole = float(loss.total(logits, label)), float(loss.weight(label))
    parts = [slice(at, at + batch_size) for at in range(0, 12, batch_size)]
    sums = sum(float(loss.total(logits[part], label[part])) for part in parts)
    weights = sum(float(loss.weight(label[part])) for part in parts)
    assert sums == pytest.approx(whole[0], rel=1e-6)
    assert weights == pytest.approx(whole[1], rel=1e-6)


@pytest.mark.parametrize("batch_size", [1, 5, 12])
def test_the_parts_of_a_batch_add_up_to_its_loss(batch_size):
    label = jnp.concatenate([LABEL] * 6).at[0, 0].set(IGNORE)
    logits = jnp.concatenate([LOGITS] * 6)
    loss = CrossEntropy(class_weights=(1.0, 2.0, 0.5))
    assert loss.additive
    prepared = loss.prepare(label, None)
    parts = [slice(at, at + batch_size) for at in range(0, 12, batch_size)]
    found = sum(
        float(loss(logits[part], label[part], prepared=prepared)) for part in parts
    )
    assert found == pytest.approx(float(loss(logits, label)), rel=1e-6)
