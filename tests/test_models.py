"""One battery for every head on every backbone, by abstract shapes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxseg.backbones import BACKBONES
from jaxseg.errors import UserError
from jaxseg.heads import HEADS
from jaxseg.models import (
    abstract_variables,
    count_parameters,
    create_classifier,
    create_model,
    list_models,
)

SMALL = {"width": 0.125, "max_channels": 16}

# torchvision 0.28 (classifiers of 1000 classes; segmenters of 21 on ResNet-50 without
# auxiliary head) and segmentation_models.pytorch 0.6 (U-Net on ResNet-34, one class).
PUBLISHED = {
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
}


@pytest.mark.parametrize("backbone", BACKBONES)
def test_a_classifier_has_the_published_number_of_parameters(backbone):
    assert count_parameters(create_classifier(backbone)) == PUBLISHED[backbone]


@pytest.mark.parametrize(
    ("head", "backbone", "classes", "auxiliary", "count"),
    [
        ("fcn", "resnet50", 21, False, 32_957_013),
        ("fcn", "resnet50", 21, True, 35_322_218),
        ("deeplabv3", "resnet50", 21, True, 42_004_074),
        ("deeplabv3", "resnet101", 21, True, 60_996_202),
        ("unet", "resnet34", 1, False, 24_436_369),
    ],
)
def test_a_segmenter_has_the_published_number_of_parameters(
    head, backbone, classes, auxiliary, count
):
    model = create_model(head, backbone, classes, auxiliary=auxiliary)
    assert count_parameters(model) == count


# A bottleneck and a basic block stand for their deeper kin, whose features are tested.
REPRESENTATIVES = [
    pair for pair in list_models() if pair[1] in ("resnet18", "resnet50")
]


@pytest.mark.parametrize("output_stride", [8, 16, 32])
@pytest.mark.parametrize(("head", "backbone"), REPRESENTATIVES)
def test_any_image_size_gives_logits_of_its_size(head, backbone, output_stride):
    model = create_model(
        head, backbone, 5, output_stride=output_stride, auxiliary=True, **SMALL
    )
    variables = abstract_variables(model)
    for size in ((33, 33), (65, 47), (64, 96)):
        image = jax.ShapeDtypeStruct((1, *size, 3), jnp.float32)
        logits = jax.eval_shape(model.apply, variables, image)
        assert logits.shape == (1, *size, 5)
        assert logits.dtype == jnp.float32


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("output_stride", [8, 16, 32])
def test_features_have_their_strides(backbone, output_stride):
    module = BACKBONES[backbone](output_stride=output_stride)
    image = jax.ShapeDtypeStruct((1, 65, 128, 3), jnp.float32)
    features, _ = jax.eval_shape(module.init_with_output, jax.random.key(0), image)
    strides = [min(stride, output_stride) for stride in (2, 4, 8, 16, 32)]
    sizes = [(-(-65 // stride), 128 // stride) for stride in strides]
    assert [feature.shape[1:3] for feature in features] == sizes


@pytest.mark.parametrize("head", HEADS)
def test_parameters_depend_on_neither_output_stride_nor_image_size(head):
    trees = {
        str(abstract_variables(create_model(head, "resnet18", 3, output_stride=s)))
        for s in (8, 16, 32)
    }
    assert len(trees) == 1


@pytest.mark.parametrize("head", HEADS)
def test_bfloat16_computes_low_and_keeps_parameters_high(head):
    model = create_model(head, "resnet18", 3, dtype="bfloat16", **SMALL)
    variables = abstract_variables(model)
    assert {leaf.dtype.name for leaf in jax.tree.leaves(variables)} == {"float32"}
    image = jax.ShapeDtypeStruct((1, 40, 40, 3), jnp.float32)
    text = str(jax.make_jaxpr(model.apply)(variables, image))
    assert "bf16[" in text
    assert jax.eval_shape(model.apply, variables, image).dtype == jnp.float32


def test_output_stride_8_sees_as_far_as_32():
    """Dilation keeps the receptive field: the gradient reaches as many pixels."""

    def reach(stride):
        module = BACKBONES["resnet18"](width=0.125, output_stride=stride)
        image = jax.random.normal(jax.random.key(0), (1, 129, 129, 3))
        variables = jax.jit(module.init)(jax.random.key(1), image)

        def centre(image):
            deepest = module.apply(variables, image)[-1]
            return deepest[0, deepest.shape[1] // 2, deepest.shape[2] // 2].sum()

        rows = np.abs(jax.jit(jax.grad(centre))(image)).sum((0, 2, 3)) > 0
        return rows.sum()

    assert reach(8) >= reach(32) * 0.9


def test_the_auxiliary_head_answers_in_training_only():
    model = create_model("fcn8s", "resnet18", 3, auxiliary=True, **SMALL)
    image = jnp.zeros((2, 40, 40, 3))
    variables = jax.jit(model.init)(jax.random.key(0), image)
    logits, auxiliary = model.apply(variables, image, method="low_resolution")
    assert logits.shape == (2, 5, 5, 3)
    assert auxiliary is None
    (_, auxiliary), _ = model.apply(
        variables,
        image,
        train=True,
        method="low_resolution",
        mutable=["batch_stats"],
        rngs={"dropout": jax.random.key(0)},
    )
    assert auxiliary.shape == (2, 3, 3, 3)


@pytest.mark.parametrize("head", ["fcn8s", "deeplabv3plus"])
def test_batch_of_one_trains(head):
    model = create_model(head, "resnet18", 3, **SMALL)
    image = jax.random.normal(jax.random.key(0), (1, 40, 40, 3))
    variables = jax.jit(model.init)(jax.random.key(1), image)

    def step(params):
        (logits, _), _ = model.apply(
            {**variables, "params": params},
            image,
            train=True,
            method="low_resolution",
            mutable=["batch_stats"],
            rngs={"dropout": jax.random.key(2)},
        )
        return jnp.mean(logits**2)

    gradients = jax.jit(jax.grad(step))(variables["params"])
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(gradients))


def test_width_scales_and_caps_channels():
    module = BACKBONES["resnet18"](width=0.5, max_channels=128)
    image = jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.float32)
    features, _ = jax.eval_shape(module.init_with_output, jax.random.key(0), image)
    assert [feature.shape[-1] for feature in features] == [32, 32, 64, 128, 128]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("unett", "resnet50"), "'unet'"),
        (("unet", "resnet5"), "'resnet50'"),
        (("unet", "resnet50", 0), "num_classes 0"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(arguments, words):
    with pytest.raises(UserError, match=words):
        create_model(*arguments)


def test_an_option_of_another_head_is_refused():
    with pytest.raises(UserError, match="'unet' has no option rates; it has channels"):
        create_model("unet", "resnet18", rates=(6, 12))


def test_a_wrong_output_stride_is_refused():
    with pytest.raises(UserError, match="output stride 12"):
        create_model("fcn", "resnet18", output_stride=12)


def test_a_wrong_dtype_is_refused():
    with pytest.raises(UserError, match="'bfloat16'"):
        create_model("fcn", "resnet18", dtype="bfloat")


def test_an_image_smaller_than_the_stride_is_refused():
    model = create_model("fcn", "resnet18", 2, **SMALL)
    with pytest.raises(UserError, match="an image of 32x64 pixels"):
        model.init(jax.random.key(0), jnp.zeros((1, 32, 64, 3)))
