"""The curves of a run's metrics, however odd these are."""

import math
import re

import pytest

from jaxseg.report.curves import (
    curve_of,
    finite,
    learning_curves,
    settled_top,
    smoothed,
)


def records(split, name, values):
    return [
        {"step": step, "split": split, name: value}
        for step, value in enumerate(values, start=1)
    ]


@pytest.mark.parametrize(
    "value", [None, "1", math.nan, math.inf, -math.inf, 10**400, 1e30, -1e300, [1]]
)
def test_values_that_cannot_be_drawn_give_no_figure(value):
    assert finite(value) is None
    assert curve_of(records("val", "miou", [value]), "val", "miou") is None


def test_a_value_that_is_too_large_leaves_a_gap():
    curve = curve_of(records("train", "loss", [2.0, 1e308, 1.0]), "train", "loss")
    assert curve == ([1, 2, 3], [2.0, None, 1.0])


def test_the_mean_passes_over_gaps():
    assert smoothed([1.0, None, 3.0, None, None, None], 3) == [
        1.0,
        2.0,
        3.0,
        3.0,
        None,
        None,
    ]


def test_a_loss_is_cut_off_where_it_began_high_and_nowhere_else():
    settled = [1.0] * 100
    assert settled_top([1e4, 1e3, *settled]) == 1.0
    assert settled_top([1e4, 1.0]) == 1e4, "few values are shown whole"
    assert settled_top([*settled, *[5.0] * 30]) == 5.0, "a loss that rises is seen"


def test_one_point_is_a_dot():
    [figure] = learning_curves(records("val", "miou", [1.0]))
    assert figure.chart.count("<circle") == 1
    assert figure.remark == "best 100.0%, step 1"
    assert "125%" not in figure.chart


def test_a_long_run_is_drawn_with_few_points():
    values = [1 / step for step in range(1, 100_001)]
    [figure] = learning_curves(records("train", "loss", values))
    words = re.findall(r' d="(M[^"]*L[^"]*)"', figure.chart)
    assert len(words) == 2, "the smoothed curve and what lies behind it"
    assert all(path.count("L") <= 300 for path in words)
    assert "100k" in figure.chart
