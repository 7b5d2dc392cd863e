"""The table of boundaries, and the report's text on single images."""

import re

import numpy as np

from jaxseg.data.labels import LabelSet
from jaxseg.report.boundaries import boundary_table
from jaxseg.report.per_image import per_image_line, with_scores
from jaxseg.report.sheets import comparison

LABELS = LabelSet(("sky", "road & <path>"), ((1, 2, 3), (4, 5, 6)))
SUMMARY = {
    "boundary_iou": 0.5,
    "per_class_boundary_iou": {"sky": 0.25, "road & <path>": 0.75},
    "boundary_f1": 0.8,
    "per_class_boundary_f1": {"sky": 0.7, "road & <path>": 0.9},
    "hausdorff95": 12.3456,
    "per_class_hausdorff95": {"sky": None, "road & <path>": 12.3456},
    "average_surface_distance": 3.0,
    "per_class_average_surface_distance": {"sky": None, "road & <path>": 3.0},
    "surface_images": {
        "sky": {"both": 0, "label_only": 2, "prediction_only": 1},
        "road & <path>": {"both": 4, "label_only": 0, "prediction_only": 0},
    },
    "per_image": {"mean_iou": {"mean": 0.625, "median": 0.65}},
    "worst_images": [{"name": "a", "score": 0.125}, {"name": "b", "score": 0.25}],
}


def cells(row):
    return re.findall(r"<td>(.*?)</td>", row)


def test_every_class_has_its_measures_and_the_images_that_they_are_of():
    table = boundary_table(SUMMARY, LABELS)
    _, sky, road, mean = re.findall(r"<tr>.*?</tr>", table, re.DOTALL)
    assert cells(sky) == ["25.0", "70.0", "\N{EN DASH}", "\N{EN DASH}", "0", "2", "1"]
    assert cells(road) == ["75.0", "90.0", "12.35", "3.00", "4", "0", "0"]
    assert cells(mean)[:4] == ["50.0", "80.0", "12.35", "3.00"]
    assert "road &amp; &lt;path&gt;" in road and "rgb(4, 5, 6)" in road


def test_without_measures_of_boundaries_there_is_no_table():
    assert boundary_table({}, LABELS) == ""
    assert boundary_table({"per_class_boundary_iou": 3}, LABELS) == ""


def test_missing_measures_are_dashes():
    table = boundary_table({"per_class_boundary_iou": {"sky": "x"}}, LABELS)
    assert table.count("<td>\N{EN DASH}</td>") == 4 + 3 + 4


def test_mean_and_median_over_the_images_are_shown():
    said = "Mean over the images: mean IoU 62.5 % (median 65.0 %)."
    assert per_image_line(SUMMARY) == said
    assert per_image_line({"per_image": {"mean_iou": {"mean": None}}}) == ""
    assert per_image_line({}) == ""


def test_the_worst_images_are_headed_by_their_scores():
    mask = np.zeros((4, 4), int)
    sheet = comparison(np.zeros((4, 4, 3), np.uint8), mask, mask, LABELS)
    found = with_scores(SUMMARY, {"a": sheet, "b_2": sheet, "c": sheet})
    assert list(found) == ["a, mean IoU 12.5 %", "b_2, mean IoU 25.0 %", "c"]
    binary = with_scores(SUMMARY | {"task": "binary"}, {"a": sheet})
    assert list(binary) == ["a, foreground IoU 12.5 %"]
