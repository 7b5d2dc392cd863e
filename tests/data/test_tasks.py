"""A data set is of the task that was asked for, or is refused."""

import typing

import numpy as np
import pytest

from jaxseg.config import Config, DataConfig, TrainConfig
from jaxseg.data.labels import IGNORE, LabelSet, Task, num_logits
from jaxseg.data.sequences import SequenceDataset
from jaxseg.data.tasks import check_options, with_task
from jaxseg.errors import UserError


def dataset(task, count, planes=()):
    image, label = np.zeros((4, 5, 3), np.uint8), np.zeros((4, 5, *planes), np.uint8)
    names = tuple(f"class {index}" for index in range(count))
    labels = LabelSet(names, task=task)
    return SequenceDataset(labels, {"train": [(image, label)]}, name="mine")


def test_the_configuration_has_the_tasks_of_label_sets():
    kind = typing.get_type_hints(DataConfig)["task"]
    assert typing.get_args(kind) == typing.get_args(Task)


@pytest.mark.parametrize(
    "task, count, logits",
    [("multiclass", 5, 5), ("binary", 2, 1), ("multilabel", 5, 5)],
)
def test_a_model_has_a_logit_a_class_and_of_a_binary_task_one(task, count, logits):
    assert num_logits(task, count) == logits == dataset(task, count).labels.num_logits


def test_two_classes_are_a_binary_set_too():
    found = with_task(dataset("multiclass", 2), "binary")
    assert found.labels.task == "binary"
    assert found.samples("train")[0]["label"].shape == (4, 5)


@pytest.mark.parametrize(
    "given, count, asked",
    [
        ("multiclass", 3, "binary"),
        ("multiclass", 3, "multilabel"),
        ("binary", 2, "multiclass"),
        ("multilabel", 3, "multiclass"),
    ],
)
def test_labels_of_another_task_are_refused(given, count, asked):
    with pytest.raises(UserError, match=f"give --data.task {given}"):
        with_task(dataset(given, count), asked)


@pytest.mark.parametrize(
    "names, task, said",
    [
        (("a", "b", "c"), "binary", "a binary label set of 3 names"),
        (("a",), "multilabel", "of one class: make it a binary set"),
    ],
)
def test_a_label_set_has_the_names_of_its_task(names, task, said):
    with pytest.raises(UserError, match=said):
        LabelSet(names, task=task)


def test_no_class_of_a_multilabel_set_is_black():
    assert (0, 0, 0) not in LabelSet(("a", "b"), task="multilabel").palette


def test_a_sequence_may_have_a_plane_a_class():
    sample = dataset("multilabel", 3, (3,)).samples("train")[0]
    assert sample["label"].shape == (4, 5, 3)


@pytest.mark.parametrize(
    "planes, said", [((), r"must be \[4, 5, 3\]"), ((2,), r"must be \[4, 5, 3\]")]
)
def test_a_sequence_of_other_planes_is_refused(planes, said):
    with pytest.raises(UserError, match=said):
        dataset("multilabel", 3, planes).samples("train")


def test_a_plane_holds_0_1_and_ignored():
    labels = LabelSet(("a", "b"), task="multilabel")
    planes = np.array([[[0, 1], [IGNORE, 1]]])
    np.testing.assert_array_equal(labels.encode(planes), planes)
    with pytest.raises(UserError, match="mask value 2 in the plane of a class"):
        labels.encode(planes + np.array([2, 0]))


@pytest.mark.parametrize("name", ["mask_bits", "absent_masks"])
def test_options_of_multilabel_masks_are_refused_elsewhere(name):
    config = Config(data=DataConfig(**{name: True}))
    with pytest.raises(UserError, match="give --data.task multilabel as well"):
        check_options(config)


def test_border_weights_are_of_one_foreground():
    train, data = TrainConfig(border_weight=5.0), DataConfig(task="multilabel")
    with pytest.raises(UserError, match="give --train.border_weight 0"):
        check_options(Config(train=train, data=data))
