"""The kernels refuse scratch memory that is too small, and sizes that do not agree."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxseg.nn.cpu import batch_norm, convolutions
from jaxseg.nn.cpu.library import compiled, library

pytestmark = pytest.mark.skipif(library() is None, reason="needs a C++ compiler")


def geometry(edge=0, stride=1):
    return ((stride, stride), ((edge, edge), (edge, edge)), (1, 1))


def convolve(image, kernel, *options):
    operands = (jnp.ones(image), jnp.ones(kernel), geometry(*options))
    return lambda: jax.vjp(
        lambda *x: convolutions.convolve(*x, operands[2]), *operands[:2]
    )


def convolve_channels():
    function, image = convolutions.convolve_channels, jnp.ones((1, 6, 6, 5))
    return jax.vjp(lambda *x: function(*x, geometry(1)), image, jnp.ones((3, 3, 1, 5)))


def normalize():
    operands = (jnp.ones((2, 40, 40, 5)), jnp.ones(5), jnp.ones(5))
    return jax.vjp(lambda *x: batch_norm.normalize(*x, 1e-5, True)[0], *operands)


CASES = {
    "convolve": convolve((1, 4, 4, 5), (1, 1, 5, 8)),
    "convolve, of several strides": convolve((1, 8, 8, 5), (2, 2, 5, 8), 0, 2),
    "convolve, by tiles": convolve((1, 16, 16, 16), (3, 3, 16, 8), 1),
    "input_gradient": convolve((1, 4, 4, 5), (1, 1, 5, 8)),
    "input_gradient, of several strides": convolve((1, 8, 8, 5), (2, 2, 5, 8), 0, 2),
    "input_gradient, by tiles": convolve((1, 16, 16, 16), (3, 3, 16, 16), 1),
    "weight_gradient": convolve((1, 1, 1, 1024), (1, 1, 1024, 1024)),
    "weight_gradient, by tiles": convolve((1, 16, 16, 256), (3, 3, 256, 256), 1),
    "channels_weight_gradient": convolve_channels,
    "moments": normalize,
    "normalization_sums": normalize,
}


@pytest.mark.parametrize("case", CASES)
def test_scratch_memory_that_is_one_float_too_small_is_refused(case, monkeypatch):
    def one_less(name, *shapes):
        *outputs, (size,) = shapes
        return compiled(name, *outputs, (size - (name == case.split(",")[0]),))

    for module in (convolutions, batch_norm):
        monkeypatch.setattr(module, "compiled", one_less)
    with pytest.raises(jax.errors.JaxRuntimeError, match="scratch memory holds"):
        value, pull = CASES[case]()
        jax.block_until_ready(pull(value))


def test_as_much_scratch_memory_as_is_asked_for_is_enough():
    for case in CASES.values():
        value, pull = case()
        jax.block_until_ready(pull(value))


PAIRS = {
    name: np.array(pair)
    for name, pair in zip(
        ("strides", "padding", "rates"), ((1, 1), (0, 0), (1, 1)), strict=True
    )
}
IMAGE, KERNEL, SUMS = (2, 4, 4, 5), (1, 1, 5, 8), (5,)
NONE = [(0,), (0,), (0, 0, 0, 0)]


@pytest.mark.parametrize(
    ("name", "operands", "output"),
    [
        ("convolve", (IMAGE, KERNEL, *NONE), (2, 4, 4, 7)),
        ("convolve", (IMAGE, KERNEL, *NONE), (1, 4, 4, 8)),
        ("convolve", (IMAGE, (1, 1, 4, 8), *NONE), (2, 4, 4, 8)),
        ("convolve", (IMAGE, KERNEL, (8,), (7,), NONE[2]), (2, 4, 4, 8)),
        ("convolve", (IMAGE, KERNEL, (7,), (7,), NONE[2]), (2, 4, 4, 8)),
        ("convolve", (IMAGE, KERNEL, (8,), (8,), (2, 4, 3, 8)), (2, 4, 4, 8)),
        ("input_gradient", ((2, 4, 4, 8), KERNEL), (2, 4, 4, 4)),
        ("input_gradient", ((2, 4, 4, 8), KERNEL), (1, 4, 4, 5)),
        ("weight_gradient", (IMAGE, (2, 4, 4, 8), NONE[2]), (1, 1, 4, 8)),
        ("weight_gradient", (IMAGE, (2, 4, 4, 8), NONE[2]), (1, 1, 5, 7)),
        ("convolve_channels", (IMAGE, (1, 1, 1, 5)), (2, 4, 4, 4)),
        ("convolve_channels", (IMAGE, (1, 1, 1, 4)), (2, 4, 4, 5)),
        ("channels_input_gradient", (IMAGE, (1, 1, 1, 5)), (1, 4, 4, 5)),
        ("channels_weight_gradient", (IMAGE, IMAGE), (1, 1, 1, 4)),
    ],
    ids=str,
)
def test_a_convolution_of_sizes_that_do_not_agree_is_refused(name, operands, output):
    attributes = PAIRS | ({"relu": False} if name == "convolve" else {})
    call = compiled(name, output, (2**14,))
    with pytest.raises(jax.errors.JaxRuntimeError, match="sizes of the arrays"):
        jax.block_until_ready(call(*map(jnp.ones, operands), **attributes))


@pytest.mark.parametrize("short", range(5))
def test_sums_over_other_channels_than_the_images_are_refused(short):
    sizes = [(4,) if index == short else SUMS for index in range(5)]
    call = compiled("normalization_sums", *sizes[:2], (2**14,))
    operands = map(jnp.ones, ((16, 5), (16, 5), *sizes[2:]))
    with pytest.raises(jax.errors.JaxRuntimeError, match="sizes of the arrays"):
        jax.block_until_ready(call(*operands, relu=False))


@pytest.mark.parametrize("shapes", [[(4,), (5,)], [(5,), (4,)]])
def test_moments_of_other_channels_than_the_images_are_refused(shapes):
    call = compiled("moments", *shapes, (2**14,))
    with pytest.raises(jax.errors.JaxRuntimeError, match="sizes of the arrays"):
        jax.block_until_ready(call(jnp.ones((16, 5))))
