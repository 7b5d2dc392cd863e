"""Distances equal SciPy's, and the boundary loss by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from make_loss import QUICK, make_loss
from scipy.ndimage import distance_transform_edt

from jaxseg.data.labels import IGNORE
from jaxseg.losses.distances import FAR, signed_distances, squared_distances


@pytest.mark.parametrize("size", [(9, 14), (1, 7), (20, 3), (5, 6, 7)])
@pytest.mark.parametrize("share", [0.03, 0.5])
def test_distances_are_exact(size, share):
    region = np.random.default_rng(0).random((2, *size)) < share
    region[:, *(0 for _ in size)] = True
    found = squared_distances(jnp.asarray(region))
    expected = np.stack([distance_transform_edt(~each) for each in region]) ** 2
    assert found.dtype == jnp.int32
    np.testing.assert_array_equal(found, expected.round().astype(int))


def test_an_empty_region_is_far_from_everywhere():
    assert np.asarray(squared_distances(jnp.zeros((1, 3, 4), bool))).min() >= FAR


def test_distances_are_negative_inside_and_0_on_the_last_pixel():
    there = jnp.array([[[0, 1, 1, 1, 0, 0]]], bool)
    found = signed_distances(there, ~there)
    assert found.tolist() == [[[1, 0, -1, 0, 1, 2]]]


def test_pixels_in_neither_region_are_passed_over():
    there = jnp.array([[[1, 0, 0, 0, 0]]], bool)
    other = jnp.array([[[0, 0, 1, 0, 1]]], bool)
    assert signed_distances(there, other).tolist() == [[[-1, 0, 2, 0, 4]]]


def test_an_image_of_one_region_has_no_distances():
    whole = jnp.ones((1, 2, 3), bool)
    assert not signed_distances(whole, ~whole).any()


def test_the_mean_of_probability_times_distance():
    p = np.array([0.2, 0.7, 0.9, 0.4])
    logits = jnp.log(jnp.array(p / (1 - p), jnp.float32)).reshape(1, 1, 4, 1)
    label = jnp.array([[[0, 1, 1, 0]]])
    found = make_loss("boundary", "binary")(logits, label)
    np.testing.assert_allclose(found, (0.2 + 0.4) / 4, rtol=1e-6)
    ignored = label.at[0, 0, 3].set(IGNORE)  # the third pixel is now one further in
    found = make_loss("boundary", "binary")(logits, ignored)
    np.testing.assert_allclose(found, (0.2 - 0.9) / 3, rtol=1e-6)


def test_an_absent_class_adds_nothing_in_its_image():
    loss = jax.jit(make_loss("boundary"), compiler_options=QUICK)
    label = jnp.array([[[0, 0, 1, 1]], [[0, 0, 0, 0]]])
    logits = jax.random.normal(jax.random.key(0), (2, 1, 4, 3))
    found = loss(logits, label)
    np.testing.assert_allclose(found, loss(logits[:1], label[:1]) / 2, rtol=1e-6)
