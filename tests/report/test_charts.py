"""Curves: the positions of their points, and the labels of the axes."""

import re
import xml.etree.ElementTree as ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxseg.report.charts import Line, line_chart, thinned

SHARES = st.floats(0, 1, allow_subnormal=True)
SIZES = st.floats(-1e30, 1e30, exclude_min=True, exclude_max=True)


def axis(svg: str) -> list[str]:
    """Return what is written at the levels."""
    return [
        text.text or ""
        for text in ElementTree.fromstring(svg).iterfind("*[@class='y']")
    ]


def per_cents(values: list[float]) -> list[float]:
    chart = line_chart([Line(range(len(values)), values)], "IoU", percent=True)
    return [float(text.removesuffix("%")) for text in axis(chart)]


@given(st.lists(SHARES, min_size=1, max_size=6))
def test_an_axis_of_shares_holds_them_and_stays_within_0_and_100_per_cent(values):
    levels = per_cents(values)
    assert levels == sorted(set(levels)), "no level twice"
    assert 0 <= levels[0] <= 100 * min(values) + 1e-4
    assert 100 * max(values) - 1e-4 <= levels[-1] <= 100


@pytest.mark.parametrize(
    ("values", "ends"),
    [
        ([1.0], (94, 100)),
        ([0.0], (0, 6)),
        ([0.0, 1.0], (0, 100)),
        ([0.97, 0.98], (94, 100)),
        ([1.0, 1.0 + 1e-15], (94, 100)),
        ([0.5, 1.5], (40, 100)),  # no share: cut off
    ],
)
def test_shares_near_the_ends_have_an_axis_that_ends_there(values, ends):
    levels = per_cents(values)
    assert (levels[0], levels[-1]) == ends


@given(st.lists(SIZES, min_size=1, max_size=6))
def test_an_axis_holds_numbers_of_any_size(values):
    svg = line_chart([Line(range(len(values)), values)], "loss")
    heights = [y for _, y in points(svg, "line")]
    assert len(heights) == len(values)
    assert all(-0.2 <= y <= 156.2 for y in heights)
    assert len(set(axis(svg))) == len(axis(svg)) >= 3


@pytest.mark.parametrize(
    ("value", "levels"),
    [
        (0.001, ["0", "0.0005", "0.001", "0.0015", "0.002"]),
        (0.0, ["0", "0.25", "0.5", "0.75", "1"]),
        (1e-5, ["0", "5e-6", "1e-5", "1.5e-5", "2e-5"]),
    ],
)
def test_a_constant_lies_on_an_axis_from_zero(value, levels):
    assert axis(line_chart([Line([1, 2], [value, value])], "rate")) == levels


@pytest.mark.parametrize(
    ("last", "words"),
    [
        (1, ["0", "1"]),
        (9000, ["0", "2500", "5000", "7500"]),
        (90_000, ["0", "25k", "50k", "75k"]),
        (2_000_000, ["0", "0.5M", "1M", "1.5M", "2M"]),
    ],
)
def test_steps_are_written_short(last, words):
    svg = line_chart([Line([last], [1.0])], "loss")
    found = ElementTree.fromstring(svg).iterfind("*[@class='x']")
    assert [text.text for text in found] == words


def test_the_mean_of_neighbours_passes_over_gaps():
    steps, values = thinned([1, 2, 3, 4, 5], [1.0, None, None, None, 7.0], most=3)
    assert (steps, values) == ([2, 4, 5], [1.0, None, 7.0])


def points(svg: str, style: str) -> list[tuple[float, float]]:
    found = ElementTree.fromstring(svg).iterfind(f".//path[@class='{style}']")
    text = "".join(element.attrib["d"] for element in found)
    return [
        (float(x), float(y)) for x, y in re.findall(r"[ML]([-\d.]+) ([-\d.]+)", text)
    ]


def test_a_curve_rises_where_its_values_do():
    (x0, y0), (x1, y1), (x2, y2) = points(
        line_chart([Line([0, 50, 100], [0.0, 1.0, 0.5])], "loss"), "line"
    )
    assert (x0, x2) == (0, 2 * x1)
    assert y1 == 0, "the largest value is at the top"
    assert y0 == 2 * y2


def test_a_lost_value_leaves_a_gap():
    svg = line_chart([Line([1, 2, 3, 4], [0.1, None, 0.3, 0.4])], "loss")
    (path,) = ElementTree.fromstring(svg).iterfind(".//path[@class='line']")
    assert re.findall("[ML]", path.attrib["d"]) == ["M", "M", "L"]


def test_shares_are_written_in_per_cent():
    svg = line_chart([Line([1, 2], [0.0, 0.5])], "IoU", percent=True)
    texts = [element.text for element in ElementTree.fromstring(svg).iter("text")]
    assert texts[:6] == ["0%", "20%", "40%", "60%", "0", "1"]
    assert "step 2: 50.00%" in svg


def test_a_long_curve_is_thinned_to_means():
    steps = list(range(1, 3001))
    curve = points(line_chart([Line(steps, [1.0, 3.0] * 1500)], "loss"), "line")
    assert len(curve) == 300
    assert len({y for _, y in curve}) == 1


def test_what_exceeds_the_top_leaves_the_axes():
    svg = line_chart([Line([1, 2, 3], [100.0, 1.0, 0.0])], "loss", top=1.0)
    (_, above), (_, at_the_top), _ = points(svg, "line")
    assert above < 0
    assert at_the_top == 0


def test_steps_are_counted_in_whole_numbers():
    svg = line_chart([Line([1, 2], [0.5, 0.6])], "loss")
    steps = [
        text.text for text in ElementTree.fromstring(svg).iterfind("*[@class='x']")
    ]
    assert steps == ["0", "1", "2"]
