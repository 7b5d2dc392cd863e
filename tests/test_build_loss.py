"""From a configuration to its loss: sums, tasks, weights by frequency, refusals."""

from dataclasses import dataclass, replace

import jax.numpy as jnp
import pytest

from jaxseg.build import build, check
from jaxseg.build_loss import build_loss
from jaxseg.config import Config, DataConfig, MeshConfig, TrainConfig
from jaxseg.data.frequencies import ClassFrequencies
from jaxseg.errors import UserError
from jaxseg.losses import LOSSES
from jaxseg.losses.base import Loss
from jaxseg.losses.cross_entropy import CrossEntropy
from jaxseg.losses.regions import Dice
from jaxseg.losses.weighted_sum import WeightedSum

COUNTED = ClassFrequencies((30, 10, 0), (40, 40, 0))


def config(loss="cross_entropy", task="multiclass", **train):
    data = DataConfig(name="folder", task=task)
    return Config(data=data, train=TrainConfig(loss=loss, **train))


def test_a_sum_has_the_options_of_the_config_in_the_terms_that_take_them():
    asked = config("cross_entropy + 0.5*dice(smooth=1.0)", class_weights=(1.0, 2.0))
    expected = WeightedSum(
        (CrossEntropy((1.0, 2.0)), Dice(smooth=1.0)),
        (1.0, 0.5),
    )
    assert build_loss(asked, 2) == expected


def test_a_loss_of_weight_1_is_no_sum():
    assert build_loss(config("1*dice"), 2) == Dice()
    assert build_loss(config("2*dice"), 2) == WeightedSum((Dice(),), (2.0,))


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("task", ["binary", "multilabel"])
def test_every_loss_has_the_task_of_the_data(name, task):
    assert build_loss(config(name, task), 2).task == task


def test_rows_on_several_devices_are_not_cut_into_bands():
    asked = replace(config("dice + lovasz"), mesh=MeshConfig(spatial=2))
    assert [loss.bands for loss in build_loss(asked, 2).losses] == [1, 1]


def test_class_weights_come_from_the_frequencies():
    asked = config("dice + focal", class_balance="inverse")
    loss = build(asked, 3, COUNTED).loss
    assert loss.losses[1].class_weights == pytest.approx((2 / 3, 2, 0))
    check(asked)  # before they are known


def test_losses_of_sums_take_micro_batches():
    check(config("cross_entropy + dice + boundary", batch_size=4, accumulate=2))


@dataclass(frozen=True)
class Plain(Loss):
    """A loss of multiclass labels that has no options."""

    def __call__(self, logits, label, factor=None, prepared=None, align_corners=False):
        return jnp.mean(logits)


@dataclass(frozen=True)
class Tasked(Loss):
    """A loss of any task, which looks at the shapes that it is given."""

    task: str = "multiclass"

    def __call__(self, logits, label, factor=None, prepared=None, align_corners=False):
        planes = label.shape[3:]
        assert logits.shape[-1] == {"binary": 1, "multilabel": 2}[self.task]
        assert planes == ((2,) if self.task == "multilabel" else ())
        return jnp.mean(logits)


def test_a_users_loss_is_traced_with_the_shapes_of_its_task(monkeypatch):
    monkeypatch.setitem(LOSSES, "tasked", Tasked)
    for task in ("binary", "multilabel"):
        check(config("tasked", task))
    with pytest.raises(UserError, match="KeyError: 'multiclass'"):
        check(config("tasked"))


@pytest.mark.parametrize(
    "values, said",
    [
        ({"loss": "dice - focal"}, "unknown loss 'dice - focal'"),
        ({"loss": "cross-entropy"}, "Did you mean 'cross_entropy'"),
        ({"loss": "cross_entropy + dicee"}, "unknown loss 'dicee'"),
        ({"loss": "cross_entropy + 0*dice"}, "weight 0; a weight is a number above 0"),
        ({"loss": "dice(smooth=-1)"}, "option smooth of loss 'dice', -1: must be"),
        ({"loss": "dice(task='binary')"}, "'dice': its task is that of the data"),
        ({"loss": "dice(gamma=1)"}, "it has absent, bands, smooth, weights"),
        ({"loss": "ohem(threshold=0)"}, "option threshold of loss 'ohem', 0"),
        ({"loss": "binary_cross_entropy"}, "--train.loss cross_entropy is the softmax"),
        ({"loss": "dice(weights=(0.0, 0.0))"}, "loss 'dice': weights must not be all"),
        (
            {"loss": "dice", "class_weights": (1.0, 2.0)},
            "loss 'dice' has no option class_weights, which train.class_weights fills",
        ),
        (
            {"loss": "dice + lovasz", "label_smoothing": 0.1},
            "'dice' has no option label_smoothing, which train.label_smoothing fills",
        ),
        (
            {"loss": "dice + lovasz", "accumulate": 2},
            "loss 'lovasz' of a batch does not follow from sums over its parts",
        ),
        ({"class_balance": "inverted"}, "Did you mean 'inverse'"),
        (
            {"class_balance": "effective(beta=1.0)"},
            "option beta of class balance 'effective(beta=1.0)', 1.0: must be less",
        ),
        (
            {"class_balance": "median", "class_weights": (1.0, 2.0)},
            "train.class_weights and train.class_balance 'median': give one of them",
        ),
        (
            {"class_balance": "median", "loss": "dice"},
            "no option class_weights, which train.class_balance fills",
        ),
        (
            {
                "class_balance": "median",
                "loss": "focal(class_weights=(1.0, 2.0))",
            },
            "class_weights is given there and as train.class_balance",
        ),
    ],
)
def test_losses_that_fit_no_data_are_refused(values, said):
    with pytest.raises(UserError) as caught:
        check(config(**{"batch_size": 4, **values}))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "loss, task, said",
    [
        (
            "dice(weights=(1.0, 2.0))",
            "multiclass",
            "weights has 2 values for 3 classes",
        ),
        ("boundary(weights=(1.0, 2.0))", "binary", "weights has 2 values for 1 class"),
        (
            "binary_cross_entropy(pos_weight=(1.0, 2.0))",
            "multilabel",
            "pos_weight has 2 values for 3 classes",
        ),
        ("plain", "binary", "'plain' is a loss of multiclass labels"),
    ],
)
def test_weights_that_do_not_fit_the_classes_are_refused(loss, task, said, monkeypatch):
    monkeypatch.setitem(LOSSES, "plain", Plain)
    with pytest.raises(UserError, match=said):
        build_loss(config(loss, task), 3)
