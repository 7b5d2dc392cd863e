"""One network has one name and an arithmetic; former names are understood."""

import pytest

from jaxseg.backbones import BACKBONES
from jaxseg.backbones.names import FORMER_NAMES, find_backbone, resolve_name
from jaxseg.errors import UserError
from jaxseg.models import create_backbone, create_classifier, create_model

OTHERS = [
    (name, arithmetic)
    for name, entry in BACKBONES.items()
    for arithmetic in entry.arithmetics
]


@pytest.mark.parametrize("former", FORMER_NAMES)
def test_a_former_name_builds_the_same_modules_as_the_new_spelling(former):
    name, arithmetic = FORMER_NAMES[former]
    assert former not in BACKBONES
    before = create_backbone(former, output_stride=16)
    assert before == create_backbone(name, arithmetic=arithmetic, output_stride=16)
    before = create_classifier(former, 5)
    assert before == create_classifier(name, 5, arithmetic=arithmetic)
    before = create_model("fcn", former, 5, auxiliary=True)
    assert before == create_model("fcn", name, 5, arithmetic=arithmetic, auxiliary=True)


def test_the_former_names_are_those_of_the_first_edition():
    assert len(FORMER_NAMES) == 8 + 8 + 3 + 5 + 5


@pytest.mark.parametrize(("name", "arithmetic"), OTHERS)
def test_a_module_knows_its_arithmetic_by_the_registrys_name(name, arithmetic):
    assert find_backbone(name, arithmetic).build().arithmetic.name == arithmetic


@pytest.mark.parametrize("name", [name for name in BACKBONES if "net_" in name])
def test_the_usual_arithmetic_is_the_first(name):
    entry = find_backbone(name)
    for arithmetic in list(BACKBONES[name].arithmetics)[:1]:
        assert find_backbone(name, arithmetic).build() == entry.build()
        assert find_backbone(name, arithmetic).mean == BACKBONES[name].mean


def test_two_spellings_resolve_to_one():
    spelled = "efficientnet_lite0", "tensorflow"
    assert resolve_name(*spelled) == spelled
    assert resolve_name("tf_efficientnet_lite0") == spelled
    assert resolve_name("tf_efficientnet_lite0", "tensorflow") == spelled
    assert resolve_name("efficientnet_b0") == resolve_name(
        "efficientnet_b0", "torchvision"
    )
    assert resolve_name("resnet50") == ("resnet50", "")


@pytest.mark.parametrize(
    ("name", "arithmetic", "words"),
    [
        ("efficientnet_lite0", "smp", "has no arithmetic 'smp'; it has timm, tensorf"),
        ("mobilenet_v3_small", "dilated", "it has torchvision, timm, tensorflow"),
        ("efficientnet_b0", "Timm", "it has torchvision, timm, tensorflow, smp"),
        ("resnet50", "timm", "'resnet50' has one arithmetic only"),
        ("tf_efficientnet_b0", "smp", "name the backbone 'efficientnet_b0'"),
        ("efficientnet_b9", "", "unknown backbone 'efficientnet_b9'"),
    ],
)
def test_an_arithmetic_that_a_network_does_not_have_is_refused(name, arithmetic, words):
    for create in (create_backbone, create_classifier):
        with pytest.raises(UserError, match=words):
            create(name, arithmetic=arithmetic)
    with pytest.raises(UserError, match=words):
        create_model("fcn", name, arithmetic=arithmetic)
