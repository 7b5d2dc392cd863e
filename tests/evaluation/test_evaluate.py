"""Evaluation counts every image once, whatever the batch, the padding, the devices."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxseg.data.labels import IGNORE
from jaxseg.evaluation.evaluate import evaluate
from jaxseg.evaluation.step import create_evaluation_step
from jaxseg.evaluation.histograms import rounded_threshold
from jaxseg.evaluation.metrics import Confusion
from jaxseg.evaluation.probabilities import Probabilities
from jaxseg.evaluation.windows import WindowedScores
from jaxseg.parallel.mesh import create_mesh

CLASSES = 3


class Memory:
    """Samples in memory: noise images of given sizes."""

    def __init__(self, sizes):
        rng = np.random.default_rng(0)
        self.all = [
            {
                "image": rng.integers(0, 255, (*size, 3), dtype=np.uint8),
                "label": rng.choice([0, 1, 2, IGNORE], size).astype(np.uint8),
                "name": str(index),
            }
            for index, size in enumerate(sizes)
        ]

    def __len__(self):
        return len(self.all)

    def __getitem__(self, index):
        return self.all[index]


def brightest_channel(variables, image):
    return image.astype(jnp.float32) * variables


def expected(samples):
    total = np.zeros((CLASSES, CLASSES), np.int64)
    for sample in samples.all:
        kept = sample["label"] != IGNORE
        prediction = sample["image"].argmax(-1)
        np.add.at(total, (sample["label"][kept], prediction[kept]), 1)
    return total


SIZES = [(40, 50)] * 5 + [(50, 40)] * 2 + [(34, 40)]


@pytest.mark.parametrize("batch_size", [1, 3, 8, 64])
@pytest.mark.parametrize("devices", [1, 2, 8])
@pytest.mark.parametrize("multiple", [1, 16])
def test_counts_are_exact(batch_size, devices, multiple):
    samples, mesh = Memory(SIZES), create_mesh(jax.devices()[:devices])
    step = create_evaluation_step(brightest_channel, CLASSES, mesh)
    result = evaluate(
        step,
        jnp.ones(3),
        samples,
        SIZES,
        mesh,
        batch_size=batch_size,
        multiple=multiple,
        threads=2,
    )
    np.testing.assert_array_equal(result.confusion.counts, expected(samples))
    assert result.images == len(SIZES)


class Colour(nn.Module):
    """A model whose logits are the image's channels at stride 1."""

    def low_resolution(self, image, train=False):
        return image, None


@pytest.mark.parametrize("devices, spatial", [(1, 1), (2, 1), (8, 1), (8, 2), (4, 4)])
@pytest.mark.parametrize("flip", [False, True])
def test_counts_by_window_are_exact(devices, spatial, flip):
    sizes = [(70, 90)] * 3 + [(100, 40)]
    samples, mesh = Memory(sizes), create_mesh(jax.devices()[:devices], spatial)
    mean, std = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
    scores = WindowedScores(
        Colour(), mean=mean, std=std, window=40, flip=flip, batch_size=4
    )
    step = create_evaluation_step(scores, CLASSES, mesh)
    finished = []
    result = evaluate(step, {}, samples, sizes, mesh, threads=2, done=finished.append)
    np.testing.assert_array_equal(result.confusion.counts, expected(samples))
    assert finished == sorted(finished)
    assert finished[-1] == 4


def test_images_that_are_done_are_told_after_each_batch():
    samples, mesh = Memory(SIZES), create_mesh(jax.devices()[:1])
    step, finished = create_evaluation_step(brightest_channel, CLASSES, mesh), []
    evaluate(
        step,
        jnp.ones(3),
        samples,
        SIZES,
        mesh,
        batch_size=2,
        multiple=1,
        done=finished.append,
    )
    assert finished == [2, 4, 5, 7, 8]


def test_images_smaller_than_the_network_takes_are_padded():
    samples, mesh = Memory([(7, 9)]), create_mesh(jax.devices()[:1])
    step = create_evaluation_step(brightest_channel, CLASSES, mesh)
    result = evaluate(step, jnp.ones(3), samples, [(7, 9)], mesh)
    np.testing.assert_array_equal(result.confusion.counts, expected(samples))


def test_figures_are_json_and_undefined_ones_are_none():
    from jaxseg.evaluation.evaluate import Evaluation

    confusion = Confusion(np.array([[4, 0], [0, 0]]))
    figures = Evaluation(confusion, 2, 0.5, 1).summary(("road", "car"))
    assert figures["per_class_iou"] == {"road": 1.0, "car": None}
    assert figures["miou"] == 1.0
    assert figures["images_per_second"] == 4.0
    assert figures["confusion"] == [[4, 0], [0, 0]]


class Planes(Memory):
    """Samples whose labels have a plane a class, or are those of one foreground."""

    def __init__(self, sizes, task):
        super().__init__(sizes)
        rng = np.random.default_rng(1)
        planes = (CLASSES,) if task == "multilabel" else ()
        for sample, size in zip(self.all, sizes, strict=True):
            label = rng.choice([0, 1, IGNORE], (*size, *planes))
            sample["label"] = label.astype(np.uint8)


def shares(variables, image):
    """Probabilities that are exact in float32: a channel's value, of 256."""
    return image.astype(jnp.float32)[..., : len(variables)] / 256


@pytest.mark.parametrize("task, planes", [("binary", 1), ("multilabel", CLASSES)])
@pytest.mark.parametrize("devices, batch_size", [(1, 1), (1, 8), (8, 3), (8, 64)])
def test_probabilities_are_counted_alike_on_any_devices(
    task, planes, devices, batch_size
):
    samples, mesh = Planes(SIZES, task), create_mesh(jax.devices()[:devices])
    said = Probabilities(task, logits=False)
    classes = max(2, planes)
    step = create_evaluation_step(shares, classes, mesh, said)
    result = evaluate(
        step,
        jnp.ones(planes),
        samples,
        SIZES,
        mesh,
        batch_size=batch_size,
        thresholds=(0.3,) * planes,
    )
    expected = np.zeros((planes, 2, 256), np.int64)
    for sample in samples.all:
        label = sample["label"].reshape(-1, planes)
        value = sample["image"][..., :planes].reshape(-1, planes)
        for plane in range(planes):
            kept = label[:, plane] != IGNORE
            places = (label[kept, plane], value[kept, plane])
            np.add.at(expected[plane], places, 1)
    found = result.histogram.counts.reshape(planes, 2, 256, 256)
    np.testing.assert_array_equal(found[..., 0], expected)
    assert not found[..., 1:].any()
    assert result.thresholds == (rounded_threshold(0.3),) * planes
    at = expected[:, :, int(np.ceil(0.3 * 256)) :].sum(2)
    confusion = result.confusion.counts.reshape(planes, 2, 2)
    np.testing.assert_array_equal(confusion[..., 1], at)


def test_without_thresholds_those_of_the_best_iou_are_taken():
    samples, mesh = Planes(SIZES, "binary"), create_mesh(jax.devices()[:1])
    step = create_evaluation_step(shares, 2, mesh, Probabilities("binary", False))
    result = evaluate(step, jnp.ones(1), samples, SIZES, mesh)
    assert result.thresholds == result.best_thresholds
    (best,) = result.histogram.iou_at(result.thresholds)
    assert result.score == best == result.summary(("a", "b"))["best_iou"]


def test_a_multiclass_pass_counts_how_often_the_predicted_class_is_right():
    samples, mesh = Memory(SIZES), create_mesh(jax.devices()[:1])
    step = create_evaluation_step(brightest_channel, CLASSES, mesh)
    result = evaluate(step, jnp.ones(3), samples, SIZES, mesh)
    wrong, right = result.histogram.counts[0].sum(axis=1)
    assert right == np.trace(expected(samples))
    assert wrong + right == expected(samples).sum()
    assert 0 < result.summary("abc")["expected_calibration_error"] < 1
