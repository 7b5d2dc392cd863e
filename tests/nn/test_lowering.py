"""The programs for different devices: kernels, products over taps, or XLA's own."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from closeness import assert_close
from fresh_process import COMPILE_FAST, run
from jax.sharding import AbstractDevice, AbstractMesh
from slow_cases import slow

from jaxseg.backbones.residual import BasicBlock, Bottleneck
from jaxseg.models import create_model
from jaxseg.nn.convolution import Conv, ConvNorm, convolve
from jaxseg.nn.cpu import library as kernels
from jaxseg.nn.lowering import (
    ANY_DEVICE,
    Target,
    compiling_for,
    devices_of,
    missing_kernels,
    target,
    uses_kernels,
)
from jaxseg.nn.upsampling import resize_nearest
from jaxseg.segmenter import abstract_variables

ONE_CPU, TWO_CPUS = Target("cpu", 1), Target("cpu", 2)

needs_kernels = pytest.mark.skipif(
    kernels.library() is None, reason="needs a C++ compiler"
)


@needs_kernels
@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize(
    "module",
    [
        ConvNorm(24, 3),
        ConvNorm(24, 3, stride=2, act=False, epsilon=1e-3),
        ConvNorm(24, 3, activation="silu"),
        ConvNorm(24, 3, separable=True, rate=2, stride=2),
        BasicBlock(32, squeeze_excite=True),
        *slow(
            BasicBlock(16, project=True, stride=2),
            BasicBlock(32),
            BasicBlock(32, residual=False),
            BasicBlock(32, residual=False, squeeze_excite=True),
            Bottleneck(8),
            Bottleneck(16, project=True, average=True, stride=2),
            Bottleneck(16, project=True, groups=2, squeeze_excite=True),
        ),
    ],
    ids=str,
)
def test_blocks_equal_themselves_without_kernels(module, train):
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.normal(size=(2, 20, 20, 32)), jnp.float32)

    def compute():
        variables = module.init(jax.random.key(0), x, train)
        varied = jax.tree.map(
            lambda a: a + jnp.linspace(0.1, 0.3, a.size).reshape(a.shape), variables
        )
        y = module.apply(varied, x, train, mutable=["batch_stats"])
        return variables, y

    name = "jaxseg_moments" if train else "convolve_affine"
    with compiling_for(ONE_CPU):
        assert name in str(jax.make_jaxpr(compute)())
        found = jax.jit(compute)()
    with compiling_for(TWO_CPUS):
        expected = jax.jit(compute)()
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for got, want in zip(
        jax.tree.leaves(found), jax.tree.leaves(expected), strict=True
    ):
        # Three normalised layers in a row pass on, and enlarge, each other's rounding.
        assert_close(got, want, epsilons=128)


@needs_kernels
@pytest.mark.parametrize("side", [5, 6, 7])
def test_a_kernel_larger_than_the_image_gives_an_empty_one(side):
    image = jnp.ones((1, side, side, 16))
    kernel = jnp.ones((7, 7, 16, 8))

    def total(image, kernel):
        return convolve(image, kernel, (1, 1), "VALID").sum()

    shape = jax.eval_shape(lambda: convolve(image, kernel, (1, 1), "VALID")).shape
    assert shape == ((1, 1, 1, 8) if side == 7 else (1, 0, 0, 8))
    with compiling_for(ONE_CPU):
        for_image, for_kernel = jax.jit(jax.grad(total, (0, 1)))(image, kernel)
    assert (for_image == (8 if side == 7 else 0)).all()
    assert (for_kernel == (1 if side == 7 else 0)).all()


USED = """
import jax, jax.numpy as jnp
from jaxseg.nn.convolution import Conv
image = jnp.zeros((1, 16, 16, 8), jnp.{dtype})
conv = Conv(8, 3, dtype=jnp.{dtype})
params = conv.init(jax.random.key(0), image)
print("jaxseg_convolve" in jax.jit(conv.apply).lower(params, image).as_text())
"""


@needs_kernels
@pytest.mark.parametrize(
    ("environment", "dtype", "expected"),
    [
        ({}, "float32", "True"),
        ({}, "bfloat16", "False"),
        ({"JAXSEG_KERNELS": "0"}, "float32", "False"),
        ({"CXX": "no-such-compiler"}, "float32", "False"),
        ({"CXX": "false"}, "float32", "False"),
        ({"CXX": 'g++ "'}, "float32", "False"),
        ({"JAXSEG_KERNEL_FLAGS": "--no-such-option"}, "float32", "False"),
        ({"JAXSEG_CACHE": "/dev/null/nowhere"}, "float32", "False"),
        (
            {"XLA_FLAGS": f"--xla_force_host_platform_device_count=2 {COMPILE_FAST}"},
            "float32",
            "False",
        ),
    ],
    ids=str,
)
def test_used_for_float32_on_one_cpu_where_they_can_be_built(
    environment, dtype, expected
):
    assert run(USED.format(dtype=dtype), **environment) == expected


def test_a_program_may_span_all_devices_unless_someone_says_it_does_not():
    assert target() == Target("cpu", jax.device_count())
    with compiling_for(jax.devices()[:3]):
        assert target() == Target("cpu", 3)
    with jax.default_device(jax.devices()[1]):
        assert target() == Target("cpu", jax.device_count())


def test_an_abstract_mesh_is_of_its_device_or_of_any():
    device = AbstractDevice("NVIDIA H100", None, "gpu")
    with compiling_for(AbstractMesh((4, 2), ("a", "b"), abstract_device=device)):
        assert target() == Target("gpu", 8)
    with compiling_for(AbstractMesh((4,), ("a",))):
        assert target() == Target("", 4)


def test_the_devices_of_arrays_are_those_they_lie_on():
    one, other = jax.devices()[2:4]
    tree = {"a": jax.device_put(1.0, one), "b": jax.device_put(1.0, other), "c": 1.0}
    assert set(devices_of(tree)) == {one, other}
    assert devices_of({"a": np.ones(3)}) == []


def convolutions(variables):
    """How many convolutions the parameters belong to."""
    return sum(leaf.ndim == 4 for leaf in jax.tree.leaves(variables["params"]))


def lowered(given, platform="cpu"):
    """A segmenter's prediction for devices: its text, and its convolutions' number."""
    model = create_model("deeplabv3plus", "resnet18", 3, width=0.125, max_channels=16)
    variables = abstract_variables(model)
    image = jax.ShapeDtypeStruct((1, 48, 48, 3), jnp.float32)
    with compiling_for(given):
        traced = jax.jit(model.apply).trace(variables, image)
    text = traced.lower(lowering_platforms=(platform,)).as_text()
    return text, convolutions(variables)


@pytest.mark.parametrize("platform", ["cuda", "tpu"])
def test_a_prediction_for_other_devices_has_xlas_own_convolutions(platform):
    text, count = lowered(Target(platform, 1), platform)
    assert "jaxseg_" not in text
    assert text.count("stablehlo.convolution") == count


@needs_kernels
def test_a_prediction_for_one_cpu_has_compiled_convolutions():
    text, count = lowered(jax.devices()[:1])
    assert text.count("jaxseg_convolve") == count
    assert "stablehlo.convolution" not in text


def test_a_prediction_for_several_cpus_has_products_over_taps():
    text, count = lowered(jax.devices())
    assert "jaxseg_" not in text
    assert 0 < text.count("stablehlo.convolution") < count


def test_what_was_traced_for_other_devices_is_not_used_again():
    conv, image = Conv(4, 3, rate=2), jnp.ones((1, 8, 8, 3))
    variables = conv.init(jax.random.key(0), image)
    apply, texts = jax.jit(conv.apply), []
    for given in (TWO_CPUS, ANY_DEVICE, TWO_CPUS):
        with compiling_for(given):
            texts.append(apply.lower(variables, image).as_text())
    assert ["stablehlo.convolution" in text for text in texts] == [False, True, False]


def test_one_program_for_several_platforms_computes_the_same():
    layer, image = ConvNorm(4, separable=True), jnp.ones((1, 8, 8, 3))
    variables = layer.init(jax.random.key(0), image)
    with compiling_for(ANY_DEVICE):
        export = jax.export.export(
            jax.jit(layer.apply), platforms=("cpu", "cuda", "tpu")
        )
        program = export(variables, image)
    assert_close(program.call(variables, image), layer.apply(variables, image))


@needs_kernels
def test_a_program_with_kernels_is_not_exported():
    conv, image = Conv(4, 3), jnp.ones((1, 8, 8, 3))
    variables = conv.init(jax.random.key(0), image)
    export = jax.export.export(jax.jit(conv.apply), platforms=("cuda",))
    with compiling_for(ONE_CPU), pytest.raises(ValueError, match="jaxseg_convolve"):
        export(variables, image)


def test_the_gradient_of_repeated_pixels_is_written_out_for_a_cpu_only():
    def gradient(given):
        with compiling_for(given):
            image = jnp.ones((1, 4, 4, 3))
            value, pull = jax.vjp(lambda x: resize_nearest(x, (8, 8)), image)
            return str(jax.make_jaxpr(pull)(value))

    assert "reduce_sum" not in gradient(TWO_CPUS)
    assert "reduce_sum" in gradient(ANY_DEVICE)


@needs_kernels
@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("added", [False, True])
def test_what_follows_a_convolution_is_the_same_without_kernels(added, relu):
    rng = np.random.default_rng(0)
    shapes = ((2, 8, 8, 3), (3, 3, 3, 5), (5,), (5,), (2, 6, 6, 5))
    image, kernel, scale, offset, residual = (
        jnp.asarray(rng.normal(size=shape), jnp.float32) for shape in shapes
    )
    epilogue = (scale, offset, residual if added else None, relu)
    found = []
    for given in (ONE_CPU, TWO_CPUS, ANY_DEVICE):
        with compiling_for(given):
            y = convolve(image, kernel, (1, 1), "VALID", epilogue=epilogue)
            found.append(y)
    assert_close(found[0], found[2])
    assert_close(found[1], found[2])


@needs_kernels
def test_a_layer_whose_output_is_empty_is_no_error():
    layer, image = ConvNorm(4, 7, padding=0), jnp.ones((1, 5, 5, 3))
    with compiling_for(ONE_CPU):
        y, _ = layer.init_with_output(jax.random.key(0), image)
    assert y.shape == (1, 0, 0, 4)


def test_the_reason_for_missing_kernels_is_given_where_they_would_be_used(monkeypatch):
    monkeypatch.setattr(kernels, "_load", lambda: "no compiler")
    with compiling_for(ONE_CPU):
        assert not uses_kernels(jnp.ones(3))
        assert missing_kernels() == "no compiler"
    for given in (TWO_CPUS, Target("gpu", 1), ANY_DEVICE):
        with compiling_for(given):
            assert missing_kernels() == ""


@needs_kernels
def test_kernels_are_for_float32_arrays_of_known_sizes():
    with compiling_for(ONE_CPU):
        assert uses_kernels(jnp.ones((2, 3)))
        assert not uses_kernels(jnp.ones((2, 3)), jnp.ones(3, jnp.bfloat16))
        assert not uses_kernels(jnp.ones((2, 0)))
        sizes, used = jax.export.symbolic_shape("n, 3"), []
        image = jax.ShapeDtypeStruct(sizes, jnp.float32)
        jax.eval_shape(lambda x: used.append(uses_kernels(x)), image)
        assert used == [False]
