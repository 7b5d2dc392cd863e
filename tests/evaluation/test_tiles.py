"""Tiles give what the whole image gives, whatever their size and number."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from closeness import assert_close
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxseg.errors import UserError
from jaxseg.evaluation.tiles import overlap_tile, tiled_unet
from jaxseg.heads.unet_original import UNetDecoder, UNetEncoder
from jaxseg.nn.normalization import normalize_image
from jaxseg.segmenter import Segmenter

KEY = jax.random.key(0)
MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.3, 0.4)
# Programs that run once take longer to compile than to run, so do not optimise them.
QUICK = {"xla_backend_optimization_level": 0}


def inside(variables, tiles):
    """A network of margin 2 that returns the interior of its input."""
    return tiles[:, 2:-2, 2:-2].astype(jnp.float32)


def noise(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@settings(max_examples=30, deadline=None)
@given(
    st.tuples(st.integers(1, 20), st.integers(1, 20)),
    st.sampled_from([1, 2, 3]),
    st.integers(1, 5),
)
def test_every_pixel_has_its_own_result(size, stride, batch_size):
    image = noise(*size, 2)
    scores = overlap_tile(
        inside, (5, 7), margin=2, stride=stride, batch_size=batch_size
    )
    np.testing.assert_array_equal(scores(None, image), image)


def test_the_image_is_mirrored_beyond_its_border():
    def left(variables, tiles):
        return tiles[:, 2:-2, :-4].astype(jnp.float32)

    image = np.arange(12, dtype=np.uint8).reshape(1, 12, 1)
    answer = overlap_tile(left, (3, 4), margin=2)(None, image)
    assert answer[0, :, 0].tolist() == [2, 1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9]


def test_images_of_all_sizes_share_one_program_and_its_memory():
    seen = []

    def answer(variables, tiles):
        seen.append(tiles.shape)
        return inside(variables, tiles)

    scores = overlap_tile(answer, (4, 4), margin=2, batch_size=3)
    for size in ((3, 4), (9, 30), (50, 4)):
        scores(None, noise(*size, 1))
    assert seen == [(3, 8, 8, 1)]


def test_a_tile_smaller_than_the_stride_is_refused():
    with pytest.raises(UserError, match="give at least the network's stride, 4"):
        overlap_tile(inside, (3, 8), margin=2, stride=4)


def small_unet(upsampling="transposed", padding="valid"):
    encoder = UNetEncoder(((4, 4), (8, 8), (8, 8)), padding)
    return Segmenter(encoder, UNetDecoder(3, padding, upsampling=upsampling))


def start(model, image):
    init = jax.jit(model.init, compiler_options=QUICK)
    return init(jax.random.key(1), image)


@pytest.mark.parametrize(
    ("tile", "upsampling"), [((20, 24), "transposed"), ((21, 40), "nearest")]
)
def test_tiles_of_a_unet_equal_the_whole_image(tile, upsampling):
    model = small_unet(upsampling)
    image = noise(53, 70, 3)
    whole = normalize_image(jnp.asarray(image)[None], MEAN, STD)
    variables = start(model, whole)
    expected = jax.jit(model.apply, compiler_options=QUICK)(variables, whole)[0]
    found = tiled_unet(model, tile, mean=MEAN, std=STD, batch_size=3)(variables, image)
    assert found.shape == (53, 70, 3)
    assert_close(found, expected)


def test_tiles_of_a_volume_equal_the_whole_volume():
    encoder = UNetEncoder(((2, 4), (4, 4)))
    model = Segmenter(encoder, UNetDecoder(2))
    bare = model.clone(backbone=encoder.clone(mirror=False))
    volume = noise(33, 34, 35, 1).astype(np.float32) / 255
    variables = start(model, jnp.asarray(volume)[None])

    def answer(variables, tiles):
        return bare.apply(variables, tiles, method="low_resolution")[0]

    tile = [encoder.input_size(20) - 2 * encoder.margin] * 3
    assert tile == [20, 20, 20]
    scores = overlap_tile(answer, tile, margin=encoder.margin, stride=encoder.stride)
    expected = jax.jit(model.apply, compiler_options=QUICK)(
        variables, jnp.asarray(volume)[None]
    )[0]
    assert_close(scores(variables, volume), expected)


def test_another_model_is_refused():
    with pytest.raises(UserError, match="'unet_original'"):
        tiled_unet(small_unet(padding="same"), (64, 64), mean=MEAN, std=STD)
