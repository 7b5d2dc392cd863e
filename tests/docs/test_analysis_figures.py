"""Figures of the analyses: what is drawn where, and that the docs' files are there."""

import importlib.util
import io
import sys
from pathlib import Path

import numpy as np
import pytest
from analysis_figures import (
    LEAST,
    FieldPanel,
    checkerboards,
    gridding,
    receptive_fields,
)
from PIL import Image

from jaxseg.analysis.checkerboard import Score
from jaxseg.analysis.receptive_field import EffectiveField, ReceptiveField

FIGURES = Path(__file__).parents[2] / "docs" / "figures"


def drawn(figure):
    file = io.BytesIO()
    figure.savefig(file, dpi=50)
    return np.asarray(Image.open(file).convert("RGB"))


def words(plot):
    return [text.get_text() for text in plot.texts]


def test_receptive_fields_are_boxed_where_they_are():
    influence = np.zeros((40, 40))
    influence[20, 18:21] = 1
    middle = np.arange(40)
    rows = ReceptiveField(middle - 5, middle + 4, 40)
    columns = ReceptiveField(middle - 9, middle + 10, 40)
    panel = FieldPanel("a net", EffectiveField(influence), rows, columns)
    figure = receptive_fields([panel, panel])
    assert len(figure.axes) == 2
    theory, held = figure.axes[0].patches
    assert theory.get_bbox().bounds == (10.5, 14.5, 20, 10)
    assert held.get_bbox().bounds == (17.5, 18.5, 3, 3)
    assert words(figure.axes[0]) == ["theory 20 px, 95% in 3 px"]
    assert drawn(figure).std() > 0


def test_gridding_leaves_unread_pixels_white():
    figure = gridding([(2, 2), (1, 2)])
    left, right = (np.asarray(plot.images[0].get_array()) for plot in figure.axes)
    assert left.shape == (9, 9)
    assert ((left > 0).sum(), (right > 0).mean()) == (25, 1)
    assert words(figure.axes[0]) == ["31% of 9 x 9 pixels read"]
    assert drawn(figure).std() > 0


def test_checkerboards_show_each_seed_and_a_flat_answer_as_flat():
    score = Score(np.array([0.5, 0.7]), np.array([0.1, 0.2]))
    trained = Score(np.array([0.0, 1e-3]), np.array([0.1, 0.1]))
    responses = {"flat": np.full((4, 4), 2.0), "striped": np.eye(4)}
    scores = {"one": (score, trained), "two": (score, score)}
    figure = checkerboards(responses, scores, 50)
    flat, striped, constant, smooth = figure.axes
    assert np.ptp(flat.images[0].get_array()) == 0
    assert np.ptp(striped.images[0].get_array()) == 1
    before, after = (np.asarray(dots.get_offsets()) for dots in constant.collections)
    assert before.tolist() == [[0.5, 0], [0.7, 0], [0.5, 1], [0.7, 1]]
    assert after[:2].tolist() == [[LEAST, 0], [1e-3, 0]]
    labels = [label.get_text() for label in constant.get_yticklabels()]
    assert labels == ["one", "two"]
    assert "smooth" in smooth.get_title(loc="left")
    assert drawn(figure).std() > 0


@pytest.fixture
def make(monkeypatch):
    """The script that draws the docs' figures, as a module."""
    spec = importlib.util.spec_from_file_location("make_figures", FIGURES / "make.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "make_figures", module)
    monkeypatch.setattr(sys, "path", list(sys.path))
    spec.loader.exec_module(module)
    return module


def test_every_figure_of_the_docs_is_there_and_small(make):
    for name in make.FIGURES:
        assert (FIGURES / f"{name}.png").stat().st_size < 150_000, name


def test_the_docs_script_refuses_an_unknown_figure(make, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["make.py", "griding"])
    with pytest.raises(SystemExit):
        make.main()
    assert "no figure griding" in capsys.readouterr().err
