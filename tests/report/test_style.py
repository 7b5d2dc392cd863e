"""The style: one background, and text that can be read on it."""

import re

import analysis_figures
import numpy as np
import pytest

from jaxseg.report import lettering
from jaxseg.report.markup import render

STYLE = render("style.css.j2")
LIGHT, DARK = re.findall(r":root \{([^}]*)\}", STYLE)
THEMES = {"light": LIGHT, "dark": DARK}


def colour(theme: str, name: str) -> np.ndarray:
    """Return a colour of a theme, RGB 0..1."""
    value = re.search(rf"--{name}: ([^;\n]+?) *[;\n]", THEMES[theme] + ";\n")
    assert value, name
    text = value[1]
    if text.startswith("#"):
        found = [int(text[i : i + 2], 16) for i in (1, 3, 5)]
    else:
        found = [int(part) for part in text.split()]
    return np.array(found) / 255


def contrast(one: np.ndarray, other: np.ndarray) -> float:
    """Return the contrast ratio of WCAG 2."""
    levels = []
    for rgb in (one, other):
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        levels.append(linear @ (0.2126, 0.7152, 0.0722) + 0.05)
    return max(levels) / min(levels)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("name", ["ink", "soft", "accent", "error", "warning"])
def test_text_stands_out_from_the_paper(theme, name):
    assert contrast(colour(theme, name), colour(theme, "paper")) >= 4.5


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("share", [0, 0.25, 0.5, 0.75, 1])
def test_numbers_stand_out_from_every_cell_of_the_confusion_matrix(theme, share):
    cell = share * colour(theme, "heat") + (1 - share) * colour(theme, "paper")
    assert contrast(colour(theme, "ink"), cell) >= 4.5


@pytest.mark.parametrize("theme", THEMES)
def test_curves_and_chips_stand_out_from_the_paper(theme):
    keys = re.findall(r"\.k\d, \.k\d \{ --accent: ([\d ]+?) \}", STYLE)
    assert len(keys) == 4
    lines = [np.array([int(part) for part in key.split()]) / 255 for key in keys]
    for line in [*lines, colour(theme, "edge")]:
        assert contrast(line, colour(theme, "paper")) >= 3


def test_pages_pictures_and_figures_share_their_background():
    paper = tuple(round(255 * value) for value in colour("light", "paper"))
    assert paper == lettering.PAPER
    figure = analysis_figures.gridding([[1, 2]])
    assert tuple(round(255 * value) for value in figure.get_facecolor()[:3]) == paper


def test_a_page_has_one_background():
    found = set(re.findall(r"background: ?([^;}]+)", STYLE))
    surfaces = {value.strip() for value in found if "accent" not in value}
    # Rules are the lines of grids and the empty part of bars; heat is a cell's.
    assert surfaces == {"var(--paper)", "var(--rule)", "rgb(var(--heat) / var(--v))"}
