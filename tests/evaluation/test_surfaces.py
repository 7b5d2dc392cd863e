"""Boundaries: values by hand, by MONAI, by brute force; ignored pixels are unseen."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from surface_cases import CASES, box

from jaxseg.data.labels import IGNORE
from jaxseg.evaluation.surfaces import (
    MEASURES,
    SurfaceOptions,
    Surfaces,
    measure_image,
)

NAN = float("nan")
GOLDEN = json.loads(Path(__file__).with_name("golden_surfaces.json").read_text())
OPTIONS = SurfaceOptions(ratio=0.1, tolerance=1.0)


def measured(label, prediction, options=OPTIONS, ignored=None):
    """Return the measures of a foreground by name, and where it has a boundary."""
    label = np.asarray(label).astype(np.uint8)
    if ignored is not None:
        label = np.where(ignored, np.uint8(IGNORE), label)
    prediction = np.asarray(prediction).astype(np.uint8)
    ((*values, said, predicted),) = measure_image(
        label, prediction, "binary", 2, options
    )
    found = dict(zip(MEASURES, values, strict=True))
    return found | {"present": (bool(said), bool(predicted))}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("measure", ["hausdorff95", "average_surface_distance"])
def test_distances_equal_monais(name, measure):
    found = measured(*CASES[name])[measure]
    assert found == pytest.approx(GOLDEN[name][measure], rel=2e-6)


def test_two_squares_by_hand():
    # Of 3 x 3 pixels each, the second two columns further right; all but the middle
    # pixel is boundary.
    label, prediction = np.zeros((2, 9, 9), bool)
    label[3:6, 2:5], prediction[3:6, 4:7] = True, True
    found = measured(label, prediction, SurfaceOptions(ratio=0.01, tolerance=1.0))
    # Bands of one pixel: both middle pixels lie outside of them.
    assert found["boundary_iou"] == 3 / 13
    # The shared column is 0 away, the next (2 pixels) and the last (3 pixels) 1 and 2.
    assert found["boundary_f1"] == pytest.approx(5 / 8)
    assert found["average_surface_distance"] == (2 * 1 + 3 * 2) / 8
    assert found["hausdorff95"] == 2
    assert found["present"] == (True, True)


def test_a_class_in_only_one_mask_has_no_distance_and_scores_0():
    label, empty = box(3, 3, 9, 9), np.zeros((40, 60), bool)
    for pair, present in (((label, empty), (1, 0)), ((empty, label), (0, 1))):
        found = measured(*pair)
        assert (found["boundary_iou"], found["boundary_f1"]) == (0, 0)
        assert np.isnan([found[name] for name in MEASURES[2:]]).all()
        assert found["present"] == present


def test_a_class_in_neither_mask_has_no_measure():
    found = measured(np.zeros((9, 9)), np.zeros((9, 9)))
    assert found["present"] == (False, False)
    assert np.isnan([found[name] for name in MEASURES]).all()


masks = hnp.arrays(np.uint8, (7, 8), elements=st.sampled_from([0, 0, 1, 1, 1, IGNORE]))


@settings(max_examples=60, deadline=None)
@given(
    masks, masks, st.sampled_from([0.05, 0.2, 0.4]), st.sampled_from([0.0, 1.0, 2.3])
)
def test_measures_equal_those_by_brute_force(label, prediction, ratio, tolerance):
    ignored = label == IGNORE
    options = SurfaceOptions(ratio, tolerance)
    found = measured(label, prediction == 1, options)
    reach = options.width(label.shape)
    regions = [label == 1, (prediction == 1) & ~ignored]
    edges = [rim(region, ignored, 1, cross=True) for region in regions]
    bands = [rim(region, ignored, reach) for region in regions]
    union = len(bands[0] | bands[1])
    same(found["boundary_iou"], len(bands[0] & bands[1]) / union if union else NAN)
    assert found["present"] == (bool(edges[0]), bool(edges[1]))
    if not all(edges):
        same(found["boundary_f1"], 0.0 if any(edges) else NAN)
        return
    near = [
        [min(np.hypot(a - c, b - d) for c, d in other) for a, b in edge]
        for edge, other in (edges, edges[::-1])
    ]
    recall, precision = (np.mean(np.array(each) <= tolerance) for each in near)
    both = precision + recall
    same(found["boundary_f1"], 2 * precision * recall / both if both else 0.0)
    same(found["average_surface_distance"], np.mean(near[0] + near[1]))
    same(found["hausdorff95"], max(np.percentile(each, 95) for each in near))


def rim(region, ignored, reach, cross=False):
    """The pixels of a region near a pixel that is counted and outside, or no pixel."""
    height, width = region.shape
    found = set()
    steps = list(itertools.product(range(-reach, reach + 1), repeat=2))
    steps = [(a, b) for a, b in steps if not cross or not a or not b]
    for row, column in zip(*np.nonzero(region), strict=True):
        for a, b in steps:
            y, x = row + a, column + b
            inside = 0 <= y < height and 0 <= x < width
            if not inside or not (region[y, x] or ignored[y, x]):
                found.add((int(row), int(column)))
    return found


def same(found, expected):
    assert found == pytest.approx(expected, rel=1e-12, nan_ok=True)


def test_what_is_ignored_makes_no_boundary_and_hides_what_is_predicted():
    # The label's square ends at an ignored stripe; the prediction goes on into it.
    label, prediction = box(10, 10, 20, 20), box(10, 10, 20, 26)
    stripe = box(0, 20, 40, 30)
    found = measured(label, prediction, ignored=stripe)
    assert (found["boundary_iou"], found["boundary_f1"]) == (1, 1)
    assert found["hausdorff95"] == found["average_surface_distance"] == 0
    # Behind the stripe the prediction differs: 10 columns of the square are away.
    assert measured(label, prediction)["hausdorff95"] > 3


def test_regions_that_end_behind_what_is_ignored_have_three_sides_by_hand():
    # Two bars that run into the ignored right half: two long sides and an end each.
    label, prediction = box(10, 10, 20, 60), box(12, 10, 20, 60)
    found = measured(label, prediction, ignored=box(0, 30, 40, 60))
    # Of the 20 + 20 + 8 pixels of the label, the upper side is 2 away from the other's,
    # and one pixel of the end 1.  Of the 20 + 20 + 6 of the prediction, the upper side
    # is away from the label's upper side by 2, and from its end by its own columns.
    apart = [2] * 20 + [1] + [0, 1] + [2] * 18
    same(found["average_surface_distance"], sum(apart) / (48 + 46))


def test_what_is_predicted_where_the_label_is_ignored_changes_nothing():
    label, rng = box(10, 10, 30, 40), np.random.default_rng(0)
    ignored = box(5, 30, 25, 50)
    prediction = box(11, 12, 31, 40)
    other = np.where(ignored, rng.random(label.shape) < 0.5, prediction)
    assert measured(label, prediction, ignored=ignored) == measured(
        label, other, ignored=ignored
    )


def test_an_image_that_is_ignored_whole_has_no_measure():
    everything = np.ones((40, 60), bool)
    found = measured(box(3, 3, 9, 9), box(3, 3, 9, 9), ignored=everything)
    assert np.isnan([found[name] for name in MEASURES]).all()


def test_the_bands_have_a_share_of_the_diagonal_and_at_least_a_pixel():
    assert SurfaceOptions(ratio=0.02).width((300, 400)) == 10
    assert SurfaceOptions(ratio=0.02).width((3, 4)) == 1


def test_each_class_is_measured_the_background_too():
    label, prediction = np.zeros((2, 20, 20), np.uint8)
    label[5:15, 5:15], prediction[5:15, 7:17] = 2, 2
    found = measure_image(label, prediction, "multiclass", 4, OPTIONS)
    for index in (0, 2):
        expected = measured(label == index, prediction == index)
        assert found[index, :4].tolist() == [expected[name] for name in MEASURES]
    assert np.isnan(found[[1, 3], :4]).all()
    assert found[:, 4:].tolist() == [[1, 1], [0, 0], [1, 1], [0, 0]]


def test_planes_are_measured_each_with_what_is_ignored_in_it():
    rng = np.random.default_rng(0)
    label = rng.choice([0, 1, 1, IGNORE], (12, 14, 3)).astype(np.uint8)
    prediction = rng.integers(0, 2, (12, 14, 3), dtype=np.uint8)
    found = measure_image(label, prediction, "multilabel", 3, OPTIONS)
    for plane in range(3):
        expected = measured(label[..., plane], prediction[..., plane])
        assert found[plane, :4].tolist() == [expected[name] for name in MEASURES]


def test_means_are_over_the_images_that_have_a_measure_then_over_the_classes():
    values = np.full((3, 3, 6), NAN)
    values[..., 4:] = 0
    values[0, 0] = 0.5, 0.75, 2, 1, 1, 1
    values[1, 0] = 0.0, 0.0, NAN, NAN, 1, 0
    values[2, 1] = 1.0, 0.25, 6, 3, 1, 1
    found = Surfaces(values).summary(["a", "b", "c"])
    assert found["per_class_boundary_iou"] == {"a": 0.25, "b": 1.0, "c": None}
    assert found["boundary_iou"] == 0.625
    assert found["per_class_hausdorff95"] == {"a": 2.0, "b": 6.0, "c": None}
    assert found["hausdorff95"] == 4.0
    assert found["average_surface_distance"] == 2.0
    assert found["surface_images"] == {
        "a": {"both": 1, "label_only": 1, "prediction_only": 0},
        "b": {"both": 1, "label_only": 0, "prediction_only": 0},
        "c": {"both": 0, "label_only": 0, "prediction_only": 0},
    }


def test_only_the_foreground_of_a_binary_task_is_named():
    found = Surfaces(np.ones((2, 1, 6)), "binary").summary(["background", "cell"])
    assert found["per_class_boundary_f1"] == {"cell": 1.0}


def test_a_label_whose_boundary_is_hidden_by_ignored_pixels_does_not_count():
    label = np.zeros((12, 12), np.uint8)
    label[3:9, 3:9] = IGNORE
    label[4:8, 4:8] = 1
    prediction = np.zeros_like(label)
    prediction[4:8, 4:6] = 1
    options = SurfaceOptions(ratio=1e-6)  # bands as narrow as a pixel
    (found,) = measure_image(label, prediction, "binary", 2, options)
    assert np.isnan(found[:4]).all() and (found[4:] == 0).all()
