"""Whole, window, scales, flip: how class scores are put together."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from closeness import assert_close

from jaxseg.evaluation.inference import create_scores
from jaxseg.models import create_model
from jaxseg.nn.crf import DenseCRF, dense_crf

MEAN, STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)


class Colour(nn.Module):
    """A model whose logits are the image's channels at stride 1."""

    def low_resolution(self, image, train=False):
        return image, None


def colour_scores(**options):
    return create_scores(Colour(), mean=MEAN, std=STD, **options)


def network_scores(model, **options):
    return jax.jit(create_scores(model, mean=MEAN, std=STD, **options))


@pytest.fixture(scope="module")
def network():
    model = create_model("fcn8s", "resnet18", 3, width=0.125, max_channels=16)
    image = jax.random.randint(jax.random.key(0), (2, 48, 56, 3), 0, 255, jnp.uint8)
    variables = jax.jit(model.init)(jax.random.key(1), jnp.zeros((1, 64, 64, 3)))
    return model, variables, image


def test_whole_scores_equal_the_output_of_the_model(network):
    model, variables, image = network
    expected = jax.jit(model.apply)(variables, (image / 255.0 - 0.5) / 0.25)
    scores = network_scores(model, multiple=1)(variables, image)
    assert_close(scores, expected)


def test_an_image_is_padded_to_a_multiple_of_the_models_by_reflection(network):
    model, variables, image = network
    padded = jnp.pad(image, ((0, 0), (0, 16), (0, 8), (0, 0)), "reflect")
    exact = network_scores(model, multiple=1)(variables, padded)
    scores = network_scores(model)(variables, image)
    np.testing.assert_array_equal(scores, exact[:, :48, :56])


def test_a_flip_averages_probabilities_of_both_views():
    image = jax.random.randint(jax.random.key(0), (1, 40, 40, 3), 0, 255, jnp.uint8)
    expected = jax.nn.softmax(colour_scores()({}, image))
    assert_close(colour_scores(flip=True)({}, image), expected, epsilons=8)


def test_a_flipped_image_gives_flipped_scores(network):
    model, variables, image = network
    scores = network_scores(model, flip=True)
    assert_close(
        scores(variables, image[:, :, ::-1]), scores(variables, image)[:, :, ::-1]
    )


class Position(nn.Module):
    """A model whose logits depend on the position of a pixel, at stride 1."""

    def low_resolution(self, image, train=False):
        return jnp.cumsum(image, axis=1) / 9 + jnp.cumsum(image, axis=2) / 7, None


def test_a_turned_image_gives_turned_scores_of_the_whole():
    image = jax.random.randint(jax.random.key(0), (1, 40, 56, 3), 0, 255, jnp.uint8)
    scores = network_scores(Position(), flip=True, turns=True)
    assert_close(
        scores({}, jnp.rot90(image, 1, (1, 2))),
        jnp.rot90(scores({}, image), 1, (1, 2)),
        epsilons=16,
    )


def test_turns_are_the_mean_of_four_turned_images():
    image = jax.random.randint(jax.random.key(0), (1, 40, 56, 3), 0, 255, jnp.uint8)
    scores = create_scores(Position(), mean=MEAN, std=STD)
    found = create_scores(Position(), mean=MEAN, std=STD, turns=True)({}, image)
    parts = []
    for turn in range(4):
        part = jax.nn.softmax(scores({}, jnp.rot90(image, turn, (1, 2))))
        parts.append(jnp.rot90(part, -turn, (1, 2)))
    assert_close(found, sum(parts) / 4, epsilons=16)


def test_a_turned_view_has_the_padding_of_the_other():
    shapes = []

    class Seen(Colour):
        size_multiple: int = 32

        def low_resolution(self, image, train=False):
            shapes.append(image.shape[1:3])
            return image, None

    image = jnp.zeros((1, 40, 70, 3), jnp.uint8)
    create_scores(Seen(), mean=MEAN, std=STD, turns=True)({}, image)
    assert shapes == [(64, 96), (96, 64), (64, 96), (96, 64)]


def test_scores_of_all_scales_have_the_images_size(network):
    model, variables, image = network
    scores = network_scores(model, scales=(0.75, 1.0, 1.5))
    out = scores(variables, image)
    assert out.shape == (2, 48, 56, 3)
    np.testing.assert_allclose(out.sum(-1), 1, rtol=1e-5)


def test_a_constant_image_scores_the_same_at_every_scale():
    image = jnp.full((1, 40, 44, 3), 99, jnp.uint8)
    one = jax.nn.softmax(colour_scores()({}, image))
    assert_close(colour_scores(scales=(0.9, 1.1))({}, image), one)


@pytest.mark.parametrize("flip", [False, True])
def test_a_crf_sharpens_the_scores_of_all_views(flip):
    image = jax.random.randint(jax.random.key(0), (1, 20, 24, 3), 0, 255, jnp.uint8)
    crf = DenseCRF(iterations=2)
    plain = colour_scores(flip=flip)({}, image)
    logits = jnp.log(plain) if flip else plain
    assert_close(
        colour_scores(flip=flip, crf=crf)({}, image), dense_crf(logits, image, crf)
    )


def test_a_flip_averages_sigmoids_where_classes_may_overlap():
    image = jax.random.randint(jax.random.key(0), (1, 40, 40, 3), 0, 255, jnp.uint8)
    expected = jax.nn.sigmoid(colour_scores()({}, image))
    found = colour_scores(flip=True, task="multilabel")({}, image)
    assert_close(found, expected, epsilons=8)


class Brightness(nn.Module):
    """A model whose one logit is the image's first channel."""

    def low_resolution(self, image, train=False):
        return image[..., :1], None


@pytest.mark.parametrize("flip", [False, True])
def test_a_crf_of_one_logit_is_one_over_background_and_foreground(flip):
    image = jax.random.randint(jax.random.key(0), (1, 40, 40, 3), 0, 255, jnp.uint8)
    options = {"mean": MEAN, "std": STD, "flip": flip}
    crf = DenseCRF(iterations=2)
    found = create_scores(Brightness(), **options, crf=crf, task="binary")({}, image)
    logit = (image[..., :1] / 255.0 - 0.5) / 0.25
    both = jnp.concatenate([jnp.zeros_like(logit), logit], axis=-1)
    expected = dense_crf(both, image, crf)[..., 1:]
    assert_close(found, expected)
