"""Hypercolumns: the sum is the classifier on the column; the grid's interpolation."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from closeness import assert_close
from jax.test_util import check_grads
from slow_cases import slow

from jaxseg.backbones.resnet import BasicBlock, ResNet
from jaxseg.errors import UserError
from jaxseg.heads.hypercolumns import (
    BoxHypercolumns,
    BoxSegmenter,
    Hypercolumns,
    crop_boxes,
    grid_tents,
)
from jaxseg.nn.upsampling import UPSAMPLINGS, resize_bilinear
from jaxseg.segmenter import Segmenter

KEY = jax.random.key(0)
# Programs that run once take longer to compile than to run, so do not optimise them.
QUICK = {"xla_backend_optimization_level": 0}
WHOLE = (0.0, 0.0, 1.0, 1.0)


def start(model, *inputs):
    return jax.jit(model.init, compiler_options=QUICK)(jax.random.key(1), *inputs)


def run(model, *inputs):
    return jax.jit(model.apply, compiler_options=QUICK)(*inputs)


def normal(*shape):
    return jnp.asarray(np.random.default_rng(0).normal(size=shape), jnp.float32)


def pyramid(size=33, channels=(3, 4, 5, 6, 7)):
    """Features of strides 2 to 32 as a backbone gives them."""
    sides = [-(-size // stride) for stride in (2, 4, 8, 16, 32)]
    return tuple(
        normal(2, side, side, count)
        for side, count in zip(sides, channels, strict=True)
    )


def kernel(variables, level):
    return variables["params"][f"score{level}"]["kernel"]


def test_summed_scores_are_the_classifier_on_the_concatenated_column():
    features = pyramid()
    head = Hypercolumns(3, levels=(0, 1, 2, 3, 4))
    variables = start(head, features)
    column = jnp.concatenate([resize_bilinear(x, (17, 17)) for x in features], -1)
    joined = jnp.concatenate([kernel(variables, level) for level in range(5)], 2)
    bias = variables["params"]["score0"]["bias"]
    expected = column @ joined[0, 0] + bias
    assert_close(run(head, variables, features), expected)


def test_the_linear_classifier_has_one_weight_a_channel_and_class_and_one_bias():
    variables = jax.eval_shape(Hypercolumns(3).init, KEY, pyramid())
    count = sum(leaf.size for leaf in jax.tree.leaves(variables))
    assert count == (4 + 5 + 6 + 7) * 3 + 3


@pytest.mark.parametrize("channels", [None, 8])
@pytest.mark.parametrize("upsampling", UPSAMPLINGS)
def test_logits_have_the_shallowest_chosen_size(channels, upsampling):
    head = Hypercolumns(3, (1, 2, -1), channels, upsampling)
    logits, variables = jax.eval_shape(head.init_with_output, KEY, pyramid(65))
    assert logits.shape == (2, 17, 17, 3)
    named = {name[-1] for name in variables["params"] if name[-1].isdigit()}
    assert named == {"1", "2", "4"}


def test_features_without_channels_are_passed_over():
    features = pyramid(channels=(0, 4, 5, 6, 7))
    head = Hypercolumns(3, levels=(0, 1, 4))
    logits, variables = jax.eval_shape(head.init_with_output, KEY, features)
    assert logits.shape == (2, 9, 9, 3)
    assert set(variables["params"]) == {"score1", "score4"}


@pytest.mark.parametrize(
    ("levels", "words"),
    [((1, 5), "level 5: the backbone has levels 0 to 4"), ((0,), "no features there")],
)
def test_levels_that_do_not_exist_are_refused(levels, words):
    features = pyramid(channels=(0, 4, 5, 6, 7))
    with pytest.raises(UserError, match=words):
        jax.eval_shape(Hypercolumns(3, levels).init, KEY, features)


@pytest.mark.parametrize(("size", "grid"), [(50, 5), (50, 10), (45, 5), (7, 3)])
def test_the_grids_weights_sum_to_one(size, grid):
    tents = grid_tents(size, grid)
    assert tents.shape == (size, grid)
    assert float(tents.min()) >= 0
    assert_close(tents.sum(1), 1, epsilons=8)


def test_at_a_grid_centre_only_one_classifier_contributes():
    tents = np.asarray(grid_tents(50, 10))
    # A cell is 5 pixels: its centre is the third.
    assert_close(tents[2::5], np.eye(10))
    assert_close(tents[3, :2], (0.8, 0.2))


def test_each_classifier_gives_the_scores_at_its_centre():
    """Classifier (k, l) gives 10 k + l everywhere, as does the mask at the centres."""
    head = BoxHypercolumns(grid=3, size=9, levels=(1,))
    features = pyramid()
    boxes = jnp.asarray([[WHOLE]] * 2)
    variables = start(head, features, boxes)
    numbers = jnp.asarray([10.0 * k + column for k in range(3) for column in range(3)])
    score = variables["params"]["score1"]
    score.update(kernel=jnp.zeros_like(score["kernel"]), bias=numbers)
    mask = run(head, variables, features, boxes)
    assert_close(mask[0, 0, 1::3, 1::3], numbers.reshape(3, 3))
    assert_close(mask[0, 0, 2, 1], 10 / 3)


def test_a_grid_of_one_is_a_plain_classifier():
    features = pyramid(64)
    boxes = jnp.asarray([[WHOLE]] * 2)
    head = BoxHypercolumns(grid=1, size=16)
    variables = start(head, features, boxes)
    plain = run(Hypercolumns(1), variables, features)
    assert_close(run(head, variables, features, boxes)[:, 0], plain[..., 0])


def test_scores_of_crops_are_crops_of_scores():
    """Classifying the map before the boxes are cut is the paper's column in the box."""
    features = pyramid()
    boxes = jnp.asarray([[(0.1, 0.2, 0.7, 0.9), (0.3, 0.0, 0.5, 0.4)]] * 2)
    head = BoxHypercolumns(grid=2, size=6)
    variables = start(head, features, boxes)
    column = jnp.concatenate([crop_boxes(x, boxes, 6) for x in features[1:]], -1)
    joined = jnp.concatenate([kernel(variables, level) for level in (1, 2, 3, 4)], 2)
    scores = column @ joined[0, 0] + variables["params"]["score1"]["bias"]
    tents = grid_tents(6, 2)
    weights = jnp.einsum("ik,jl->ijkl", tents, tents).reshape(6, 6, 4)
    expected = (scores * weights).sum(-1)
    found = run(head, variables, features, boxes)
    assert_close(found, expected)


def test_the_whole_map_is_resized():
    x = normal(2, 5, 8, 3)
    crop = crop_boxes(x, jnp.asarray([[WHOLE]] * 2), 10)[:, 0]
    assert_close(crop, resize_bilinear(x, (10, 10)))


def test_a_box_on_pixel_edges_is_a_slice():
    x = normal(1, 8, 10, 3)
    box = jnp.asarray([[(2 / 8, 3 / 10, 6 / 8, 7 / 10)]])
    assert_close(crop_boxes(x, box, 4)[0, 0], x[0, 2:6, 3:7])


def test_a_box_beyond_the_map_repeats_its_edge():
    x = jnp.arange(4.0).reshape(1, 4, 1, 1)
    rows = crop_boxes(x, jnp.asarray([[(-0.5, 0.0, 1.5, 1.0)]]), 8)[0, 0, :, 0, 0]
    assert_close(rows, [0, 0, 0, 1, 2, 3, 3, 3], epsilons=8)


def test_gradients_are_those_of_finite_differences():
    x = normal(1, 5, 4, 2)
    boxes = jnp.asarray([[(0.1, 0.2, 0.8, 0.9)]])
    head = BoxHypercolumns(grid=2, size=4, levels=(0,))
    variables = start(head, [x], boxes)

    @jax.jit
    def mask(variables, x):
        return head.apply(variables, [x], boxes)

    check_grads(mask, (variables, x), order=1, modes=("rev",), atol=1e-2, rtol=1e-2)


def backbone():
    return ResNet((1, 1, 1, 1), BasicBlock, width=0.125, max_channels=16)


@pytest.mark.parametrize("size", [(33, 33), (65, 47)])
def test_models_take_any_image_size(size):
    image = jax.ShapeDtypeStruct((2, *size, 3), jnp.float32)
    model = Segmenter(backbone(), Hypercolumns(5))
    logits, _ = jax.eval_shape(model.init_with_output, KEY, image)
    assert logits.shape == (2, *size, 5)
    boxes = jax.ShapeDtypeStruct((2, 7, 4), jnp.float32)
    model = BoxSegmenter(backbone(), BoxHypercolumns(5))
    logits, _ = jax.eval_shape(model.init_with_output, KEY, image, boxes)
    assert logits.shape == (2, 7, 50, 50)
    assert logits.dtype == jnp.float32


def test_bfloat16_computes_low_and_keeps_parameters_high():
    features = tuple(x.astype(jnp.bfloat16) for x in pyramid())
    boxes = jnp.asarray([[WHOLE]] * 2)
    for head, inputs in (
        (Hypercolumns(3, channels=8, dtype=jnp.bfloat16), (features,)),
        (BoxHypercolumns(3, dtype=jnp.bfloat16), (features, boxes)),
    ):
        _, variables = jax.eval_shape(head.init_with_output, KEY, *inputs)
        assert {leaf.dtype.name for leaf in jax.tree.leaves(variables)} == {"float32"}
        assert "bf16[2,9,9" in str(jax.make_jaxpr(head.apply)(variables, *inputs))


def fit(model, inputs, loss, steps, rate=1e-2):
    """Train on one batch; return the logits after it, with batch statistics."""
    variables = start(model, *inputs)
    params, stats = variables["params"], variables["batch_stats"]
    optimizer = optax.adam(rate)

    def forward(params, stats):
        variables = {"params": params, "batch_stats": stats}
        return model.apply(variables, *inputs, train=True, mutable=["batch_stats"])

    @jax.jit
    def step(params, stats, state):
        def value(params):
            answers, changed = forward(params, stats)
            return loss(answers), changed["batch_stats"]

        grads, new = jax.grad(value, has_aux=True)(params)
        updates, state = optimizer.update(grads, state)
        return optax.apply_updates(params, updates), new, state

    state = optimizer.init(params)
    for _ in range(steps):
        params, stats, state = step(params, stats, state)
    variables = {"params": params, "batch_stats": stats}
    return np.asarray(run(model, variables, *inputs))


def iou(found, wanted):
    return (found & wanted).sum() / (found | wanted).sum()


class Stem(nn.Module):
    """Three convolutions: a backbone that compiles in a moment."""

    @nn.compact
    def __call__(self, image, train=False):
        x, features = image, []
        for index in range(3):
            stride = 1 if index == 0 else 2
            x = nn.Conv(12, (3, 3), (stride, stride), name=f"conv{index}")(x)
            x = nn.BatchNorm(not train, momentum=0.8, name=f"norm{index}")(x)
            x = nn.relu(x)
            features.append(x)
        return tuple(features)


@pytest.mark.parametrize("channels", [None, *slow(12)])
def test_it_overfits_one_batch(channels):
    rng = np.random.default_rng(0)
    label = np.zeros((2, 40, 36), np.int32)
    label[:, 5:18, 6:20] = 1
    label[:, 22:36, 15:32] = 2
    image = rng.normal(0, 0.3, (*label.shape, 3)) + np.array([0.0, 1.0, -1.0])[
        label
    ].reshape(*label.shape, 1)
    model = Segmenter(Stem(), Hypercolumns(3, (0, 1, 2), channels))

    def loss(logits):
        each = optax.softmax_cross_entropy_with_integer_labels(logits, label)
        return each.mean()

    logits = fit(model, (jnp.asarray(image, jnp.float32),), loss, 60)
    found = logits.argmax(-1)
    scores = [iou(found == index, label == index) for index in range(3)]
    assert np.mean(scores) > 0.95


def test_boxes_overfit_their_shapes():
    """A disc, a triangle and a ring of one colour: told apart by the place alone."""
    rows, columns = np.mgrid[:50, :50] / 49 - 0.5
    radius = np.hypot(rows, columns)
    shapes = [radius < 0.45, columns < rows, (radius < 0.48) & (radius > 0.2)]
    places = [(2, 3), (5, 58), (60, 30)]
    rng = np.random.default_rng(0)
    image = rng.normal(0, 0.2, (1, 112, 112, 3))
    for shape, (top, left) in zip(shapes, places, strict=True):
        image[0, top : top + 50, left : left + 50] += shape[..., None]
    boxes = [(top, left, top + 50, left + 50) for top, left in places]
    boxes = jnp.asarray([boxes], jnp.float32) / 112
    masks = jnp.asarray(np.stack(shapes)[None], jnp.float32)
    model = BoxSegmenter(Stem(), BoxHypercolumns(grid=5, levels=(0, 1, 2)))

    def loss(logits):
        return optax.sigmoid_binary_cross_entropy(logits, masks).mean()

    inputs = (jnp.asarray(image, jnp.float32), boxes)
    found = fit(model, inputs, loss, 60, 2e-2)[0] > 0
    scores = [iou(*pair) for pair in zip(found, shapes, strict=True)]
    assert min(scores) > 0.95
