"""Properties of every loss and task: ignored pixels, bands, gradients, devices."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from closeness import assert_close
from jax.sharding import NamedSharding, PartitionSpec
from make_loss import QUICK, make_loss, value_and_gradient
from slow_cases import slow

from jaxseg.data.labels import IGNORE
from jaxseg.parallel.mesh import BATCH_AXIS, ROW_AXIS, create_mesh

CASES = [
    ("focal(gamma=1.5)", "multiclass"),
    ("ohem(threshold=0.3, kept=0.4)", "multiclass"),
    ("dice", "multiclass"),
    ("lovasz", "multiclass"),
    ("boundary", "multiclass"),
    ("cross_entropy + 0.5*jaccard(smooth=1.0)", "multiclass"),
    ("dice(absent='count')", "binary"),
    ("lovasz(per_image=True)", "binary"),
    ("cross_entropy", "multilabel"),
    ("ohem(threshold=0.3, kept=0.4)", "multilabel"),
    ("lovasz", "multilabel"),
]
SLOW = [
    ("cross_entropy", "multiclass"),
    ("generalised_dice(smooth=0.01)", "multiclass"),
    ("focal_tversky(smooth=1.0)", "multiclass"),
    ("binary_cross_entropy(pos_weight=2.0)", "binary"),
    ("focal(alpha=0.25)", "binary"),
    ("ohem(threshold=0.3, kept=0.4)", "binary"),
    ("boundary", "binary"),
    ("focal(gamma=0.5)", "multilabel"),
    ("generalised_dice", "multilabel"),
    ("boundary", "multilabel"),
]
"""Cases of the same code as one of those above."""

every_loss = pytest.mark.parametrize("text, task", [*CASES, *slow(*SLOW)])

CLASSES = {"multiclass": 4, "binary": 1, "multilabel": 3}
LOW, SIZE = (4, 3), (13, 9)


def batch(task, count=3, low=LOW, size=SIZE, seed=0):
    """Logits, label and factor; image 0 is ignored, and one class has no pixel."""
    rng = np.random.default_rng(seed)
    classes = CLASSES[task]
    logits = 2 * rng.normal(size=(count, *low, classes))
    planes = (classes,) if task == "multilabel" else ()
    label = rng.integers(0, 3 if task == "multiclass" else 2, (count, *size, *planes))
    if task == "multilabel":
        label[..., 2] = 0
        label[1, 2:5, :, 0] = IGNORE
    label[0], label[1, :2] = IGNORE, IGNORE
    factor = rng.uniform(0.5, 2, (count, *size))
    kind = np.uint8 if task == "multilabel" else np.int32
    arrays = logits.astype(np.float32), label.astype(kind), factor
    return tuple(jnp.asarray(x) for x in (*arrays[:2], factor.astype(np.float32)))


@functools.cache
def function(text, task, bands=4):
    return value_and_gradient(make_loss(text, task, bands=bands))


@every_loss
def test_bands_of_rows_equal_the_whole(text, task):
    given = batch(task)
    value, gradient = function(text, task)(*given)
    expected, slope = function(text, task, bands=1)(*given)
    assert abs(float(value)) > 1e-3
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    assert_close(gradient, slope)


@every_loss
def test_ignored_pixels_change_nothing_and_have_no_gradient(text, task):
    logits, label, factor = batch(task)
    value, _ = function(text, task)(logits, label, factor)
    again, gradient = function(text, task)(logits.at[0].set(9.0), label, factor)
    assert float(again) == float(value)
    assert float(jnp.abs(gradient[0]).max()) == 0
    assert float(jnp.abs(gradient[1:]).max()) > 0


@every_loss
def test_ignored_pixels_equal_the_subset_without_them(text, task):
    logits, label, factor = batch(task, low=SIZE)
    loss = jax.jit(make_loss(text, task), compiler_options=QUICK)
    label = label.at[:, :, 6:].set(IGNORE)
    left = loss(logits[1:, :, :6], label[1:, :, :6], factor[1:, :, :6])
    np.testing.assert_allclose(loss(logits, label, factor), left, rtol=2e-6)


@every_loss
def test_a_batch_of_ignored_pixels_has_loss_0_and_no_gradient(text, task):
    logits, label, factor = batch(task)
    nothing = jnp.full_like(label, IGNORE)
    value, gradient = function(text, task)(logits, nothing, factor)
    assert float(value) == 0
    assert np.all(np.asarray(gradient) == 0)


@every_loss
def test_the_gradient_is_that_of_finite_differences(text, task):
    logits, label, factor = batch(task)
    way = np.random.default_rng(1).normal(size=logits.shape).astype(np.float32)
    step = 2e-3 * way
    _, gradient = function(text, task)(logits, label, factor)
    above, _ = function(text, task)(logits + step, label, factor)
    below, _ = function(text, task)(logits - step, label, factor)
    found = float(jnp.sum(gradient * way))
    expected = (float(above) - float(below)) / 4e-3
    # A float32 value is off by about 1e-7: 1e-4 of the difference quotient.
    assert found == pytest.approx(expected, rel=2e-3, abs=2e-4)


@every_loss
def test_certain_logits_have_a_finite_gradient(text, task):
    logits, label, factor = batch(task)
    for scale in (1e4, -1e4, 0.0):
        value, gradient = function(text, task)(scale * logits, label, factor)
        assert np.isfinite(float(value))
        assert np.isfinite(np.asarray(gradient)).all()


@pytest.mark.parametrize("text", ["ohem", "lovasz", "boundary", "cross_entropy + dice"])
def test_bfloat16_logits_are_computed_in_float32(text):
    logits, label, _ = batch("multiclass")
    loss = jax.jit(make_loss(text), compiler_options=QUICK)
    low = logits.astype(jnp.bfloat16)
    value = loss(low, label)
    assert value.dtype == jnp.float32
    np.testing.assert_allclose(value, loss(low.astype(jnp.float32), label), rtol=1e-6)


@pytest.mark.parametrize(
    "text, task",
    [
        ("focal + ohem(kept=0.4)", "multiclass"),
        ("dice + boundary", "multiclass"),
        ("generalised_dice", "multilabel"),
        ("lovasz", "multiclass"),
    ],
)
def test_eight_devices_equal_one(text, task):
    logits, label, _ = batch(task, count=8)
    loss = function(text, task)
    expected, slope = loss(logits, label)
    mesh = create_mesh()
    assert mesh.size == 8
    split = NamedSharding(mesh, PartitionSpec(BATCH_AXIS))
    value, gradient = loss(*jax.device_put((logits, label), split))
    np.testing.assert_allclose(value, expected, rtol=2e-6)
    assert_close(gradient, slope)


@pytest.mark.parametrize("text", ["dice + boundary", "lovasz"])
def test_rows_on_several_devices_equal_one(text):
    logits, label, factor = batch("multiclass", count=2, low=(4, 3), size=(16, 9))
    loss = function(text, "multiclass", bands=1)
    expected, slope = loss(logits, label, factor)
    mesh = create_mesh(spatial=4)
    split = NamedSharding(mesh, PartitionSpec(BATCH_AXIS, ROW_AXIS))
    value, gradient = loss(*jax.device_put((logits, label, factor), split))
    np.testing.assert_allclose(value, expected, rtol=2e-6)
    assert_close(gradient, slope)


@pytest.mark.parametrize(
    "text, task",
    [
        ("boundary", "multiclass"),
        ("boundary", "multilabel"),
        ("binary_cross_entropy(class_weights=(1.0, 3.0))", "binary"),
        ("cross_entropy(class_weights=(1.0, 3.0, 0.5))", "multilabel"),
    ],
)
def test_the_parts_of_a_batch_add_up_to_an_additive_loss(text, task):
    logits, label, factor = batch(task, count=4)
    loss = make_loss(text, task)
    assert loss.additive
    known = loss.prepare(label, factor)
    quick = jax.jit(loss, compiler_options=QUICK)
    halves = [slice(0, 2), slice(2, 4)]
    found = sum(
        float(quick(logits[half], label[half], factor[half], known)) for half in halves
    )
    assert found == pytest.approx(float(quick(logits, label, factor)), rel=1e-5)


@pytest.mark.parametrize("text", ["dice", "generalised_dice + 0.1*boundary"])
def test_the_parts_of_a_batch_make_the_whole_of_a_loss_of_sums(text):
    logits, label, factor = batch("multiclass", count=4)
    loss = make_loss(text)
    assert loss.summed and not loss.additive
    known = loss.prepare(label, factor)
    quick = jax.jit(loss.part, compiler_options=QUICK)
    halves = [slice(0, 2), slice(2, 4)]
    added = [quick(logits[h], label[h], factor[h], known) for h in halves]
    found = loss.whole(jax.tree.map(jnp.add, *added))
    expected = jax.jit(loss, compiler_options=QUICK)(logits, label, factor)
    assert float(found) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("text", ["dice", "boundary"])
def test_volumes_are_taken_too(text):
    logits, label, _ = batch("multiclass", low=(2, 3, 2), size=(6, 5, 4))
    value, gradient = function(text, "multiclass")(logits, label)
    expected, slope = function(text, "multiclass", bands=1)(logits, label)
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    assert_close(gradient, slope)


@pytest.mark.parametrize("text", ["ohem", "dice", "lovasz", "boundary"])
def test_logits_of_the_labels_size_never_exist(text):
    label = jax.random.randint(jax.random.key(0), (2, 256, 256), 0, 3)
    loss = jax.jit(jax.grad(make_loss(text)))
    arguments = (jnp.zeros((2, 16, 16, 50)), label)
    memory = loss.lower(*arguments).compile().memory_analysis()
    whole = 2 * 256 * 256 * 50 * 4
    assert memory.temp_size_in_bytes < whole / 2
