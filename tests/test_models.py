"""One battery for every head on every backbone, by abstract shapes."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from closeness import assert_close
from slow_cases import slow_but

from jaxseg.backbones import BACKBONES
from jaxseg.errors import UserError
from jaxseg.heads import HEADS
from jaxseg.models import create_backbone, create_classifier, create_model, list_models
from jaxseg.nn.upsampling import UPSAMPLINGS
from jaxseg.segmenter import abstract_variables, count_parameters

SMALL = {"width": 0.125, "max_channels": 16}

# One of each class of backbones: the deeper variants differ in numbers only.
FAMILIES = [
    "vgg11",
    "googlenet",
    "resnet18",
    "resnet50",
    "resnet18d",
    "densenet121",
    "efficientnet_b0",
    "efficientnet_lite0",
    "mobilenet_v2",
    "mobilenet_v3_small",
    "xception",
    "xception41",
    "convnext_tiny",
    "mit_b0",
]


# Programs that run once take longer to compile than to run.
QUICK = {"xla_backend_optimization_level": 0}


def body_of(head):
    return "resnet18" if HEADS[head].backbone is None else None


def shapes_of(module, *inputs, **options):
    """Return the abstract output and variables of a module."""
    init = functools.partial(module.init_with_output, **options)
    return jax.eval_shape(init, jax.random.key(0), *inputs)


def image_of(*size):
    return jax.ShapeDtypeStruct((1, *size, 3), jnp.float32)


@pytest.mark.parametrize("backbone", slow_but(FAMILIES, BACKBONES))
def test_a_classifier_has_the_published_number_of_parameters(backbone):
    assert (
        count_parameters(create_classifier(backbone)) == BACKBONES[backbone].parameters
    )


def test_some_published_weights_expect_values_of_minus_one_to_one():
    half = {
        (name, arithmetic): entry.std
        for name, usual in BACKBONES.items()
        for arithmetic, entry in (usual.arithmetics or {"": usual}).items()
        if entry.mean == (0.5, 0.5, 0.5)
    }
    assert set(half) == {
        ("googlenet", ""),
        ("mobilenet_v3_large", "tensorflow"),
        ("mobilenet_v3_small", "tensorflow"),
        *((f"xception{depth}", "") for depth in ("", 41, 65, 71)),
    }
    assert set(half.values()) == {(0.5, 0.5, 0.5)}


# torchvision 0.28 (segmenters of 21 classes on ResNet-50) and
# segmentation_models.pytorch 0.6 (U-Net on ResNet-34, one class).
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


STRIDES = [8, 16, 32]
SIZES = [(33, 33), (49, 97), (65, 47)]
OF_ANY_BACKBONE = [name for name, entry in HEADS.items() if entry.backbone is None]
OF_IMAGES = [name for name, entry in HEADS.items() if entry.axes == 2]


@functools.cache
def features_of(backbone, output_stride, size):
    module = create_backbone(backbone, output_stride=output_stride, **SMALL)
    return shapes_of(module, image_of(*size))


@functools.cache
def scores_of(part, shapes):
    """Return the shape that a head makes of features of these shapes."""
    features = tuple(jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes)
    return shapes_of(part, features)[0].shape


# A class of backbones at each output stride, the deeper variants at one of them.
OF_CLASSES = [
    (name, *case) for name in FAMILIES for case in zip(STRIDES, SIZES, strict=True)
]
OTHERS = [(name, 16, SIZES[1]) for name in BACKBONES if name not in FAMILIES]
QUICK_ONES = [case for case in OF_CLASSES if case[1] == 16]


@pytest.mark.parametrize(
    ("backbone", "output_stride", "size"),
    slow_but(QUICK_ONES, [*OF_CLASSES, *OTHERS]),
)
def test_every_backbone_works_under_every_head(backbone, output_stride, size):
    features, _ = features_of(backbone, output_stride, size)
    strides = [min(stride, output_stride) for stride in (2, 4, 8, 16, 32)]
    expected = [tuple(-(-side // s) for side in size) for s in strides]
    doubled = tuple(2 * side for side in expected[0])  # U-Net's last step
    shapes = tuple(feature.shape for feature in features)
    assert [shape[1:3] for shape in shapes] == expected
    for head in OF_ANY_BACKBONE:
        model = create_model(
            head, backbone, 5, output_stride=output_stride, auxiliary=True, **SMALL
        )
        logits = scores_of(model.head, shapes)
        assert logits[0] == 1 and logits[3] == 5
        assert logits[1:3] in [size, *expected, doubled], head
        assert scores_of(model.auxiliary, shapes)[3] == 5


@pytest.mark.parametrize("backbone", FAMILIES)
def test_parameters_depend_on_neither_output_stride_nor_image_size(backbone):
    trees = {
        str(features_of(backbone, stride, size)[1]["params"])
        for stride, size in zip(STRIDES, SIZES, strict=True)
    }
    assert len(trees) == 1


@pytest.mark.parametrize(
    "head", slow_but(["deeplabv3plus", "unet", "unet_original"], OF_IMAGES)
)
def test_any_image_size_gives_logits_of_its_size(head):
    model = create_model(head, num_classes=5, **SMALL)
    variables = abstract_variables(model)
    for size in SIZES:
        logits = jax.eval_shape(model.apply, variables, image_of(*size))
        assert logits.shape == (1, *size, 5)
        assert logits.dtype == jnp.float32


def test_volumes_give_logits_of_their_size():
    model = create_model("unet3d", num_classes=2, image_channels=1, **SMALL)
    volume = jax.ShapeDtypeStruct((1, 33, 40, 48, 1), jnp.float32)
    logits = jax.eval_shape(model.apply, abstract_variables(model), volume)
    assert logits.shape == (1, 33, 40, 48, 2)


def test_images_may_have_any_number_of_channels():
    model = create_model("fcn", "resnet18", 3, image_channels=7, **SMALL)
    kernel = abstract_variables(model)["params"]["backbone"]["stem_conv"]["kernel"]
    assert kernel.shape == (7, 7, 7, 8)


@pytest.mark.parametrize(
    "upsampling", slow_but(["bilinear", "transposed"], UPSAMPLINGS)
)
def test_every_upsampling_serves_every_decoder(upsampling):
    chosen = []
    for head in OF_ANY_BACKBONE:
        if "upsampling" not in {f.name for f in dataclasses.fields(HEADS[head].module)}:
            continue
        model = create_model(head, "resnet18", 5, upsampling=upsampling, **SMALL)
        trees = set()
        for size in SIZES:
            features, _ = features_of("resnet18", HEADS[head].output_stride, size)
            logits, variables = shapes_of(model.head, features)
            assert logits.shape[3] == 5
            trees.add(str(variables))
        assert len(trees) == 1, head
        chosen.append(head)
    assert {"fcn8s", "hypercolumns", "unet", "deeplabv3plus", "upernet"} <= set(chosen)


@pytest.mark.parametrize("head", slow_but(["segformer", "unet_original"], OF_IMAGES))
def test_bfloat16_computes_low_and_keeps_parameters_high(head):
    model = create_model(head, body_of(head), 3, dtype="bfloat16", **SMALL)
    variables = abstract_variables(model)
    assert {leaf.dtype.name for leaf in jax.tree.leaves(variables)} == {"float32"}
    image = jax.ShapeDtypeStruct((1, 40, 40, 3), jnp.float32)
    text = str(jax.make_jaxpr(model.apply)(variables, image))
    assert "bf16[" in text
    assert jax.eval_shape(model.apply, variables, image).dtype == jnp.float32


def test_the_auxiliary_head_answers_in_training_only():
    model = create_model("fcn8s", "resnet18", 3, auxiliary=True, **SMALL)
    image = jax.ShapeDtypeStruct((2, 40, 40, 3), jnp.float32)
    variables = abstract_variables(model)
    predict = functools.partial(model.apply, method="low_resolution")
    logits, auxiliary = jax.eval_shape(predict, variables, image)
    assert logits.shape == (2, 5, 5, 3)
    assert auxiliary == ()
    learn = functools.partial(
        predict,
        train=True,
        mutable=["batch_stats"],
        rngs={"dropout": jax.random.key(0)},
    )
    (_, (auxiliary,)), _ = jax.eval_shape(learn, variables, image)
    assert auxiliary.shape == (2, 3, 3, 3)


@pytest.mark.parametrize("head", slow_but(["fcn8s", "pspnet"], HEADS))
def test_batch_of_one_trains(head):
    model = create_model(head, body_of(head), 3, **SMALL)
    shape = (1, *(40,) * HEADS[head].axes, 3)
    image = jax.random.normal(jax.random.key(0), shape)
    variables = jax.jit(model.init, compiler_options=QUICK)(jax.random.key(1), image)

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

    compiled = jax.jit(jax.grad(step), compiler_options=QUICK)
    gradients = compiled(variables["params"])
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(gradients))


def test_width_scales_and_caps_channels():
    module = create_backbone("resnet18", width=0.5, max_channels=128)
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


@pytest.mark.parametrize(
    ("head", "options", "words"),
    [
        ("deeplabv1", {"rates": (6, 12)}, "at most 1 item"),
        ("deeplabv2", {"rates": ()}, "at least 1 item"),
        ("deeplabv3", {"rates": (0, 6)}, "greater than or equal to 1"),
        ("fcn", {"multi_grid": (0, 1)}, "multi_grid"),
        ("classifier", {"multi_grid": (1, 2)}, "has no options"),
        ("classifier", {"uniform_dilation": True}, "has no options"),
        ("unet_same", {"uniform_dilation": True}, "of its own"),
        ("unet_same", {"arithmetic": "timm"}, "of its own"),
        ("unet_same", {"upsampling": "trilinear"}, "'trilinear'"),
        ("unet3d", {"upsampling": "pixel_shuffle"}, "'pixel_shuffle'"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused(head, options, words):
    with pytest.raises(UserError, match=words):
        create_model(head, num_classes=3, **options)


def test_a_model_knows_how_its_weights_want_an_image():
    assert create_model("unet", "xception").mean == (0.5, 0.5, 0.5)
    assert (
        create_classifier("efficientnet_lite0", arithmetic="tensorflow").std
        == (128 / 255,) * 3
    )
    assert create_model("unet_same").mean == (0.485, 0.456, 0.406)


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


def trained(model, size):
    """Return the gradient, and the statistics before and after one step."""
    image = jax.random.normal(jax.random.key(0), (2, size, size, 3))
    init = jax.jit(model.init, compiler_options=QUICK)
    variables = init(jax.random.key(1), image)

    def loss(params):
        (logits, extra), changed = model.apply(
            {**variables, "params": params},
            image,
            train=True,
            method="low_resolution",
            mutable=["batch_stats"],
            rngs={"dropout": jax.random.key(2)},
        )
        total = jnp.mean(logits**2) + sum(jnp.mean(x**2) for x in extra)
        return total, changed["batch_stats"]

    step = jax.jit(jax.grad(loss, has_aux=True), compiler_options=QUICK)
    gradient, stats = step(variables["params"])
    return gradient, variables["batch_stats"], stats


def some_differ(one, other):
    pairs = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    return any(bool((a != b).any()) for a, b in pairs)


@pytest.mark.slow
@pytest.mark.parametrize("freeze", ["", "statistics", "backbone"])
def test_freezing_holds_under_auxiliary_classifiers_too(freeze):
    model = create_model(
        "classifier", "googlenet", 3, auxiliary=True, freeze=freeze, **SMALL
    )
    gradient, before, after = trained(model, 64)
    assert some_differ(before["backbone"], after["backbone"]) == (freeze == "")
    zero = jax.tree.map(jnp.zeros_like, gradient["backbone"])
    assert some_differ(zero, gradient["backbone"]) == (freeze != "backbone")


@pytest.mark.parametrize("freeze", ["", "statistics", "backbone"])
def test_freezing_keeps_statistics_or_the_whole_backbone(freeze):
    model = create_model("fcn", "resnet18", 3, freeze=freeze, **SMALL)
    gradient, before, after = trained(model, 40)
    assert some_differ(before["head"], after["head"])
    assert some_differ(before["backbone"], after["backbone"]) == (freeze == "")
    zero = jax.tree.map(jnp.zeros_like, gradient["backbone"])
    assert some_differ(zero, gradient["backbone"]) == (freeze != "backbone")


def test_an_unknown_freeze_is_refused():
    with pytest.raises(UserError, match="unknown freeze 'backbon'.*'backbone'"):
        create_model("fcn", "resnet18", freeze="backbon")


def test_the_classifier_is_a_model_of_one_prediction():
    model = create_model("classifier", "resnet18", 4, **SMALL)
    image = jax.random.normal(jax.random.key(0), (2, 40, 48, 3))
    variables = jax.jit(model.init)(jax.random.key(1), image)
    logits, auxiliary = model.apply(variables, image, method="low_resolution")
    assert logits.shape == (2, 1, 1, 4) and auxiliary == ()
    np.testing.assert_array_equal(model.apply(variables, image), logits[:, 0, 0])


@pytest.mark.parametrize("options", [{"channels": 8}, {"output_stride": 16}])
def test_a_classifier_has_no_options(options):
    with pytest.raises(UserError, match="'classifier' has no options"):
        create_model("classifier", "resnet18", 4, **options)


def test_auxiliary_classifiers_exist_for_some_backbones_only():
    with pytest.raises(UserError, match="no auxiliary classifiers"):
        create_classifier("resnet18", auxiliary=True)


def test_every_pair_is_listed():
    pairs = list_models()
    assert len(pairs) == len(OF_ANY_BACKBONE) * len(BACKBONES) + 3
    assert ("unet_original", None) in pairs and ("segformer", "mit_b0") in pairs


def test_a_head_with_a_backbone_of_its_own_takes_no_other():
    with pytest.raises(UserError, match="has a backbone of its own"):
        create_model("unet_original", "resnet18")


@pytest.mark.slow
def test_a_multi_grid_widens_the_last_blocks_only():
    plain, grid = (
        create_backbone(
            "resnet18",
            width=0.125,
            output_stride=16,
            uniform_dilation=True,
            multi_grid=rates,
        )
        for rates in ((), (1, 2))
    )
    image = jax.random.normal(jax.random.key(0), (1, 64, 64, 3))
    variables = jax.jit(plain.init)(jax.random.key(1), image)
    one, other = (jax.jit(m.apply)(variables, image) for m in (plain, grid))
    for before, after in zip(one[:-1], other[:-1], strict=True):
        assert_close(before, after, epsilons=8)
    assert one[-1].shape == other[-1].shape
    assert float(jnp.abs(one[-1] - other[-1]).max()) > 1e-3


def test_a_multi_grid_is_for_resnets():
    with pytest.raises(UserError, match="'vgg11' has no multi-grid"):
        create_model("fcn", "vgg11", multi_grid=(1, 2, 4))
