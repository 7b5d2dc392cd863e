"""Image in, mask out: sizes, lists, order, refusals."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from jaxseg.data.labels import LabelSet
from jaxseg.errors import UserError
from jaxseg.evaluation.evaluate import evaluate
from jaxseg.evaluation.step import create_evaluation_step
from jaxseg.evaluation.windows import WindowedScores
from jaxseg.models import create_model
from jaxseg.parallel.mesh import create_mesh
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


def above_the_mean(variables, image):
    """Scores that depend on all of an image, padding included."""
    image = image.astype(jnp.float32)
    mean = image.mean((1, 2), keepdims=True)
    return (image - mean) * variables


sizes_of_a_list = st.lists(
    st.tuples(st.integers(1, 70), st.integers(1, 70)), min_size=1, max_size=24
)


@settings(max_examples=20, deadline=None)
@given(sizes_of_a_list)
def test_a_mask_does_not_depend_on_the_images_beside_it(sizes):
    predictor = Predictor(above_the_mean, jnp.ones(3), LABELS, batch_size=4)
    images = [noise(*size, seed=i) for i, size in enumerate(sizes)]
    together = predictor(images)
    for index in (0, len(images) // 2, -1):
        np.testing.assert_array_equal(predictor(images[index]), together[index])


def test_a_networks_mask_does_not_depend_on_the_images_beside_it():
    model = create_model("fcn8s", "resnet18", 3, width=0.125, max_channels=16)
    variables = jax.jit(model.init)(jax.random.key(1), jnp.zeros((1, 64, 64, 3)))
    predictor = Predictor.from_model(model, variables, LABELS)
    images = [noise(40 + i, 50, seed=i) for i in range(20)]
    together = predictor(images)
    for index in (0, 19):
        np.testing.assert_array_equal(predictor(images[index]), together[index])


@pytest.mark.parametrize("multiple", [1, 32])
def test_evaluation_and_prediction_pad_alike(multiple):
    sizes = [(40, 50), (64, 64), (33, 71), (7, 90)]
    images = [noise(*size, seed=i) for i, size in enumerate(sizes)]
    labels = [image[..., 0] % 3 for image in images]
    samples = [
        {"image": image, "label": label, "name": ""}
        for image, label in zip(images, labels, strict=True)
    ]
    mesh = create_mesh(jax.devices()[:1])
    step = create_evaluation_step(above_the_mean, 3, mesh)
    weights = jnp.array([1.0, 1.5, 0.7])
    found = evaluate(step, weights, samples, sizes, mesh, multiple=multiple)
    predictor = Predictor(above_the_mean, weights, LABELS, multiple=multiple)
    counts = np.zeros((3, 3), int)
    for label, mask in zip(labels, predictor(images), strict=True):
        np.add.at(counts, (label, mask), 1)
    np.testing.assert_array_equal(found.confusion.counts, counts)


def test_windows_give_the_masks_of_the_whole():
    class Colour(nn.Module):
        def low_resolution(self, image, train=False):
            return image, None

    mean, std = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
    scores = WindowedScores(Colour(), mean=mean, std=std, window=40)
    predictor = Predictor(scores, {}, LABELS)
    sizes = [(100, 90), (20, 50), (100, 90)]
    images = [noise(*size, seed=i) for i, size in enumerate(sizes)]
    counted, seen = [], {}
    for index, image, mask in predictor.predict_lazily(
        sizes, images.__getitem__, counted.append
    ):
        np.testing.assert_array_equal(mask, image.argmax(-1))
        seen[index] = image
    assert sorted(seen) == [0, 1, 2]
    assert predictor.work(sizes) == ("window", sum(counted))


def test_images_are_counted_one_by_one(predictor):
    sizes, counted = [(40, 50)] * 5 + [(50, 40)], []
    images = [noise(*size) for size in sizes]
    assert predictor.work(sizes) == ("image", 6)
    for done, _ in enumerate(
        predictor.predict_lazily(sizes, images.__getitem__, counted.append)
    ):
        assert sum(counted) == done
    assert sum(counted) == 6


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


def test_paths_of_files_are_read_as_load_image_reads_them(predictor, tmp_path):
    images = [noise(40, 50, seed=1), noise(33, 41, seed=2)]
    paths = [tmp_path / "a.png", tmp_path / "b.tif"]
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(image).save(path)
    one = predictor(str(paths[0]))
    assert isinstance(one, np.ndarray)
    np.testing.assert_array_equal(one, images[0].argmax(-1))
    for found, image in zip(
        predictor([*paths, images[0]]), [*images, images[0]], strict=True
    ):
        np.testing.assert_array_equal(found, image.argmax(-1))
    shares = predictor.probabilities(paths[1])
    np.testing.assert_array_equal(shares, predictor.probabilities(images[1]))


def test_a_list_of_paths_is_read_a_batch_at_a_time(predictor, tmp_path, monkeypatch):
    Image.fromarray(noise(40, 50)).save(tmp_path / "a.png")
    held, most = [], []

    def load(path):
        held.append(path)
        most.append(len(held))
        return np.zeros((40, 50, 3), np.uint8)

    answer = predictor._answer
    monkeypatch.setattr("jaxseg.data.inputs.load_image", load)
    monkeypatch.setattr(
        predictor, "_answer", lambda *given: (held.clear(), answer(*given))[1]
    )
    assert len(predictor([tmp_path / "a.png"] * 10)) == 10
    assert max(most) == 4


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("missing.png", "missing.png: no such image"),
        (["missing.png"], "missing.png: no such image"),
        (".", "not a plain file"),
        (np.zeros((40, 40, 4), np.uint8), "give the path of a file, or read it with"),
    ],
)
def test_a_wrong_image_is_refused_with_a_remedy(predictor, given, said):
    with pytest.raises(UserError, match=said):
        predictor(given)


@pytest.mark.parametrize("task", ["multiclass", "binary", "multilabel"])
def test_probabilities_of_the_same_pass_leave_the_masks_as_they_are(task):
    names = ("no", "yes") if task == "binary" else ("red", "green", "blue")
    labels = LabelSet(names, task=task)
    runs = []

    def scores(variables, image):
        jax.debug.callback(runs.append, image.shape[0])
        return variables * (image[..., : labels.num_logits] / 128.0 - 1)

    predictor = Predictor(scores, jnp.float32(1.7), labels, batch_size=2)
    images = [noise(40, 50, seed=i) for i in range(3)]
    masks, shares = predictor(images), predictor.probabilities(images)
    runs.clear()
    seen = []
    for index, image, mask, share in predictor.probabilities_lazily(
        [(40, 50)] * 3, images.__getitem__
    ):
        np.testing.assert_array_equal(image, images[index])
        np.testing.assert_array_equal(mask, masks[index])
        np.testing.assert_array_equal(share, shares[index])
        seen.append(index)
    assert sorted(seen) == [0, 1, 2]
    jax.effects_barrier()
    assert len(runs) == 2  # batches of two: the network ran once on each
