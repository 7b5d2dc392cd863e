"""Whole images in bands of rows: equal to all scores at once, which never exist."""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from closeness import assert_close

from jaxseg.data.labels import IGNORE
from jaxseg.evaluation import inference
from jaxseg.evaluation.counting import Counter
from jaxseg.evaluation.inference import create_scores
from jaxseg.evaluation.probabilities import Probabilities
from jaxseg.evaluation.step import create_evaluation_step
from jaxseg.nn.crf import DenseCRF
from jaxseg.parallel.mesh import create_mesh

MEAN, STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
CLASSES, SIZE = 5, (70, 90)
SEVERAL = {"scales": (0.75, 1.0), "flip": True}


class Coarse(nn.Module):
    """Logits at a stride of 8, of every eighth pixel: no parameters."""

    size_multiple: int = 16
    align_corners: bool = False
    stride: int = 8

    def low_resolution(self, image, train=False):
        step = self.stride
        part = image[:, step // 2 :: step, step // 2 :: step]
        factors = jnp.linspace(-2, 2, 3 * CLASSES).reshape(3, CLASSES)
        return jnp.tensordot(part, factors, (3, 0)), ()


@pytest.fixture(autouse=True)
def _small_bands(monkeypatch):
    monkeypatch.setattr(inference, "BAND", 4 * 2 * SIZE[1] * CLASSES * 16)


def images():
    shape = (2, *SIZE, 3)
    return jnp.asarray(np.random.default_rng(0).integers(0, 255, shape, np.uint8))


def scores_of(model=None, **options):
    return create_scores(model or Coarse(), mean=MEAN, std=STD, **options)


def arrays_of(jaxpr):
    """Every array that a program makes, inside its loops too."""
    for equation in jaxpr.eqns:
        yield from (out.aval.shape for out in equation.outvars)
        for inner in jax.tree.leaves(
            equation.params, is_leaf=lambda x: hasattr(x, "eqns") or hasattr(x, "jaxpr")
        ):
            if hasattr(inner, "eqns") or hasattr(inner, "jaxpr"):
                yield from arrays_of(getattr(inner, "jaxpr", inner))


@pytest.mark.parametrize("align_corners", [False, True])
def test_masks_in_bands_equal_those_of_all_scores(align_corners):
    scores, said = scores_of(Coarse(align_corners=align_corners)), Probabilities()
    whole = jax.jit(lambda image: said.predict(scores({}, image)))(images())
    bands = jax.jit(lambda image: scores.mapped({}, image, said.predict))(images())
    np.testing.assert_array_equal(bands, whole)


@pytest.mark.parametrize("options", [{}, SEVERAL])
def test_scores_in_bands_equal_those_at_once(options):
    scores = scores_of(**options)
    whole = jax.jit(scores)({}, images())
    bands = jax.jit(lambda image: scores.mapped({}, image, lambda x: x))(images())
    assert_close(bands, whole)


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_counts_in_bands_are_those_of_all_scores(task):
    scores, counter = scores_of(), Counter(CLASSES, Probabilities(task))
    shape = (2, *SIZE) if task == "multiclass" else (2, *SIZE, CLASSES)
    label = np.random.default_rng(1).integers(0, 2, shape).astype(np.int32)
    label[:, 40:50] = IGNORE
    label = jnp.asarray(label)
    whole = jax.jit(lambda image: counter(scores({}, image), label))(images())
    bands = jax.jit(lambda image: scores.summed({}, image, label, counter))(images())
    for name, counts in whole.items():
        if name == "histogram":  # a last digit may move a pixel to the next bin
            np.testing.assert_array_equal(bands[name].sum(-1), counts.sum(-1))
            moved = abs(np.cumsum(bands[name], -1) - np.cumsum(counts, -1))
            assert moved.max() <= 1 and moved.sum() < 20
        else:
            np.testing.assert_array_equal(bands[name], counts)


@pytest.mark.parametrize("options", [{}, SEVERAL])
def test_no_array_of_all_scores_is_made(options):
    scores, said = scores_of(**options), Probabilities(logits=not options)
    label, counter = jnp.zeros((2, *SIZE), jnp.int32), Counter(CLASSES, said)
    for program in (
        jax.make_jaxpr(lambda x: scores.mapped({}, x, said.predict))(images()),
        jax.make_jaxpr(lambda x: scores.summed({}, x, label, counter))(images()),
    ):
        shapes = list(arrays_of(program.jaxpr))
        assert (2, 14, SIZE[1], CLASSES) in shapes, "five bands of 14 rows"
        scores_like = [math.prod(each) for each in shapes if each[-1:] == (CLASSES,)]
        assert max(scores_like) < 2 * math.prod(SIZE) * CLASSES / 2


def test_a_network_with_output_of_the_images_size_is_not_cut_into_bands():
    scores = scores_of(Coarse(stride=1))
    program = jax.make_jaxpr(lambda x: scores.mapped({}, x, lambda x: x))(images())
    assert "scan" not in str(program)
    found = scores.mapped({}, images(), lambda x: x)
    np.testing.assert_array_equal(found, scores({}, images()))


def test_a_crf_is_given_all_scores():
    scores, seen = scores_of(crf=DenseCRF(iterations=1)), []

    def finish(found):
        seen.append(found.shape)
        return found

    jax.eval_shape(lambda image: scores.mapped({}, image, finish), images())
    assert seen == [(2, *SIZE, CLASSES)]


def test_counts_in_bands_over_several_devices_are_those_of_one():
    images_of_all = np.random.default_rng(0).integers(0, 255, (4, *SIZE, 3), np.uint8)
    label = (images_of_all[..., 0] % CLASSES).astype(np.uint8)
    batch = {"image": images_of_all, "label": label, "valid": np.ones(4, bool)}
    batch["index"] = np.arange(4, dtype=np.int32)
    found = []
    for devices in (jax.devices()[:1], jax.devices()[:4]):
        step = create_evaluation_step(scores_of(), CLASSES, create_mesh(devices))
        found.append(step.count({}, batch, np.zeros(0, np.float32)).counts)
    assert found[0]["confusion"].sum() == label.size
    for name in ("confusion", "overlaps"):
        np.testing.assert_array_equal(found[0][name], found[1][name])
