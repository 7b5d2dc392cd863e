"""The names that a config may choose from are those of the registries."""

import pytest

from jaxseg import choices
from jaxseg.backbones import BACKBONES
from jaxseg.backbones.names import FORMER_NAMES
from jaxseg.data.catalog import DATASETS
from jaxseg.heads import HEADS
from jaxseg.heads.unet_original import UPSAMPLINGS_OF_VOLUMES
from jaxseg.models import DTYPES, create_backbone
from jaxseg.nn.upsampling import UPSAMPLINGS
from jaxseg.training.losses import LOSSES
from jaxseg.training.optimizer import OPTIMIZERS, SCHEDULES
from jaxseg.weights.families.heads_smp import SMP_ARGUMENTS

NO_OPTIONS = {"num_classes", "output_stride", "align_corners", "parent", "name"}
OF_BACKBONES = {"width", "max_channels", "dtype"}


@pytest.mark.parametrize(
    ("named", "registry"),
    [
        (choices.DATASETS, DATASETS),
        (choices.DTYPES, DTYPES),
        (choices.HEADS, HEADS),
        (choices.LOSSES, LOSSES),
        (choices.OPTIMIZERS, OPTIMIZERS),
        (choices.PRESETS["smp"], SMP_ARGUMENTS),
        (choices.SCHEDULES, SCHEDULES),
        (choices.UPSAMPLINGS, UPSAMPLINGS),
        (choices.UPSAMPLINGS_OF_VOLUMES, UPSAMPLINGS_OF_VOLUMES),
    ],
)
def test_a_table_of_names_is_that_of_its_registry(named, registry):
    assert list(named) == list(registry)


@pytest.mark.parametrize("name", HEADS)
def test_a_heads_choice_says_what_its_module_takes(name):
    entry, choice = HEADS[name], choices.HEADS[name]
    fields = set(entry.module.__dataclass_fields__)
    fields |= set(getattr(entry.backbone, "__dataclass_fields__", ()))
    offered = fields - NO_OPTIONS - OF_BACKBONES - set(entry.arguments)
    assert choice.options == tuple(sorted(offered))
    assert choice.own_backbone == (entry.backbone is not None)
    assert choice.volumes == (entry.axes == 3)


def test_a_config_may_name_every_backbone_and_every_former_name():
    assert set(choices.BACKBONES) == {*BACKBONES, *FORMER_NAMES}


def test_the_backbones_with_a_multi_grid_are_those_that_have_the_field():
    having = [
        name
        for name in BACKBONES
        if "multi_grid" in type(create_backbone(name)).__dataclass_fields__
    ]
    assert list(choices.WITH_MULTI_GRID) == having


def test_the_backbones_with_auxiliary_classifiers_are_those_that_name_one():
    having = [name for name, entry in BACKBONES.items() if entry.auxiliary]
    assert list(choices.WITH_AUXILIARY) == having
