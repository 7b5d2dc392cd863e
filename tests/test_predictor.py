"""Image in, mask out: sizes, lists, order, refusals."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxseg.data.labels import LabelSet
from jaxseg.errors import UserError
from jaxseg.predictor import Predictor

LABELS = LabelSet(("red", "green", "blue"))


def brightest(variables, image):
    """Scores that are the channels: the mask is the brightest one's index."""
    return image.astype(jnp.float32) * variables


@pytest.fixture
def predictor():
    return Predictor(brightest, jnp.ones(3), LABELS, batch_size=4)


def noise(*size, seed=0):
    return np.random.default_rng(seed).integers(0, 255, (*size, 3), dtype=np.uint8)


def test_an_image_gives_a_mask_of_its_size(predictor):
    image = noise(41, 53)
    mask = predictor(image)
    assert mask.shape == (41, 53) and mask.dtype == np.int32
    np.testing.assert_array_equal(mask, image.argmax(-1))


def test_a_list_gives_masks_in_its_order(predictor):
    sizes = [(40, 50), (50, 40), (40, 50), (33, 33), (40, 50), (40, 50), (40, 50)]
    images = [noise(*size, seed=i) for i, size in enumerate(sizes)]
    for image, mask in zip(images, predictor(images), strict=True):
        np.testing.assert_array_equal(mask, image.argmax(-1))


def test_a_batch_array_is_a_list_of_images(predictor):
    batch = np.stack([noise(40, 40, seed=i) for i in range(3)])
    masks = predictor(batch)
    assert len(masks) == 3
    np.testing.assert_array_equal(masks[2], batch[2].argmax(-1))


def test_lazy_prediction_reads_a_batch_at_a_time(predictor):
    sizes = [(40, 50)] * 5 + [(50, 40)] * 2
    images = [noise(*size, seed=i) for i, size in enumerate(sizes)]
    read, seen = [], []

    def load(index):
        read.append(index)
        return images[index]

    for index, image, mask in predictor.predict_lazily(sizes, load):
        assert len(read) - len(seen) <= 4
        np.testing.assert_array_equal(mask, image.argmax(-1))
        assert image is images[index]
        seen.append(index)
    assert sorted(seen) == list(range(7))


def test_an_image_of_another_size_than_was_said_is_refused(predictor):
    with pytest.raises(UserError, match="image 0 changed its size"):
        list(predictor.predict_lazily([(40, 50)], lambda index: noise(40, 51)))


def test_an_empty_list_gives_an_empty_list(predictor):
    assert predictor([]) == []


@pytest.mark.parametrize("size", [(1, 1), (5, 200), (32, 33)])
def test_small_images_are_padded_and_cut_back(predictor, size):
    image = noise(*size)
    np.testing.assert_array_equal(predictor(image), image.argmax(-1))


def test_many_sizes_compile_few_programs():
    calls = []

    def counting(variables, image):
        calls.append(image.shape)
        return brightest(variables, image)

    predictor = Predictor(counting, jnp.ones(3), LABELS, batch_size=1)
    images = [noise(40 + i, 50) for i in range(20)]
    for image, mask in zip(images, predictor(images), strict=True):
        np.testing.assert_array_equal(mask, image.argmax(-1))
    assert len(calls) <= 2


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((40, 40), np.uint8),
        np.zeros((40, 40, 4), np.uint8),
        np.zeros((40, 40, 3), np.float32),
        np.zeros((0, 40, 3), np.uint8),
    ],
)
def test_another_shape_or_type_is_refused(predictor, image):
    with pytest.raises(UserError):
        predictor([image])
