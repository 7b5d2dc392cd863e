"""Weights whose names show their arithmetic are not read into another one."""

import jax
import numpy as np
import pytest
from slow_cases import slow

from jaxseg.errors import UserError
from jaxseg.models import create_classifier, create_model
from jaxseg.segmenter import abstract_variables
from jaxseg.weights.families.heads_smp import SMP_ARGUMENTS
from jaxseg.weights.load import load_weights, save_weights
from jaxseg.weights.readers import read_tensors

SMALL = {"width": 0.125, "max_channels": 8}
DILATED = {"arithmetic": "dilated", "output_stride": 16}


def classifier(backbone, arithmetic):
    return create_classifier(backbone, 3, arithmetic=arithmetic, **SMALL)


def segmenter(head, backbone, arithmetic):
    options = SMP_ARGUMENTS[head]
    return create_model(head, backbone, 3, arithmetic=arithmetic, **options, **SMALL)


@pytest.fixture
def tensors_of(tmp_path):
    """Return what a library's state dict of a model holds, all zeros."""

    def tensors(model, names):
        zeros = jax.tree.map(
            lambda leaf: np.zeros(leaf.shape, np.float32), abstract_variables(model)
        )
        file = save_weights(model, zeros, tmp_path / "x.safetensors", names=names)
        return dict(read_tensors(file))

    return tensors


@pytest.mark.parametrize(
    ("backbone", "arithmetic", "names", "other", "needed"),
    [
        ("efficientnet_b0", "torchvision", "torchvision", "tensorflow", "torchvision"),
        *slow(
            ("efficientnet_b5", "torchvision", "torchvision", "timm", "torchvision"),
            ("efficientnet_b5", "timm", "timm", "torchvision", "timm or tensorflow"),
        ),
        ("efficientnet_b0", "timm", "timm", "smp", "timm or tensorflow"),
        ("efficientnet_b0", "smp", "smp", "torchvision", "smp"),
        ("efficientnet_lite0", "tensorflow", "package", "timm", "tensorflow"),
        ("mobilenet_v3_small", "torchvision", "torchvision", "timm", "torchvision"),
        ("mobilenet_v3_small", "timm", "timm", "torchvision", "timm or tensorflow"),
        ("mobilenet_v3_large", "timm", "timm", "dilated", "timm or tensorflow"),
    ],
)
def test_a_classifier_of_another_arithmetic_is_refused(
    tensors_of, backbone, arithmetic, names, other, needed
):
    tensors = tensors_of(classifier(backbone, arithmetic), names)
    with pytest.raises(
        UserError, match=f"need the arithmetic {needed}, .* has {other}"
    ):
        load_weights(classifier(backbone, other), tensors)
    for each in (arithmetic, needed.split()[0]):  # the remedy
        load_weights(classifier(backbone, each), tensors)


@pytest.mark.parametrize(
    ("arithmetic", "other", "needed"),
    [
        ("smp", "torchvision", "smp"),
        ("smp", "tensorflow", "smp"),
        ("timm", "tensorflow", "timm"),
        ("timm", "smp", "timm"),
    ],
)
def test_a_segmenter_of_smp_of_another_arithmetic_is_refused(
    tensors_of, arithmetic, other, needed
):
    right = segmenter("deeplabv3", "efficientnet_b0", arithmetic)
    tensors = tensors_of(right, "smp")
    with pytest.raises(UserError, match=f"need the arithmetic {needed},"):
        load_weights(segmenter("deeplabv3", "efficientnet_b0", other), tensors)
    load_weights(right, tensors)


@pytest.mark.parametrize(
    ("head", "options", "wrong"),
    [
        ("lraspp", {}, [{}, {"arithmetic": "dilated", "output_stride": 8}]),
        ("lraspp", {}, [{"arithmetic": "torchvision", "output_stride": 16}]),
        ("deeplabv3", {"rates": (12, 24, 36)}, [{}, DILATED]),
    ],
)
def test_torchvisions_segmenters_on_mobilenet_v3_are_read_as_they_compute(
    tensors_of, head, options, wrong
):
    def create(**given):
        return create_model(head, "mobilenet_v3_large", 3, **given, **SMALL)

    tensors = tensors_of(create(**DILATED, **options), "torchvision")
    for given in wrong:
        with pytest.raises(UserError, match="torchvision's segmenters on MobileNetV3"):
            load_weights(create(**given), tensors)
    load_weights(create(**DILATED, **options), tensors)


def test_torchvisions_classifier_is_read_into_both_of_its_arithmetics(tensors_of):
    tensors = tensors_of(classifier("mobilenet_v3_large", "torchvision"), "torchvision")
    for arithmetic in ("torchvision", "dilated"):
        load_weights(classifier("mobilenet_v3_large", arithmetic), tensors)


def test_timm_and_torchvision_agree_below_b5(tensors_of):
    for names in ("torchvision", "timm"):
        tensors = tensors_of(classifier("efficientnet_b1", "torchvision"), names)
        load_weights(classifier("efficientnet_b1", "torchvision"), tensors)


def test_parts_of_another_arithmetic_are_taken_with_a_warning(tensors_of):
    tensors = tensors_of(
        create_model("lraspp", "mobilenet_v3_large", 3, **DILATED, **SMALL),
        "torchvision",
    )
    model, lines = create_model("lraspp", "mobilenet_v3_large", 3, **SMALL), []
    load_weights(model, tensors, strict=False, log=lines.append)
    assert any("--model.arithmetic dilated" in line for line in lines)


def test_a_library_gets_no_weights_of_an_arithmetic_that_it_lacks(tmp_path):
    model = classifier("mobilenet_v3_small", "tensorflow")
    with pytest.raises(UserError, match="torchvision"):
        save_weights(model, {}, tmp_path / "x.safetensors", names="torchvision")
