"""How often classes occur, and the weights that follow."""

import numpy as np
import pytest

from jaxseg.config import DataConfig
from jaxseg.data import dataset
from jaxseg.data.catalog import open_dataset
from jaxseg.data.frequencies import ClassFrequencies, count_classes, parse_balance
from jaxseg.data.labels import IGNORE, LabelSet
from jaxseg.errors import UserError

LABELS = LabelSet(("a", "b", "c"))


def samples(*labels):
    return [{"label": np.array(label, np.uint8)} for label in labels]


def test_pixels_of_each_class_and_of_the_images_that_have_it():
    found = count_classes(
        samples([[0, 0, 1], [IGNORE, 0, 0]], [[0, 0], [0, IGNORE]]), LABELS
    )
    assert found == ClassFrequencies((7, 1, 0), (8, 5, 0), ((0, 1), (0,)))


def test_classes_that_overlap_are_counted_alone():
    planes = LabelSet(("a", "b"), task="multilabel")
    label = np.zeros((2, 3, 2), np.uint8)
    label[0, :, 0], label[1, 0, 0], label[1, 1, 1] = 1, IGNORE, 1
    found = count_classes(samples(label, np.zeros((1, 1, 2))), planes)
    assert found == ClassFrequencies((3, 1), (5, 6), ((0, 1), ()))


@pytest.mark.parametrize(
    "text, weights",
    [
        ("inverse", (100 / (2 * 80), 100 / (2 * 20), 0)),
        ("median", (0.65 / 0.8, 0.65 / 0.5, 0)),
        ("effective(beta=0)", (1, 1, 0)),
        ("effective(beta=0.9)", None),
    ],
)
def test_weights_by_frequency(text, weights):
    counted = ClassFrequencies((80, 20, 0), (100, 40, 0))
    found = parse_balance(text).weights(counted)
    if weights is None:
        inverse = np.array([0.1 / (1 - 0.9**80), 0.1 / (1 - 0.9**20)])
        weights = (*(2 * inverse / inverse.sum()), 0)
    assert found == pytest.approx(weights)


def test_few_pixels_weigh_in_inverse_proportion_whatever_their_number():
    found = parse_balance("effective(beta=0.999999999)").weights(
        ClassFrequencies((100, 300, 0), (400, 400, 0))
    )
    assert found == pytest.approx((1.5, 0.5, 0), rel=1e-6)


def test_written_frequencies_are_read_back(tmp_path):
    path = tmp_path / "counts.json"
    counted = ClassFrequencies((2**40, 0), (2**41, 0), ((0,), ()))
    path.write_text(counted.write())
    assert ClassFrequencies.read(path) == counted


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"pixels": [1], "around": [1, 2]}',
        '{"pixels": [-1], "around": [1]}',
        '{"pixels": [1.5], "around": [1]}',
        '{"pixels": 3, "around": 4}',
        '{"pixels": [1], "around": [1], "images": [[1]]}',
        '{"pixels": [1], "around": [1], "images": [0]}',
        "[" * 100_000,
    ],
)
def test_other_files_are_refused(tmp_path, text):
    path = tmp_path / "counts.json"
    path.write_text(text)
    with pytest.raises(UserError, match=r"counts\.json: not class frequencies"):
        ClassFrequencies.read(path)


def test_they_are_counted_once_and_kept_with_the_records(
    shapes_folder, tmp_path, monkeypatch
):
    config = DataConfig("folder", root=str(shapes_folder), cache=str(tmp_path))
    found = open_dataset(config).frequencies("train")
    assert sum(found.pixels) == 12 * 48 * 56
    (kept,) = tmp_path.glob("**/class_frequencies-*.json")
    assert ClassFrequencies.read(kept) == found
    text = kept.read_text()
    for spoiled in (text[:-5], text.replace("images", "earlier")):  # of no images
        kept.write_text(spoiled)
        assert open_dataset(config).frequencies("train") == found
    monkeypatch.setattr(dataset, "count_classes", None)
    assert open_dataset(config).frequencies("train") == found


@pytest.mark.parametrize(
    "now, said",
    [
        (ClassFrequencies((1, 2, 3), (6, 6, 6)), None),
        (ClassFrequencies((1, 4, 1), (6, 6, 6)), "4 pixels of class 'b', not 2"),
        (ClassFrequencies((1, 2, 3), (6, 6, 5)), "its classes are in other images"),
    ],
)
def test_a_difference_is_named(now, said):
    before = ClassFrequencies((1, 2, 3), (6, 6, 6))
    assert before.difference(now, LABELS.names) == said


def test_images_with_other_classes_are_a_difference_if_they_were_counted():
    counted, now = (
        ClassFrequencies((1, 1), (2, 2), images)
        for images in (((0,), (1,)), ((1,), (0,)))
    )
    assert counted.difference(now, LABELS.names) == "its classes are in other images"
    earlier = ClassFrequencies((1, 1), (2, 2))
    assert earlier.difference(now, LABELS.names) is None
