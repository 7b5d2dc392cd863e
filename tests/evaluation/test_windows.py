"""Sliding windows: equal to the plain mean of windows, in one program and few rows."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from closeness import assert_close

from jaxseg.data.padding import padded_size
from jaxseg.evaluation.inference import create_scores
from jaxseg.evaluation.windows import WindowedScores
from jaxseg.models import create_model
from jaxseg.nn.crf import DenseCRF, dense_crf
from jaxseg.nn.normalization import normalize_image
from jaxseg.nn.upsampling import resize_bilinear
from jaxseg.segmenter import SMALLEST

MEAN, STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)


class Gradient(nn.Module):
    """Logits at stride 1 that depend on where a pixel lies in the window."""

    size_multiple: int = 1

    def low_resolution(self, image, train=False):
        return jnp.cumsum(image, axis=1) / 9 + jnp.cumsum(image, axis=2) / 7, None


def noise(*size, seed=0):
    return np.random.default_rng(seed).integers(0, 255, (*size, 3), dtype=np.uint8)


def windowed(model, **options):
    return WindowedScores(model, mean=MEAN, std=STD, **options)


def starts(size, window):
    stride = window * 2 // 3
    return [*range(0, max(0, size - window), stride), max(0, size - window)]


def reference_view(model, variables, image, window):
    """The mean of overlapping windows of a normalised image, one after the other."""
    scored = jax.jit(functools.partial(model.apply, method="low_resolution"))
    height, width = image.shape[1:3]
    total, count = 0, np.zeros((height, width, 1))
    for top in starts(height, window):
        for left in starts(width, window):
            place = np.s_[:, top : top + window, left : left + window]
            part = image[place]
            logits, _ = scored(variables, part)
            logits = resize_bilinear(logits, part.shape[1:3])
            if not count.any():
                total = np.zeros((*image.shape[:3], logits.shape[-1]))
            total[place] += logits
            count[place[1:]] += 1
    assert (count > 0).all()
    return jnp.asarray(total / count, jnp.float32)


def reference(model, variables, image, window, scales=(1.0,), flip=False):
    """Views that are padded, scored by windows, cut back, resized and averaged."""
    multiple, size, found = model.size_multiple, image.shape[1:3], []
    for scale in scales:
        inner = tuple(max(SMALLEST, round(side * scale)) for side in size)
        view = resize_bilinear(normalize_image(jnp.asarray(image), MEAN, STD), inner)
        outer = padded_size(inner, multiple, 1)
        edges = [(0, after - side) for side, after in zip(inner, outer, strict=True)]
        for step in (1, -1) if flip else (1,):
            seen = jnp.pad(view[:, :, ::step], ((0, 0), *edges, (0, 0)), "reflect")
            part = reference_view(model, variables, seen, window)
            part = part[:, : inner[0], : inner[1]][:, :, ::step]
            found.append(resize_bilinear(part, size))
    if len(found) == 1:
        return found[0]
    return sum(jax.nn.softmax(part) for part in found) / len(found)


@pytest.fixture(scope="module")
def network():
    model = create_model("fcn8s", "resnet18", 3, width=0.125, max_channels=16)
    variables = jax.jit(model.init)(jax.random.key(1), jnp.zeros((1, 64, 64, 3)))
    return model, variables


@pytest.mark.parametrize("size", [(50, 77), (33, 200), (120, 40), (95, 95)])
@pytest.mark.parametrize("window", [33, 40, 90])
@pytest.mark.parametrize("batch_size", [1, 3])
def test_scores_are_the_mean_of_overlapping_windows(size, window, batch_size):
    image = noise(2, *size)
    assert_close(
        windowed(Gradient(), window=window, batch_size=batch_size).scores({}, image),
        reference(Gradient(), {}, image, window),
    )


@pytest.mark.parametrize("scales", [(1.0,), (0.6, 1.0), (1.5,), (0.75, 1.25, 2.0)])
@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("multiple", [1, 32])
def test_windows_of_every_view_are_averaged(scales, flip, multiple):
    image, model = noise(1, 70, 101), Gradient(multiple)
    found = windowed(model, window=64, scales=scales, flip=flip).scores({}, image)
    # Sums of up to 150 terms are resized, which rounds them twice.
    expected = reference(model, {}, image, 64, scales, flip)
    assert_close(found, expected, epsilons=256)


def test_a_networks_windows_are_averaged(network):
    model, variables = network
    image = noise(1, 150, 110)
    assert_close(
        windowed(model, window=64, flip=True).scores(variables, image),
        reference(model, variables, image, 64, flip=True),
    )


@pytest.mark.parametrize("scales", [(1.0,), (0.75, 1.5)])
@pytest.mark.parametrize("flip", [False, True])
def test_an_image_that_one_window_holds_equals_the_whole(network, scales, flip):
    model, variables = network
    image = noise(2, 64, 70)
    options = {"mean": MEAN, "std": STD, "scales": scales, "flip": flip}
    whole = jax.jit(create_scores(model, **options))(variables, image)
    found = WindowedScores(model, **options, window=160).scores(variables, image)
    assert_close(found, whole)


def test_a_window_is_rounded_up_to_what_fits_the_network(network):
    model, variables = network
    image = noise(1, 150, 110)
    np.testing.assert_array_equal(
        windowed(model, window=40).scores(variables, image),
        windowed(model, window=64).scores(variables, image),
    )


@pytest.mark.parametrize("flip", [False, True])
def test_a_crf_sharpens_the_scores_of_all_windows(flip):
    image, crf = noise(1, 50, 44), DenseCRF(iterations=2)
    plain = windowed(Gradient(), window=40, flip=flip).scores({}, image)
    logits = jnp.log(plain) if flip else plain
    assert_close(
        windowed(Gradient(), window=40, flip=flip, crf=crf).scores({}, image),
        dense_crf(logits, image, crf),
    )


def test_windows_of_images_of_all_sizes_and_scales_share_a_program():
    shapes = []

    class Seen(Gradient):
        def low_resolution(self, image, train=False):
            shapes.append(image.shape)
            return super().low_resolution(image)

    scores = windowed(Seen(), window=40, batch_size=2, scales=(1.0, 1.5), flip=True)
    for size in ((100, 120), (90, 300), (301, 77)):
        scores.scores({}, noise(1, *size))
    assert shapes == [(2, 40, 40, 3)], "traced once"


def test_rows_leave_the_device_before_the_last_windows_are_scored():
    scored, blocks = [], []
    scores = windowed(Gradient(), window=48, batch_size=4)
    image = noise(1, 400, 100)
    for top, block in scores.blocks({}, image, done=scored.append):
        blocks.append((top, block.shape[1], sum(scored)))
    tops, rows, before = zip(*blocks, strict=True)
    assert list(tops) == list(range(0, 400, 32))
    assert sum(rows) == 400
    assert max(rows) == 32
    assert before[0] < sum(scored) / 5
    assert sum(scored) == scores.count((400, 100))


@pytest.mark.parametrize("flip", [False, True])
def test_every_window_is_counted(flip):
    scores = windowed(Gradient(), window=40, batch_size=3, scales=(1, 2), flip=flip)
    scored = []
    for _ in scores.blocks({}, noise(1, 100, 130), done=scored.append):
        pass
    assert sum(scored) == scores.count((100, 130))
