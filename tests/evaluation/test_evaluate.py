"""Evaluation counts every image once, whatever the batch, the padding, the devices."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxseg.data.labels import IGNORE
from jaxseg.evaluation.evaluate import evaluate
from jaxseg.evaluation.histograms import rounded_threshold
from jaxseg.evaluation.metrics import Confusion
from jaxseg.evaluation.per_image import PerImage
from jaxseg.evaluation.probabilities import Probabilities
from jaxseg.evaluation.step import create_evaluation_step
from jaxseg.evaluation.surfaces import SurfaceOptions, measure_image
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


def expected_overlaps(samples):
    """Intersection and union of each class in each image."""
    found = []
    for sample in samples.all:
        kept = sample["label"] != IGNORE
        label, prediction = sample["label"][kept], sample["image"].argmax(-1)[kept]
        pairs = [(label == index, prediction == index) for index in range(CLASSES)]
        found.append([[np.sum(a & b), np.sum(a | b)] for a, b in pairs])
    return np.array(found)


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
    np.testing.assert_array_equal(result.per_image.counts, expected_overlaps(samples))


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
    np.testing.assert_array_equal(result.per_image.counts, expected_overlaps(samples))
    assert finished == sorted(finished)
    assert finished[-1] == 4


def test_the_number_of_done_images_is_reported_after_each_batch():
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


def test_metrics_are_json_and_undefined_ones_are_none():
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


SURFACES = SurfaceOptions(ratio=0.05, tolerance=1.0)


def expected_surfaces(samples, masks, task):
    return np.stack(
        [
            measure_image(
                sample["label"], mask.astype(np.uint8), task, max(2, CLASSES), SURFACES
            )
            for sample, mask in zip(samples.all, masks, strict=True)
        ]
    )


class Blocks(Memory):
    """Samples of coarse blocks, so that there are regions."""

    def __init__(self, sizes):
        super().__init__(sizes)
        for sample in self.all:
            for name in ("image", "label"):
                height, width = sample["label"].shape
                coarse = sample[name][: -(-height // 7), : -(-width // 7)]
                fine = np.kron(coarse, np.ones((7, 7, 1)[: coarse.ndim], np.uint8))
                sample[name] = fine[:height, :width]


@pytest.mark.parametrize(
    "devices, batch_size, multiple, windowed",
    [(1, 1, 1, False), (1, 8, 16, False), (8, 64, 32, False), (2, 1, 1, True)],
)
def test_boundaries_do_not_depend_on_batch_padding_devices_or_windows(
    devices, batch_size, multiple, windowed
):
    samples, mesh = Blocks(SIZES), create_mesh(jax.devices()[:devices])
    scores, variables = brightest_channel, jnp.ones(3)
    if windowed:
        unit = {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}
        scores, variables = WindowedScores(Colour(), **unit, window=36, flip=True), {}
    step = create_evaluation_step(scores, CLASSES, mesh, masks=True)
    result = evaluate(
        step,
        variables,
        samples,
        SIZES,
        mesh,
        batch_size=batch_size,
        multiple=multiple,
        threads=2,
        surfaces=SURFACES,
    )
    masks = [sample["image"].argmax(-1) for sample in samples.all]
    expected = expected_surfaces(samples, masks, "multiclass")
    np.testing.assert_array_equal(result.surfaces.values, expected)
    assert np.isfinite(expected).all()
    assert result.summary("abc")["per_class_hausdorff95"]["b"] == pytest.approx(
        expected[:, 1, 2].mean()
    )


@pytest.mark.parametrize("task, planes", [("binary", 1), ("multilabel", CLASSES)])
def test_each_image_and_its_boundaries_are_measured_at_given_thresholds(task, planes):
    samples, mesh = Planes(SIZES, task), create_mesh(jax.devices()[:2])
    classes, said = max(2, planes), Probabilities(task, logits=False)
    step = create_evaluation_step(shares, classes, mesh, said, masks=True)
    bounds = (0.25, 0.5, 0.75)[:planes]
    given = {"thresholds": bounds, "surfaces": SURFACES}
    result = evaluate(step, jnp.ones(planes), samples, SIZES, mesh, **given)
    masks = [
        sample["image"][..., :planes] >= 256 * np.array(bounds)
        for sample in samples.all
    ]
    if task == "binary":
        masks = [mask[..., 0] for mask in masks]
    for index, (sample, mask) in enumerate(zip(samples.all, masks, strict=True)):
        label = sample["label"]
        found = measure_image(label, mask.astype(np.uint8), task, classes, SURFACES)
        np.testing.assert_array_equal(result.surfaces.values[index], found)
        hit, kept = mask & (label == 1), (label != IGNORE)
        either = kept & (mask | (label == 1))
        expected = np.stack([hit.sum((0, 1)), either.sum((0, 1))], -1)
        counted = result.per_image.counts[index]
        np.testing.assert_array_equal(counted[-planes:].squeeze(), expected.squeeze())
        if task == "binary":
            away = [np.sum(kept & ~mask & (label == 0)), np.sum(kept & ~hit)]
            assert counted[0].tolist() == away
    overall = result.per_image.counts.sum(0)
    np.testing.assert_array_equal(overall[:, 0], result.confusion.intersection)
    np.testing.assert_array_equal(overall[:, 1], result.confusion.union)


def test_thresholds_that_are_known_only_afterwards_leave_the_images_unmeasured():
    samples, mesh = Planes(SIZES, "binary"), create_mesh(jax.devices()[:1])
    step = create_evaluation_step(shares, 2, mesh, Probabilities("binary", False))
    result = evaluate(step, jnp.ones(1), samples, SIZES, mesh)
    assert result.per_image is None
    again = evaluate(
        step, jnp.ones(1), samples, SIZES, mesh, thresholds=result.thresholds
    )
    np.testing.assert_array_equal(again.confusion.counts, result.confusion.counts)
    assert isinstance(again.per_image, PerImage)


def test_a_step_without_masks_returns_none():
    samples, mesh = Memory(SIZES), create_mesh(jax.devices()[:1])
    step = create_evaluation_step(brightest_channel, CLASSES, mesh)
    result = evaluate(step, jnp.ones(3), samples, SIZES, mesh)
    assert result.surfaces is None and not step.masks
    assert "boundary_iou" not in result.summary("abc")
