"""Colours of errors and ignored pixels differ from those of any palette."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxseg.data.labels import Colour, LabelSet, voc_palette
from jaxseg.report.marks import DARKENED, distances, marks_of

VALUE = st.integers(0, 255)
COLOURS = st.tuples(VALUE, VALUE, VALUE)
WARM = st.tuples(st.integers(221, 255), VALUE, VALUE)
GREY = VALUE.map(lambda value: (value, value, value))
NOTICED = 2.3  # CIE 1976 units: the least difference that eyes see
PALETTES = {
    "VOC": voc_palette(21),
    "as many as there can be": voc_palette(255),
    "greys": tuple((value, value, value) for value in range(255)),
    "steps of grey": tuple((value, value, value) for value in range(0, 256, 17)),
    "reds and yellows": tuple(
        (red, green, blue)
        for red in (221, 238, 255)
        for green in range(0, 256, 28)
        for blue in range(0, 256, 32)
    ),
}


def label_set(palette: list[Colour] | tuple[Colour, ...]) -> LabelSet:
    return LabelSet(tuple(str(index) for index in range(len(palette))), tuple(palette))


def least(labels: LabelSet) -> float:
    """Return how little a mark differs from a class, another mark or the image."""
    marks = marks_of(labels)
    own = np.array([marks.ignored, marks.wrong, marks.missed])
    dark = np.full((1, 3), DARKENED * 255)
    against = np.concatenate([labels.palette, own])
    between = distances(own, against)
    between[:, range(3), range(len(labels.palette), len(against))] = np.inf  # itself
    errors = distances(own[1:], dark)
    return float(min(between.min(), errors.min()))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.one_of(COLOURS, WARM, GREY), min_size=1, max_size=255, unique=True))
def test_marks_differ_from_the_classes_of_any_palette_for_everyone(palette):
    assert least(label_set(palette)) > NOTICED


@pytest.mark.parametrize("name", PALETTES)
def test_marks_differ_from_the_classes_of_a_full_palette(name):
    assert least(label_set(PALETTES[name])) > NOTICED


@settings(max_examples=40, deadline=None)
@given(st.lists(COLOURS, min_size=2, max_size=2, unique=True))
def test_marks_of_two_classes_are_told_apart_easily_by_everyone(palette):
    assert least(label_set(palette)) > 10


def test_the_usual_marks_are_grey_amber_and_violet():
    marks = marks_of(label_set(voc_palette(2)))
    assert marks.ignored == (224, 224, 224)
    assert marks.wrong == (255, 204, 0)
    red, green, blue = marks.missed
    assert blue == 255 and green < red < blue


def test_distances_are_those_of_the_cie():
    colours = np.array([(0, 0, 0), (255, 255, 255), (255, 0, 0)])
    found = distances(colours, colours)
    np.testing.assert_allclose(found[0, 0], [0, 100, 117.4], atol=0.2)
    np.testing.assert_allclose(found[0], found[0].T)


def test_red_and_green_look_alike_without_their_cones():
    red, green = np.array([(200, 60, 40)]), np.array([(110, 110, 10)])
    normal, without_red, without_green = distances(red, green)[:, 0, 0]
    assert without_green < 0.5 * normal
    assert without_red < normal
