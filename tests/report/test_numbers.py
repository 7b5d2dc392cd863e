"""The headline metrics claim no more than was measured."""

import re

import pytest

from jaxseg.report.numbers import numbers, one_class_remark

SUMMARY = {
    "miou": 1.0,
    "mean_dice": 1.0,
    "per_class_iou": {"background": 1.0, "nucleus": None},
    "confusion": [[9, 0], [0, 0]],
}


def text(summary):
    return re.sub("<[^>]+>", " ", numbers(summary)).split()


def test_a_metric_over_one_class_is_no_headline_and_has_a_warning():
    page = numbers(SUMMARY)
    assert 'class="main"' not in page
    assert " ".join(text(SUMMARY)).startswith("Mean IoU 100.0 % one class only")
    assert page.count("one class only") == 2, "beside each share that there is"


def test_a_metric_over_two_classes_is_a_headline():
    page = numbers(SUMMARY | {"confusion": [[9, 0], [1, 3]]})
    assert '<div class="main"><dt>Mean IoU</dt><dd>100.0' in page
    assert "one class" not in page


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({}, "background"),
        ({"confusion": [[5, 4], [0, 0]]}, "background"),  # predicted, never there
        ({"confusion": [[0, 0], [2, 7]]}, "nucleus"),
        ({"confusion": None}, "background"),
        ({"confusion": [[1, 0], [0, 1]]}, None),
        ({"confusion": [[0, 0], [0, 0]]}, None),
        ({"confusion": None, "per_class_iou": {"a": 0.5, "b": 0.0}}, None),
        ({"per_class_iou": None}, None),
        ({"per_class_iou": {}, "confusion": []}, None),
        ({"per_class_iou": 3, "confusion": "x"}, None),
        ({"confusion": [["x", 1], 7]}, "background"),
    ],
)
def test_the_one_class_that_occurs_is_named(change, name):
    remark = one_class_remark(SUMMARY | change)
    assert (remark is None) == (name is None)
    if name is not None:
        assert remark.startswith(f"Only one class, {name}, occurs in the labels")


def test_the_best_step_stands_beside_the_last():
    shown = " ".join(text({"step": 20, "trained_steps": 60, "parameters": 1_680_000}))
    assert "Best step 20 of 60 Parameters 1.68 M" in shown
    assert "Best step 20 Parameters" in " ".join(text({"step": 20}))


BINARY = {
    "task": "binary",
    "miou": 0.8,
    "iou": 0.7,
    "dice": 0.82,
    "roc_auc": 0.9876,
    "average_precision": None,
    "threshold": 0.37,
    "expected_calibration_error": 0.0123,
    "per_class_iou": {"background": 0.9, "nucleus": 0.7},
    "confusion": [[9, 1], [1, 3]],
}


def test_a_binary_run_is_headed_by_its_foreground():
    page = numbers(BINARY)
    assert '<div class="main"><dt>Foreground IoU</dt><dd>70.0' in page
    assert page.count('class="main"') == 1
    said = " ".join(text(BINARY))
    assert "ROC-AUC 0.9876 Average precision – Threshold 0.37" in said
    assert "Calibration error 1.23 %" in said


def test_a_foreground_that_never_occurs_is_no_headline():
    confusion = {"confusion": [[9, 0], [0, 0]], "iou": None}
    page = numbers(BINARY | confusion)
    assert 'class="main"' not in page
    assert one_class_remark(BINARY | confusion).startswith("Only one class, background")


def test_thresholds_of_several_classes_are_shown_as_a_range():
    given = {"a": 0.25, "b": 0.5, "c": 0.3}
    said = " ".join(text(BINARY | {"task": "multilabel", "threshold": given}))
    assert "Threshold 0.25 to 0.5" in said


def test_a_multilabel_run_has_no_remark_on_one_class():
    counts = [[[9, 0], [1, 2]], [[12, 0], [0, 0]]]
    assert (
        one_class_remark(BINARY | {"task": "multilabel", "confusion": counts}) is None
    )
