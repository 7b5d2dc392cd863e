"""Reliability diagrams show what is known, whoever wrote the results."""

import re

import pytest

from jaxseg.report.reliability import reliability_figures

CURVE = {
    "confidence": [0.1, None, 0.9],
    "frequency": [0.2, None, 0.8],
    "pixels": [30, 0, 10],
}


def test_a_part_without_pixels_has_no_point():
    (figure,) = reliability_figures(
        {"task": "binary", "reliability": CURVE, "expected_calibration_error": 0.1}
    )
    assert figure.title == "The foreground"
    assert figure.remark == "calibration error 10.00%"
    assert figure.chart.count("<circle") == 2
    assert "said 10.0%, true 20.0%, 75% of the pixels" in figure.chart


def test_points_are_at_their_values():
    (figure,) = reliability_figures({"task": "multiclass", "reliability": CURVE})
    low, high = re.findall(r'cx="([\d.]+)" cy="([\d.]+)"', figure.chart)
    width, height = (float(high[0]) - float(low[0])) / 0.8, float(low[1]) / 0.8
    assert float(high[0]) == pytest.approx(0.9 * width, abs=0.2)
    assert float(high[1]) == pytest.approx(0.2 * height, abs=0.2)


def test_each_class_of_a_multilabel_run_has_a_diagram():
    figures = reliability_figures(
        {"task": "multilabel", "reliability": {"<a>": CURVE, "b": CURVE}}
    )
    assert [figure.title for figure in figures] == ["<a>", "b"]
    assert "<a>" not in figures[0].chart


@pytest.mark.parametrize(
    "found",
    [
        None,
        7,
        [],
        {},
        {"confidence": [0.5]},
        CURVE | {"pixels": [1]},
        CURVE | {"confidence": ["x", "y", None]},
        CURVE | {"frequency": None},
    ],
)
@pytest.mark.parametrize("task", ["binary", "multilabel", None])
def test_an_invalid_curve_is_left_out(found, task):
    assert reliability_figures({"task": task, "reliability": found}) == []
