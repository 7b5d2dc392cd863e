"""Sliding windows: equal to the plain mean of windows, in one program and few rows."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from closeness import assert_close

from jaxseg.data.padding import padded_size
from jaxseg.evaluation import window_plan
from jaxseg.evaluation.inference import create_scores
from jaxseg.evaluation.windows import WindowedScores, _shift
from jaxseg.models import create_model
from jaxseg.nn.crf import DenseCRF, dense_crf
from jaxseg.nn.normalization import normalize_image
from jaxseg.nn.upsampling import resize_bilinear
from jaxseg.segmenter import SMALLEST

MEAN, STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)


class Gradient(nn.Module):
    """Logits at stride 1 that depend on the position of a pixel in the window."""

    size_multiple: int = 1

    def low_resolution(self, image, train=False):
        return jnp.cumsum(image, axis=1) / 9 + jnp.cumsum(image, axis=2) / 7, None


def noise(*size, seed=0):
    return np.random.default_rng(seed).integers(0, 255, (*size, 3), dtype=np.uint8)


def windowed(model, **options):
    return WindowedScores(model, mean=MEAN, std=STD, **options)


def starts(size, window, overlap):
    stride = int(window * (1 - overlap) + 1e-6)
    return [*range(0, max(0, size - window), stride), max(0, size - window)]


def bell(height, width):
    """A Gaussian around the middle, its deviation an eighth of each side."""
    down = (np.arange(height)[:, None] - (height - 1) / 2) / (height / 8)
    across = (np.arange(width) - (width - 1) / 2) / (width / 8)
    return np.exp(-(down**2 + across**2) / 2)[:, :, None]


def reference_view(
    model, variables, image, window, overlap=1 / 3, gaussian=False, turn=0
):
    """The mean of overlapping windows of a normalised image, one after the other."""
    scored = jax.jit(functools.partial(model.apply, method="low_resolution"))
    height, width = image.shape[1:3]
    total, count = 0, np.zeros((height, width, 1))
    for top in starts(height, window, overlap):
        for left in starts(width, window, overlap):
            place = np.s_[:, top : top + window, left : left + window]
            part = jnp.rot90(image[place], turn, (1, 2))
            logits, _ = scored(variables, part)
            logits = resize_bilinear(logits, part.shape[1:3])
            logits = np.asarray(jnp.rot90(logits, -turn, (1, 2)), np.float64)
            weights = bell(*logits.shape[1:3]) if gaussian else 1
            if not count.any():
                total = np.zeros((*image.shape[:3], logits.shape[-1]))
            total[place] += logits * weights
            count[place[1:]] += weights
    assert (count > 0).all()
    return jnp.asarray(total / count, jnp.float32)


def reference(
    model,
    variables,
    image,
    window,
    scales=(1.0,),
    flip=False,
    turns=False,
    **options,
):
    """Views that are padded, scored by windows, cut back, resized and averaged."""
    multiple, size, found = model.size_multiple, image.shape[1:3], []
    for scale in scales:
        inner = tuple(max(SMALLEST, round(side * scale)) for side in size)
        view = resize_bilinear(normalize_image(jnp.asarray(image), MEAN, STD), inner)
        outer = padded_size(inner, multiple, 1)
        edges = [(0, after - side) for side, after in zip(inner, outer, strict=True)]
        for step in (1, -1) if flip else (1,):
            seen = jnp.pad(view[:, :, ::step], ((0, 0), *edges, (0, 0)), "reflect")
            for turn in range(4) if turns else (0,):
                part = reference_view(
                    model, variables, seen, window, turn=turn, **options
                )
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


@pytest.mark.parametrize("overlap, gaussian", [(0.0, True), (0.5, False), (0.75, True)])
def test_windows_overlap_as_asked_and_are_weighted(overlap, gaussian):
    image = noise(1, 90, 121)
    weights = "gaussian" if gaussian else "uniform"
    found = windowed(Gradient(), window=40, overlap=overlap, weights=weights)
    expected = reference(Gradient(), {}, image, 40, overlap=overlap, gaussian=gaussian)
    assert_close(found.scores({}, image), expected, epsilons=64)


@pytest.mark.parametrize("scales, flip", [((1.0,), False), ((0.75,), True)])
def test_each_window_is_turned_and_turned_back(scales, flip):
    image, model = noise(1, 70, 101), Gradient(32)
    options = {"scales": scales, "flip": flip, "turns": True, "overlap": 0.5}
    found = windowed(model, window=64, weights="gaussian", **options)
    expected = reference(model, {}, image, 64, gaussian=True, **options)
    assert_close(found.scores({}, image), expected, epsilons=256)


@pytest.mark.parametrize("flip, weights", [(False, "uniform"), (True, "gaussian")])
def test_an_image_that_one_window_holds_equals_the_whole_in_all_turns(flip, weights):
    image, model = noise(2, 50, 77), Gradient(32)
    options = {"mean": MEAN, "std": STD, "scales": (1.5,), "turns": True}
    whole = jax.jit(create_scores(model, flip=flip, **options))({}, image)
    found = WindowedScores(model, flip=flip, window=160, weights=weights, **options)
    # The sums of up to 100 terms are resized, which rounds them twice.
    assert_close(found.scores({}, image), whole, epsilons=256)


def test_a_turned_image_gives_turned_scores():
    image = noise(1, 96, 160)
    scores = windowed(Gradient(), window=64, flip=True, turns=True, overlap=0.5)
    turned = np.ascontiguousarray(np.rot90(image, 1, (1, 2)))
    assert_close(
        scores.scores({}, turned),
        np.rot90(scores.scores({}, image), 1, (1, 2)),
        epsilons=64,
    )


@pytest.mark.parametrize("overlap", [0.0, 0.9])
def test_the_small_weights_at_the_borders_keep_all_digits(overlap):
    class Constant(nn.Module):
        def low_resolution(self, image, train=False):
            return jnp.full((*image.shape[:3], 1), 1234.567), None

    scores = windowed(Constant(), window=64, overlap=overlap, weights="gaussian")
    found = scores.scores({}, noise(1, 130, 200))
    assert_close(found, np.full((1, 130, 200, 1), 1234.567, np.float32))


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


def test_fewer_rows_of_a_wide_image_are_finished_at_a_time(monkeypatch):
    image = noise(1, 90, 80)
    expected = windowed(Gradient(), window=60).scores({}, image)
    monkeypatch.setattr(window_plan, "ROWS", 7)
    monkeypatch.setattr(window_plan, "PIXELS_FINISHED", 12 * 80)
    blocks = list(windowed(Gradient(), window=60).blocks({}, image))
    assert [block.shape[1] for _, block in blocks] == [12] * 7 + [6]
    found = np.concatenate([block for _, block in blocks], axis=1)
    np.testing.assert_array_equal(found, expected)
    monkeypatch.setattr(window_plan, "PIXELS_FINISHED", 80)
    _, first = next(windowed(Gradient(), window=60).blocks({}, image))
    assert first.shape[1] == 7


def test_rows_move_up_in_place():
    sums = jax.random.uniform(jax.random.key(0), (2, 50, 30, 4))
    compiled = jax.jit(_shift, donate_argnums=0).lower(sums, 20).compile()
    assert compiled.memory_analysis().temp_size_in_bytes < sums.nbytes / 10
    expected = np.zeros(sums.shape, np.float32)
    expected[:, :30] = sums[:, 20:]
    np.testing.assert_array_equal(compiled(sums, 20), expected)


@pytest.mark.parametrize("flip", [False, True])
def test_every_window_is_counted(flip):
    scores = windowed(Gradient(), window=40, batch_size=3, scales=(1, 2), flip=flip)
    scored = []
    for _ in scores.blocks({}, noise(1, 100, 130), done=scored.append):
        pass
    assert sum(scored) == scores.count((100, 130))
