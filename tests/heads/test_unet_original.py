"""The original U-Net: the papers' numbers, alignment, what it learns."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from closeness import assert_close
from slow_cases import slow

from jaxseg.errors import UserError
from jaxseg.heads.unet_original import (
    VOLUME_CHANNELS,
    UNetDecoder,
    UNetEncoder,
)
from jaxseg.heads.unet_parts import ConvReLU, mirrored
from jaxseg.nn.upsampling import UPSAMPLINGS, TransposedConv, UpConv
from jaxseg.segmenter import Segmenter

KEY = jax.random.key(0)
SMALL = ((8, 8), (8, 8), (16, 16))


# Programs that run once take longer to compile than to run, so do not optimise them.
QUICK = {"xla_backend_optimization_level": 0}


def start(model, *inputs):
    return jax.jit(model.init, compiler_options=QUICK)(jax.random.key(1), *inputs)


def run(model, *inputs, **options):
    apply = functools.partial(model.apply, **options)
    return jax.jit(apply, compiler_options=QUICK)(*inputs)


def normal(*shape):
    return jnp.asarray(np.random.default_rng(0).normal(size=shape), jnp.float32)


def unet(padding="valid", classes=2, upsampling="transposed", norm=False, **options):
    return Segmenter(
        UNetEncoder(padding=padding, norm=norm, **options),
        UNetDecoder(classes, padding, norm, upsampling),
    )


def volume_unet(classes=3, channels=VOLUME_CHANNELS, padding="same", **options):
    encoder = UNetEncoder(channels, padding, norm=True, dropout=0.0, **options)
    return Segmenter(encoder, UNetDecoder(classes, padding, norm=True))


def shapes(model, *size, channels=1, method=None):
    """Variables and the answer to one image, by abstract shapes."""
    image = jax.ShapeDtypeStruct((1, *size, channels), jnp.float32)

    init = functools.partial(model.init_with_output, method=method)
    return jax.eval_shape(init, KEY, image)


def count(variables):
    return sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))


@pytest.mark.parametrize(
    ("channels", "classes", "expected"),
    [(1, 2, 31_030_658), (1, 1, 31_030_593), (3, 2, 31_031_810)],
)
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_an_image_net_has_the_known_number_of_parameters(
    padding, channels, classes, expected
):
    _, variables = shapes(unet(padding, classes), 64, 64, channels=channels)
    assert count(variables) == expected


def test_a_volume_net_has_the_papers_number_of_parameters():
    """19,069,955; the paper does not count scales and shifts."""
    _, variables = shapes(volume_unet(), 40, 40, 40, channels=3)
    shared = [
        leaf.size
        for path, leaf in jax.tree.leaves_with_path(variables["params"])
        if "'norm'" not in jax.tree_util.keystr(path)
    ]
    assert sum(shared) == 19_069_955


def test_572_pixels_give_388():
    tile = unet(mirror=False)
    (logits, _), _ = shapes(tile, 572, 572, method="low_resolution")
    assert logits.shape == (1, 388, 388, 2)


def test_132_132_116_voxels_give_44_44_28():
    tile = volume_unet(padding="valid", mirror=False)
    (logits, _), _ = shapes(tile, 132, 132, 116, method="low_resolution")
    assert logits.shape == (1, 44, 44, 28, 3)


def test_the_features_have_the_sizes_of_figure_1():
    """The skips after the paper's crop."""
    encoder = UNetEncoder(mirror=False)
    image = jax.ShapeDtypeStruct((1, 572, 572, 1), jnp.float32)
    features, _ = jax.eval_shape(encoder.init_with_output, KEY, image)
    sizes = [(feature.shape[1], feature.shape[-1]) for feature in features]
    assert sizes == [(392, 64), (200, 128), (104, 256), (56, 512), (28, 1024)]


@pytest.mark.parametrize("size", [570, 188 - 16, 100])
def test_a_tile_of_a_wrong_size_is_refused(size):
    with pytest.raises(UserError, match=f"a tile of {size} pixels .* 188 and"):
        shapes(unet(mirror=False), size, 572, method="low_resolution")


@pytest.mark.parametrize("size", [(33, 33), (34, 47), (388, 65)])
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("upsampling", UPSAMPLINGS)
def test_low_resolution_logits_have_the_images_size(size, padding, upsampling):
    model = unet(padding, 3, upsampling, width=0.125)
    (logits, _), _ = shapes(model, *size, method="low_resolution")
    assert logits.shape == (1, *size, 3)


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_a_volume_of_odd_sizes_gives_logits_of_its_size(padding):
    model = volume_unet(padding=padding, width=0.125, max_channels=16)
    logits, _ = shapes(model, 33, 37, 50)
    assert logits.shape == (1, 33, 37, 50, 3)


def test_a_volume_net_may_upsample_trilinearly():
    encoder = UNetEncoder(((4, 8), (8, 16)), "same", norm=True)
    model = Segmenter(encoder, UNetDecoder(2, "same", True, "trilinear"))
    logits, variables = shapes(model, 33, 34, 36)
    assert logits.shape == (1, 33, 34, 36, 2)
    assert "level1_up" not in variables["params"]["head"]


def test_an_unknown_upsampling_is_refused():
    with pytest.raises(UserError, match="'transposed'"):
        shapes(unet(upsampling="transpose", channels=SMALL), 64, 64)


@pytest.mark.parametrize("dims", [2, 3])
def test_bfloat16_computes_low_and_keeps_parameters_high(dims):
    encoder = UNetEncoder(SMALL, "same", norm=True, dtype=jnp.bfloat16)
    decoder = UNetDecoder(2, "same", True, dtype=jnp.bfloat16)
    image = jax.ShapeDtypeStruct((1, *(12,) * dims, 1), jnp.float32)
    features, variables = jax.eval_shape(encoder.init_with_output, KEY, image)
    assert {feature.dtype.name for feature in features} == {"bfloat16"}
    logits, more = jax.eval_shape(decoder.init_with_output, KEY, features)
    assert logits.dtype == jnp.bfloat16
    leaves = jax.tree.leaves((variables, more))
    assert {leaf.dtype.name for leaf in leaves} == {"float32"}


def test_the_width_scales_and_caps_channels():
    encoder = UNetEncoder(width=0.5, max_channels=128)
    image = jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.float32)
    features, _ = jax.eval_shape(encoder.init_with_output, KEY, image)
    assert [feature.shape[-1] for feature in features] == [32, 64, 128, 128, 128]


def test_an_up_convolution_is_the_transposed_convolution_of_kernel_2():
    x = normal(2, 3, 5, 4)
    up = UpConv(6)
    variables = start(up, x)
    variables["params"]["bias"] += jnp.arange(6.0)
    expected = run(TransposedConv(6, 2, kernel=2), variables, x)
    assert_close(run(up, variables, x), expected)


def test_an_up_convolution_of_a_volume_places_its_taps():
    up = UpConv(1, bias=False)
    x = jnp.zeros((1, 2, 2, 2, 1)).at[0, 1, 0, 1, 0].set(1)
    kernel = jnp.arange(1.0, 9).reshape(2, 2, 2, 1, 1)
    y = run(up, {"params": {"kernel": kernel}}, x)
    assert y.shape == (1, 4, 4, 4, 1)
    np.testing.assert_array_equal(y[0, 2:, :2, 2:, 0], kernel[..., 0, 0])
    assert float(y.sum()) == 36


def test_weights_start_with_the_papers_variance():
    """Std sqrt(2 / N), N the nodes that enter: 9 * 64 of a 3x3 convolution."""
    for module, nodes in ((ConvReLU(64, "same", False), 9 * 64), (UpConv(64), 64)):
        params = start(module, jnp.zeros((1, 4, 4, 64)))["params"]
        kernel = params["conv"]["kernel"] if "conv" in params else params["kernel"]
        np.testing.assert_allclose(kernel.std(), np.sqrt(2 / nodes), rtol=0.03)


def test_mirroring_is_numpys_reflection():
    for size, width in ((5, 3), (4, 17), (1, 2)):
        expected = np.pad(np.arange(size), width, mode="reflect")
        index = mirrored(np.arange(-width, size + width), size)
        np.testing.assert_array_equal(index, expected)


def test_the_whole_image_is_the_tile_of_its_mirrored_surroundings():
    model = unet(channels=SMALL, dropout=0.0)
    image = normal(1, 40, 33, 3)
    variables = start(model, image)
    encoder = model.backbone
    widths = [
        (encoder.margin, encoder.input_size(size) - size - encoder.margin)
        for size in (40, 33)
    ]
    padded = jnp.pad(image, ((0, 0), *widths, (0, 0)), "reflect")
    bare = model.clone(backbone=encoder.clone(mirror=False))
    tile, _ = run(bare, variables, padded, method="low_resolution")
    whole = run(model, variables, image)
    assert_close(whole, tile[:, :40, :33])


def test_logits_without_padding_align_with_their_pixels():
    """What a pixel's logit depends on is centred on the pixel."""
    model = unet(channels=SMALL, classes=1, dropout=0.0)
    image = normal(1, 120, 120, 1)
    variables = start(model, image)

    def logit(image):
        logits = jnp.asarray(model.apply(variables, image))
        return logits[0, 58:62, 58:62].sum()

    reach = np.abs(jax.jit(jax.grad(logit), compiler_options=QUICK)(image))[0, ..., 0]
    for axis in (0, 1):
        seen = np.flatnonzero(reach.sum(axis) > 0)
        assert abs((seen[0] + seen[-1]) / 2 - 59.5) <= 1
        assert 60 - seen[0] <= model.backbone.margin + model.backbone.stride


def test_dropout_is_at_the_end_of_the_contracting_path():
    encoder = UNetEncoder(SMALL, "same", dropout=0.5)
    image = normal(1, 16, 16, 3)
    variables = start(encoder, image)
    features = [
        run(encoder, variables, image, train=True, rngs={"dropout": seed})
        for seed in (jax.random.key(0), jax.random.key(1))
    ]
    same = [bool((one == two).all()) for one, two in zip(*features, strict=True)]
    assert same == [True, False, False]


def mean_iou(logits, label):
    found = np.asarray(logits).argmax(-1)
    scores = []
    for index in range(logits.shape[-1]):
        both = ((found == index) & (label == index)).sum()
        either = ((found == index) | (label == index)).sum()
        scores.append(both / either)
    return np.mean(scores)


class Joined(nn.Module):
    """Encoder and decoder without the smallest size of whole models."""

    encoder: nn.Module
    decoder: nn.Module

    def __call__(self, image, train=False):
        return self.decoder(self.encoder(image, train), train)


def overfit(model, image, label, steps, rate=1e-2):
    """Train on one batch; return the mean IoU."""
    model = Joined(model.backbone, model.head)
    variables = start(model, image)
    params, stats = variables["params"], variables.get("batch_stats", {})
    optimizer = optax.adam(rate)

    def loss(params, stats, key):
        logits, changed = model.apply(
            {"params": params, "batch_stats": stats},
            image,
            train=True,
            mutable=["batch_stats"],
            rngs={"dropout": key},
        )
        each = optax.softmax_cross_entropy_with_integer_labels(logits, label)
        return each.mean(), changed.get("batch_stats", {})

    @jax.jit
    def step(params, stats, state, key):
        grads, stats = jax.grad(loss, has_aux=True)(params, stats, key)
        updates, state = optimizer.update(grads, state)
        return optax.apply_updates(params, updates), stats, state

    state = optimizer.init(params)
    for index in range(steps):
        key = jax.random.fold_in(KEY, index)
        params, stats, state = step(params, stats, state, key)
    logits = run(model, {"params": params, "batch_stats": stats}, image)
    return mean_iou(logits, label)


def scene(*size):
    """Noise with a bright box and a dark one, three classes."""
    rng = np.random.default_rng(0)
    label = np.zeros((2, *size), np.int32)
    label[:, *(slice(n // 10 + 1, n // 2 - 1) for n in size)] = 1
    label[:, *(slice(n // 2 + 1, n - 2) for n in size)] = 2
    image = rng.normal(0, 0.3, label.shape) + np.array([0.0, 1.0, -1.0])[label]
    return jnp.asarray(image[..., None], jnp.float32), label


@pytest.mark.parametrize(
    ("padding", "norm", "upsampling"),
    [("valid", False, "transposed"), *slow(("same", True, "bilinear"))],
)
def test_it_overfits_one_batch(padding, norm, upsampling):
    image, label = scene(36, 33)
    model = unet(padding, 3, upsampling, norm, channels=SMALL, dropout=0.2)
    assert overfit(model, image, label, steps=120) > 0.95


def test_a_volume_net_overfits_one_batch():
    image, label = scene(13, 14, 12)
    model = volume_unet(channels=((4, 8), (8, 8)))
    assert overfit(model, image, label, steps=40) > 0.95
