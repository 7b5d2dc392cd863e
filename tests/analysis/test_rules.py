"""The rules cover every model; a new operation without a rule fails here."""

import pytest

from jaxseg.analysis.receptive_field import theoretical
from jaxseg.heads import HEADS
from jaxseg.models import create_backbone, create_model


@pytest.mark.parametrize("head", HEADS)
def test_no_head_has_an_operation_without_a_rule(head):
    own = HEADS[head].backbone is not None
    options = {} if own else {"width": 0.125, "max_channels": 16}
    model = create_model(head, None if own else "resnet18", 3, **options)
    *size, channels = model.example
    field = theoretical(model, size, channels=channels)
    assert field.approximated == ()
    assert 33 < field.size <= size[0]


@pytest.mark.parametrize("backbone", ["mit_b0", "convnext_tiny", "mobilenet_v3_small"])
def test_no_backbone_has_an_operation_without_a_rule(backbone):
    assert theoretical(create_backbone(backbone), (128, 64)).approximated == ()
