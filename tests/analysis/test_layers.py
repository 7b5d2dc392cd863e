"""Layer tables: published sizes and costs, and sums that agree with the models."""

import flax.linen as nn
import jax.numpy as jnp
import pytest

from jaxseg.analysis.layers import LayerRow, format_layer_table, layer_table
from jaxseg.heads import HEADS
from jaxseg.models import create_classifier, create_model
from jaxseg.nn.upsampling import TransposedConv, UpConv
from jaxseg.segmenter import count_parameters

SMALL = {"width": 0.125, "max_channels": 16}


# torchvision 0.28's own figures, in units of 1e9 multiply-adds.
@pytest.mark.parametrize(
    ("backbone", "cost"), [("resnet18", 1.814), ("resnet50", 4.089)]
)
def test_a_classifier_has_the_published_cost(backbone, cost):
    rows = layer_table(create_classifier(backbone), (224, 224))
    total = sum(row.multiply_adds for row in rows)
    assert total / 1e9 == pytest.approx(cost, abs=5e-4)


@pytest.mark.parametrize("head", HEADS)
def test_parameters_of_the_layers_add_up(head):
    options = {} if HEADS[head].backbone else SMALL
    backbone = None if HEADS[head].backbone else "resnet18"
    model = create_model(head, backbone, 3, **options)
    *size, channels = model.example
    rows = layer_table(model, size, channels=channels)
    assert sum(row.parameters for row in rows) == count_parameters(model)
    assert rows[0].path == ""
    assert rows[0].outputs == ((1, *size, 3),)


@pytest.mark.parametrize("backbone", ["googlenet", "resnet18"])
def test_auxiliary_heads_are_listed_and_counted(backbone):
    head = "classifier" if backbone == "googlenet" else "fcn"
    model = create_model(head, backbone, 3, auxiliary=True, **SMALL)
    rows = layer_table(model, (64, 64))
    assert sum(row.parameters for row in rows) == count_parameters(model)
    assert rows[-1].path == "auxiliary" and rows[-1].kind == "(training only)"
    assert {"backbone", "head"} <= {row.path for row in rows}


def test_a_table_has_the_input_and_output_of_each_layer():
    rows = {
        row.path: row for row in layer_table(create_classifier("resnet18"), (97, 64))
    }
    assert rows["backbone/stem_conv"] == LayerRow(
        path="backbone/stem_conv",
        kind="Conv",
        inputs=((1, 97, 64, 3),),
        outputs=((1, 49, 32, 64),),
        parameters=7 * 7 * 3 * 64,
        multiply_adds=49 * 32 * 7 * 7 * 3 * 64,
    )
    # The pooling between them is no module: it is the step from one to the next.
    assert rows["backbone/stage1_block1"].inputs[0] == (1, 25, 16, 64)
    assert len(rows["backbone"].outputs) == 5


class Mixed(nn.Module):
    """One of each kind of kernel."""

    @nn.compact
    def __call__(self, x):
        shared = nn.Dense(3, name="shared")
        x = shared(shared(x))
        x = nn.Conv(6, (3, 3), feature_group_count=3, name="depthwise")(x)
        x = TransposedConv(4, 2, 3, name="transposed")(x)
        x = nn.ConvTranspose(5, (2, 2), (2, 2), name="linen_transposed")(x)
        x = nn.DenseGeneral((2, 7), name="heads")(x)
        x = x.reshape(*x.shape[:3], 14)
        return UpConv(3, name="up")(x)


def test_each_kind_of_kernel_is_counted():
    rows = layer_table(Mixed(), (8, 4))
    cost = {row.path: row.multiply_adds for row in rows}
    assert cost == {
        "": 0,
        "shared": 32 * 9,
        "depthwise": 32 * 9 * 6,
        "transposed": 32 * 9 * 6 * 4,
        "linen_transposed": 4 * 32 * 4 * 4 * 5,
        "heads": 16 * 32 * 5 * 14,
        "up": 16 * 32 * 14 * 4 * 3,
    }
    shared = [row for row in rows if row.path == "shared"]
    assert [row.parameters for row in shared] == [12, 0]
    assert rows[-2].outputs == ((1, 32, 16, 2, 7),)
    assert rows[-1].outputs == ((1, 64, 32, 3),)


def test_a_method_and_an_image_of_one_channel_are_listed():
    class Twice(nn.Module):
        def setup(self):
            self.dense = nn.Dense(2)

        def forward(self, x):
            return self.dense(x), jnp.zeros(3)

    rows = layer_table(Twice(), (5, 5), method="forward", channels=1)
    assert [row.path for row in rows] == ["", "dense"]
    assert rows[0].outputs == ((1, 5, 5, 2), (3,))
    assert rows[1].parameters == 4


def test_the_text_lists_every_layer_and_the_total():
    model = create_classifier("resnet18")
    rows = layer_table(model, (64, 64))
    lines = format_layer_table(rows).splitlines()
    assert len(lines) == len(rows) + 2
    assert lines[-1].split() == ["total", "11,689,512", lines[-1].split()[-1]]
    assert all(len(line) <= len(lines[0]) for line in lines)


def test_the_text_sums_what_lies_deeper():
    rows = layer_table(create_classifier("resnet18"), (64, 64))
    lines = format_layer_table(rows, depth=1).splitlines()
    assert [line.split()[0] for line in lines] == [
        "layer",
        "(model)",
        "backbone",
        "head",
        "total",
    ]
    parameters = [int(line.split()[-2].replace(",", "")) for line in lines[2:]]
    assert parameters == [11_176_512, 513_000, 11_689_512]
